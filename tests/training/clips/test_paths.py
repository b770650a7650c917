"""Paths of objects and of the window that follows."""

from __future__ import annotations

import numpy as np
import pytest

from napari_xmem_training.clips.paths import Liveliness, random_motion, window_path


def test_motion_starts_as_cut_and_stays_bounded() -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        motion = random_motion(rng, 5, 8, Liveliness.draw(rng, 42.0), max_bend_px=5.0)
        assert motion.shift.shape == (5, 8, 2)
        assert not motion.shift[:, 0].any()
        assert np.allclose(motion.linear[:, 0], np.eye(2))
        assert not motion.bend[:, 0].any()
        assert np.abs(motion.bend).max() <= 5.0
        areas = np.linalg.det(motion.linear)
        assert (areas > 0.3).all()
        assert (areas < 3.1).all()


@pytest.mark.parametrize("seed", range(20))
def test_window_keeps_the_target_of_frame_0_inside(seed: int) -> None:
    rng = np.random.default_rng(seed)
    centres = 500 + np.cumsum(rng.normal(0, 5, (6, 2)), axis=0)
    corners = window_path(rng, centres, 160)
    assert corners.shape == (6, 2)
    assert np.array_equal(corners, np.round(corners))
    assert np.abs(corners[0] + 80 - centres[0]).max() <= 0.2 * 160


def test_window_waits_where_the_target_was_lost() -> None:
    centres = np.full((5, 2), 300.0)
    centres[2:4] = np.nan
    for seed in range(20):
        corners = window_path(np.random.default_rng(seed), centres, 160)
        assert np.isfinite(corners).all()
        assert np.abs(corners + 80 - 300).max() <= 0.3 * 160
