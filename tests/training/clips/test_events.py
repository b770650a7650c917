"""Simulated clips in which something happens to the target."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from napari_xmem.simulate import SimulatedMovie
from napari_xmem_training.clips import ClipConfig, Mixture
from napari_xmem_training.clips.simulated import _dividing, followed

CLIPS = 12


def _movie(labels: np.ndarray, lineage: np.ndarray | None) -> SimulatedMovie:
    return SimulatedMovie(np.zeros(labels.shape, np.uint8), labels, "nuclei", lineage)


def test_labels_of_two_daughters_are_found():
    labels = np.zeros((3, 4, 8), np.uint16)
    labels[:, 1:3, 0:4] = 1
    labels[:, 1:3, 5:8] = 2
    lineage = labels.copy()
    assert _dividing(_movie(labels, None)).tolist() == []
    assert _dividing(_movie(labels, lineage)).tolist() == []
    lineage[2, 1:3, 2:4] = 7
    assert _dividing(_movie(labels, lineage)).tolist() == [1]


def test_eventful_mixtures_follow_more_divisions():
    def divisions(eventful: float) -> int:
        config = ClipConfig(160, 8, Mixture(eventful=eventful), diameter_px=(20.0, 42.0, 90.0))
        return sum(_divides(followed(np.random.default_rng([5, i]), "rods_fluorescence", config)) for i in range(CLIPS))

    assert divisions(1.0) > divisions(0.0)


def _divides(clip: object) -> bool:
    """Whether the target falls into two parts of similar size."""
    target = getattr(clip, "target", None)
    if target is None:
        return False
    parts, count = ndimage.label(target[-1])
    areas = np.sort(np.bincount(parts.ravel())[1:])
    return count > 1 and areas[-2] > 0.4 * areas[-1]
