"""Small movies of bright discs that divide, with the truth."""

from __future__ import annotations

import numpy as np

__all__ = ["apart", "disc", "dividing_movie"]

SHAPE = (112, 144)


def disc(y: float, x: float, radius: float, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    """Return a disc (Y, X) bool."""
    yy, xx = np.mgrid[: shape[0], : shape[1]]
    return (yy - y) ** 2 + (xx - x) ** 2 < radius**2


def apart(n_frames: int, divides_at: int) -> list[float]:
    """Return the distance of the daughters' centres on every frame; 0 before the division."""
    return [0.0 if t < divides_at else min(40.0, 20.0 + 4 * (t - divides_at)) for t in range(n_frames)]


def dividing_movie(distances: list[float], *, radius: float = 12.0) -> tuple[np.ndarray, np.ndarray]:
    """Return frames (T, Y, X) float32 and labels (T, Y, X) uint16.

    Object 1 lies on the left; from the first distance above 0 it is objects 3 (above) and 4 (below), so far apart.
    Object 2 on the right does not divide.
    """
    rng = np.random.default_rng(0)
    labels = np.zeros((len(distances), *SHAPE), np.uint16)
    for t, distance in enumerate(distances):
        labels[t][disc(56, 110, radius)] = 2
        if distance:
            small = radius * 0.8
            labels[t][disc(56 - distance / 2, 42, small)] = 3
            labels[t][disc(56 + distance / 2, 42, small) & (labels[t] == 0)] = 4
        else:
            labels[t][disc(56, 42, radius)] = 1
    texture = rng.normal(0, 0.05, labels.shape)
    frames = 0.1 + 0.8 * (labels > 0) + texture
    return frames.astype(np.float32), labels
