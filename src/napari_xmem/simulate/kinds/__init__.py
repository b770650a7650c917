"""The kinds of movie, a file for each family."""
