"""What all docks are made of: forms from settings, charts, tables, status lines, colours of the theme, keys."""
