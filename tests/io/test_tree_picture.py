"""Family trees as a picture: who stands where, from when to when."""

from __future__ import annotations

import numpy as np

from napari_xmem.io.tree_picture import draw_trees
from napari_xmem.tracking import Lineage


def rows_of(picture, colour):
    where = np.argwhere((np.asarray(picture) == colour).all(2))
    body = where[where[:, 0] > 24]  # the ids stand above
    return body[:, 0].min(), body[:, 0].max(), body[:, 1].mean()


def test_cells_are_drawn_from_their_first_to_their_last_frame():
    labels = np.zeros((11, 30, 60), np.uint16)
    labels[:5, 5:15, 5:25] = 1
    labels[5:, 5:15, 5:13] = 2
    labels[5:8, 5:15, 17:25] = 3
    labels[:, 20:26, 40:50] = 9
    lineage = Lineage.from_labels(labels, {2: 1, 3: 1})
    colours = {1: (255, 0, 0), 2: (0, 255, 0), 3: (0, 0, 255), 9: (255, 255, 0)}
    picture = draw_trees(lineage, 300, colours.__getitem__, height_px=234)
    frame_px = (234 - 22 - 12) / 10
    top, bottom, mother_x = rows_of(picture, colours[1])
    assert top <= 25 and abs(bottom - (22 + 4.5 * frame_px)) <= 1
    left = rows_of(picture, colours[2])
    right = rows_of(picture, colours[3])
    assert abs(left[0] - (22 + 4.5 * frame_px)) <= 1 and abs(left[1] - (22 + 10 * frame_px)) <= 1
    assert abs(right[1] - (22 + 7 * frame_px)) <= 1
    assert left[2] < mother_x < right[2]
    assert not (np.asarray(picture) == colours[9]).all(2).any(), "a family in which nothing divides is left out"
