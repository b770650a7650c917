"""Frames on which nothing is seen at all: everybody is lost at once, and comes back."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

import napari_xmem as nx

PLACES = ((30, 30), (30, 80), (80, 40), (80, 90))


def movie(n_dark: int, value: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    yy, xx = np.mgrid[:120, :120]
    labels = np.zeros((120, 120), np.uint16)
    frame = np.zeros((120, 120), np.float32)
    for number, (y, x) in enumerate(PLACES, 1):
        inside = np.hypot(yy - y, xx - x) < 10
        labels[inside], frame[inside] = number, 0.7 + 0.1 * number
    frames = np.stack([ndimage.gaussian_filter(frame, 1)] * (4 + n_dark))
    frames = frames + 0.03 * rng.standard_normal(frames.shape)
    frames[2 : 2 + n_dark] = value + (0.03 * rng.standard_normal(frames[2 : 2 + n_dark].shape) if value else 0)
    return frames.astype(np.float32), labels


@pytest.mark.parametrize(("n_dark", "value"), [(1, 0.0), (2, 0.0), (3, 0.01)])
def test_look_alikes_find_their_places_again_after_dark_frames(n_dark: int, value: float) -> None:
    frames, labels = movie(n_dark, value)
    result = nx.propagate(frames, {0: labels})
    assert not result.labels[2 : 2 + n_dark].any()
    for number in range(1, len(PLACES) + 1):
        found, true = result.labels[-1] == number, labels == number
        assert (found & true).sum() / (found | true).sum() > 0.8
