"""Saving and opening everything that a viewer holds of a movie: one file for movie, labels, session and settings."""
