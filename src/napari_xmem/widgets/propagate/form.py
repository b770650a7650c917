"""The controls of "Propagate labels": names, order, tooltips. No behaviour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QFileDialog, QHBoxLayout, QLabel, QToolButton, QVBoxLayout, QWidget

from napari_xmem.config import PropagationConfig, settings_of
from napari_xmem.widgets.common.forms import Choice, Section, button, frame_box, row_of, small_button
from napari_xmem.widgets.common.keys import with_keys
from napari_xmem.widgets.common.setting_widgets import SettingControls
from napari_xmem.widgets.common.status import Hint, StatusLine, TextProgress, muted_label
from napari_xmem.widgets.jobs.networks import MODEL_CHOICES
from napari_xmem.widgets.layers.layer_choice import LayerChoice
from napari_xmem.widgets.propagate.find_form import FindForm
from napari_xmem.widgets.propagate.presets import PRESETS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["ChannelPicker", "PropagateForm"]

CUSTOM = "custom"
FILE = "file"
NEW_LAYER = "new"
RUN_TIP = "Follow the seeds through the movie ({Shift-R}; the same key pauses)"
SEED_FRAMES = (
    ("All painted frames", "painted", "Every frame with paint counts as given by you and is not changed."),
    (
        "Only the frame shown",
        "current",
        "Take the objects of the frame on display; other frames of the layer are ignored.",
    ),
    (
        "The first frame as seeds",
        "first",
        "Take the objects of the first painted frame (backward: of the last one); other frames are ignored.",
    ),
    (
        "Detections to link",
        "detections",
        "Labels of another program, numbered differently on each frame: the first ones are followed, and those that "
        "belong to no object are tried as new cells.",
    ),
)
PLANES = (
    ("The one on display", "shown", "Follow in the plane that the viewer shows when Run is pressed."),
    ("All painted ones", "all", "Follow in every painted plane, one after the other, by the same numbers."),
    (
        "All, seeds go through them",
        "fill",
        "First follow the seeds of a painted frame through its other planes, then every plane through time.",
    ),
)
#: Settings of `PropagationConfig` that the form shows, in this order: those with a name, frames apart.
RUN_SETTINGS = tuple(
    name for name, known in settings_of(PropagationConfig).items() if known.label and name not in ("start", "stop")
)


class ChannelPicker(QWidget):
    """Buttons for channels; up to three are used together."""

    LIMIT = 3

    def __init__(self, changed: Callable[[], Any]) -> None:
        super().__init__()
        self._changed = changed
        self._buttons: list[QToolButton] = []
        self._layout = QHBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(3)

    def set_count(self, count: int) -> None:
        """Offer `count` channels; the first three are chosen."""
        if count == len(self._buttons):
            return
        while self._layout.count():
            item = self._layout.takeAt(0)
            if item is not None and item.widget() is not None:
                item.widget().deleteLater()
        self._buttons = []
        for index in range(count):
            made = small_button(str(index), f"Use channel {index}", self._changed)
            made.setCheckable(True)
            made.setChecked(index < self.LIMIT)
            self._buttons.append(made)
            self._layout.addWidget(made)
        self._layout.addStretch(1)

    @property
    def channels(self) -> tuple[int, ...]:
        """Chosen channels."""
        return tuple(index for index, item in enumerate(self._buttons) if item.isChecked())

    @channels.setter
    def channels(self, channels: tuple[int, ...]) -> None:
        for index, item in enumerate(self._buttons):
            item.setChecked(index in channels)


class PropagateForm(QWidget):
    """All controls, laid out; `PropagateWidget` connects them.

    Parameters
    ----------
    viewer : napari Viewer
        Whose layers are offered.
    actions : object
        Has methods run_clicked, pause_clicked, stop, new_seeds, show_painted, find_clicked, open_sample, whole_movie
        and channels_changed for the buttons.
    """

    def __init__(self, viewer: Any, actions: Any) -> None:
        super().__init__()
        self.settings = SettingControls(PropagationConfig, RUN_SETTINGS)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.setSpacing(4)
        self.hint = Hint(
            "Open a sample movie", "Opens a small simulated movie with seeds, to try things out", actions.open_sample
        )
        for part in (
            self.hint,
            self._input_section(viewer, actions),
            self._range_section(actions),
            self._method_section(),
            self._more_section(),
            self._run_part(actions),
        ):
            layout.addWidget(part)
        layout.addStretch(1)

    def _input_section(self, viewer: Any, actions: Any) -> Section:
        section = self.input = Section("What to follow")
        self.image = LayerChoice(viewer, lambda item: isinstance(item, Image), "no movie open")
        section.add("Movie", self.image, "Image layer with the movie or stack")
        self.time_axis = Choice()
        section.add(
            "Frames are", self.time_axis, "The axis along which objects are followed: time, or the slices of a stack"
        )
        self.channel_axis = Choice()
        section.add(
            "Channels are",
            self.channel_axis,
            "The axis that holds channels; along any other axis the plane on display is used",
        )
        self.planes = Choice(PLANES)
        section.add("Planes", self.planes, "Objects are followed in a plane; those of other planes are not looked at")
        self.channels = ChannelPicker(actions.channels_changed)
        section.add("Channels", self.channels, "Channels the model looks at, up to three")
        self.seeds = LayerChoice(viewer, lambda item: isinstance(item, Labels), "no labels yet")
        self.new_seeds = small_button(
            "+", "New Labels layer that fits the movie, with the brush ready", actions.new_seeds, name="New seeds"
        )
        section.add(
            "Seeds",
            row_of(self.seeds, self.new_seeds),
            "Labels layer in which you painted the objects to follow, each with its own number",
        )
        self.painted = QLabel("")
        self.show_painted = small_button(
            "Show", "Go to the next painted frame", actions.show_painted, name="Show the next painted frame"
        )
        section.add(
            "Painted", row_of(self.painted, self.show_painted), "Objects found in the seeds layer, and their frames"
        )
        self.split = small_button("Split parts", "Give each part of an object a number of its own", actions.split_parts)
        self.fill = small_button("Fill holes", "Fill what objects enclose: outlines, holes", actions.fill_holes)
        self.one_frame = small_button(
            "Use one frame", "Follow the seeds of one frame only, and find the others", actions.use_one_frame
        )
        self.repairs = row_of(self.split, self.fill, self.one_frame, stretch=None)
        section.add("", self.repairs, "What may be meant by what you painted; napari's undo (Ctrl+Z) takes it back")
        self.find = FindForm(actions.find_clicked)
        section.add("", self.find, self.find.toolTip())
        self.next_number = QCheckBox("Next number after each stroke")
        section.add(
            "",
            self.next_number,
            "Each stroke of the brush is a cell of its own: the next free number is taken by itself. Off: press M",
        )
        self.seed_frame = frame_box("The frame that these labels were drawn on, counted from 0 as on the slider")
        self.belongs = row_of("These labels belong to frame", self.seed_frame, stretch=None)
        section.add("", self.belongs, "The labels have no time axis, so they are of one frame: say which")
        self.lay_on = small_button(
            "Lay on movie", "Give the labels the place and pixel size of the movie", actions.lay_on
        )
        self.place = row_of("Place and pixel size differ", self.lay_on, stretch=None)
        section.add("", self.place, "Labels that lie elsewhere than the movie count where you see them")
        self.seed_frames = Choice(SEED_FRAMES)
        section.add("Use", self.seed_frames, "Which painted frames count")
        use_first = small_button(
            "Use the first frame as seeds",
            "Follow the objects of the first frame; the labels of all other frames are ignored",
            lambda: self._use("first"),
        )
        link = small_button(
            "Link these detections",
            "For labels of a segmentation, numbered differently on each frame: each cell gets one number",
            lambda: self._use("detections"),
        )
        self.every_frame = QWidget()
        ways = QVBoxLayout(self.every_frame)
        ways.setContentsMargins(0, 0, 0, 0)
        for way in (use_first, link):  # one below the other: side by side they would widen the dock
            ways.addWidget(way)
        section.add("", self.every_frame, "Every frame is labelled: say what the labels are")
        return section

    def _use(self, frames: str) -> None:
        self.seed_frames.value = frames

    def _range_section(self, actions: Any) -> Section:
        section = self.range = Section("Which frames")
        self._add_settings(section, ("direction",))
        self.first = frame_box("First frame to label, counted from 0 as on the slider", "First frame")
        self.last = frame_box("Last frame to label", "Last frame")
        self.whole = small_button("All", "Whole movie", actions.whole_movie, name="All frames")
        section.add(
            "Frames",
            row_of(self.first, "to", self.last, self.whole, stretch=None),
            "Frames to label, counted from 0 as on the slider",
        )
        return section

    def _method_section(self) -> Section:
        section = self.method = Section("How")
        choices = (
            *MODEL_CHOICES,
            ("File...", FILE, "Weights you have: an XMem .pth or a .safetensors file made by napari-xmem"),
        )
        self.model = Choice(choices)
        section.add("Model", self.model, "The network that follows the objects")
        self.preset = Choice([(p.text, p.key, p.tooltip) for p in PRESETS])
        section.add("Preset", self.preset, "Settings for typical work; the panel Memory shows and changes each of them")
        return section

    def _more_section(self) -> Section:
        section = self.more = Section("More settings", folded=True, tooltip="Settings that rarely need a change")
        self._add_settings(section, (name for name in RUN_SETTINGS if name != "direction"))
        self.target = Choice([("New layer", NEW_LAYER, "Every run makes a layer of its own")])
        section.add("Result", self.target, "Where the labels go; writing into an earlier result keeps its other frames")
        self.forecast = QCheckBox("Forecast time and memory")
        section.add("", self.forecast, "Before Run, load the model and time it for about a second")
        keys = muted_label()
        keys.setText(
            with_keys(
                "{Shift-T} follows the selected label too, from the frame shown on. {Shift-D} follows it no more."
            )
        )
        section.add("", keys, "Keys while this panel is open; also in the menu Layers > Track")
        return section

    def _add_settings(self, section: Section, names: Iterable[str]) -> None:
        for name in names:
            known = self.settings.known[name]
            section.add(known.label, self.settings[name].native, known.tooltip)

    def _run_part(self, actions: Any) -> QWidget:
        part = QWidget()
        layout = QVBoxLayout(part)
        layout.setContentsMargins(0, 8, 0, 0)
        layout.setSpacing(6)
        self.run = button("Run", with_keys(RUN_TIP), actions.run_clicked, role="primary")
        self.pause = button("Pause", "Wait; press again to go on", actions.pause_clicked)
        self.stop = button("Stop", "End; frames that are done stay", actions.stop)
        self.replaced = StatusLine()
        layout.addWidget(self.replaced)
        layout.addWidget(row_of(self.run, self.pause, self.stop))
        self.follow = QCheckBox("Show each frame as it is done")
        self.follow.setToolTip(
            "Move the time slider along with the run, until you move it yourself. Off: it stays where you put it."
        )
        self.progress = TextProgress()
        self.progress.setToolTip("Frames done, and the time left at the latest pace")
        self.status = StatusLine()
        for widget in (self.follow, self.progress, self.status):
            layout.addWidget(widget)
        layout.setAlignment(Qt.AlignmentFlag.AlignTop)
        return part

    def ask_for_file(self) -> str:
        """Ask for a file of weights; empty if the user changed their mind."""
        path, _ = QFileDialog.getOpenFileName(self, "Weights of a network", "", "Weights (*.pth *.pt *.safetensors)")
        return str(path)
