"""What stands in the form of "Propagate labels", as plain Python properties."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_xmem.config import MemoryConfig, Option, PropagationConfig, settings_of
from napari_xmem.errors import ConfigError
from napari_xmem.widgets.common.viewer_events import plain_viewer
from napari_xmem.widgets.layers.result_layer import ResultTarget, is_result
from napari_xmem.widgets.propagate.form import CUSTOM, FILE, NEW_LAYER, RUN_SETTINGS
from napari_xmem.widgets.propagate.presets import PRESETS, preset_of

if TYPE_CHECKING:
    from qtpy.QtWidgets import QSpinBox

    from napari_xmem.widgets.common.forms import Choice
    from napari_xmem.widgets.propagate.form import PropagateForm
    from napari_xmem.widgets.propagate.run_readiness import PropagateInputs

__all__ = ["PropagateControls"]


class PropagateControls(QObject):
    """What stands in the form, as properties; setting one is the same as using its control.

    The settings of `PropagationConfig` that the form shows are properties too, under the names of the fields.

    Parameters
    ----------
    form : PropagateForm
        The controls.
    inputs : PropagateInputs
        What the form says about movie and seeds.
    parent : QObject
        Owner.
    """

    changed = Signal()

    def __init__(self, form: PropagateForm, inputs: PropagateInputs, parent: QObject) -> None:
        super().__init__(parent)
        self._form, self._inputs = form, inputs
        self._memory = MemoryConfig()
        self._last_model = "bundled"
        form.model.activated.connect(self._on_model)
        form.preset.activated.connect(self._on_preset)
        form.settings["scope"].changed.connect(self._show_preset)
        form.settings.before_opening("device", self._offer_devices)
        form.preset.currentIndexChanged.connect(self.changed)
        form.target.currentIndexChanged.connect(self.changed)
        form.settings.connect(self.changed.emit)

    @property
    def image(self) -> Any:
        """The image layer with the movie; set a layer or its name."""
        return self._form.image.layer

    @image.setter
    def image(self, layer: Any) -> None:
        self._form.image.layer = layer

    @property
    def seeds(self) -> Any:
        """The Labels layer with painted objects; set a layer or its name."""
        return self._form.seeds.layer

    @seeds.setter
    def seeds(self, layer: Any) -> None:
        self._form.seeds.layer = layer

    @property
    def seed_frames(self) -> str:
        """Painted frames that count: "painted" (all) or "current" (the one on display)."""
        return str(self._form.seed_frames.value)

    @seed_frames.setter
    def seed_frames(self, value: str) -> None:
        _choose(self._form.seed_frames, value, "seed_frames")

    @property
    def seed_frame(self) -> int:
        """The frame that seeds without a time axis belong to, counted from 0."""
        return int(self._form.seed_frame.value())

    @seed_frame.setter
    def seed_frame(self, frame: int) -> None:
        _set_frame(self._form.seed_frame, frame)

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels the model looks at, up to three; empty for a grey or rgb movie."""
        return self._form.channels.channels if self._inputs.movie and self._inputs.movie.n_channels > 1 else ()

    @channels.setter
    def channels(self, channels: tuple[int, ...]) -> None:
        self._form.channels.channels = tuple(channels)

    @property
    def planes(self) -> str:
        """Planes of a movie of stacks: "shown" (on display), "all" (painted ones), "fill" (seeds go through z)."""
        return str(self._form.planes.value)

    @planes.setter
    def planes(self, value: str) -> None:
        _choose(self._form.planes, value, "planes")

    @property
    def first_frame(self) -> int:
        """First frame to label, counted from 0; set None for the movie's first."""
        return int(self._form.first.value())

    @first_frame.setter
    def first_frame(self, frame: int | None) -> None:
        _set_frame(self._form.first, 0 if frame is None else frame)

    @property
    def last_frame(self) -> int:
        """Last frame to label, counted from 0; set None for the movie's last."""
        return int(self._form.last.value())

    @last_frame.setter
    def last_frame(self, frame: int | None) -> None:
        _set_frame(self._form.last, self._form.last.maximum() if frame is None else frame)

    @property
    def model(self) -> str:
        """The network: "bundled", "xmem" or the path of a file of weights."""
        return str(self._form.model.value)

    @model.setter
    def model(self, model: str | Path) -> None:
        text = str(model)
        if self._form.model.index_of(text) < 0:
            self._form.model.insertItem(self._form.model.count() - 1, Path(text).name, text)
        self._form.model.value = text

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
        return str(self._form.preset.value)

    @preset.setter
    def preset(self, key: str) -> None:
        _choose(self._form.preset, key, "preset")
        self._on_preset()

    @property
    def target(self) -> Any:
        """The earlier result to write into; None for a new layer."""
        value = self._form.target.value
        return None if value == NEW_LAYER else value

    @target.setter
    def target(self, layer: Any) -> None:
        self.offer_targets()
        self._form.target.value = NEW_LAYER if layer is None else plain_viewer(layer)

    @property
    def follow(self) -> bool:
        """Move the time slider along with the run."""
        return bool(self._form.follow.isChecked())

    @follow.setter
    def follow(self, value: bool) -> None:
        self._form.follow.setChecked(value)

    @property
    def forecast(self) -> bool:
        """Say before Run what it will cost."""
        return bool(self._form.forecast.isChecked())

    @forecast.setter
    def forecast(self, value: bool) -> None:
        self._form.forecast.setChecked(value)

    @property
    def run_settings(self) -> dict[str, Any]:
        """All settings of `PropagationConfig` that the form shows, by name."""
        return dict(self._form.settings.values)

    def offer_targets(self) -> None:
        """List the results of this image that can be written into."""
        form, image = self._form, self.image
        chosen = form.target.value
        form.target.blockSignals(True)
        while form.target.count() > 1:
            form.target.removeItem(1)
        shape = None if image is None or self._inputs.movie is None else ResultTarget(self._inputs.movie).shape
        for layer in form.seeds.layers:
            if is_result(layer) and tuple(layer.data.shape) == shape:
                form.target.add_choice(f"Into '{layer.name}'", layer, "Keeps the frames outside this run")
        position = next((i for i in range(form.target.count()) if form.target.itemData(i) is chosen), 0)
        form.target.setCurrentIndex(position)
        form.target.blockSignals(False)

    def config(self, n_frames: int) -> PropagationConfig:
        """Return the settings of a run of a movie of `n_frames`."""
        whole = self.first_frame == 0 and self.last_frame == n_frames - 1
        return PropagationConfig(
            memory=self.memory,
            start=None if whole else self.first_frame,
            stop=None if whole else self.last_frame + 1,
            **self._form.settings.values,
        )

    def _offer_devices(self) -> None:
        """List the devices of this machine; needs torch, so only when somebody looks."""
        from napari_xmem.model.device import available_devices

        for name in available_devices():
            self._form.settings.offer("device", Option(name, f"GPU ({name})", "Much faster than the CPU."))

    def _on_model(self, *_: Any) -> None:
        if self._form.model.value == FILE:
            self.model = self._form.ask_for_file() or self._last_model
        self._last_model = self.model

    def _on_preset(self, *_: Any) -> None:
        found = next((p for p in PRESETS if p.key == self._form.preset.value), None)
        if found is not None:
            self._memory = found.memory
            self._form.settings.set("scope", found.scope)
        self._show_preset()

    def _show_preset(self, *_: Any) -> None:
        key = preset_of(self._memory, self._form.settings.get("scope")) or CUSTOM
        custom = self._form.preset.index_of(CUSTOM)
        if key == CUSTOM and custom < 0:
            self._form.preset.add_choice("My own settings", CUSTOM, "Settings that belong to no preset")
        elif key != CUSTOM and custom >= 0:
            self._form.preset.removeItem(custom)
        self._form.preset.value = key


def _setting_property(name: str, text: str) -> property:
    def read(self: PropagateControls) -> Any:
        return self._form.settings.get(name)

    def write(self: PropagateControls, value: Any) -> None:
        self._form.settings.set(name, value)

    return property(read, write, doc=text)


for _name in RUN_SETTINGS:
    setattr(PropagateControls, _name, _setting_property(_name, settings_of(PropagationConfig)[_name].help))


def _choose(choice: Choice, value: Any, name: str) -> None:
    if choice.index_of(value) < 0 and isinstance(value, str) and choice.findText(value) >= 0:
        value = choice.itemData(choice.findText(value))  # as it reads on the screen
    if choice.index_of(value) < 0:
        offered = ", ".join(repr(choice.itemData(i)) for i in range(choice.count()))
        raise ConfigError(f"{name} is {value!r}, expected one of {offered}.")
    choice.value = value


def _set_frame(box: QSpinBox, frame: int) -> None:
    if not box.minimum() <= frame <= box.maximum():
        raise ConfigError(f"frame {frame} does not exist; expected {box.minimum()} to {box.maximum()}.")
    box.setValue(frame)
