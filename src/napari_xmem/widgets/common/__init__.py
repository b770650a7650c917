"""What all docks share: forms, charts, tables, theme, keys, wording."""
