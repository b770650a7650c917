"""Unbranched pieces of tracks, as the Cell Tracking Challenge and GEFF count them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_xmem.tracking.lineage import Lineage

__all__ = ["Tracklets", "split_into_tracklets"]


@dataclass(frozen=True, slots=True, eq=False)
class Tracklets:
    """Pieces of tracks that neither branch nor, where asked for, have gaps.

    Attributes
    ----------
    ids : ndarray, (N,), int64
        The tracklet of every row of the lineage's detections.
    table : ndarray, (K, 4), int64
        Tracklet, first frame, last frame, parent tracklet or 0; sorted by tracklet.
    """

    ids: NDArray[np.int64]
    table: NDArray[np.int64]


def split_into_tracklets(lineage: Lineage, *, at_gaps: bool) -> Tracklets:
    """Cut the tracks of a lineage where a mother goes on beside her daughter, and, if asked for, where there are gaps.

    The first piece of an object keeps its id; the others get the smallest ids that are free, and the piece before as
    their parent.

    Parameters
    ----------
    lineage : Lineage
        A lineage.
    at_gaps : bool
        Cut where an object is missing on a frame.

    Returns
    -------
    Tracklets
        The pieces.
    """
    rows = lineage.detections
    ids = rows.object_ids.copy()
    taken, free = set(lineage.object_ids), 1
    table: list[tuple[int, int, int, int]] = []
    pieces: dict[int, list[tuple[int, int]]] = {}  # of an object: first frame of each piece, and its tracklet
    for i in lineage.object_ids:
        own = rows.rows_of(i)
        frames = rows.frames[own]
        buds = [lineage.first_frame[d] for d in lineage.daughters.get(i, ())]
        cuts = {int(np.searchsorted(frames, t)) for t in buds if t <= lineage.last_frame[i]}
        if at_gaps:
            cuts |= set((np.flatnonzero(np.diff(frames) > 1) + 1).tolist())
        bounds = [0, *sorted(cuts), frames.size]
        pieces[i] = []
        for begin, end in pairwise(bounds):
            tracklet = i
            if begin:
                while free in taken:
                    free += 1
                tracklet = free
                taken.add(tracklet)
            before = pieces[i][-1][1] if begin else 0
            ids[own.start + begin : own.start + end] = tracklet
            pieces[i].append((int(frames[begin]), tracklet))
            table.append((tracklet, int(frames[begin]), int(frames[end - 1]), before))
    parents = {
        child: max(piece for piece in pieces[mother] if piece[0] < lineage.first_frame[child])[1]
        for child, mother in lineage.parents.items()
    }
    with_parents = [(i, first, last, parents.get(i, before)) for i, first, last, before in table]
    return Tracklets(ids, np.array(sorted(with_parents), np.int64).reshape(-1, 4))
