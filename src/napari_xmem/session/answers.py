"""What a session can be asked: progress, labels, results, what deserves a look, and why a pixel is what it is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.engine import PropagationResult
from napari_xmem.errors import InputError
from napari_xmem.imaging import label_at, label_dtype
from napari_xmem.session.review import Review
from napari_xmem.session.workbench import Workbench

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_xmem.engine import Explanation
    from napari_xmem.session.state import SessionSnapshot

__all__ = ["Answers"]


class Answers(Workbench):
    """The questions of a session; none changes anything."""

    def snapshot(self) -> SessionSnapshot:
        """Return what the session is doing and which frames are done, given, corrected and locked now."""
        with self._facts:
            annotations = self._annotations
            return replace(
                self._progress,
                state=self.state,
                seeded=annotations.seeded,
                corrected=tuple(sorted(annotations.corrected)),
                locked=tuple(sorted(annotations.locked)),
                with_result=self.results.frames,
                undo=self.history.undo_title,
                redo=self.history.redo_title,
            )

    def labels(self, frame: int) -> NDArray[Any]:
        """Return the latest labels of a frame.

        Parameters
        ----------
        frame : int
            Frame of the movie.

        Returns
        -------
        ndarray, shape (Y, X), uint16 or int32
            Object ids, 0 = background.

        Raises
        ------
        SessionError
            If the frame has no result.
        """
        return self.results.labels(frame)

    def result(self) -> PropagationResult:
        """Return everything done so far as one result; frames without any are 0."""
        frames = self.results.frames
        dtype = label_dtype(max((int(self.results.labels(t).max()) for t in frames), default=0))
        labels = np.zeros((self.n_frames, *self.frame_shape), dtype)
        for t in frames:
            labels[t] = self.results.labels(t)
        run, memory = self._run, self.results.snapshots(frames)
        scope, reason = (run.scope, run.scope_reason) if run is not None else ("", "not propagated")
        recipe = {} if run is None else self.current_run().recipe
        return PropagationResult(labels, self.results.scores(), memory, scope, reason, recipe, self)

    def review(self) -> Review:
        """Return what deserves a look: confidence per frame, and the frames to check first."""
        annotations = self._annotations
        return Review(self.results.scores(), tuple(sorted({*annotations.labels, *annotations.locked})))

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
            If the pixel lies outside the movie, or the labels of the frame were given by hand.
        SessionError
            If the frame has no result.
        """
        if object_id is None:
            object_id = label_at(self.labels(frame), y, x)
        for objects, explainer in self.explainers.get(frame, ()):
            if objects is None or object_id in objects or not object_id:
                return explainer.explain(frame, y, x, object_id, top)
        raise InputError(f"The labels of frame {frame} were given by hand; memory had no part in them.")
