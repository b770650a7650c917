"""Layers of the viewer as movies, seeds and results, and docks that look into a result."""
