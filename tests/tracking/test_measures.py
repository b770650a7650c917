from __future__ import annotations

import numpy as np
import pytest

from napari_xmem.tracking import iou_matrix, measure_objects

RNG = np.random.default_rng(0)


def test_measures():
    labels = np.zeros((20, 30), np.int64)
    labels[2:6, 4:10], labels[15, 20] = 3, 2**31 - 1
    measures = measure_objects(labels)
    assert measures.object_ids.tolist() == [3, 2**31 - 1]
    assert measures.areas_px.tolist() == [24, 1]
    np.testing.assert_allclose(measures.centroids_px, [[3.5, 6.5], [15, 20]])
    assert measure_objects(labels * 0).centroids_px.shape == (0, 2)


@pytest.mark.parametrize("stretch", [1, 10_000_019])
def test_iou_against_the_definition(stretch):
    pred, truth = RNG.integers(0, 6, (2, 30, 30)) * stretch
    pred_ids, truth_ids, iou = iou_matrix(pred, truth)
    assert pred_ids.tolist() == [i * stretch for i in range(1, 6)] == truth_ids.tolist()
    for a, i in enumerate(pred_ids):
        for b, j in enumerate(truth_ids):
            expected = ((pred == i) & (truth == j)).sum() / ((pred == i) | (truth == j)).sum()
            assert iou[a, b] == pytest.approx(expected)


def test_iou_of_nothing():
    empty = np.zeros((4, 4), np.uint16)
    assert iou_matrix(empty, empty)[2].shape == (0, 0)
    assert iou_matrix(empty + 1, empty)[2].shape == (1, 0)
