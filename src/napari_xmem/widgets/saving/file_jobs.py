"""Saving and opening in a thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_xmem.imaging import label_dtype
from napari_xmem.widgets.jobs.messages import Stage
from napari_xmem.widgets.jobs.networks import NETWORKS
from napari_xmem.widgets.saving.saved_desk import read_parts, write_desk

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
    from napari_xmem.widgets.saving.saved_desk import SavedDesk

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
    desk: SavedDesk,
    data: Mapping[int, Any],
    strokes: Callable[[], Mapping[int, NDArray[Any]]],
) -> Generator[Stage, None, Path]:
    """Save; returns the file. Parameters and errors as for `write_desk`."""
    yield Stage("Saving")
    write_desk(path, session, desk, data, strokes)
    return path


def open_job(
    control: JobControl, archive: SessionArchive, source: FrameSource, target: ResultTarget, desk: SavedDesk
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
    desk : SavedDesk
        What the viewer added.
    """
    yield Stage("Loading the model")
    chosen = desk.settings.get("run", {}).get("device", archive.config.device)
    network = NETWORKS.get(desk.settings.get("model", "bundled"), chosen)
    yield Stage("Reading")
    largest = int(archive.facts.get("largest_id", 0))
    target.allocate(label_dtype(largest) if desk.result is None else desk.layers[desk.result].dtype)
    from napari_xmem.session import TrackingSession  # loads torch

    session = TrackingSession.load(archive.path, source, model=network, write=target.write)
    data, strokes = read_parts(archive.path, desk, session.frame_shape)
    return OpenedWork(session, target.movie, target, data, strokes)
