"""What the thread of "Propagate labels" does: read seeds, load, prepare, then one frame after the other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.errors import SeedError
from napari_xmem.widgets._models import NETWORKS

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_xmem.config import PropagationConfig
    from napari_xmem.engine import FrameResult
    from napari_xmem.session import TrackingSession
    from napari_xmem.widgets._movie import MovieView
    from napari_xmem.widgets._results import ResultTarget
    from napari_xmem.widgets._seeds import SeedView
    from napari_xmem.widgets._worker import JobControl

__all__ = ["FrameDone", "Planned", "PropagationJob", "Stage", "propagation_job", "session_frames", "without_labels"]


@dataclass(frozen=True, slots=True)
class Stage:
    """The job says what it is doing before the first frame."""

    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Planned:
    """Everything is checked and prepared; frames follow.

    Attributes
    ----------
    n_results : int
        Frames that will be given out.
    scope, scope_reason : str
        The scope used, and why.
    recipe : dict
        Settings of the run.
    session : TrackingSession
        What does the work; corrections and questions go to it.
    """

    n_results: int
    scope: str
    scope_reason: str
    recipe: dict[str, Any]
    session: TrackingSession


@dataclass(frozen=True, slots=True, eq=False)
class FrameDone:
    """A frame is written into the result.

    Attributes
    ----------
    result : FrameResult
        Labels and scores of the frame.
    """

    result: FrameResult


@dataclass(frozen=True, slots=True, eq=False)
class PropagationJob:
    """Everything a run needs, taken from the layers when Run was pressed."""

    movie: MovieView
    channels: tuple[int, ...] | None
    seeds: SeedView
    model: str
    config: PropagationConfig
    target: ResultTarget


def propagation_job(control: JobControl, job: PropagationJob) -> Generator[Any, None, bool]:
    """Run a job; yields `Stage`, `Planned` and `FrameDone`.

    Returns
    -------
    bool
        True if all frames were done, False if it was stopped.

    Raises
    ------
    XMemError
        If something given cannot be used, or a frame fails.
    """
    yield Stage("Reading the seeds")
    source = job.movie.source(job.channels)
    seeds = {t: labels.astype(np.int64) if labels.dtype == bool else labels for t, labels in job.seeds.painted()}
    if not seeds:
        raise SeedError(f"'{job.seeds.name}' holds no painted object; paint at least one object on one frame.")
    yield Stage("Loading the model")
    from napari_xmem.session import TrackingSession

    network = NETWORKS.get(job.model, job.config.device)
    if control.stopped:
        return False
    yield Stage("Looking at the movie")
    session = TrackingSession(source, seeds, model=network, config=job.config, write=job.target.write)
    run = session.prepare()
    job.target.allocate(run.dtype)
    yield Planned(run.n_results, run.scope, run.scope_reason, run.recipe, session)
    return (yield from session_frames(control, session))


def session_frames(control: JobControl, session: TrackingSession) -> Generator[FrameDone, None, bool]:
    """Do the work of a session frame by frame, with pauses; returns True if it came to its end.

    Parameters
    ----------
    control : JobControl
        Pauses and stops it; a pause of the session itself counts too.
    session : TrackingSession
        Its results are kept and written by itself.
    """
    from napari_xmem.session import SessionState

    while True:
        for result in session.frames(wait=False):
            if not control.wait_for_room():
                return False
            yield FrameDone(result)
            if control.paused and session.state is SessionState.RUNNING:
                session.pause()
        if session.state is not SessionState.PAUSED:
            return True
        if not control.wait_while_paused():
            session.cancel()
            return False
        if session.state is SessionState.PAUSED:
            session.resume()


def without_labels(result: FrameResult) -> FrameResult:
    """Return a result that holds the scores only."""
    return replace(result, labels=np.zeros((0, 0), result.labels.dtype))
