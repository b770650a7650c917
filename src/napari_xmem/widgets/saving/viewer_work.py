"""What a viewer holds of a movie just now: everything that is to be saved."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels

from napari_xmem.errors import SessionError, XMemError
from napari_xmem.widgets.common.dock import PROPAGATE, docks_of
from napari_xmem.widgets.jobs.viewer_runner import runner_of
from napari_xmem.widgets.layers.result_layer import METADATA_KEY, VIEW_KEY, movie_of, session_of
from napari_xmem.widgets.layers.reviewed_result import ReviewedResult
from napari_xmem.widgets.layers.seed_view import SeedView
from napari_xmem.widgets.layers.session_polling import layers_with_session
from napari_xmem.widgets.saving.saved_layers import SavedLayer
from napari_xmem.widgets.saving.saved_work import SavedMovie, SavedWork

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_xmem.session import TrackingSession
    from napari_xmem.widgets.layers.movie_view import MovieView

    Strokes = Callable[[], dict[int, NDArray[Any]]]

__all__ = ["work_of"]

NOTHING = "There is nothing to save yet: open a movie, and paint the objects to follow."


def work_of(viewer: Any) -> tuple[SavedWork, TrackingSession, dict[int, Any], Strokes]:
    """Look at everything that is to be saved.

    Parameters
    ----------
    viewer : napari Viewer
        The viewer.

    Returns
    -------
    work : SavedWork
        Layers and settings.
    session : TrackingSession
        The session of the chosen result; an empty one where there is none yet.
    data : dict
        Number of a layer to its data, for layers whose labels the session does not hold.
    strokes : callable
        Returns what was painted in the result and not used yet; may be called in a thread.

    Raises
    ------
    SessionError
        If there is no movie.
    """
    dock = next(iter(docks_of(viewer, PROPAGATE)), None)
    result = _result(viewer)
    image, movie, channels = _movie(viewer, dock, result)
    layers = [
        layer
        for layer in viewer.layers
        if isinstance(layer, Labels) and VIEW_KEY not in layer.metadata and _fits(layer, movie)
    ]
    settings = {} if dock is None else dock.settings_to_save()
    session = None if result is None else session_of(result)
    if session is None:
        from napari_xmem.session import TrackingSession  # loads torch

        session = TrackingSession(movie.source(channels), None, model=settings.get("model", "bundled"))
    seeds = None if dock is None else dock.controls.seeds
    work = SavedWork(
        SavedMovie.of_layer(image, movie, channels),
        tuple(SavedLayer.of_layer(layer, _metadata(layer)) for layer in layers),
        layers.index(result) if result in layers else None,
        layers.index(seeds) if seeds in layers else None,
        settings,
        tuple(float(v) for v in viewer.dims.point),
    )
    data = {number: layer.data for number, layer in enumerate(layers) if layer is not result}
    reviewed = None if result is None else ReviewedResult.of_layer(result, [])

    def strokes() -> dict[int, NDArray[Any]]:
        if reviewed is None:
            return {}
        return {t: reviewed.read(t) for t in range(reviewed.movie.n_frames) if reviewed.edited(t)}

    return work, session, data, strokes


def _result(viewer: Any) -> Any:
    """Return the chosen result: the active layer, else that of the latest run, else the topmost; None if none."""
    results = layers_with_session(viewer)
    active, latest = viewer.layers.selection.active, runner_of(viewer).layer
    for layer in (active, latest):
        if layer is not None and layer in results:
            return layer
    return results[-1] if results else None


def _movie(viewer: Any, dock: Any, result: Any) -> tuple[Any, MovieView, tuple[int, ...] | None]:
    """Return the image layer, what is followed in it, and the channels that count."""
    if result is not None:
        movie, session = movie_of(result), session_of(result)
        image = None if movie is None else _image_of(viewer, movie)
        if movie is None or session is None or image is None:
            raise SessionError(f"The movie of '{result.name}' is not in this window any more; open it again to save.")
        return image, movie, session.channels
    if dock is None or dock.controls.image is None or dock.inputs.movie is None:
        raise SessionError(NOTHING)
    movie = dock.inputs.view_movie()
    return dock.controls.image, movie, dock.controls.channels or None


def _image_of(viewer: Any, movie: MovieView) -> Any:
    for layer in viewer.layers:
        if isinstance(layer, Image) and (layer.data[0] if layer.multiscale else layer.data) is movie.data:
            return layer
    return None


def _fits(layer: Any, movie: MovieView) -> bool:
    if session_of(layer) is not None:
        known = movie_of(layer)
        return known is not None and known.data is movie.data
    try:
        SeedView.of_layer(layer, movie)
    except XMemError:
        return False
    return not layer.multiscale


def _metadata(layer: Any) -> dict[str, Any]:
    """Return the recipe of a result, as plain values; empty for other labels."""
    recipe = layer.metadata.get(METADATA_KEY)
    return {} if recipe is None else {METADATA_KEY: json.loads(json.dumps(recipe, default=_plain))}


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, (np.generic, np.ndarray)) else str(value)
