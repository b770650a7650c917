"""Classical baselines on movies whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_xmem.tracking import evaluate
from napari_xmem_training.suite.baselines import copy_seeds, optical_flow, warp_by_flow, warp_then_watershed
from napari_xmem_training.suite.movie import SuiteMovie


def moving_discs(step=(1.5, 2.0), frames=6, size=128, radius=9.0, growth=0.0):
    """Bright textured discs on a textured ground, moving together."""
    rng = np.random.default_rng(0)
    big = ndimage.gaussian_filter(rng.standard_normal((size * 2, size * 2)), 2.0)
    rows, columns = np.mgrid[:size, :size]
    images, truth = [], []
    for t in range(frames):
        labels = np.zeros((size, size), np.uint16)
        y0, x0 = t * step[0], t * step[1]
        for label, (y, x) in enumerate([(30, 30), (30, 70), (70, 30), (75, 75)], 1):
            labels[np.hypot(rows - y - y0, columns - x - x0) < radius + growth * t] = label
        ground = ndimage.shift(big, (y0, x0), order=1, mode="wrap")[size // 2 : size // 2 + size, :size]
        image = 60 + 120 * ndimage.gaussian_filter((labels > 0).astype(float), 1.0) + 60 * ground
        images.append(np.clip(image, 0, 255).astype(np.uint8))
        truth.append(labels)
    return SuiteMovie("discs", "discs-1", np.stack(images), np.stack(truth), (1, 2, 3, 4))


def jaccard(movie, labels):
    return evaluate(labels, movie.truth, [len(labels) - 1]).mean_jaccard


def test_flow_finds_a_shift():
    movie = moving_discs()
    flow = optical_flow(movie.frames[0], movie.frames[1])
    inside = movie.truth[0] > 0
    assert np.median(flow[:, inside], axis=1) == pytest.approx([1.5, 2.0], abs=0.4)


def test_flow_follows_what_copying_loses():
    movie = moving_discs()
    assert jaccard(movie, copy_seeds(movie)) < 0.4
    assert jaccard(movie, warp_by_flow(movie)) > 0.75
    assert np.array_equal(warp_by_flow(movie)[0], movie.seeds)


def test_watershed_finds_the_edges_again():
    movie = moving_discs(step=(0.0, 0.0), growth=0.7)
    assert jaccard(movie, warp_then_watershed(movie)) > max(0.8, jaccard(movie, copy_seeds(movie)) + 0.1)


def test_nothing_moves_nothing_changes():
    movie = moving_discs(step=(0.0, 0.0))
    assert jaccard(movie, warp_by_flow(movie)) > 0.97
    assert jaccard(movie, warp_then_watershed(movie)) > 0.85
