"""Examples of very different sizes: one scale of the frame does not show all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.imaging import object_areas

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["alike_in_size"]

#: Diameters that differ by more than this factor, with none between them, are of different kinds of objects.
_GAP = 2.5
#: What is smaller, or a smaller share of the examples, is taken for a slip or a fragment, not for a kind of its own.
_LEAST_DIAMETER_PX, _LEAST_SHARE = 6.0, 0.2


def alike_in_size(labels: NDArray[Any]) -> list[list[int]]:
    """Return the ids of labels ``(Y, X)`` in groups of similar diameters, the largest first."""
    ids, areas = object_areas(labels)
    if not len(ids):
        return [[]]
    order = np.argsort(-areas, kind="stable")
    gaps = np.flatnonzero(areas[order][:-1] > _GAP**2 * areas[order][1:]) + 1
    groups: list[list[int]] = []
    for part in np.split(order, gaps):
        alone = len(part) >= _LEAST_SHARE * len(ids) and areas[part].mean() >= np.pi / 4 * _LEAST_DIAMETER_PX**2
        if groups and not alone:
            groups[-1] += ids[part].tolist()
        else:
            groups.append(ids[part].tolist())
    return groups
