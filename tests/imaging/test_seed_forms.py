"""Seeds that are points, outlines, or one value for several objects."""

from __future__ import annotations

import numpy as np

from napari_xmem.imaging import fill_outlines, seed_notes, split_parts

DISCS = np.zeros((60, 80), np.int64)
for _k, (_y, _x) in enumerate(((15, 15), (15, 60), (42, 40)), start=1):
    DISCS[np.hypot(*(np.mgrid[:60, :80] - np.array([_y, _x])[:, None, None])) < 9] = _k


def outline(labels: np.ndarray) -> np.ndarray:
    inner = labels.copy()
    for shift, axis in ((1, 0), (-1, 0), (1, 1), (-1, 1)):
        inner[np.roll(labels, shift, axis) != labels] = 0
    return np.where(inner > 0, 0, labels)


def test_whole_objects_are_not_remarked_on() -> None:
    assert seed_notes(DISCS) == []
    assert seed_notes(np.zeros_like(DISCS)) == []
    speck = DISCS.copy()
    speck[0, 79] = 1  # a stray pixel is no part
    assert seed_notes(speck) == []


def test_points_outlines_and_masks_of_0_and_255() -> None:
    points = np.zeros_like(DISCS)
    points[15, 15], points[15, 60], points[42, 40] = 1, 2, 3
    assert "look like points" in seed_notes(points)[0]
    assert "--fill-outlines" in seed_notes(outline(DISCS))[0]
    assert "object 255 lies in 3 separate parts" in seed_notes((DISCS > 0) * 255)[0]


def test_outlines_are_filled_and_leave_others_alone() -> None:
    np.testing.assert_array_equal(fill_outlines(outline(DISCS)), DISCS)
    nested = outline(DISCS)
    nested[15, 15] = 9
    assert fill_outlines(nested)[15, 15] == 9


def test_parts_are_numbered() -> None:
    found = split_parts((DISCS > 0) * 255)
    assert set(np.unique(found)) == {0, 1, 2, 3}
    for i in (1, 2, 3):
        assert len(set(found[DISCS == i])) == 1
    np.testing.assert_array_equal(found > 0, DISCS > 0)
