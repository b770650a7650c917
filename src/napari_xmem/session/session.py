"""A session: what a person wants done with one movie, from the first seeds to the last correction."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any, Self

from napari_xmem.config.arguments import checked_methods
from napari_xmem.engine.inputs import progress_calls
from napari_xmem.session.archive import SessionArchive, write_session
from napari_xmem.session.context import SessionContext
from napari_xmem.session.corrections.lineage_edits import LineageEdits
from napari_xmem.session.corrections.result_edits import ResultEdits
from napari_xmem.session.memory_editor import MemoryEditor
from napari_xmem.session.method_forwarding import of_part
from napari_xmem.session.objects_in_parts import PartsCounter
from napari_xmem.session.result_views import ResultViews
from napari_xmem.session.session_from_result import records_of, seeds_of, settings_of
from napari_xmem.session.session_runner import SessionRunner
from napari_xmem.session.session_states import SessionState
from napari_xmem.session.session_status import SessionSnapshot
from napari_xmem.session.tasks import PropagationTask

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Generator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_xmem.config import MemoryConfig, PropagationConfig
    from napari_xmem.config.given import Frames, Seeds
    from napari_xmem.engine import FrameResult, PropagationResult, Run
    from napari_xmem.engine.inputs import Progress
    from napari_xmem.engine.scopes.base import TrackingScope
    from napari_xmem.model import XMem
    from napari_xmem.session.annotations import Annotations
    from napari_xmem.session.context import Read, Write
    from napari_xmem.session.results import History, ResultsStore
    from napari_xmem.tracking import Event, Lineage

__all__ = ["TrackingSession"]

_FOR_PANELS = {"runner", "edits", "lineage_edits", "follower", "current_run", "prepare"}


@checked_methods
class TrackingSession:
    """Seeds, runs, corrections, locked frames and results of one movie.

    A session computes only while somebody iterates over `frames` (or calls `run` or `correct`, which do); any thread
    may do so, one at a time. Everything else may be called from any thread at any time but in the middle of a frame,
    that is from inside `write` and `read`. States: `napari_xmem.session.session_states`; locks: `session_runner`.

    Parameters
    ----------
    frames : array_like, FrameSource, Movie or path
        ``(T, Y, X[, C])``, read one frame at a time; a file is opened with `napari_xmem.open_movie`.
    seeds : mapping, array or None
        As for `napari_xmem.propagate`; None: the detections, or else the first correction, begin.
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
    detections : array_like, optional
        Labels of another program that propose new cells, as for `napari_xmem.propagate`.

    Attributes
    ----------
    runner : SessionRunner
        The state machine of the run.
    memory : MemoryEditor
        What memory holds, and changing it.
    edits : ResultEdits
        Corrections, ends of objects, locks, undo.
    lineage_edits : LineageEdits
        Divisions, mothers, and who is who.

    Examples
    --------
    >>> import napari_xmem as nx
    >>> from napari_xmem.sample_data import simulated_nuclei
    >>> movie, truth = simulated_nuclei(frames=3, size_px=(64, 64), n_objects=2)
    >>> session = nx.TrackingSession(movie, {0: truth[0]})
    >>> result = session.run()
    >>> print(session.correct({1: truth[1]}))
    2 frames changed (objects 1, 2, 3). Propagated forward from frame 1 to the end.
    >>> session.undo()
    Change('correction of frame 1', 2 frames)
    """

    def __init__(
        self,
        frames: Frames,
        seeds: Seeds | None = None,
        *,
        model: str | Path | XMem = "bundled",
        config: PropagationConfig | None = None,
        write: Write | None = None,
        read: Read | None = None,
        explain_bytes: int = 256_000_000,
        detections: Any = None,
    ) -> None:
        self._context = SessionContext(frames, seeds, model, config, write, read, explain_bytes, detections)
        self.runner = SessionRunner(self._first_task, self._context.before_frame, self._context.facts)
        self.memory = MemoryEditor(self._context, self.runner)
        self.edits = ResultEdits(self._context, self.runner)
        self.lineage_edits = LineageEdits(self._context, self.runner, self.edits)
        self._parts = PartsCounter(self._context.results)
        self._views = ResultViews(self._context, self._parts)

    @classmethod
    def of_run(
        cls, run: Run, *, write: Write | None = None, read: Read | None = None, explain_bytes: int = 256_000_000
    ) -> Self:
        """Make a session of a prepared run; `write`, `read` and `explain_bytes` as for the class."""
        session = cls(
            run.source,
            None,
            model=run.network,
            config=run.config,
            write=write,
            read=read,
            explain_bytes=explain_bytes,
        )
        session._context.adopt(run)
        return session

    @classmethod
    def of_labels(
        cls,
        frames: Frames,
        labels: Any,
        *,
        model: str | Path | XMem = "bundled",
        config: PropagationConfig | None = None,
        write: Write | None = None,
        read: Read | None = None,
        explain_bytes: int = 256_000_000,
        detections: Any = None,
    ) -> Self:
        """Make a session of a result that exists, made by whatever program, to review and correct it.

        Parameters
        ----------
        frames : array_like
            The movie.
        labels : array_like
            ``(T, Y, X)`` integers, read frame by frame. Frames without objects count as without result.
        model, config, write, read, explain_bytes, detections
            As for the class.

        Raises
        ------
        SeedError
            If the labels do not fit the movie.
        """
        session = cls(
            frames,
            None,
            model=model,
            config=config,
            write=write,
            read=read,
            explain_bytes=explain_bytes,
            detections=detections,
        )
        session._context.adopt_labels(labels)
        return session

    @classmethod
    def of_result(
        cls,
        frames: Frames,
        result: PropagationResult,
        *,
        seeds: Seeds | None = None,
        model: str | Path | XMem | None = None,
        write: Write | None = None,
        read: Read | None = None,
        explain_bytes: int = 256_000_000,
    ) -> Self:
        """Make a session of a finished result of `napari_xmem.propagate`, to review and correct it without a new run.

        Labels, scores, lineage, events and settings are those of the result; a result that was loaded from a file or
        sent between processes does as well. There is no memory to look into before something is run or corrected.

        Parameters
        ----------
        frames : array_like, FrameSource, Movie or path
            The movie.
        result : PropagationResult
            What was made of it.
        seeds : mapping or array, optional
            What was painted, as for the class; None: the labels of the result on the frames that had seeds.
        model : str, path or XMem, optional
            The network; None: that of the result, which has to have a name or be at hand.
        write, read, explain_bytes
            As for the class; `write` gets every frame of the result.

        Returns
        -------
        TrackingSession
            Ready to be reviewed, corrected and run again.

        Raises
        ------
        SeedError
            If the result is that of another movie.
        SessionError
            If the result does not say how it was made, see `of_labels` for such.
        """
        config, network = settings_of(result)
        session = cls(
            frames,
            seeds_of(result) if seeds is None else seeds,
            model=network if model is None else model,
            config=config,
            write=write,
            read=read,
            explain_bytes=explain_bytes,
        )
        session._context.made = (result.scope, result.scope_reason, result.recipe)
        session._context.adopt_records(records_of(result, session._context.source))
        return session

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        frames: Frames | None = None,
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
        frames, model = archive.movie_and_model(frames, model)
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

    def __dir__(self) -> list[str]:
        """Leave out what only panels need."""
        return sorted(set(super().__dir__()) - _FOR_PANELS)

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
        with self._context.facts:
            return SessionSnapshot.of(self._context, self.runner.status)

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

    @property
    def lineage(self) -> Lineage:
        """Who is whose daughter in the results of now, with what a person said over what runs found."""
        return self._context.lineage.read(self.annotations)[0]

    @property
    def events(self) -> tuple[Event, ...]:
        """What happened, by frame, as far as it agrees with the lineage."""
        return self._context.lineage.read(self.annotations)[1]

    labels_before = of_part("_views", ResultViews.labels_before)
    result = of_part("_views", ResultViews.result)
    review = of_part("_views", ResultViews.review)
    explain = of_part("_views", ResultViews.explain)

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

    def frames(
        self, *, wait: bool = True, stay: Callable[[], bool] | None = None
    ) -> Generator[FrameResult, None, None]:
        """Do the work, one frame at a time; a new propagation if nothing was begun.

        Parameters
        ----------
        wait : bool
            While paused: True waits here for `resume` (from another thread) or `cancel`, also in the middle of a
            frame; False ends the iteration after the frame at hand, and iterating again after `resume` goes on.
        stay : callable, optional
            While paused in the middle of a frame, wait there as long as it returns True; called often, and has to be
            quick. Whoever changes the session makes the frame be finished first. None: as `wait` says.

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
        return self._counted(self.runner.frames(wait=wait, stay=stay))

    def _counted(self, frames: Generator[FrameResult, None, None]) -> Generator[FrameResult, None, None]:
        """Count the parts of objects as frames come: all at once would make whoever asks for the review wait."""
        with closing(frames):
            for result in frames:
                self._parts.count(result.frame)
                yield result

    def run(self, *, progress: Progress | bool | None = None) -> PropagationResult:
        """Do all the work in this thread and return the result; goes on with a run that was paused.

        Parameters
        ----------
        progress : callable or bool, optional
            Called with frames done and frames in all, after each frame; True: a bar. If it raises, frames done stay.
        """
        shown = progress_calls(progress)
        if self.state is SessionState.PAUSED:
            self.resume()
        with closing(self.frames()) as frames:
            for _ in frames:
                if shown is not None:
                    shown(self.runner.status.frames_done, self.runner.status.frames_total)
        return self.result()

    def pause(self) -> None:
        """Wait inside the frame at hand, or after it (see `frames`); `SessionError` if nothing runs."""
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

    # ---- correcting, and undoing it

    @property
    def unfinished(self) -> frozenset[int]:
        """Objects that the latest correction did not follow to its end, as it was stopped; see `begin_unfinished`."""
        return self.edits.unfinished

    begin_correction = of_part("edits", ResultEdits.begin_correction)
    correct = of_part("edits", ResultEdits.correct)
    begin_unfinished = of_part("edits", ResultEdits.begin_unfinished)
    end_object = of_part("edits", ResultEdits.end_object)
    renumber_object = of_part("edits", ResultEdits.renumber_object)
    lock = of_part("edits", ResultEdits.lock)
    unlock = of_part("edits", ResultEdits.unlock)
    settle = of_part("edits", ResultEdits.settle)
    undo = of_part("edits", ResultEdits.undo)
    redo = of_part("edits", ResultEdits.redo)

    # ---- correcting lineages

    begin_division = of_part("lineage_edits", LineageEdits.begin_division)
    divide = of_part("lineage_edits", LineageEdits.divide)
    link = of_part("lineage_edits", LineageEdits.link)
    unlink = of_part("lineage_edits", LineageEdits.unlink)
    swap = of_part("lineage_edits", LineageEdits.swap)
    join = of_part("lineage_edits", LineageEdits.join)
    remove = of_part("lineage_edits", LineageEdits.remove)
    new_ids = of_part("lineage_edits", LineageEdits.new_ids)

    # ---- inside

    def _first_task(self) -> PropagationTask:
        return PropagationTask(self._context)
