"""What the buttons and keys of "Propagate labels" do besides starting a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels

from napari_xmem.errors import ConfigError
from napari_xmem.widgets import actions
from napari_xmem.widgets.jobs.outcome import RunState
from napari_xmem.widgets.layers.result import ResultTarget, place_like
from napari_xmem.widgets.propagate.scripting import ScriptedControls

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DockActions"]


class DockActions(ScriptedControls):
    """Methods behind buttons and keys; all can be called from scripts."""

    viewer: Any
    run_clicked: Callable[[], None]

    def stop(self) -> None:
        """End after the frame at hand; frames that are done stay."""
        self.runner.stop()

    def pause(self) -> None:
        """Wait after the frame at hand."""
        self.runner.pause()

    def resume(self) -> None:
        """Go on after a pause."""
        self.runner.resume()

    def new_seeds(self) -> Any:
        """Add a Labels layer that fits the movie, with the brush ready; returns it."""
        movie = self.inputs.movie
        if movie is None:
            raise ConfigError(self.problem)
        target = ResultTarget(movie)
        target.allocate(np.uint16)
        layer = Labels(target.data, name=f"{self.image.name} seeds", **place_like(self.image))
        self.viewer.add_layer(layer)
        self.seeds = layer
        self.viewer.layers.selection.active = layer
        layer.selected_label = 1
        layer.mode = "paint"
        return layer

    def open_sample(self) -> None:
        """Open the simulated nuclei with their seeds, and show the painted frame."""
        self.viewer.open_sample("napari-xmem", "simulated_nuclei")
        self.inputs.show_frame(0)

    def open_review(self) -> None:
        """Open the dock "Review and correct"."""
        self.viewer.window.add_plugin_dock_widget("napari-xmem", "Review and correct")

    def show_painted(self) -> None:
        """Show the next painted frame."""
        frames, now = self.inputs.scan.frames, self.inputs.current_frame
        if frames:
            self.inputs.show_frame(next((t for t in frames if t > now), frames[0]))

    def add_selected_label(self) -> None:
        """Follow the selected label too, from the frame on display on."""
        actions.add_selected_label(self.viewer)

    def stop_tracking_selected_label(self) -> None:
        """Follow the selected label no more, from the frame on display on."""
        actions.stop_tracking_selected_label(self.viewer)

    def pause_clicked(self) -> None:
        """Pause or go on."""
        self.resume() if self.state is RunState.PAUSED else self.pause()

    def run_or_pause(self) -> None:
        """Start, pause or go on."""
        self.pause_clicked() if self.runner.is_running else self.run_clicked()

    def whole_movie(self) -> None:
        """Set the frame range to the whole movie."""
        self.first_frame = self.last_frame = None
