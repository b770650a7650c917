"""Saving and opening in a thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_xmem.imaging import label_dtype
from napari_xmem.widgets.jobs.job_messages import Stage
from napari_xmem.widgets.jobs.networks import NETWORKS
from napari_xmem.widgets.saving.saved_work import read_parts, write_work

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_xmem.imaging import FrameSource
    from napari_xmem.session import TrackingSession
    from napari_xmem.session.archive import SessionArchive
    from napari_xmem.widgets.jobs.threads import JobControl
    from napari_xmem.widgets.layers.movie_view import MovieView
    from napari_xmem.widgets.layers.result_layer import ResultTarget
    from napari_xmem.widgets.saving.saved_work import SavedWork

__all__ = ["OpenedWork", "open_job", "save_job"]


@dataclass(frozen=True, slots=True, eq=False)
class OpenedWork:
    """What was read from a file.

    Attributes
    ----------
    session : TrackingSession
        The session.
    movie : MovieView
        What is followed in the movie's layer.
    target : ResultTarget
        What the session writes into.
    data : dict
        Number of a layer to its data, for the other layers.
    strokes : dict
        Frame to labels (Y, X) where the result was painted and not used yet.
    """

    session: TrackingSession
    movie: MovieView
    target: ResultTarget
    data: dict[int, NDArray[Any]]
    strokes: dict[int, NDArray[Any]]


def save_job(
    control: JobControl,
    path: Path,
    session: TrackingSession,
    work: SavedWork,
    data: Mapping[int, Any],
    strokes: Callable[[], Mapping[int, NDArray[Any]]],
) -> Generator[Stage, None, Path]:
    """Save; returns the file. Parameters and errors as for `write_work`."""
    yield Stage("Saving")
    write_work(path, session, work, data, strokes)
    return path


def open_job(
    control: JobControl, archive: SessionArchive, source: FrameSource, target: ResultTarget, work: SavedWork
) -> Generator[Stage, None, OpenedWork]:
    """Read everything, with `target` made and filled; raises `XMemError` if it cannot be.

    Parameters
    ----------
    control : JobControl
        Not looked at: it takes a moment.
    archive : SessionArchive
        The session's file.
    source : FrameSource
        Its movie.
    target : ResultTarget
        What the session shall write into.
    work : SavedWork
        What the viewer added.
    """
    yield Stage("Loading the model")
    chosen = work.settings.get("run", {}).get("device", archive.config.device)
    network = NETWORKS.get(work.settings.get("model", "bundled"), chosen)
    yield Stage("Reading")
    largest = int(archive.facts.get("largest_id", 0))
    target.allocate(label_dtype(largest) if work.result is None else work.layers[work.result].dtype)
    from napari_xmem.session import TrackingSession  # loads torch

    session = TrackingSession.load(archive.path, source, model=network, write=target.write)
    data, strokes = read_parts(archive.path, work, session.frame_shape)
    return OpenedWork(session, target.movie, target, data, strokes)
