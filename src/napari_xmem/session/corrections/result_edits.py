"""What a person changes in a result: corrections, ends of objects, locked frames, and undoing it."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import replace
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.engine import prepare_run
from napari_xmem.errors import SessionError
from napari_xmem.imaging import check_labels, object_ids
from napari_xmem.session.corrections.compare import Agreement, CorrectionSummary
from napari_xmem.session.corrections.direct_corrections import absence_span
from napari_xmem.session.packed_labels import PackedLabels
from napari_xmem.session.session_states import AT_REST
from napari_xmem.session.tasks import CorrectionTask, PropagationTask

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from napari_xmem.session.annotations import Annotations
    from napari_xmem.session.context import SessionContext
    from napari_xmem.session.events_to_check import EventToCheck
    from napari_xmem.session.results import Change
    from napari_xmem.session.session_runner import SessionRunner

__all__ = ["ResultEdits"]


class ResultEdits:
    """What a person changes in results, each a step of the history; a session has the same methods.

    Parameters
    ----------
    context : SessionContext
        What is changed.
    runner : SessionRunner
        Says when.
    """

    def __init__(self, context: SessionContext, runner: SessionRunner) -> None:
        self._context, self._runner = context, runner

    def begin_correction(
        self,
        corrections: Mapping[int, NDArray[Any]],
        *,
        forward: bool | None = None,
        backward: bool | None = None,
        agreement: Agreement | None = None,
    ) -> CorrectionTask:
        """Take up corrections; iterate over the session's `frames` to propagate them.

        A paused propagation ends here; what it had not done yet is done with the correction, as far as that reaches.
        Objects that were merely erased end on the corrected frame, and those that merely changed their number have it
        from there on, without a run of the network.

        Parameters
        ----------
        corrections : mapping
            Frame to labels ``(Y, X)`` that are right as a whole: an object that is not painted there is absent.
        forward, backward : bool, optional
            Carry them on in time, back in time; to the next corrected or locked frame or the end. None: as the run
            went (a run both ways: forward).
        agreement : Agreement, optional
            When to stop early.

        Returns
        -------
        CorrectionTask
            Its `summary` is complete when the work is.

        Raises
        ------
        SessionError
            If something runs, a frame is locked or lies outside the movie.
        SeedError
            If labels do not fit the movie.
        """
        return self.take_up(corrections, forward, backward, agreement or Agreement())

    def correct(
        self,
        corrections: Mapping[int, NDArray[Any]],
        *,
        forward: bool | None = None,
        backward: bool | None = None,
        agreement: Agreement | None = None,
    ) -> CorrectionSummary:
        """Propagate corrections in this thread.

        Parameters
        ----------
        corrections, forward, backward, agreement
            As for `begin_correction`.

        Returns
        -------
        CorrectionSummary
            What changed; ``str(summary)`` is a sentence.

        Raises
        ------
        SessionError, SeedError
            As `begin_correction`.
        """
        task = self.begin_correction(corrections, forward=forward, backward=backward, agreement=agreement)
        for _ in self._runner.frames():
            pass
        return task.summary

    def take_up(
        self,
        corrections: Mapping[int, NDArray[Any]],
        forward: bool | None,
        backward: bool | None,
        agreement: Agreement,
        *,
        mothers: Mapping[int, int] | None = None,
        title: str = "",
    ) -> CorrectionTask:
        """Take up corrections, in place of a paused run; `mothers` (daughter to mother) are part of the step."""
        context = self._context
        with self._runner.hold("A correction"):
            packed = self._check_corrections(corrections)
            went_back = context.config.direction == "backward"
            old = self._runner.task
            rest = old.frames_left if isinstance(old, PropagationTask) else ()
            run = context.run
            if run is None and context.has_seeds:
                run = context.prepare()
            elif run is None:
                seeds = {t: image.unpack() for t, image in packed.items() if image.unpack().any()}
                config = replace(context.config_now(), start=None, stop=None, direction="both")
                run = prepare_run(context.source, seeds, context.model, config)

            def make() -> CorrectionTask:
                context.run = run
                task = CorrectionTask(
                    context,
                    packed,
                    forward=not went_back if forward is None else forward,
                    backward=went_back if backward is None else backward,
                    agreement=agreement,
                    rest=rest,
                    mothers=mothers,
                    title=title,
                )
                task.keep_painted()
                return task

            return self._runner.take_up(make, "A correction")

    @property
    def unfinished(self) -> frozenset[int]:
        """Objects that the latest correction did not follow to its end, as it was stopped; see `begin_unfinished`."""
        left = self._context.unfinished
        everyone = {
            i for item in left if item.objects is None for i in self._context.results.objects(item.segment.frame)
        }
        return frozenset(everyone.union(*(item.objects or () for item in left)))

    def begin_unfinished(self) -> CorrectionTask:
        """Go on with a correction where it was stopped; iterate over `TrackingSession.frames` to do it.

        Returns
        -------
        CorrectionTask
            Its `summary` is complete when the work is.

        Raises
        ------
        SessionError
            If something runs, or no correction was stopped.
        """
        context = self._context
        with self._runner.hold("Going on", AT_REST):
            left = context.unfinished
            if not left:
                raise SessionError("No correction was stopped before its end, so there is nothing to go on with.")
            missing = tuple(t for item in left for t in item.segment.frames if t not in context.results)
            title = f"rest of {left[0].title.removeprefix('rest of ')}"

            def make() -> CorrectionTask:
                return CorrectionTask(
                    context,
                    {},
                    agreement=left[0].agreement,
                    rest=missing,
                    title=title,
                    left=left,
                )

            return self._runner.take_up(make, "Going on")

    def end_object(self, object_id: int, from_frame: int, *, backward: bool | None = None) -> Change:
        """End an object: it is on no frame from this one on. At once, without the network, and undoable.

        It stays where a person painted it later, or locked a frame with it, and what follows there. A run that goes on
        no longer looks for it; later runs and corrections know that it is absent. While something runs, the frame at
        hand is done first.

        Parameters
        ----------
        object_id : int
            The object.
        from_frame : int
            First frame without it.
        backward : bool, optional
            Towards the beginning of the movie; None: as the run goes (a run both ways: forward).

        Returns
        -------
        Change
            The step, with the frames that changed.

        Raises
        ------
        SessionError
            If the frame lies outside the movie or is locked, or the object is not known.
        """
        context = self._context
        if backward is None:
            backward = context.config.direction == "backward"
        with self._runner.between_frames("Ending an object"):
            self._context.check_frame(from_frame)
            said, results = context.annotations, context.results
            known = {i for t in results.frames for i in results.objects(t)}
            if object_id not in known | {i for packed in said.labels.values() for i in object_ids(packed.unpack())}:
                raise SessionError(f"There is no object {object_id} to end.")
            low, high = absence_span(object_id, from_frame, said, results, len(context.source), backward=backward)
            labels = dict(said.labels)
            if from_frame in labels:
                painted = labels[from_frame].unpack()
                labels[from_frame] = PackedLabels.pack(np.where(painted == object_id, 0, painted))
            after = replace(said, labels=labels).with_absence(object_id, low, high)
            after = replace(after, removed=after.removed | {object_id})
            recording = context.record(f"end of object {object_id} at frame {from_frame}", after)
            try:
                for t in results.frames:
                    record = results.get(t) if low <= t < high else None
                    if record is not None and object_id in record.scores.object_ids:
                        context.put(t, record.without({object_id}), recording)
            finally:
                context.agree(recording)
                with context.facts:
                    recording.close(keep_first=True)
            if self._runner.task is not None:
                context.release_absent()
            return recording.step

    def renumber_object(self, object_id: int, new_id: int, from_frame: int) -> CorrectionSummary:
        """Give an object another number from a frame on, at once; who has that number there gets the old one.

        The frame counts as corrected: look at it as a whole.

        Parameters
        ----------
        object_id, new_id : int
            Old and new number, 1 to 2**31 - 1.
        from_frame : int
            First frame with the new number.

        Returns
        -------
        CorrectionSummary
            What changed.

        Raises
        ------
        SessionError
            If the frame has no result or is locked, the object is not on it, or something runs.
        """
        labels = self._context.results.labels(from_frame).astype(np.int64)
        if not (labels == object_id).any():
            raise SessionError(f"Object {object_id} is not on frame {from_frame}.")
        if not 1 <= new_id < 2**31:
            raise SessionError(f"{new_id} is no number for an object; choose one from 1 to {2**31 - 1}.")
        swapped = np.select([labels == object_id, labels == new_id], [new_id, object_id], labels)
        return self.correct({from_frame: swapped})

    def lock(self, frames: Iterable[int] | int) -> None:
        """Never overwrite the result of these frames; it counts as right. Undoable.

        Parameters
        ----------
        frames : iterable of int, or int
            Frames that have a result.

        Raises
        ------
        SessionError
            If a frame has no result.
        """
        numbers = _frame_numbers(frames)
        with self._context.facts:
            missing = sorted(t for t in numbers if t not in self._context.results)
            if missing:
                raise SessionError(f"Frames {missing} have no result to lock; propagate first.")
            said = self._context.annotations
            self._say(replace(said, locked=said.locked | numbers), f"lock {_named(numbers)}")

    def unlock(self, frames: Iterable[int] | int) -> None:
        """Allow overwriting again. Undoable."""
        numbers = _frame_numbers(frames)
        with self._context.facts:
            said = self._context.annotations
            self._say(replace(said, locked=said.locked - numbers), f"unlock {_named(numbers)}")

    def settle(self, event: EventToCheck) -> None:
        """Say that what a question of `Review.queue` asks about is right as it is; it is asked no more. Undoable."""
        with self._context.facts:
            said = self._context.annotations
            self._say(replace(said, settled=said.settled | {event.key}), f"answer: frame {event.frame} is right")

    def undo(self) -> Change:
        """Undo the latest step: a correction, an end, a lock, or a run over earlier results.

        Returns
        -------
        Change
            The step.

        Raises
        ------
        SessionError
            If there is none, or something runs.
        """
        return self._step(forward=False)

    def redo(self) -> Change:
        """Do again what `undo` undid; raises as `undo`."""
        return self._step(forward=True)

    # ---- inside

    def _step(self, *, forward: bool) -> Change:
        """Undo the latest step, or do it again."""
        context = self._context
        with self._runner.hold("Redo" if forward else "Undo", AT_REST):
            latest = context.history.latest_undone if forward else context.history.latest
            standing = context.painted_over(latest.frames) if latest is not None else {}
            with context.facts:
                context.unfinished = ()
                now = context.annotations
                step = context.history.redo if forward else context.history.undo
                change = step(context.results, standing)
                source, target = (change.before, change.after) if forward else (change.after, change.before)
                context.annotate(target.with_edits_of_memory(now, source))
            context.tell(sorted(change.frames))
            return change

    def _say(self, annotations: Annotations, title: str) -> None:
        if annotations != self._context.annotations:
            self._context.record(title, annotations)

    def _check_corrections(self, corrections: Mapping[int, NDArray[Any]]) -> dict[int, PackedLabels]:
        packed, shape = {}, self._context.source.frame_shape
        if not isinstance(corrections, Mapping):
            raise SessionError(
                f"corrections are a {type(corrections).__name__}, expected {{frame: (Y, X) labels}}, such as "
                "{3: labels}."
            )
        for frame, labels in corrections.items():
            self._context.check_frame(frame)
            image = np.asarray(labels)
            image = image.astype(np.uint8) if image.dtype == bool else image
            packed[int(frame)] = PackedLabels.pack(check_labels(image, shape, f"labels of frame {frame}"))
        if not packed:
            raise SessionError("No frame was corrected; change the labels of at least one frame.")
        if (
            self._context.run is None
            and not self._context.has_seeds
            and not any(image.unpack().any() for image in packed.values())
        ):
            raise SessionError("The corrected frames hold no object; paint at least one.")
        return packed


def _named(frames: frozenset[int]) -> str:
    shown = ", ".join(map(str, sorted(frames)[:5])) + (" ..." if len(frames) > 5 else "")
    return f"frame{'s' * (len(frames) != 1)} {shown}"


def _frame_numbers(frames: Iterable[int] | int) -> frozenset[int]:
    """Return frame numbers given as one or as several.

    Raises
    ------
    SessionError
        If they are none.
    """
    if isinstance(frames, Integral):
        return frozenset({int(frames)})
    try:
        return frozenset(operator.index(t) for t in frames)  # type: ignore[union-attr]
    except TypeError as error:
        raise SessionError(f"frames are {frames!r}, expected numbers of frames, such as [3, 4].") from error
