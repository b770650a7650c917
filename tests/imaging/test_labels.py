from __future__ import annotations

import numpy as np
import pytest

from napari_xmem.errors import SeedError
from napari_xmem.imaging import (
    label_dtype,
    labels_to_masks,
    median_diameter_px,
    median_width_px,
    object_areas,
    object_boxes,
    object_ids,
)

LABELS = np.zeros((30, 40), np.int64)
LABELS[2:12, 3:13], LABELS[20, 30], LABELS[29, 39] = 5, 2**31 - 1, 5


def test_label_dtype():
    assert label_dtype(0) is np.uint16
    assert label_dtype(65535) is np.uint16
    assert label_dtype(65536) is np.int32
    assert label_dtype(2**31 - 1) is np.int32
    with pytest.raises(SeedError, match="2147483648"):
        label_dtype(2**31)


@pytest.mark.parametrize("dtype", [np.uint32, np.int64, np.uint64, ">i8"])
def test_ids_areas_and_boxes_of_large_ids(dtype):
    labels = LABELS.astype(dtype)
    assert object_ids(labels) == (5, 2**31 - 1)
    np.testing.assert_array_equal(object_areas(labels)[1], [101, 1])
    assert object_boxes(labels) == {5: (2, 3, 30, 40), 2**31 - 1: (20, 30, 21, 31)}


def test_counting_and_sorting_agree():
    small = np.random.default_rng(0).integers(-1, 50, (40, 40))
    for labels in (small, np.maximum(small, 0)):
        ids, areas = object_areas(labels)
        assert ids.tolist() == sorted(set(labels[labels > 0].tolist()))
        assert areas.sum() == (labels > 0).sum()
        boxes = object_boxes(labels)
        for i in ids:
            ys, xs = np.nonzero(labels == i)
            assert boxes[int(i)] == (ys.min(), xs.min(), ys.max() + 1, xs.max() + 1)


def test_empty():
    empty = np.zeros((4, 5), np.uint16)
    assert object_ids(empty) == () and object_boxes(empty) == {}
    assert object_ids(np.zeros((0, 5), np.uint16)) == ()
    with pytest.raises(SeedError, match="no object"):
        median_diameter_px(empty)
    with pytest.raises(SeedError, match="no object"):
        median_width_px(empty)


def test_median_diameter():
    labels = np.zeros((60, 60), int)
    yy, xx = np.mgrid[:60, :60]
    labels[(yy - 30) ** 2 + (xx - 30) ** 2 <= 15**2] = 3
    assert median_diameter_px(labels) == pytest.approx(30, abs=0.5)


def test_median_width():
    labels = np.zeros((90, 90), int)
    labels[2:11, 2:42] = 2**31 - 1  # a rectangle's second moment is its width squared over 12
    labels[20:50, 60:67] = 5
    labels[60, 2:30] = 7
    assert median_width_px(labels) == pytest.approx(4 * np.sqrt(7**2 / 12))
    assert median_width_px(np.where(labels == 7, 0, labels)) == pytest.approx(
        4 * np.sqrt((9**2 + 7**2 + 2 * 9 * 7) / 48)
    )
    yy, xx = np.mgrid[:60, :60]
    assert median_width_px((yy - 30) ** 2 + (xx - 30) ** 2 <= 15**2) == pytest.approx(30, abs=0.5)
    slanted = abs(yy - xx) <= 6  # a band 13 px wide along y, 13 / sqrt(2) across
    assert median_width_px(slanted & (yy + xx > 30) & (yy + xx < 90)) == pytest.approx(4 * 13 / np.sqrt(24), abs=0.4)


def test_masks():
    masks = labels_to_masks(LABELS, [2**31 - 1, 9, 5])
    assert masks.dtype == bool and masks.sum((1, 2)).tolist() == [1, 0, 101]
