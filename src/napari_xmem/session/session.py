"""A session: what a person wants done with one movie, from the first seeds to the last correction."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from napari_xmem.engine import prepare_run
from napari_xmem.errors import SessionError
from napari_xmem.imaging import check_labels
from napari_xmem.session.answers import Answers
from napari_xmem.session.compare import Agreement, CorrectionSummary
from napari_xmem.session.history import Annotations, Change
from napari_xmem.session.memory_editor import MemoryEditor
from napari_xmem.session.results import FrameRecord, PackedLabels
from napari_xmem.session.runner import AT_REST
from napari_xmem.session.state import SessionState
from napari_xmem.session.tasks import CorrectionTask, PropagationTask

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_xmem.config import PropagationConfig
    from napari_xmem.engine import PropagationResult, Run
    from napari_xmem.model import XMem
    from napari_xmem.session.workbench import Write

__all__ = ["TrackingSession"]


class TrackingSession(Answers):
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
        super().__init__(frames, seeds, model, config, write, explain_bytes)
        self.memory = MemoryEditor(self)

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
                session.results.put(t, FrameRecord.of_labels(t, image, seeded=False, confidence=float("nan")))
        return session

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
                config = replace(self._config, memory=self._memory_config, start=None, stop=None, direction="both")
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
        missing = sorted(t for t in wanted if t not in self.results)
        if missing:
            raise SessionError(f"Frames {missing} have no result to lock; propagate first.")
        self._say(replace(self._annotations, locked=self._annotations.locked | wanted), f"lock {_named(wanted)}")

    def unlock(self, frames: Iterable[int]) -> None:
        """Allow overwriting again. Undoable."""
        wanted = frozenset(int(t) for t in frames)
        self._say(replace(self._annotations, locked=self._annotations.locked - wanted), f"unlock {_named(wanted)}")

    def undo(self) -> Change:
        """Take back the latest correction, lock or unlock; `SessionError` if there is none or something runs."""
        return self._step_back(forward=False)

    def redo(self) -> Change:
        """Do again what `undo` took back."""
        return self._step_back(forward=True)

    def _step_back(self, *, forward: bool) -> Change:
        with self._facts:
            self._machine.require(AT_REST, "Redo" if forward else "Undo")
            change = self.history.redo(self.results) if forward else self.history.undo(self.results)
            self._annotations = change.after if forward else change.before
            explainers = change.explainers_after if forward else change.explainers_before
            if explainers is not None:
                self.explainers = dict(explainers)
        for frame in sorted(change.frames):
            self._tell(frame)
        return change

    def _say(self, annotations: Annotations, title: str) -> None:
        with self._facts:
            if annotations != self._annotations:
                self.history.add(Change(title, {}, self._annotations, annotations))
                self._annotations = annotations

    def _check_corrections(self, corrections: Mapping[int, NDArray[Any]]) -> dict[int, PackedLabels]:
        packed = {}
        for frame, labels in corrections.items():
            if not 0 <= frame < self.n_frames:
                raise SessionError(f"Frame {frame} was corrected, but the movie has frames 0 to {self.n_frames - 1}.")
            if frame in self._annotations.locked:
                raise SessionError(f"Frame {frame} is locked; unlock it to correct it.")
            packed[int(frame)] = PackedLabels.pack(check_labels(labels, self.frame_shape, f"labels of frame {frame}"))
        if not packed:
            raise SessionError("No frame was corrected; change the labels of at least one frame.")
        if self._run is None and not any(image.unpack().any() for image in packed.values()):
            raise SessionError("The corrected frames hold no object; paint at least one.")
        return packed

    def _first_task(self) -> PropagationTask:
        return PropagationTask(self)


def _named(frames: frozenset[int]) -> str:
    shown = ", ".join(map(str, sorted(frames)[:5])) + (" ..." if len(frames) > 5 else "")
    return f"frame{'s' * (len(frames) != 1)} {shown}"
