"""What every command shares with the terminal: parsing, talking, progress, being stopped, threads."""
