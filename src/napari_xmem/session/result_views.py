"""What can be asked about the results of a session: all of them, what to look at, why a pixel is what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.engine import PropagationResult
from napari_xmem.errors import InputError, SessionError
from napari_xmem.imaging import label_at, label_dtype
from napari_xmem.imaging.acquisition import Acquisition
from napari_xmem.session.events_to_check import events_to_check
from napari_xmem.session.objects_in_parts import objects_in_parts
from napari_xmem.session.review import Review
from napari_xmem.tracking import End

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_xmem.engine import Explanation
    from napari_xmem.session.context import SessionContext
    from napari_xmem.session.events_to_check import EventToCheck
    from napari_xmem.session.objects_in_parts import PartsCounter

__all__ = ["ResultViews"]


class ResultViews:
    """Looks at the results of a session, and changes nothing; a session has the same methods.

    Parameters
    ----------
    context : SessionContext
        What is looked at.
    parts : PartsCounter
        Counts the parts of objects.
    """

    def __init__(self, context: SessionContext, parts: PartsCounter) -> None:
        self._context, self._parts = context, parts

    def labels_before(self, frame: int) -> NDArray[Any]:
        """Return the labels of a frame as they were before the latest step; looking changes nothing.

        Parameters
        ----------
        frame : int
            Frame of the movie.

        Returns
        -------
        ndarray, shape (Y, X), uint16 or int32
            Object ids, 0 = background; zeros where there was no result.
        """
        with self._context.facts:
            change, record = self._context.history.latest, self._context.results.get(frame)
            if change is not None and frame in change.frames:
                record = change.frames[frame].before
        return np.zeros(self._context.source.frame_shape, np.uint16) if record is None else record.packed.unpack()

    def result(self) -> PropagationResult:
        """Return everything done so far as one result; frames without any are 0.

        Raises
        ------
        SessionError
            If nothing was begun.
        """
        if self._context.run is None and not self._context.results.frames:
            raise SessionError("Nothing was propagated yet: there is no result. Call run() first.")
        lineage, events = self._context.lineage.read(self._context.annotations)
        frames = self._context.results.frames
        dtype = label_dtype(max((int(self._context.results.labels(t).max()) for t in frames), default=0))
        labels = np.zeros((len(self._context.source), *self._context.source.frame_shape), dtype)
        for t in frames:
            labels[t] = self._context.results.labels(t)
        run, memory = self._context.run, self._context.results.snapshots(frames)
        scope, reason, recipe = self._context.made
        if run is not None:
            scope, reason, recipe = run.scope, run.scope_reason, self._context.current_run().recipe
        seen = Acquisition.collect(one for t in frames for one in self._context.results.findings(t))
        return PropagationResult(
            labels, self._context.results.scores(), memory, scope, reason, recipe, lineage, events, seen, self
        )

    def review(self) -> Review:
        """Return what deserves a look: confidence per frame, the frames to check first, and the queue of events."""
        said, context = self._context.annotations, self._context

        def happened() -> tuple[EventToCheck, ...]:
            parts = objects_in_parts(self._parts.read())
            return events_to_check(context.lineage.read(said)[0], said.checked, said.mothers, said.absent, parts)

        def absent() -> dict[int, tuple[tuple[int, int], ...]]:
            lineage, n = context.lineage.read(said)[0], len(context.source)
            over = {i: ((lineage.last_frame[i] + 1, n),) for i, end in lineage.ends.items() if end is not End.LOST}
            return {i: (*over.get(i, ()), *said.absent.get(i, ())) for i in {*over, *said.absent}}

        return Review(context.results.scores(), said.checked, happened, said.settled, absent)

    def explain(
        self, frame: int, y: float, x: float, object_id: int | None = None, top: int | None = None
    ) -> Explanation:
        """Say which memory elements voted for the label at a pixel, see `PropagationResult.explain`.

        While a session runs it keeps the keys of memory at every change, as far as `explain_bytes` reach (states share
        their keys until memory drops some). If nothing was kept the run is repeated up to that frame.

        Parameters
        ----------
        frame : int
            Frame of the movie.
        y, x : float
            Row and column in pixels.
        object_id : int, optional
            Ask for this object; None: the one at this pixel.
        top : int, optional
            Longest list of votes; None: all.

        Returns
        -------
        Explanation
            Frame, place, store and weight of every element that voted, largest weight first.

        Raises
        ------
        InputError
            If the pixel lies outside the movie, or the labels of the frame were painted, or read from a file.
        SessionError
            If the frame has no result.
        """
        if object_id is None:
            object_id = label_at(self._context.results.labels(frame), y, x)
        record = self._context.results.get(frame)
        for objects, explainer in record.explainers if record is not None else ():
            if objects is None or object_id in objects or not object_id:
                return explainer.explain(frame, y, x, object_id, top)
        if frame in self._context.annotations.labels or record is None:
            raise InputError(f"The labels of frame {frame} were given by hand; memory had no part in them.")
        raise InputError(f"The labels of frame {frame} were read from a file; run the session again to explain them.")
