"""Finding the rest of a frame from the objects that are painted on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_xmem.widgets.jobs.job_messages import Stage
from napari_xmem.widgets.jobs.networks import NETWORKS

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_xmem.engine.discovery import FoundObjects
    from napari_xmem.widgets.jobs.threads import JobControl
    from napari_xmem.widgets.layers.movie_view import MovieView
    from napari_xmem.widgets.layers.seed_view import SeedView

__all__ = ["LOWEST_CONFIDENCE", "FindingJob", "finding_job"]

#: What is less sure than this is not even kept for the slider.
LOWEST_CONFIDENCE = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class FindingJob:
    """Everything that finding needs, taken from the layers when the button was pressed.

    Attributes
    ----------
    movie, channels
        Where the frame comes from.
    seeds : SeedView
        Where the painted objects come from.
    frame : int
        The frame.
    model, device : str
        The network.
    diameter_px : float or None
        Typical diameter; None: the painted objects'.
    first_id : int
        Id of the first object found.
    """

    movie: MovieView
    channels: tuple[int, ...] | None
    seeds: SeedView
    frame: int
    model: str
    device: str
    diameter_px: float | None
    first_id: int


def finding_job(control: JobControl, job: FindingJob) -> Generator[Any, None, FoundObjects | None]:
    """Find the rest; yields `Stage`, returns None if stopped.

    Raises
    ------
    XMemError
        If something given cannot be used, or the network fails.
    """
    yield Stage("Loading the model")
    from napari_xmem.engine.discovery import find_similar
    from napari_xmem.engine.interruption import FrameInterrupted, interruptible

    network = NETWORKS.get(job.model, job.device)
    yield Stage(f"Looking for more objects like those painted on frame {job.frame}")
    image, labels = job.movie.source(job.channels).read(job.frame), job.seeds.read(job.frame)
    try:
        with interruptible(lambda: control.stopped):
            return find_similar(
                image,
                labels,
                model=network,
                min_confidence=LOWEST_CONFIDENCE,
                diameter_px=job.diameter_px,
                first_id=job.first_id,
            )
    except FrameInterrupted:
        return None
