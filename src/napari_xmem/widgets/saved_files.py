"""Menu actions and the reader for saved work: a file that is opened or dropped on the window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari import current_viewer
from napari.viewer import Viewer  # noqa: TC002  (napari reads the annotation to pass its viewer)
from qtpy.QtCore import QTimer

from napari_xmem.widgets.common.dock import PROPAGATE, docks_of, open_dock
from napari_xmem.widgets.common.viewer_events import plain_viewer
from napari_xmem.widgets.saving.saver import SUFFIX, saver_of

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["open_everything", "read_saved_work", "save_everything"]


def save_everything(viewer: Viewer) -> None:
    """Save movie, labels, corrections, memory and settings in one file."""
    saver_of(viewer).save_clicked()


def open_everything(viewer: Viewer) -> None:
    """Open what was saved, and go on where you were."""
    _with_dock(plain_viewer(viewer))
    saver_of(viewer).open_clicked()


def read_saved_work(path: str | list[str]) -> Callable[[Any], list[tuple[None]]] | None:
    """Return what opens a file of saved work in the viewer that asks; None for other files."""
    if not isinstance(path, str) or not path.endswith(SUFFIX):
        return None

    def read(path: Any) -> list[tuple[None]]:
        viewer = plain_viewer(current_viewer())
        if viewer is not None:
            _with_dock(viewer)
            QTimer.singleShot(0, lambda: saver_of(viewer).open_told(path))  # napari is in the middle of opening
        return [(None,)]  # no layers from here: they come with the session

    return read


def _with_dock(viewer: Any) -> None:
    if not docks_of(viewer, PROPAGATE):
        open_dock(viewer, PROPAGATE)
