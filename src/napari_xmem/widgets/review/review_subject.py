"""The result under review: its layer, its movie, its session, and the frames that were painted since."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.QtCore import QObject, QTimer, Signal

from napari_xmem.errors import SessionError
from napari_xmem.widgets.common.viewer_events import Connections
from napari_xmem.widgets.layers.result_layer import is_result, target_of
from napari_xmem.widgets.layers.reviewed_result import ReviewedResult

if TYPE_CHECKING:
    from napari_xmem.session import TrackingSession
    from napari_xmem.widgets.jobs.viewer_runner import ViewerRunner
    from napari_xmem.widgets.layers.layer_choice import LayerChoice

__all__ = ["EMPTY", "FOREIGN", "GOING_ON", "ReviewSubject"]

EMPTY = "Nothing to review yet: propagate labels first, or open a movie and a Labels layer with the same frames."
FOREIGN = (
    "This layer was not made in this session: its locks, confidences and memory are not known. Review it to paint "
    "corrections and propagate them."
)
GOING_ON = "A run is going on; pause it, stop it, or wait for its end."

#: Frames that tell a result from seeds.
LOOKS = 6
#: A frame is compared with the result when nothing was painted for this long.
EDIT_PAUSE_MS = 150


class ReviewSubject(QObject):
    """What is reviewed. `changed` is emitted when it is another result, `edited` when frames were painted.

    Parameters
    ----------
    viewer : napari Viewer
        The viewer.
    choice : LayerChoice
        Chooses the layer.
    runner : ViewerRunner
        What may be changing results just now.
    parent : QObject
        Owner.
    """

    changed = Signal()
    edited = Signal()

    def __init__(self, viewer: Any, choice: LayerChoice, runner: ViewerRunner, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer, self._choice, self._runner = viewer, choice, runner
        self._events = Connections()
        self._edited: set[int] = set()
        self.reviewed: ReviewedResult | None = None
        self._pause_after_paint = QTimer(self)
        self._pause_after_paint.setSingleShot(True)
        self._pause_after_paint.setInterval(EDIT_PAUSE_MS)
        self._pause_after_paint.timeout.connect(self.look_for_edits)
        choice.layer_changed.connect(self.take)
        runner.ended.connect(self._on_ended)

    @property
    def result(self) -> Any:
        """The Labels layer under review; set a layer or its name."""
        return self._choice.layer

    @result.setter
    def result(self, layer: Any) -> None:
        self._choice.layer = layer

    @property
    def session(self) -> TrackingSession | None:
        """The session behind it; None if the layer was not made in this viewer and not adopted."""
        return None if self.reviewed is None else self.reviewed.session

    @property
    def frame(self) -> int | None:
        """The frame that the viewer shows."""
        return None if self.reviewed is None else self.reviewed.frame_shown(self._viewer)

    @property
    def edited_frames(self) -> tuple[int, ...]:
        """Frames where the layer differs from the result: painted by hand since."""
        return tuple(sorted(self._edited))

    def show_frame(self, frame: int) -> None:
        """Go to a frame."""
        if self.reviewed is not None:
            self.reviewed.show_frame(self._viewer, frame)

    def look_for_edits(self) -> None:
        """Compare the frame that the viewer shows with the result; painting does it by itself."""
        frame = self.frame
        if self.reviewed is None or frame is None or self.is_occupied:
            return
        was = frame in self._edited
        if self.reviewed.edited(frame) is not was:
            (self._edited.discard if was else self._edited.add)(frame)
            self.edited.emit()

    def forget_edits(self, frames: Any = None) -> None:
        """Take frames for unpainted: they are used, or brought back; None: all."""
        self._edited -= set(self._edited if frames is None else frames)

    def require(self) -> tuple[ReviewedResult, TrackingSession]:
        """Return result and session, or raise `SessionError` if it cannot be changed now."""
        reviewed, session = self.reviewed, self.session
        if reviewed is None or session is None:
            raise SessionError(FOREIGN if reviewed is not None else EMPTY)
        if self.is_occupied:
            raise SessionError(GOING_ON)
        return reviewed, session

    @property
    def is_occupied(self) -> bool:
        """True while something runs that has to be paused or stopped before this result can be changed."""
        session, runner = self.session, self._runner
        if session is not None and session.state.value in ("preparing", "running", "pausing", "stopping"):
            return True
        pausing = session is not None and runner.session is session and runner.state.value == "paused"
        return runner.is_running and not pausing

    # ---- following the viewer

    def choose(self, event: Any = None) -> None:
        """Take over the layer list; where no result is chosen, choose the topmost."""
        choice = self._choice
        choice.sync()
        if choice.layer is None or (self.reviewed is None and not is_result(choice.layer)):
            results = [layer for layer in choice.layers if is_result(layer)]
            results = results or [layer for layer in choice.layers if self._looks_finished(layer)]
            if results and choice.layer not in results:
                choice.layer = results[-1]
        if self.reviewed is None or self.reviewed.layer is not choice.layer:
            self.take(choice.layer)

    def _looks_finished(self, layer: Any) -> bool:
        """Return True if labels fit a movie and are painted on most of its frames, as a saved result is."""
        images = [item for item in self._viewer.layers if isinstance(item, Image)]
        found = ReviewedResult.of_layer(layer, images, self._viewer.dims.point)
        if found is None:
            return False
        n_frames = found.movie.n_frames
        looked_at = sorted({round(k * (n_frames - 1) / LOOKS) for k in range(LOOKS + 1)})
        return sum(bool(found.read(t).any()) for t in looked_at) > len(looked_at) / 2

    def take(self, layer: Any) -> None:
        """Take up another layer."""
        self._events.release()
        self._edited.clear()
        images = [item for item in self._viewer.layers if isinstance(item, Image)]
        self.reviewed = ReviewedResult.of_layer(layer, images, self._viewer.dims.point) if layer is not None else None
        if layer is not None:
            for event in (layer.events.paint, layer.events.labels_update, layer.events.set_data):
                self._events.connect(event, self._on_painted)
        self.changed.emit()

    def take_plane_shown(self) -> None:
        """Review the plane that the viewer shows."""
        if self.reviewed is not None:
            self.reviewed = self.reviewed.in_plane_shown(self._viewer)
            self._edited.clear()

    def release(self) -> None:
        """Let go of the layer."""
        self._events.release()

    def _on_ended(self, outcome: Any = None) -> None:
        """Take up strokes that were made while frames were written."""
        target = None if self.reviewed is None else target_of(self.reviewed.layer)
        painted = set() if target is None or self.reviewed is None else target.strokes.painted
        found = {t for t in painted if self.reviewed is not None and self.reviewed.edited(t)} - self._edited
        if found:
            self._edited |= found
            self.edited.emit()

    def _on_painted(self, event: Any = None) -> None:
        if self.session is not None and not self.is_occupied:
            self._pause_after_paint.start()
