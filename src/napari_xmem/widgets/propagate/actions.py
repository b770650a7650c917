"""What the buttons and keys of "Propagate labels" do besides starting a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_xmem.errors import ConfigError
from napari_xmem.widgets import track_selected_label
from napari_xmem.widgets.common.dock import REVIEW, open_dock
from napari_xmem.widgets.jobs.run_outcome import RunState
from napari_xmem.widgets.layers.result_layer import ResultTarget, place_like

if TYPE_CHECKING:
    from napari_xmem.widgets.jobs.viewer_runner import ViewerRunner
    from napari_xmem.widgets.propagate.form_values import PropagateControls
    from napari_xmem.widgets.propagate.run_readiness import PropagateInputs

__all__ = ["PropagateActions"]


class PropagateActions:
    """Methods behind buttons and keys; all can be called from scripts.

    Parameters
    ----------
    viewer : napari Viewer
        The viewer.
    controls : PropagateControls
        What stands in the form.
    inputs : PropagateInputs
        Movie and seeds.
    runner : ViewerRunner
        The run of the viewer.
    """

    def __init__(self, viewer: Any, controls: PropagateControls, inputs: PropagateInputs, runner: ViewerRunner) -> None:
        self._viewer, self._controls, self._inputs, self._runner = viewer, controls, inputs, runner

    def stop(self) -> None:
        """End; frames that are done stay."""
        self._runner.stop()

    def pause(self) -> None:
        """Wait, inside the frame at hand or after it."""
        self._runner.pause()

    def resume(self) -> None:
        """Go on after a pause."""
        self._runner.resume()

    def new_seeds(self) -> Any:
        """Add a Labels layer that fits the movie, with the brush ready; returns it."""
        movie = self._inputs.movie
        if movie is None:
            raise ConfigError(self._inputs.problem)
        target = ResultTarget(movie)
        target.allocate(np.uint16)
        image = self._controls.image
        layer = Labels(target.data, name=f"{image.name} seeds", **place_like(image))
        self._viewer.add_layer(layer)
        self._controls.seeds = layer
        self._viewer.layers.selection.active = layer
        layer.selected_label = 1
        layer.mode = "paint"
        return layer

    def lay_on(self) -> None:
        """Give the seeds the place and pixel size of the movie, as if both had been saved together."""
        image, seeds = self._controls.image, self._controls.seeds
        if image is None or seeds is None:
            return
        n = min(seeds.ndim, image.ndim)
        for name in ("scale", "translate"):
            own = list(getattr(seeds, name))
            own[-n:] = list(getattr(image, name))[-n:]
            setattr(seeds, name, own)
        if seeds.ndim == image.ndim:
            seeds.rotate, seeds.shear, seeds.affine = image.rotate, image.shear, image.affine
        self._inputs.look_at_seeds()

    def open_sample(self) -> None:
        """Open the simulated nuclei with their seeds, and show the painted frame."""
        QApplication.setOverrideCursor(Qt.CursorShape.WaitCursor)  # drawing it takes a moment
        try:
            self._viewer.open_sample("napari-xmem", "simulated_nuclei")
        finally:
            QApplication.restoreOverrideCursor()
        self._inputs.show_frame(0)

    def open_review(self) -> None:
        """Open the dock "Review and correct"."""
        open_dock(self._viewer, REVIEW)

    def show_painted(self) -> None:
        """Show the next painted frame."""
        frames, now = self._inputs.scan.frames, self._inputs.current_frame
        if frames:
            self._inputs.show_frame(next((t for t in frames if t > now), frames[0]))

    def add_selected_label(self) -> None:
        """Follow the selected label too, from the frame on display on."""
        track_selected_label.add_selected_label(self._viewer)

    def stop_tracking_selected_label(self) -> None:
        """Follow the selected label no more, from the frame on display on."""
        track_selected_label.stop_tracking_selected_label(self._viewer)

    def pause_clicked(self) -> None:
        """Pause or go on."""
        self.resume() if self._runner.state in (RunState.PAUSING, RunState.PAUSED) else self.pause()

    def whole_movie(self) -> None:
        """Set the frame range to the whole movie."""
        self._controls.first_frame = self._controls.last_frame = None
