"""Frames of a movie as the step-by-step interface wants them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_xmem.engine import Propagator
from napari_xmem.errors import ConfigError, InputError
from napari_xmem.model import load_model
from napari_xmem.sample_data import simulated_nuclei


def test_a_movie_is_followed_step_by_step_with_the_bundled_model():
    movie, truth = (array[:4, 96:192, 96:192] for array in simulated_nuclei()[:2])
    areas = [np.bincount(labels.ravel(), minlength=truth.max() + 1) for labels in truth]
    ids = (1 + np.flatnonzero(np.min(areas, axis=0)[1:] > 150)).tolist()
    assert len(ids) > 6
    masks = torch.stack([torch.from_numpy(truth[0] == i) for i in ids]).float()
    propagator = Propagator(load_model("bundled", "cpu"), scope="local")
    images = propagator.images(movie)
    propagator.step(next(images), masks, ids)
    for frame, image in enumerate(images, start=1):
        found = propagator.step(image).argmax(0).numpy()
        for row, i in enumerate(ids, start=1):
            mask, true = found == row, truth[frame] == i
            assert (mask & true).sum() > 0.7 * (mask | true).sum()
    assert frame == 3


def test_intensities_of_images_are_those_between_the_percentiles(tiny_network):
    movie = np.random.default_rng(3).integers(100, 900, (3, 40, 50)).astype(np.uint16)
    low, high = np.percentile(movie, (1, 99))
    images = list(Propagator(tiny_network).images(movie, percentiles=(1, 99)))
    assert len(images) == 3
    for frame, image in zip(movie, images, strict=True):
        expected = (frame - low) / (high - low)
        inside = (expected > 0) & (expected < 1)
        assert image[:3].numpy()[:, inside] == pytest.approx(np.stack([expected[inside]] * 3), abs=0.01)
    half = next(Propagator(tiny_network).images(movie, scale=0.5))
    assert half.shape[1:] == (20, 25)


def test_what_images_refuses(tiny_network):
    with pytest.raises(ConfigError, match="scale is 0, expected more than 0, at most 8"):
        Propagator(tiny_network).images(np.zeros((3, 8, 8)), scale=0)
    with pytest.raises(InputError, match="expected"):
        Propagator(tiny_network).images(np.zeros((8, 8)))
