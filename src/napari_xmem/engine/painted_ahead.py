"""Objects painted on a frame that is still to come, followed back to the frame at hand: who a new object will be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_xmem.engine.scopes.region_masks import compose_labels
from napari_xmem.imaging import object_ids

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_xmem.engine.frame_order import Pass
    from napari_xmem.engine.run import Run
    from napari_xmem.engine.scopes.base import TrackingScope
    from napari_xmem.engine.scopes.region_masks import RegionMask

__all__ = ["PaintedAhead"]

#: A painted object is the one whose mask it meets with this Jaccard index; it is both if it covers this share of each.
_SAME_IOU, _BOTH_SHARE = 0.3, 0.5
#: So many frames a painted object is followed back at most.
_FARTHEST_FRAMES = 100


class PaintedAhead:
    """Knows which objects of a pass will be painted under which ids.

    Nothing is computed until somebody asks; then the objects of the next painted frame that are unknown so far, and the
    one asked about, are followed from there to the frame at hand, once.

    Parameters
    ----------
    run : Run
        The run.
    part : Pass
        The pass through its frames.
    open_plain : callable
        Returns a new scope that keeps ids.
    """

    def __init__(self, run: Run, part: Pass, open_plain: Callable[[], TrackingScope]) -> None:
        self._run, self._open_plain = run, open_plain
        self._place = {frame: n for n, frame in enumerate(part.frames)}
        self._painted = [frame for frame in part.frames if frame in run.seeds]
        self._traces: dict[tuple[int, tuple[int, ...]], _Trace] = {}

    def names(self, frame: int, masks: Sequence[RegionMask], goes_on: Sequence[int] = ()) -> dict[int, int] | None:
        """Return under which ids objects of a frame will be painted.

        Parameters
        ----------
        frame : int
            A frame of the pass.
        masks : sequence of RegionMask
            Objects that begin on it.
        goes_on : sequence of int
            Known objects that may go on as one of them.

        Returns
        -------
        dict of int to int, or None
            Id of a mask to the painted id; masks that nobody will paint are left out. None if one painted object is
            all of them: a person says that they are one.
        """
        elsewhere = None if self._run.names is None else self._run.names.names(frame, masks, goes_on)
        if elsewhere:
            return elsewhere
        ahead = next((s for s in self._painted if self._place[s] > self._place[frame]), None)
        if ahead is None or abs(ahead - frame) > _FARTHEST_FRAMES:
            return {}
        before = (s for s in self._painted if self._place[s] <= self._place[frame])
        known = {i for s in before for i in object_ids(self._run.seeds[s])}
        painted = set(object_ids(self._run.seeds[ahead]))
        unknown, kept = painted - known, painted & set(goes_on)
        geometry = self._run.prepare.geometry
        found = compose_labels(masks, geometry.shape, geometry.scale).labels
        named: dict[int, int] = {}
        for ids in (unknown, kept):
            if not ids:
                continue
            traced = self._trace(ahead, tuple(sorted(ids))).labels(frame)
            for mask in masks:
                own = found == mask.object_id
                here = [i for i in object_ids(np.where(own, traced, 0)) if i in ids]
                scores = {i: (own & (traced == i)).sum() / (own | (traced == i)).sum() for i in here}
                best = max(scores, key=lambda i: scores[i], default=None)
                if best is not None and scores[best] >= _SAME_IOU and best not in named.values():
                    named.setdefault(mask.object_id, best)
            shares = [
                [(traced[found == m.object_id] == i).sum() / max(1, (found == m.object_id).sum()) for m in masks]
                for i in ids
            ]
            if len(masks) > 1 and any(min(share) >= _BOTH_SHARE for share in shares):
                return None
        return named

    def _trace(self, frame: int, ids: tuple[int, ...]) -> _Trace:
        key = (frame, ids)
        if key not in self._traces:
            self._traces = {k: trace for k, trace in self._traces.items() if k[0] == frame}
            self._traces[key] = _Trace(self._run, frame, ids, self._open_plain())
        return self._traces[key]


class _Trace:
    """Objects of a painted frame, followed towards earlier frames of the pass as far as somebody asks."""

    def __init__(self, run: Run, painted: int, ids: tuple[int, ...], scope: TrackingScope) -> None:
        self._run, self._ids, self._scope = run, ids, scope
        seeds = run.seeds[painted]
        self._seeds = np.where(np.isin(seeds, ids), seeds, 0)
        self._painted = self._at = painted
        self._pixels: dict[int, dict[int, NDArray[np.int64]]] = {}
        self._advance(painted, self._seeds)

    def labels(self, frame: int) -> NDArray[np.int64]:
        """Return labels (Y, X) of these objects on a frame."""
        step = 1 if frame > self._painted else -1
        while (frame - self._at) * step > 0:
            self._advance(self._at + step, None)
        out = np.zeros(self._run.source.frame_shape, np.int64)
        for i, pixels in self._pixels[frame].items():
            out.flat[pixels] = i
        return out

    def _advance(self, frame: int, seeds: NDArray[np.int64] | None) -> None:
        found = self._scope.advance(self._run.source.read(frame), frame, seeds)
        self._at = frame
        self._pixels[frame] = {i: np.flatnonzero(found.labels == i) for i in self._ids}
