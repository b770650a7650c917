"""What the threads of the Review dock do: propagate corrections, take back, make a session of a foreign result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.widgets.jobs.models import NETWORKS
from napari_xmem.widgets.jobs.propagate import Stage, session_frames

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from numpy.typing import NDArray

    from napari_xmem.session import TrackingSession
    from napari_xmem.widgets.jobs.worker import JobControl
    from napari_xmem.widgets.review.reviewed import ReviewedResult

__all__ = ["Adopted", "adoption_job", "correction_job", "step_job"]


@dataclass(frozen=True, slots=True, eq=False)
class Adopted:
    """A session was made of a Labels layer."""

    session: TrackingSession


def adoption_job(
    control: JobControl, reviewed: ReviewedResult, model: str, options: Mapping[str, Any]
) -> Generator[Any, None, TrackingSession | None]:
    """Make a session of a layer that no run of this viewer made; reads all its frames."""
    from napari_xmem.config import PropagationConfig
    from napari_xmem.session import TrackingSession

    yield Stage(f"Reading '{reviewed.layer.name}'")
    movie = reviewed.movie
    channels = None if movie.channel_axis is None else tuple(range(min(3, movie.n_channels)))
    network = NETWORKS.get(model, options.get("device", "auto"))

    class Frames:
        def __getitem__(self, t: int) -> NDArray[Any]:
            return reviewed.read(t)

    config = PropagationConfig(**options)
    return TrackingSession.of_labels(
        movie.source(channels), Frames(), model=network, config=config, write=reviewed.writer().write
    )


def correction_job(
    control: JobControl, session: TrackingSession, corrections: Mapping[int, NDArray[Any]], backward: bool
) -> Generator[Any, None, Any]:
    """Propagate corrections; yields `Stage` and `FrameDone`, returns the summary."""
    yield Stage("Looking at the correction")
    given = {t: labels.astype(np.int64) if labels.dtype == bool else labels for t, labels in corrections.items()}
    task = session.begin_correction(given, backward=backward or None)
    yield Stage("Propagating the correction")
    yield from session_frames(control, session)
    return task.summary


def step_job(control: JobControl, session: TrackingSession, forward: bool) -> Generator[Any, None, str]:
    """Take back the latest step or do it again; returns its title."""
    yield Stage("Restoring")
    return (session.redo() if forward else session.undo()).title
