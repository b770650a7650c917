"""A session: what a person wants done with one movie, from the first seeds to the last correction."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from napari_xmem.config import PropagationConfig
from napari_xmem.engine import PropagationResult, prepare_run
from napari_xmem.engine.passes import plan_passes
from napari_xmem.errors import InputError, SessionError
from napari_xmem.imaging import FrameSource, check_labels, label_at, label_dtype, object_ids
from napari_xmem.session.book import FrameRecord, PackedLabels, ResultBook
from napari_xmem.session.compare import Agreement, CorrectionSummary
from napari_xmem.session.desk import MemoryDesk
from napari_xmem.session.driver import AT_REST, Driver
from napari_xmem.session.history import Change, Given, History
from napari_xmem.session.review import Review
from napari_xmem.session.state import SessionSnapshot, SessionState
from napari_xmem.session.tasks import CorrectionTask, PropagationTask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_xmem.config import MemoryConfig
    from napari_xmem.engine import FrameResult, Run
    from napari_xmem.engine.follow import Follower
    from napari_xmem.engine.portable import StoredMemory
    from napari_xmem.engine.propagate import Watch
    from napari_xmem.engine.provenance import Explainer, Explanation, MemoryTrail
    from napari_xmem.model import XMem

    Write = Callable[[int, NDArray[Any]], None]

__all__ = ["TrackingSession"]


class TrackingSession(Driver):
    """Seeds, runs, corrections, locked frames and results of one movie.

    A session computes only while somebody iterates over `frames` (or calls `run` or `correct`, which do); any thread
    may do so, one at a time. Everything else may be called from any thread at any time. States: `SessionState`.

    Parameters
    ----------
    frames : array_like or FrameSource
        ``(T, Y, X[, C])``, read one frame at a time.
    seeds : mapping, array or None
        As for `napari_xmem.propagate`; None: the first correction begins.
    model : str, path or XMem
        As for `napari_xmem.propagate`; loaded at the first frame.
    config : PropagationConfig, optional
        All settings.
    write : callable, optional
        Called with a frame and its labels ``(Y, X)`` whenever the result of a frame changes, from the thread that
        changed it; zeros where a result was taken back.
    explain_bytes : int
        Room for states of memory that let `explain` answer at once.

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
        explain_bytes: int = 256_000_000,
    ) -> None:
        super().__init__()
        self._source = frames if isinstance(frames, FrameSource) else FrameSource(frames)
        self._seeds, self._model = seeds, model
        self._config = config or PropagationConfig()
        self._memory = self._config.memory
        self._run: Run | None = None
        self._given = Given()
        self._follower: Follower | None = None
        self.write = write
        self.explain_bytes = explain_bytes
        self.book = ResultBook()
        self.history = History()
        self.explainers: dict[int, tuple[tuple[frozenset[int] | None, Explainer], ...]] = {}
        self.start_memory: StoredMemory | None = None
        self.desk = MemoryDesk(self)

    @classmethod
    def of_run(cls, run: Run, **options: Any) -> Self:
        """Make a session of a prepared run; `options` as for the class."""
        session = cls(run.source, None, model=run.network, config=run.config, **options)
        session._adopt(run)
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
                session.book.put(t, FrameRecord.given(t, image, seeded=False, confidence=float("nan")))
        return session

    # ---- what it knows

    @property
    def given(self) -> Given:
        """What the person said: seeds, corrections, locked frames."""
        return self._given

    @property
    def n_frames(self) -> int:
        """Frames of the movie."""
        return len(self._source)

    @property
    def frame_shape(self) -> tuple[int, int]:
        """Rows and columns of a frame."""
        return self._source.frame_shape

    @property
    def frame_range(self) -> tuple[int, int]:
        """First frame and end (exclusive) of what corrections may change."""
        if self._run is not None and self._config.start is None and self._config.stop is None:
            return 0, self.n_frames
        low, high = self._config.start or 0, self._config.stop
        return low, self.n_frames if high is None else high

    @property
    def follower(self) -> Follower | None:
        """What holds the memory of the present or latest run; look at it only while nothing runs."""
        return self._follower

    @property
    def network(self) -> XMem | None:
        """The network; None before the first run."""
        return None if self._run is None else self._run.network

    @property
    def memory(self) -> MemoryConfig:
        """The memory manager's settings; a change takes effect with the next frame, while paused on resume."""
        return self._memory

    @memory.setter
    def memory(self, memory: MemoryConfig) -> None:
        self._memory = memory

    def snapshot(self) -> SessionSnapshot:
        """Return what the session is doing and which frames are done, given, corrected and locked now."""
        with self._facts:
            given = self._given
            return replace(
                self._progress,
                state=self.state,
                seeded=given.seeded,
                corrected=tuple(sorted(given.corrected)),
                locked=tuple(sorted(given.locked)),
                with_result=self.book.frames,
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
        return self.book.labels(frame)

    def result(self) -> PropagationResult:
        """Return everything done so far as one result; frames without any are 0."""
        frames = self.book.frames
        dtype = label_dtype(max((int(self.book.labels(t).max()) for t in frames), default=0))
        labels = np.zeros((self.n_frames, *self.frame_shape), dtype)
        for t in frames:
            labels[t] = self.book.labels(t)
        run, memory = self._run, self.book.snapshots(frames)
        scope, reason = (run.scope, run.scope_reason) if run is not None else ("", "not propagated")
        recipe = {} if run is None else self.current_run().recipe
        return PropagationResult(labels, self.book.scores(), memory, scope, reason, recipe, self)

    def review(self) -> Review:
        """Return what deserves a look: confidence per frame, and the frames to check first."""
        given = self._given
        return Review(self.book.scores(), tuple(sorted({*given.labels, *given.locked})))

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

    # ---- what it does

    def run(self) -> PropagationResult:
        """Do all the work in this thread and return the result."""
        for _ in self.frames():
            pass
        return self.result()

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
        with self._facts:
            self._machine.require((*AT_REST, SessionState.PAUSED), "A correction")
            packed = self._check_corrections(corrections)
            went_back = self._config.direction == "backward"
            forward = not went_back if forward is None else forward
            backward = went_back if backward is None else backward
            rest = self._task.frames_left if isinstance(self._task, PropagationTask) else ()
            if self.state is SessionState.PAUSED:
                self.cancel()
                self.wait()
            if self._run is None:
                seeds = {t: image.unpack() for t, image in packed.items() if image.unpack().any()}
                config = replace(self._config, memory=self._memory, start=None, stop=None, direction="both")
                self._run = prepare_run(self._source, seeds, self._model, config)
            task = CorrectionTask(
                self, packed, forward=forward, backward=backward, agreement=agreement or Agreement(), rest=rest
            )
            self._set_task(task)
            return task

    def correct(self, corrections: Mapping[int, NDArray[Any]], **options: Any) -> CorrectionSummary:
        """Propagate corrections in this thread.

        Parameters
        ----------
        corrections : mapping
            Frame to labels ``(Y, X)`` that are right as a whole: an object that is not painted there is absent.
        **options
            forward, backward and agreement, see `begin_correction`.

        Returns
        -------
        CorrectionSummary
            What changed; ``str(summary)`` is a sentence.

        Raises
        ------
        SessionError, SeedError
            As `begin_correction`.
        """
        task = self.begin_correction(corrections, **options)
        for _ in self.frames():
            pass
        return task.summary

    def lock(self, frames: Iterable[int]) -> None:
        """Never overwrite the result of these frames; it counts as right. Undoable.

        Parameters
        ----------
        frames : iterable of int
            Frames that have a result.

        Raises
        ------
        SessionError
            If a frame has no result.
        """
        wanted = frozenset(int(t) for t in frames)
        missing = sorted(t for t in wanted if t not in self.book)
        if missing:
            raise SessionError(f"Frames {missing} have no result to lock; propagate first.")
        self._say(replace(self._given, locked=self._given.locked | wanted), f"lock {_named(wanted)}")

    def unlock(self, frames: Iterable[int]) -> None:
        """Allow overwriting again. Undoable."""
        wanted = frozenset(int(t) for t in frames)
        self._say(replace(self._given, locked=self._given.locked - wanted), f"unlock {_named(wanted)}")

    def undo(self) -> Change:
        """Take back the latest correction, lock or unlock; `SessionError` if there is none or something runs."""
        return self._step_back(forward=False)

    def redo(self) -> Change:
        """Do again what `undo` took back."""
        return self._step_back(forward=True)

    def _step_back(self, *, forward: bool) -> Change:
        with self._facts:
            self._machine.require(AT_REST, "Redo" if forward else "Undo")
            change = self.history.redo(self.book) if forward else self.history.undo(self.book)
            self._given = change.after if forward else change.before
            explainers = change.explainers_after if forward else change.explainers_before
            if explainers is not None:
                self.explainers = dict(explainers)
        for frame in sorted(change.frames):
            self._tell(frame)
        return change

    def _say(self, given: Given, title: str) -> None:
        with self._facts:
            if given != self._given:
                self.history.add(Change(title, {}, self._given, given))
                self._given = given

    def _check_corrections(self, corrections: Mapping[int, NDArray[Any]]) -> dict[int, PackedLabels]:
        packed = {}
        for frame, labels in corrections.items():
            if not 0 <= frame < self.n_frames:
                raise SessionError(f"Frame {frame} was corrected, but the movie has frames 0 to {self.n_frames - 1}.")
            if frame in self._given.locked:
                raise SessionError(f"Frame {frame} is locked; unlock it to correct it.")
            packed[int(frame)] = PackedLabels.pack(check_labels(labels, self.frame_shape, f"labels of frame {frame}"))
        if not packed:
            raise SessionError("No frame was corrected; change the labels of at least one frame.")
        if self._run is None and not any(image.unpack().any() for image in packed.values()):
            raise SessionError("The corrected frames hold no object; paint at least one.")
        return packed

    # ---- for tasks

    def prepare(self) -> Run:
        """Check everything and load the model, if that was not done yet; `frames` does it by itself.

        Raises
        ------
        InputError, SeedError, ConfigError, CheckpointError, DeviceError
            See `napari_xmem.iter_propagate`.
        """
        with self._turn:
            if self._run is None:
                if self._seeds is None:
                    raise SessionError("This session has no seeds; correct a frame, and it is propagated from there.")
                config = replace(self._config, memory=self._memory)
                self._adopt(prepare_run(self._source, self._seeds, self._model, config))
            return self.current_run()

    def current_run(self) -> Run:
        """Return the prepared run with the settings of now."""
        run = self._run
        if run is None:
            raise SessionError("The session has no run yet; give seeds or a correction first.")
        recipe = {**run.recipe, "memory": self._memory.to_dict(), "corrected_frames": sorted(self._given.corrected)}
        return replace(run, config=replace(run.config, memory=self._memory), recipe=recipe)

    def next_run(self) -> Run:
        """Return the run of everything that is known: seeds, corrections, locked frames."""
        run = self.prepare()
        known, whole = self.known_frames()
        if self.start_memory is not None:
            run = replace(run, begin=partial(self.start_memory.start, object_ids=_ids_of(known)))
        if set(known) == set(run.seeds) and not whole:
            return run
        low, high = run.recipe["frames"]
        ids = _ids_of(known)
        absent = {t: tuple(sorted(ids - set(object_ids(known[t])))) for t in known if t in whole}
        passes = plan_passes(known, low, high, run.config.direction)
        dtype = np.promote_types(run.dtype, label_dtype(max(ids)))
        return replace(run, seeds=known, absent=absent, passes=passes, dtype=dtype)

    def known_frames(self) -> tuple[dict[int, NDArray[np.int64]], frozenset[int]]:
        """Return frames that memory may learn from, and those among them that are right as a whole."""
        given = self._given
        known = {t: packed.unpack().astype(np.int64) for t, packed in given.labels.items()}
        known |= {t: self.book.labels(t).astype(np.int64) for t in given.locked}
        known = {t: known[t] for t in sorted(known) if t not in given.forgotten}
        return known, (given.corrected | given.locked) & frozenset(known)

    def set_given(self, given: Given) -> None:
        """Replace what the person said."""
        with self._facts:
            self._given = given

    def keep(
        self, result: FrameResult, explainer: Explainer | None, objects: frozenset[int] | None = None
    ) -> FrameResult:
        """Take in the result of a frame, unless it is locked; returns what counts.

        `explainer` knows how the masks of `objects` (None: all) came about; None: they were given by hand.
        """
        if result.frame in self._given.locked:
            record = self.book.get(result.frame)
            return result if record is None else record.result
        self.book.put(result.frame, FrameRecord.of(result))
        with self._facts:
            earlier = () if objects is None else self.explainers.get(result.frame, ())
            self.explainers[result.frame] = () if explainer is None else ((objects, explainer), *earlier)
        self._tell(result.frame, result.labels)
        return result

    def watcher(self, trail: MemoryTrail) -> Watch:
        """Return what follows a run from inside: it keeps the follower in reach and memory's states for `explain`."""

        def watch(follower: Follower, frame: int) -> None:
            self._follower = follower
            trail.record(follower, frame)

        return watch

    def _tell(self, frame: int, labels: NDArray[Any] | None = None) -> None:
        if self.write is None:
            return
        if labels is None:
            record = self.book.get(frame)
            labels = np.zeros(self.frame_shape, np.uint16) if record is None else record.packed.unpack()
        self.write(frame, labels)

    def _adopt(self, run: Run) -> None:
        with self._facts:
            self._run = run
            self._memory = run.config.memory
            seeds = {t: PackedLabels.pack(image) for t, image in run.seeds.items()}
            self._given = replace(self._given, labels={**seeds, **self._given.labels})

    def _first_task(self) -> PropagationTask:
        return PropagationTask(self)

    def _before_frame(self) -> None:
        follower = self._follower
        if follower is not None and any(bank.config != self._memory for bank in follower.banks):
            follower.reconfigure(self._memory)


def _ids_of(known: Mapping[int, NDArray[Any]]) -> set[int]:
    return {i for labels in known.values() for i in object_ids(labels)}


def _named(frames: frozenset[int]) -> str:
    shown = ", ".join(map(str, sorted(frames)[:5])) + (" ..." if len(frames) > 5 else "")
    return f"frame{'s' * (len(frames) != 1)} {shown}"
