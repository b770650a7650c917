"""Changing a result: carrying corrections on, undo and redo, making a session of labels from elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.widgets.jobs.job_messages import Planned, Stage
from napari_xmem.widgets.jobs.networks import NETWORKS
from napari_xmem.widgets.jobs.session_loop import session_frames

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from numpy.typing import NDArray

    from napari_xmem.config import PropagationConfig
    from napari_xmem.session import Change, TrackingSession
    from napari_xmem.session.tasks import CorrectionTask
    from napari_xmem.widgets.jobs.threads import JobControl
    from napari_xmem.widgets.layers.movie_view import MovieView
    from napari_xmem.widgets.layers.result_layer import ResultTarget

__all__ = ["CorrectionJob", "adoption_job", "change_job", "correction_job", "follow_job"]


@dataclass(frozen=True, slots=True, eq=False)
class CorrectionJob:
    """Frames that are right as a whole, for a session that has a result.

    Attributes
    ----------
    session : TrackingSession
        It writes into the layer by itself.
    corrections : mapping
        Frame to labels (Y, X).
    forward, backward : bool or None
        Directions; None: as the run went.
    started : callable
        Called, in the job's thread, with the session's `CorrectionTask`.
    """

    session: TrackingSession
    corrections: Mapping[int, NDArray[Any]]
    forward: bool | None
    backward: bool | None
    started: Callable[[CorrectionTask], Any]

    def begin(self) -> None:
        """Take up the correction; the session runs from here on."""
        right = {t: image.astype(np.int64) if image.dtype == bool else image for t, image in self.corrections.items()}
        self.started(self.session.begin_correction(right, forward=self.forward, backward=self.backward))


def correction_job(control: JobControl, job: CorrectionJob) -> Generator[Any, None, bool]:
    """Propagate a correction; yields and returns as `propagation_job`."""
    yield Stage("Looking at the correction")
    job.begin()
    yield Planned(len(job.corrections), job.session, {})
    return (yield from session_frames(control, job.session))


def follow_job(
    control: JobControl, session: TrackingSession, text: str, begin: Callable[[], CorrectionTask | Change], started: Any
) -> Generator[Any, None, Any]:
    """Follow what somebody wants, such as the daughters of a division; yields and returns as `propagation_job`.

    Parameters
    ----------
    control : JobControl
        Stops it.
    session : TrackingSession
        It writes into the layer by itself.
    text : str
        What is done, in words.
    begin : callable
        `TrackingSession.begin_division` or the like, with its arguments.
    started : callable
        Called, in the job's thread, with the task, if there is something to follow.
    """
    from napari_xmem.session import Change

    yield Stage(text)
    begun = begin()
    if isinstance(begun, Change):
        return True
    started(begun)
    yield Planned(begun.total, session, {})
    return (yield from session_frames(control, session))


def change_job(control: JobControl, text: str, change: Callable[[], Change]) -> Generator[Stage, None, Change]:
    """Change a result at once, without the network: undo, redo, the end of an object; returns what changed.

    Parameters
    ----------
    control : JobControl
        Not looked at: it takes a moment.
    text : str
        What is done, in words.
    change : callable
        Does it.
    """
    yield Stage(text)
    return change()


def adoption_job(
    control: JobControl,
    name: str,
    movie: MovieView,
    read: Callable[[int], NDArray[Any]],
    target: ResultTarget,
    model: str,
    config: PropagationConfig,
) -> Generator[Stage, None, TrackingSession]:
    """Make a session of labels that no run of this viewer made; reads all their frames.

    Parameters
    ----------
    control : JobControl
        Stops it.
    name : str
        What to call the labels.
    movie : MovieView
        The movie they belong to.
    read : callable
        Reads the labels of a frame (Y, X).
    target : ResultTarget
        Writes them.
    model, config
        The network and all settings for corrections.
    """
    from napari_xmem.session import TrackingSession

    yield Stage(f"Reading '{name}'")
    channels = None if movie.channel_axis is None else tuple(range(min(3, movie.n_channels)))
    network = NETWORKS.get(model, config.device)

    class Frames:
        def __getitem__(self, t: int) -> NDArray[Any]:
            target.remember(t)
            return read(t)

    return TrackingSession.of_labels(movie.source(channels), Frames(), model=network, config=config, write=target.write)
