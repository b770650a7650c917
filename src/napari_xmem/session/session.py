"""A session: what a person wants done with one movie, from the first seeds to the last correction."""

from __future__ import annotations

import operator
import warnings
from numbers import Integral
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from napari_xmem.engine import PropagationResult
from napari_xmem.errors import InputError, SessionError
from napari_xmem.imaging import check_labels, label_at, label_dtype
from napari_xmem.session.archive import SessionArchive, write_session
from napari_xmem.session.compare import Agreement, CorrectionSummary
from napari_xmem.session.context import SessionContext
from napari_xmem.session.events_to_check import events_to_check
from napari_xmem.session.lineage_edits import LineageEdits
from napari_xmem.session.memory_editor import MemoryEditor
from napari_xmem.session.parts import PartsCounter, objects_in_parts
from napari_xmem.session.result_edits import SessionEdits
from napari_xmem.session.results import Change, FrameRecord
from napari_xmem.session.review import Review
from napari_xmem.session.session_runner import SessionRunner, SessionState
from napari_xmem.session.session_status import SessionSnapshot
from napari_xmem.session.tasks import PropagationTask

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_xmem.config import MemoryConfig, PropagationConfig
    from napari_xmem.engine import Explanation, FrameResult, Run
    from napari_xmem.engine.scopes.base import TrackingScope
    from napari_xmem.model import XMem
    from napari_xmem.session.annotations import Annotations
    from napari_xmem.session.context import Read, Write
    from napari_xmem.session.events_to_check import EventToCheck
    from napari_xmem.session.results import History, ResultsStore
    from napari_xmem.session.tasks import CorrectionTask
    from napari_xmem.tracking import Event, Lineage

__all__ = ["TrackingSession"]

_EARLIER_NAMES = {"book": "results", "desk": "memory", "given": "annotations"}


class TrackingSession:
    """Seeds, runs, corrections, locked frames and results of one movie.

    A session computes only while somebody iterates over `frames` (or calls `run` or `correct`, which do); any thread
    may do so, one at a time. Everything else may be called from any thread at any time but in the middle of a frame,
    that is from inside `write` and `read`. States and locks: `napari_xmem.session.session_runner`.

    Parameters
    ----------
    frames : array_like, FrameSource, Movie or path
        ``(T, Y, X[, C])``, read one frame at a time; a file is opened with `napari_xmem.open_movie`.
    seeds : mapping, array or None
        As for `napari_xmem.propagate`; None: the first correction begins.
    model : str, path or XMem
        As for `napari_xmem.propagate`; loaded at the first frame.
    config : PropagationConfig, optional
        All settings.
    write : callable, optional
        Called with a frame and its labels ``(Y, X)`` whenever the result of a frame changes, from the thread that
        changed it; zeros where a result was undone. If it raises, the run fails and the frame is written again with
        the next one.
    read : callable, optional
        Called with a frame; returns the labels ``(Y, X)`` that stand in what `write` writes to, or None. With it, what
        somebody painted there and did not use as a correction is kept in the history before it is overwritten.
    explain_bytes : int
        Room for states of memory that let `explain` answer at once.

    Attributes
    ----------
    runner : SessionRunner
        The state machine of the run.
    memory : MemoryEditor
        What memory holds, and changing it.

    Examples
    --------
    >>> session = TrackingSession(movie, {0: labels})  # doctest: +SKIP
    >>> result = session.run()  # doctest: +SKIP
    >>> print(session.correct({17: better_labels}, backward=True))  # doctest: +SKIP
    >>> session.undo()  # doctest: +SKIP
    """

    def __init__(
        self,
        frames: Any,
        seeds: Any = None,
        *,
        model: str | Path | XMem = "bundled",
        config: PropagationConfig | None = None,
        write: Write | None = None,
        read: Read | None = None,
        explain_bytes: int = 256_000_000,
    ) -> None:
        self._context = SessionContext(frames, seeds, model, config, write, read, explain_bytes)
        self.runner = SessionRunner(self._first_task, self._context.before_frame, self._context.facts)
        self.memory = MemoryEditor(self._context, self.runner)
        self._edits = SessionEdits(self._context, self.runner)
        self._parts = PartsCounter(self._context.results)
        self._lineage = LineageEdits(self._context, self.runner, self._edits)

    @classmethod
    def of_run(cls, run: Run, **options: Any) -> Self:
        """Make a session of a prepared run; `options` as for the class."""
        session = cls(run.source, None, model=run.network, config=run.config, **options)
        session._context.adopt(run)
        return session

    @classmethod
    def of_labels(cls, frames: Any, labels: Any, **options: Any) -> Self:
        """Make a session of a result that exists, made by whatever program, to review and correct it.

        Parameters
        ----------
        frames : array_like
            The movie.
        labels : array_like
            ``(T, Y, X)`` integers, read frame by frame. Frames without objects count as without result.
        **options
            As for the class.

        Raises
        ------
        SeedError
            If the labels do not fit the movie.
        """
        session = cls(frames, None, **options)
        for t in range(session.n_frames):
            image = check_labels(labels[t], session.frame_shape, f"labels of frame {t}")
            if image.any():
                session.results.put(t, FrameRecord.of_labels(t, image, seeded=False, confidence=float("nan")))
        return session

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        frames: Any = None,
        *,
        model: str | Path | XMem | None = None,
        write: Write | None = None,
        read: Read | None = None,
        explain_bytes: int = 256_000_000,
    ) -> Self:
        """Open a session that `save` wrote, with everything in it, at rest.

        What was seeded, corrected, locked or ended counts as before; the same run, correction or edit of memory gives
        the same results. Steps to undo are not kept, and questions to memory are answered after the next run.

        Parameters
        ----------
        path : path-like
            The file.
        frames : array_like, FrameSource, Movie or path, optional
            The movie; None: where it was opened from when the session was saved.
        model : str, path or XMem, optional
            The network; None: the one it was saved with, where that has a name or a path.
        write, read, explain_bytes
            As for the class; `write` gets every frame with a result.

        Returns
        -------
        TrackingSession
            Ready to be reviewed, corrected and run.

        Raises
        ------
        SessionError
            If the file is missing or damaged, or belongs to another movie or model.
        InputError, CheckpointError, DeviceError
            If movie or model cannot be opened.
        """
        archive = SessionArchive(path)
        frames = archive.movie_path if frames is None else frames
        model = archive.model if model is None else model
        if frames is None:
            raise SessionError(f"{path} does not say where its movie is; give it: frames=.")
        if model is None:
            raise SessionError(f"{path} was saved with a network that has no name; give it: model=.")
        session = cls(
            frames, None, model=model, config=archive.config, write=write, read=read, explain_bytes=explain_bytes
        )
        archive.fill(session._context)
        session._context.tell(list(session.results.frames))
        return session

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything into one file: labels, scores, seeds, corrections, locks, ends, settings and memory.

        The movie is not in it, only where it was opened from and a checksum. While something runs, the frame at hand
        is done first.

        Parameters
        ----------
        path : path-like
            File to write, ``.xmem-session`` by habit; replaced if it exists.

        Raises
        ------
        OutputError
            If it cannot be written; what stood there stays.
        """
        with self.runner.between_frames("Saving"):
            write_session(self._context, path)

    def __repr__(self) -> str:
        done, n_frames = len(self.results.frames), self.n_frames
        rows, columns = self.frame_shape
        return f"TrackingSession({self.state.value}, {done} of {n_frames} frames of {rows} x {columns} px)"

    def __getattr__(self, name: str) -> Any:
        """Answer to names of earlier versions, with a warning."""
        now = _EARLIER_NAMES.get(name)
        if now is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        warnings.warn(f"TrackingSession.{name} is now called {now}.", DeprecationWarning, stacklevel=2)
        return getattr(self, now)

    # ---- looking: nothing here changes anything or waits

    @property
    def state(self) -> SessionState:
        """What it is doing."""
        return self.runner.state

    @property
    def results(self) -> ResultsStore:
        """The latest result of every frame."""
        return self._context.results

    @property
    def history(self) -> History:
        """Steps that can be undone."""
        return self._context.history

    @property
    def annotations(self) -> Annotations:
        """What the person said: seeds, corrections, locked frames, objects that are absent."""
        return self._context.annotations

    @property
    def n_frames(self) -> int:
        """Frames of the movie."""
        return len(self._context.source)

    @property
    def frame_shape(self) -> tuple[int, int]:
        """Rows and columns of a frame."""
        return self._context.source.frame_shape

    @property
    def channels(self) -> tuple[int, ...] | None:
        """Channels of the movie that the network looks at; None for all there are."""
        return self._context.source.channels

    @property
    def frame_range(self) -> tuple[int, int]:
        """First frame and end (exclusive) of what corrections may change."""
        return self._context.frame_range

    @property
    def follower(self) -> TrackingScope | None:
        """What holds the memory of the present or latest run; look at it only while nothing runs."""
        return self._context.follower

    @property
    def network(self) -> XMem | None:
        """The network; None before the first run."""
        run = self._context.run
        return None if run is None else run.network

    @property
    def write(self) -> Write | None:
        """Called when the result of a frame changes; may be replaced while nothing runs."""
        return self._context.write

    @write.setter
    def write(self, write: Write | None) -> None:
        self._context.write = write

    @property
    def memory_config(self) -> MemoryConfig:
        """The memory manager's settings; a change takes effect with the next frame, while paused on resume."""
        return self._context.memory_config

    @memory_config.setter
    def memory_config(self, memory: MemoryConfig) -> None:
        self._context.memory_config = memory

    def snapshot(self) -> SessionSnapshot:
        """Return what the session is doing and which frames are done, annotated, corrected and locked now."""
        context = self._context
        with context.facts:
            status, said = self.runner.status, context.annotations
            return SessionSnapshot(
                status.state,
                status.task,
                status.frames_done,
                status.frames_total,
                status.frame,
                status.error,
                status.complete,
                said.seeded,
                tuple(sorted(said.corrected)),
                tuple(sorted(said.locked)),
                context.results.frames,
                context.history.undo_title,
                context.history.redo_title,
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
            change, record = self.history.latest, self.results.get(frame)
            if change is not None and frame in change.frames:
                record = change.frames[frame].before
        return np.zeros(self.frame_shape, np.uint16) if record is None else record.packed.unpack()

    def result(self) -> PropagationResult:
        """Return everything done so far as one result; frames without any are 0."""
        lineage, events = self._context.lineage.read(self.annotations)
        frames = self.results.frames
        dtype = label_dtype(max((int(self.results.labels(t).max()) for t in frames), default=0))
        labels = np.zeros((self.n_frames, *self.frame_shape), dtype)
        for t in frames:
            labels[t] = self.results.labels(t)
        run, memory = self._context.run, self.results.snapshots(frames)
        scope, reason = (run.scope, run.scope_reason) if run is not None else ("", "not propagated")
        recipe = {} if run is None else self.current_run().recipe
        return PropagationResult(
            labels, self.results.scores(), memory, scope, reason, recipe, lineage, events, explainer=self
        )

    @property
    def lineage(self) -> Lineage:
        """Who is whose daughter in the results of now, with what a person said over what runs found."""
        return self._context.lineage.read(self.annotations)[0]

    @property
    def events(self) -> tuple[Event, ...]:
        """What happened, by frame, as far as it agrees with the lineage."""
        return self._context.lineage.read(self.annotations)[1]

    def review(self) -> Review:
        """Return what deserves a look: confidence per frame, the frames to check first, and the queue of events."""
        said, context = self.annotations, self._context

        def happened() -> tuple[EventToCheck, ...]:
            parts = objects_in_parts(self._parts.read())
            return events_to_check(context.lineage.read(said)[0], said.checked, said.mothers, said.absent, parts)

        return Review(self.results.scores(), said.checked, happened, said.settled)

    def settle(self, event: EventToCheck) -> None:
        """Say that what a question of `Review.queue` asks about is right as it is; it is asked no more. Undoable."""
        self._edits.settle(event)

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
            object_id = label_at(self.labels(frame), y, x)
        record = self.results.get(frame)
        for objects, explainer in record.explainers if record is not None else ():
            if objects is None or object_id in objects or not object_id:
                return explainer.explain(frame, y, x, object_id, top)
        if frame in self.annotations.labels or record is None:
            raise InputError(f"The labels of frame {frame} were given by hand; memory had no part in them.")
        raise InputError(f"The labels of frame {frame} were read from a file; run the session again to explain them.")

    # ---- running

    def prepare(self) -> Run:
        """Check everything and load the model, if that was not done yet; `frames` does it by itself.

        Raises
        ------
        InputError, SeedError, ConfigError, CheckpointError, DeviceError
            See `napari_xmem.iter_propagate`.
        """
        with self.runner.between_frames("Preparing"):
            return self._context.prepare()

    def current_run(self) -> Run:
        """Return the prepared run with the settings of now."""
        return self._context.current_run()

    def frames(self, *, wait: bool = True) -> Iterator[FrameResult]:
        """Do the work, one frame at a time; a new propagation if nothing was begun.

        Parameters
        ----------
        wait : bool
            While paused: True waits here for `resume` (from another thread) or `cancel`; False ends the iteration, and
            iterating again after `resume` goes on.

        Yields
        ------
        FrameResult
            Each frame as it is done; its result is kept in the session before.

        Raises
        ------
        SessionError
            If another thread is iterating, or the session is paused and `wait` is False.
        Exception
            If something given cannot be used, a frame fails, or `write` raises; frames done stay, the state is FAILED.
        """
        return self.runner.frames(wait=wait)

    def run(self) -> PropagationResult:
        """Do all the work in this thread and return the result; goes on with a run that was paused."""
        if self.state is SessionState.PAUSED:
            self.resume()
        for _ in self.frames():
            pass
        return self.result()

    def pause(self) -> None:
        """Wait after the frame at hand; `SessionError` if nothing runs."""
        self.runner.pause()

    def resume(self) -> None:
        """Go on after a pause; `SessionError` if it is not paused."""
        self.runner.resume()

    def cancel(self) -> None:
        """End inside the frame at hand, or after it; frames that are done stay. No effect if nothing runs."""
        self.runner.cancel()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until nothing runs; returns False if time ran out."""
        return self.runner.wait(timeout_s)

    # ---- correcting

    def begin_correction(
        self,
        corrections: Mapping[int, NDArray[Any]],
        *,
        forward: bool | None = None,
        backward: bool | None = None,
        agreement: Agreement | None = None,
    ) -> CorrectionTask:
        """Take up corrections; iterate over `frames` to propagate them.

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
        return self._edits.begin_correction(corrections, forward, backward, agreement or Agreement())

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
        for _ in self.frames():
            pass
        return task.summary

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
        return self._edits.end_object(object_id, from_frame, backward)

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
        labels = self.labels(from_frame).astype(np.int64)
        if not (labels == object_id).any():
            raise SessionError(f"Object {object_id} is not on frame {from_frame}.")
        if not 1 <= new_id < 2**31:
            raise SessionError(f"{new_id} is no number for an object; choose one from 1 to {2**31 - 1}.")
        swapped = np.select([labels == object_id, labels == new_id], [new_id, object_id], labels)
        return self.correct({from_frame: swapped})

    # ---- correcting lineages: each is one step of the history; what cannot be is refused, and nothing is changed

    def new_ids(self, count: int = 1) -> tuple[int, ...]:
        """Return ids that no object has, or ever had."""
        return self._lineage.new_ids(count)

    def begin_division(
        self, mother: int, frame: int, daughters: Sequence[int] = (), labels: NDArray[Any] | None = None
    ) -> CorrectionTask | Change:
        """Say that a cell divides; iterate over `frames` if there is something to propagate.

        Parameters
        ----------
        mother : int
            The dividing cell, seen before `frame`.
        frame : int
            First frame of the daughters.
        daughters : sequence of int
            Cells that are there already and begin on `frame` or later; one of them may be a new id, which takes over
            the mother's label from `frame` on. Two new ids, or none (ids are found): the mother is cut in two on
            `frame`, and both are followed from there. One cell that is there while the mother goes on is her bud.
        labels : ndarray, shape (Y, X), optional
            All labels of `frame` with the daughters painted, in place of the cut.

        Returns
        -------
        CorrectionTask or Change
            A task where daughters have to be followed; else the step, which is done.

        Raises
        ------
        SessionError
            If the frame lies outside the movie or is locked, or something runs.
        InputError
            If it cannot be, see `napari_xmem.tracking.corrections.divide`.
        """
        if labels is None and not self._lineage.needs_propagation(mother, frame, daughters):
            return self._lineage.divide(mother, frame, daughters)
        return self._lineage.begin_division(mother, frame, daughters, labels)

    def divide(
        self, mother: int, frame: int, daughters: Sequence[int] = (), labels: NDArray[Any] | None = None
    ) -> Change:
        """Say that a cell divides, and follow its daughters in this thread; parameters and errors as `begin_division`.

        Returns
        -------
        Change
            The step, with the frames that changed.
        """
        begun = self.begin_division(mother, frame, daughters, labels)
        if isinstance(begun, Change):
            return begun
        for _ in self.frames():
            pass
        return begun.step

    def link(self, daughter: int, mother: int) -> Change:
        """Say whose daughter a cell is; a mother it had is replaced. No labels change.

        Parameters
        ----------
        daughter, mother : int
            Two cells; the mother begins first.

        Returns
        -------
        Change
            The step.

        Raises
        ------
        InputError
            If one does not exist, the mother begins too late, or she descends from the daughter.
        SessionError
            If the daughter's first frame is locked, or something runs.
        """
        return self._lineage.link(daughter, mother)

    def unlink(self, daughter: int) -> Change:
        """Take a cell's mother away. No labels change; returns and raises as `link`."""
        return self._lineage.unlink(daughter)

    def swap(self, a: int, b: int, from_frame: int) -> Change:
        """Exchange two cells from a frame on, with the daughters they have later; at once, without the network.

        Parameters
        ----------
        a, b : int
            Two cells.
        from_frame : int
            First frame on which they are exchanged.

        Returns
        -------
        Change
            The step.

        Raises
        ------
        InputError
            If one does not exist, or none is seen from there on.
        SessionError
            If a frame concerned is locked, or something runs.
        """
        return self._lineage.swap(a, b, from_frame)

    def join(self, a: int, b: int) -> Change:
        """Say that two cells are one that was given two ids; the id of the earlier one stays. Raises as `swap`."""
        return self._lineage.join(a, b)

    def remove(self, cell: int, from_frame: int = 0) -> Change:
        """Remove a cell from a frame on, from painted frames too; what begins later by it has no mother then.

        Other than `end_object` it stops at nothing: a locked frame that shows the cell is an error. Raises as `swap`.
        """
        return self._lineage.remove(cell, from_frame)

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
        self._edits.lock(_frame_numbers(frames))

    def unlock(self, frames: Iterable[int] | int) -> None:
        """Allow overwriting again. Undoable."""
        self._edits.unlock(_frame_numbers(frames))

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
        return self._edits.step_back(forward=False)

    def redo(self) -> Change:
        """Do again what `undo` undid; raises as `undo`."""
        return self._edits.step_back(forward=True)

    # ---- inside

    def _first_task(self) -> PropagationTask:
        return PropagationTask(self._context)


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
