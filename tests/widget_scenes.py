"""Small movies for the tests of the viewer."""

from __future__ import annotations

import numpy as np

N_FRAMES = 6
SHAPE = (48, 64)


def drifting_discs(n_frames=N_FRAMES, shape=SHAPE):
    """Return a movie (T, Y, X) uint16 and its true labels: 3 and 9."""
    yy, xx = np.mgrid[: shape[0], : shape[1]]
    truth = np.zeros((n_frames, *shape), np.uint16)
    for t in range(n_frames):
        truth[t][(yy - 16) ** 2 + (xx - 14 - t) ** 2 < 64] = 3
        truth[t][(yy - 32) ** 2 + (xx - 44 + t) ** 2 < 49] = 9
    noise = np.random.default_rng(0).integers(90, 110, truth.shape)
    return ((truth > 0) * 800 + noise).astype(np.uint16), truth


def seeds_on(truth, *frames):
    """Return a stack with the truth on some frames only."""
    seeds = np.zeros_like(truth)
    for t in frames:
        seeds[t] = truth[t]
    return seeds
