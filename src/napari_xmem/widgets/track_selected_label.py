"""Actions on the selected label: follow it too, or follow it no more, in the middle of a movie or of a run."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.utils.notifications import show_info, show_warning
from napari.viewer import Viewer  # noqa: TC002  (napari reads the annotation to pass its viewer)

from napari_xmem.errors import SessionError, XMemError
from napari_xmem.widgets.common.viewer_events import plain_viewer
from napari_xmem.widgets.jobs.viewer_runner import runner_of
from napari_xmem.widgets.layers.movie_view import shown_index
from napari_xmem.widgets.layers.result_layer import movie_of, session_of
from napari_xmem.widgets.layers.seed_view import SeedView

__all__ = ["add_selected_label", "stop_tracking_selected_label"]


def add_selected_label(viewer: Viewer) -> None:
    """Follow the selected label of the active Labels layer from the frame on display on.

    The label is taken as painted there, in the result itself or in a seeds layer. Other objects are not touched.
    """
    _tell(viewer, _add)


def stop_tracking_selected_label(viewer: Viewer) -> None:
    """Remove the selected label from the frame on display to the end; earlier frames keep it."""
    _tell(viewer, _stop)


def _tell(viewer: Any, action: Any) -> None:
    try:
        show_info(action(plain_viewer(viewer)))
    except XMemError as error:
        show_warning(str(error))


def _add(viewer: Any) -> str:
    source, result, frame = _selected(viewer)
    label = int(source.selected_label)
    painted = _frame_of(source, result, frame) == label
    if not painted.any():
        raise SessionError(f"Label {label} is not painted on frame {frame} of '{source.name}'. Paint it there first.")
    labels = _done(result, frame)
    session = session_of(result)
    if session is not None and label in session.unfinished and np.array_equal(labels == label, painted):
        runner_of(viewer).follow(result, f"Going on with object {label}", session.begin_unfinished)
        return f"Going on with object {label} where it was stopped."
    labels[labels == label] = 0
    labels = labels.astype("int64")
    labels[painted] = label
    backward = result.metadata.get("napari_xmem", {}).get("direction", "forward") != "forward"
    runner_of(viewer).correct(result, {frame: labels}, backward=backward)
    return f"Following object {label} from frame {frame} on."


def _stop(viewer: Any) -> str:
    source, result, frame = _selected(viewer)
    label = int(source.selected_label)
    labels = _done(result, frame)
    if not (labels == label).any():
        raise SessionError(f"Object {label} is not on frame {frame} of '{result.name}', so there is nothing to stop.")
    session = session_of(result)
    if session is None:
        raise SessionError(f"'{result.name}' was not made by Propagate labels in this viewer; run it first.")
    runner_of(viewer).change(result, f"Ending object {label}", lambda: session.end_object(label, frame))
    return f"Object {label} ends before frame {frame}."


def _selected(viewer: Any) -> tuple[Any, Any, int]:
    """Return the active Labels layer, the result it concerns, and the frame on display."""
    active = viewer.layers.selection.active
    if not hasattr(active, "selected_label"):
        raise SessionError("Choose a Labels layer in the layer list and the label in its controls first.")
    result = active if session_of(active) is not None else runner_of(viewer).layer
    if result is None or result not in viewer.layers or session_of(result) is None:
        raise SessionError("There is no result yet to add to; run Propagate labels first.")
    movie = movie_of(result)
    axis = 0 if movie is None else movie.time_axis
    return active, result, shown_index(result, viewer.dims.point)[axis]


def _frame_of(source: Any, result: Any, frame: int) -> Any:
    movie = movie_of(result)
    if movie is None:
        raise SessionError(f"The movie of '{result.name}' is not known.")
    return SeedView.of_layer(source, movie, frame=frame).read(frame)


def _done(result: Any, frame: int) -> Any:
    session = session_of(result)
    if session is None or session.results.get(frame) is None:
        raise SessionError(f"Frame {frame} has no result yet; go to a frame that is done.")
    return session.labels(frame).copy()
