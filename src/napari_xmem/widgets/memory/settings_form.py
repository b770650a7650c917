"""Every setting of the memory manager as a control, checked while it is typed."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_xmem.config import MemoryConfig
from napari_xmem.errors import ConfigError
from napari_xmem.widgets.common.forms import Section, row_of, small_button
from napari_xmem.widgets.common.setting_widgets import SettingControls

__all__ = ["MemoryForm"]

NAME_PX = 142


class MemoryForm(QWidget):
    """Settings of the memory manager, under the headings that `MemoryConfig` gives them.

    `edited` is emitted with a `MemoryConfig` whenever what stands in the form is valid and new; while it is not, the
    reason is shown and the last valid settings count.
    """

    edited = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._config = self._filled_with = MemoryConfig()
        self._filled: dict[str, Any] = {}
        self._silent = False
        self.controls = SettingControls(MemoryConfig)
        self.sections: list[Section] = []
        self.problem = QLabel()
        self.problem.setProperty("role", "bad")
        self.problem.setWordWrap(True)
        self.defaults = small_button("Defaults", "Settings that did best in our tests", self.reset)
        self.paper = small_button("As in the paper", "Settings of Cheng & Schwing 2022", self.reset_to_paper)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(row_of(self.defaults, self.paper, stretch=None))
        layout.addWidget(self.problem)
        for group in dict.fromkeys(known.group for known in self.controls.known.values()):
            section = Section(group, folded=bool(self.sections), name_px=NAME_PX)
            for name, known in self.controls.known.items():
                if known.group == group:
                    section.add(known.label, self.controls[name].native, known.tooltip)
            layout.addWidget(section)
            self.sections.append(section)
        self.controls.connect(self._on_edit)
        self.config = self._config

    @property
    def config(self) -> MemoryConfig:
        """The last valid settings; setting them fills the form without `edited`."""
        return self._config

    @config.setter
    def config(self, config: MemoryConfig) -> None:
        self._config = self._filled_with = config
        self._silent = True
        for name in self.controls.known:
            self.controls.set(name, getattr(config, name))
        self._silent = False
        self._filled = self.controls.values
        self._tell("")

    def reset(self) -> None:
        """Fill in the defaults."""
        self._replace(MemoryConfig())

    def reset_to_paper(self) -> None:
        """Fill in the settings of the paper."""
        self._replace(MemoryConfig.paper())

    def _replace(self, config: MemoryConfig) -> None:
        before = self._config
        self.config = config
        if config != before:
            self.edited.emit(config)

    def _on_edit(self) -> None:
        if self._silent:
            return
        # What was not touched stays as it was given, also where a control shows fewer digits.
        touched = {name: value for name, value in self.controls.values.items() if value != self._filled[name]}
        try:
            config = self._filled_with.replace(**touched)
        except ConfigError as error:
            self._tell(self._in_words(str(error)))
            return
        self._tell("")
        if config != self._config:
            self._config = config
            self.edited.emit(config)

    def _tell(self, text: str) -> None:
        self.problem.setText(text)
        self.problem.setVisible(bool(text))

    def _in_words(self, message: str) -> str:
        """Replace names of fields by those in the form."""
        for name, known in sorted(self.controls.known.items(), key=lambda item: -len(item[0])):
            message = message.replace(name, f"'{known.label}'")
        return f"Not used yet: {message}"
