"""Layers of the viewer as movies, seeds and results."""
