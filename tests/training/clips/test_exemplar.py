"""Clips that ask for other instances of the same image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_xmem_training.clips import ClipConfig
from napari_xmem_training.clips.exemplar import exemplar
from napari_xmem_training.clips.store import StillStore

if TYPE_CHECKING:
    from pathlib import Path

    from napari_xmem_training.clips.scene import Rendered

CONFIG = ClipConfig(window_px=96, n_frames=6, diameter_px=(20.0, 36.0, 60.0))


@pytest.fixture(scope="module")
def clips(data_dir: Path) -> list[Rendered]:
    store = StillStore(data_dir)
    made = [exemplar(rng, store.pick(rng, "fluo"), CONFIG) for rng in map(np.random.default_rng, range(12))]
    return [clip for clip in made if clip is not None]


def test_the_first_frame_shows_the_example_and_later_ones_another_or_none(clips: list[Rendered]) -> None:
    assert len(clips) >= 10
    later = np.array([clip.target[1:].any((1, 2)) for clip in clips])
    assert all(clip.target[0].any() for clip in clips)
    assert 0.4 < later.mean() < 0.9


def test_targets_are_whole_bright_objects_in_the_middle(clips: list[Rendered]) -> None:
    for clip in clips:
        for t in np.flatnonzero(clip.target.any((1, 2))):
            rows, columns = np.nonzero(clip.target[t])
            assert np.hypot(rows.mean() - 47.5, columns.mean() - 47.5) < 30
            assert clip.colour[t, ..., 0][clip.target[t]].mean() > clip.colour[t, ..., 0][~clip.target[t]].mean()
        assert not (clip.target & clip.others).any()


def test_where_there_is_no_target_the_middle_is_empty(clips: list[Rendered]) -> None:
    for clip in clips:
        for t in np.flatnonzero(~clip.target.any((1, 2))):
            assert clip.others[t, 42:54, 42:54].mean() < 0.5


def test_other_instances_are_seen_at_one_scale(clips: list[Rendered]) -> None:
    """The discs differ by half in diameter; all are scaled by what brings the example to its size."""
    ratios = []
    for clip in clips:
        areas = clip.target.sum((1, 2)).astype(float)
        ratios += np.sqrt(areas[1:][areas[1:] > 0] / areas[0]).tolist()
    assert 0.45 < min(ratios) and max(ratios) < 1.9
    assert np.std(ratios) > 0.02


def test_a_still_with_one_object_gives_none(data_dir: Path) -> None:
    from dataclasses import replace

    still = StillStore(data_dir).pick(np.random.default_rng(0), "fluo")
    index = int(still.targets()[0])
    alone = replace(
        still, ids=still.ids[[index]], boxes=still.boxes[[index]], centres=still.centres[[index]],
        diameters=still.diameters[[index]], whole=still.whole[[index]], ragged=still.ragged[[index]],
    )  # fmt: skip
    assert exemplar(np.random.default_rng(1), alone, CONFIG) is None
