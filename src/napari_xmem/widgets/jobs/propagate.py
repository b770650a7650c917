"""What threads do: prepare a propagation, or take up a correction, then one frame after the other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.errors import SeedError, XMemError
from napari_xmem.widgets.jobs.messages import FrameDone, Planned, Refused, Stage
from napari_xmem.widgets.jobs.models import NETWORKS

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from numpy.typing import NDArray

    from napari_xmem.config import PropagationConfig
    from napari_xmem.engine import FrameResult
    from napari_xmem.session import TrackingSession
    from napari_xmem.session.tasks import CorrectionTask
    from napari_xmem.widgets.jobs.worker import JobControl
    from napari_xmem.widgets.layers.movie import MovieView
    from napari_xmem.widgets.layers.result import ResultTarget
    from napari_xmem.widgets.layers.seeds import SeedView

__all__ = [
    "CorrectionJob",
    "FrameDone",
    "Planned",
    "PropagationJob",
    "Refused",
    "Stage",
    "correction_job",
    "prepare_session",
    "propagation_job",
    "session_frames",
    "without_labels",
]


@dataclass(frozen=True, slots=True, eq=False)
class PropagationJob:
    """Everything a run needs, taken from the layers when Run was pressed.

    Attributes
    ----------
    movie, seeds, target
        Where frames and seeds come from, and where labels go.
    channels : tuple of int or None
        Channels the model looks at.
    model, config
        The network and all settings.
    planes : tuple of (MovieView, SeedView)
        The planes of a movie of stacks, each followed by itself; empty for one plane.
    fill_planes : bool
        First follow the seeds of each painted frame through its other planes.
    """

    movie: MovieView
    channels: tuple[int, ...] | None
    seeds: SeedView
    model: str
    config: PropagationConfig
    target: ResultTarget
    planes: tuple[tuple[MovieView, SeedView], ...] = ()
    fill_planes: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class CorrectionJob:
    """Frames that are right as a whole, for a session that has a result.

    Attributes
    ----------
    session : TrackingSession
        It writes into the layer by itself.
    corrections : mapping
        Frame to labels (Y, X).
    forward, backward : bool
        Directions.
    started : callable, optional
        Called, in the job's thread, with the session's `CorrectionTask`.
    """

    session: TrackingSession
    corrections: Mapping[int, NDArray[Any]]
    forward: bool = True
    backward: bool = False
    started: Callable[[CorrectionTask], Any] | None = None

    def begin(self) -> None:
        """Take up the correction; the session runs from here on."""
        task = self.session.begin_correction(self.corrections, forward=self.forward, backward=self.backward)
        if self.started is not None:
            self.started(task)


def prepare_session(control: JobControl, job: PropagationJob) -> Generator[Stage, None, TrackingSession | None]:
    """Check everything, load the model and look at the movie; yields `Stage`, returns None if stopped.

    Raises
    ------
    XMemError
        If something given cannot be used.
    """
    yield Stage("Reading the seeds")
    source = job.movie.source(job.channels)
    seeds = dict(job.seeds.painted())
    if not seeds:
        raise SeedError(f"'{job.seeds.name}' holds no painted object; paint at least one object on one frame.")
    yield Stage("Loading the model")
    from napari_xmem.session import TrackingSession

    network = NETWORKS.get(job.model, job.config.device)
    if control.stopped:
        return None
    yield Stage("Looking at the movie")
    session = TrackingSession(source, seeds, model=network, config=job.config, write=job.target.write)
    session.prepare()
    return session


def propagation_job(control: JobControl, job: PropagationJob) -> Generator[Any, None, bool]:
    """Propagate; yields `Stage`, `Planned`, `FrameDone` and `Refused`.

    Returns
    -------
    bool
        True if all frames were done, False if it was stopped.

    Raises
    ------
    XMemError
        If something given cannot be used, or a frame fails.
    """
    if job.planes:
        from napari_xmem.widgets.jobs.volumes import plane_by_plane

        return (yield from plane_by_plane(control, job))
    session = yield from prepare_session(control, job)
    if session is None:
        return False
    run = session.current_run()
    job.target.allocate(run.dtype)
    yield Planned(run.n_results, session, {**run.recipe, "scope_reason": run.scope_reason})
    return (yield from session_frames(control, session))


def correction_job(control: JobControl, job: CorrectionJob) -> Generator[Any, None, bool]:
    """Propagate a correction; as `propagation_job`."""
    job.begin()
    yield Planned(len(job.corrections), job.session, {})
    return (yield from session_frames(control, job.session))


def session_frames(control: JobControl, session: TrackingSession) -> Generator[FrameDone | Refused, None, bool]:
    """Do the work of a session frame by frame, with pauses and requests; returns True if it came to its end.

    Parameters
    ----------
    control : JobControl
        Pauses and stops it, hands over requests; a pause of the session itself counts too.
    session : TrackingSession
        Its results are kept and written by itself.
    """
    from napari_xmem.session import SessionState

    begun = False
    while True:
        request = control.take_request()
        refused = None if request is None else _grant(request)
        if refused is not None:
            yield Refused(refused)
        if session.state is SessionState.PAUSED:
            if not control.wait_while_paused(lambda: session.state is not SessionState.PAUSED):
                session.cancel()
                return False
            if control.has_request:
                continue
            if not _still_paused(session):
                return False  # somebody else took the session up
            session.resume()
        elif begun and session.state is not SessionState.RUNNING:
            return True
        begun = True
        for result in session.frames(wait=False):
            if not control.wait_for_room():
                return False
            now = session.snapshot()
            yield FrameDone(result, now.frames_done, now.frames_total)
            if (control.paused or control.has_request) and session.state is SessionState.RUNNING:
                session.pause()


def _still_paused(session: TrackingSession) -> bool:
    return session.state.value == "paused"


def _grant(request: Callable[[], None]) -> XMemError | None:
    try:
        request()
    except XMemError as error:
        return error
    return None


def without_labels(result: FrameResult) -> FrameResult:
    """Return a result that holds the scores only."""
    return replace(result, labels=np.zeros((0, 0), result.labels.dtype))
