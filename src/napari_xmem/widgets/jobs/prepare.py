"""What comes before the first frame of a run: checks, the model, a look at the movie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_xmem.errors import SeedError
from napari_xmem.widgets.jobs.job_messages import Stage
from napari_xmem.widgets.jobs.networks import NETWORKS

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_xmem.config import PropagationConfig
    from napari_xmem.session import TrackingSession
    from napari_xmem.widgets.jobs.threads import JobControl
    from napari_xmem.widgets.layers.movie_view import MovieView
    from napari_xmem.widgets.layers.result_layer import ResultTarget
    from napari_xmem.widgets.layers.seed_view import SeedView

__all__ = ["PropagationJob", "prepare_session"]


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
    detections : SeedView or None
        Labels of another program that propose new cells on every frame.
    """

    movie: MovieView
    channels: tuple[int, ...] | None
    seeds: SeedView
    model: str
    config: PropagationConfig
    target: ResultTarget
    planes: tuple[tuple[MovieView, SeedView], ...] = ()
    fill_planes: bool = False
    detections: SeedView | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Stack:
    """Labels of a layer as a stack ``(T, Y, X)`` that is read frame by frame."""

    view: SeedView
    shape: tuple[int, ...]

    def __getitem__(self, frame: int) -> NDArray[Any]:
        return self.view.read(frame)


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
    detections = None if job.detections is None else _Stack(job.detections, (len(source), *source.frame_shape))
    session = TrackingSession(
        source, seeds, model=network, config=job.config, write=job.target.write, detections=detections
    )
    session.prepare()
    return session
