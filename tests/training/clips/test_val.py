"""Validation clips: fixed, of every kind, from images of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_xmem_training.clips.val import validation_clips

if TYPE_CHECKING:
    from pathlib import Path


def test_fixed_and_of_every_kind() -> None:
    first, again, other = (validation_clips(None, 96, 3, 1, seed) for seed in (0, 0, 1))
    assert set(first) == set(again)
    assert "shapes/things" in first
    for kind, clips in first.items():
        assert len(clips) == 1
        assert np.array_equal(clips[0].image, again[kind][0].image)
        assert not np.array_equal(clips[0].image, other[kind][0].image)


def test_stills_of_the_validation_split(shared_dir: Path) -> None:
    clips = validation_clips(shared_dir / "data", 128, 3, 1)
    for name in ("warp", "stills", "crowd"):
        for source in ("fluo", "other", "phase"):
            assert clips[f"{name}/{source}"][0].target[0].any()
