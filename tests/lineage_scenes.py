"""Small label movies of which the lineage is known by construction."""

from __future__ import annotations

import numpy as np

#: Mother 1 divides into 2 and 3 on frame 3; 3 divides into 5 and 6 on frame 6; 4 leaves over the border after frame 4;
#: 7 appears inside on frame 5 and is lost after frame 6. Eight frames.
PARENTS = {2: 1, 3: 1, 5: 3, 6: 3}
BOXES = {
    1: (range(3), (20, 20, 8, 8)),
    2: (range(3, 8), (16, 20, 5, 5)),
    3: (range(3, 6), (26, 20, 5, 5)),
    4: (range(5), (40, 0, 6, 4)),
    5: (range(6, 8), (26, 17, 3, 3)),
    6: (range(6, 8), (26, 24, 3, 3)),
    7: (range(5, 7), (10, 44, 4, 4)),
}


def family(dtype=np.uint16, shape=(48, 64)):
    """Labels (8, 48, 64) of the cells above; they do not move."""
    labels = np.zeros((8, *shape), dtype)
    for i, (frames, (y, x, height, width)) in BOXES.items():
        for t in frames:
            labels[t, y : y + height, x : x + width] = i
    return labels


def budding():
    """Mother 1 goes on while bud 2 begins on frame 2 and bud 3 on frame 4. Six frames."""
    labels = np.zeros((6, 32, 32), np.uint16)
    labels[:, 10:18, 10:18] = 1
    labels[2:, 18:21, 12:15] = 2
    labels[4:, 12:15, 18:21] = 3
    return labels, {2: 1, 3: 1}
