"""The controls of "Propagate labels" as plain Python properties."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from napari_xmem.errors import ConfigError
from napari_xmem.widgets.layers.choosers import plain_viewer
from napari_xmem.widgets.layers.result import ResultTarget, is_result
from napari_xmem.widgets.propagate.form import CUSTOM, NEW_LAYER
from napari_xmem.widgets.propagate.presets import PRESETS, preset_of

if TYPE_CHECKING:
    from qtpy.QtWidgets import QSpinBox

    from napari_xmem.config import Direction, MemoryConfig, Scope
    from napari_xmem.widgets.common.forms import Choice
    from napari_xmem.widgets.jobs.runner import PropagationRunner, RunState
    from napari_xmem.widgets.propagate.form import PropagateForm
    from napari_xmem.widgets.propagate.inputs import PropagateInputs

__all__ = ["ScriptedControls"]


class ScriptedControls:
    """Properties shared with the form: setting one is the same as using its control."""

    form: PropagateForm
    inputs: PropagateInputs
    runner: PropagationRunner
    _memory: MemoryConfig

    @property
    def image(self) -> Any:
        """The image layer with the movie; set a layer or its name."""
        return self.form.image.layer

    @image.setter
    def image(self, layer: Any) -> None:
        self.form.image.layer = layer

    @property
    def seeds(self) -> Any:
        """The Labels layer with painted objects; set a layer or its name."""
        return self.form.seeds.layer

    @seeds.setter
    def seeds(self, layer: Any) -> None:
        self.form.seeds.layer = layer

    @property
    def seed_frames(self) -> str:
        """Painted frames that count: "painted" (all) or "current" (the one on display)."""
        return str(self.form.seed_frames.value)

    @seed_frames.setter
    def seed_frames(self, value: str) -> None:
        _choose(self.form.seed_frames, value, "seed_frames")

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels the model looks at, up to three; empty for a grey or rgb movie."""
        return self.form.channels.channels if self.inputs.movie and self.inputs.movie.n_channels > 1 else ()

    @channels.setter
    def channels(self, channels: tuple[int, ...]) -> None:
        self.form.channels.channels = tuple(channels)

    @property
    def planes(self) -> str:
        """Planes of a movie of stacks: "shown" (on display), "all" (painted ones), "fill" (seeds go through z)."""
        return str(self.form.planes.value)

    @planes.setter
    def planes(self, value: str) -> None:
        _choose(self.form.planes, value, "planes")

    @property
    def direction(self) -> Direction:
        """Time direction from the seeds: "forward", "backward" or "both"."""
        return cast("Direction", self.form.direction.value)

    @direction.setter
    def direction(self, value: str) -> None:
        _choose(self.form.direction, value, "direction")

    @property
    def first_frame(self) -> int:
        """First frame to label, counted from 0; set None for the movie's first."""
        return int(self.form.first.value())

    @first_frame.setter
    def first_frame(self, frame: int | None) -> None:
        _set_frame(self.form.first, 0 if frame is None else frame)

    @property
    def last_frame(self) -> int:
        """Last frame to label, counted from 0; set None for the movie's last."""
        return int(self.form.last.value())

    @last_frame.setter
    def last_frame(self, frame: int | None) -> None:
        _set_frame(self.form.last, self.form.last.maximum() if frame is None else frame)

    @property
    def model(self) -> str:
        """The network: "bundled", "xmem" or the path of a file of weights."""
        return str(self.form.model.value)

    @model.setter
    def model(self, model: str | Path) -> None:
        text = str(model)
        if self.form.model.index_of(text) < 0:
            self.form.model.insertItem(self.form.model.count() - 1, Path(text).name, text)
        self.form.model.value = text

    @property
    def device(self) -> str:
        """What computes: "auto", "cpu", "cuda", "cuda:1", "mps"."""
        return str(self.form.device.value)

    @device.setter
    def device(self, device: str) -> None:
        if self.form.device.index_of(device) < 0:
            self.form.device.add_choice(device, device)
        self.form.device.value = device

    @property
    def scope(self) -> Scope:
        """Where each object is searched: "auto", "local" or "global"."""
        return cast("Scope", self.form.scope.value)

    @scope.setter
    def scope(self, scope: str) -> None:
        _choose(self.form.scope, scope, "scope")

    @property
    def diameter_px(self) -> int | None:
        """Typical diameter of an object in pixels; None: measured on the seeds."""
        return int(self.form.diameter.value()) or None

    @diameter_px.setter
    def diameter_px(self, value: int | None) -> None:
        self.form.diameter.setValue(value or 0)

    @property
    def max_displacement_px(self) -> int | None:
        """How far an object may move between frames, in pixels; None: from its size."""
        return int(self.form.step.value()) or None

    @max_displacement_px.setter
    def max_displacement_px(self, value: int | None) -> None:
        self.form.step.setValue(value or 0)

    @property
    def memory(self) -> MemoryConfig:
        """The memory manager's settings."""
        return self._memory

    @memory.setter
    def memory(self, memory: MemoryConfig) -> None:
        self._memory = memory
        self._show_preset()

    @property
    def preset(self) -> str:
        """Settings for typical work: a name, or "custom"."""
        return str(self.form.preset.value)

    @preset.setter
    def preset(self, key: str) -> None:
        _choose(self.form.preset, key, "preset")
        self._on_preset()

    @property
    def target(self) -> Any:
        """The earlier result to write into; None for a new layer."""
        value = self.form.target.value
        return None if value == NEW_LAYER else value

    @target.setter
    def target(self, layer: Any) -> None:
        self._offer_targets()
        self.form.target.value = NEW_LAYER if layer is None else plain_viewer(layer)

    @property
    def follow(self) -> bool:
        """Move the time slider along with the run."""
        return bool(self.form.follow.isChecked())

    @follow.setter
    def follow(self, value: bool) -> None:
        self.form.follow.setChecked(value)

    @property
    def forecast(self) -> bool:
        """Say before Run what it will cost."""
        return bool(self.form.forecast.isChecked())

    @forecast.setter
    def forecast(self, value: bool) -> None:
        self.form.forecast.setChecked(value)

    @property
    def state(self) -> RunState:
        """What the run is doing."""
        return self.runner.state

    @property
    def result(self) -> Any:
        """The result layer of the latest run; None if it has none."""
        return self.runner.layer

    @property
    def session(self) -> Any:
        """The `TrackingSession` of the latest run, for corrections, locks and memory; None if there is none."""
        return self.runner.session

    @property
    def problem(self) -> str:
        """What keeps Run from starting, in words; empty if nothing does."""
        return self.inputs.problem

    def _offer_targets(self) -> None:
        """List the results of this image that can be written into."""
        form, image = self.form, self.image
        chosen = form.target.value
        form.target.blockSignals(True)
        while form.target.count() > 1:
            form.target.removeItem(1)
        shape = None if image is None or self.inputs.movie is None else ResultTarget(self.inputs.movie).shape
        for layer in form.seeds.layers:
            if is_result(layer) and tuple(layer.data.shape) == shape:
                form.target.add_choice(f"Into '{layer.name}'", layer, "Keeps the frames outside this run")
        position = next((i for i in range(form.target.count()) if form.target.itemData(i) is chosen), 0)
        form.target.setCurrentIndex(position)
        form.target.blockSignals(False)

    def _offer_devices(self) -> None:
        """List the devices of this machine; needs torch, so only when somebody looks."""
        from napari_xmem.model.device import available_devices

        for name in available_devices():
            if self.form.device.index_of(name) < 0:
                self.form.device.add_choice(f"GPU ({name})", name, "Much faster than the CPU.")

    def _on_preset(self, *_: Any) -> None:
        found = next((p for p in PRESETS if p.key == self.form.preset.value), None)
        if found is not None:
            self._memory = found.memory
            self.form.scope.value = found.scope
        self._show_preset()

    def _show_preset(self, *_: Any) -> None:
        key = preset_of(self._memory, self.scope) or CUSTOM
        custom = self.form.preset.index_of(CUSTOM)
        if key == CUSTOM and custom < 0:
            self.form.preset.add_choice("My own settings", CUSTOM, "Settings that belong to no preset")
        elif key != CUSTOM and custom >= 0:
            self.form.preset.removeItem(custom)
        self.form.preset.value = key


def _choose(choice: Choice, value: Any, name: str) -> None:
    if choice.index_of(value) < 0:
        offered = ", ".join(repr(choice.itemData(i)) for i in range(choice.count()))
        raise ConfigError(f"{name} is {value!r}, expected one of {offered}.")
    choice.value = value


def _set_frame(box: QSpinBox, frame: int) -> None:
    if not box.minimum() <= frame <= box.maximum():
        raise ConfigError(f"frame {frame} does not exist; expected {box.minimum()} to {box.maximum()}.")
    box.setValue(frame)
