"""From cells to what a camera records: bodies, surfaces, optics, noise."""
