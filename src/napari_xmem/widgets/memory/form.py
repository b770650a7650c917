"""Every field of `MemoryConfig` as a control, checked while it is typed."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QDoubleSpinBox, QLabel, QSpinBox, QVBoxLayout, QWidget

from napari_xmem.config import MemoryConfig
from napari_xmem.errors import ConfigError
from napari_xmem.widgets.common.forms import Choice, Section, row_of, small_button
from napari_xmem.widgets.memory.fields import FIELDS, GROUPS, MemoryField, memory_fields, policy_choices

__all__ = ["MemoryForm"]

NAME_PX = 142


class _IntBox(QSpinBox):
    """A whole number; at its lowest it stands for None, if the field allows that."""

    def __init__(self, field: MemoryField) -> None:
        super().__init__()
        self._none = bool(field.none)
        self.setRange(int(field.low), int(field.high))
        self.setSingleStep(int(field.step))
        self._unit = field.unit
        self._show_unit(self.value())
        self.valueChanged.connect(self._show_unit)
        self.setMinimumWidth(70)
        if field.none:
            self.setSpecialValueText(field.none)

    def _show_unit(self, value: int) -> None:
        unit = self._unit.removesuffix("s") if value == 1 else self._unit
        self.setSuffix(f" {unit}" if unit else "")

    def wheelEvent(self, event: Any) -> None:
        """Leave the wheel to the scroll area."""
        event.ignore()

    @property
    def setting(self) -> int | None:
        """The value."""
        return None if self._none and self.value() == self.minimum() else self.value()

    @setting.setter
    def setting(self, value: int | None) -> None:
        self.setValue(self.minimum() if value is None else value)


class _FloatBox(QDoubleSpinBox):
    """A number."""

    def __init__(self, field: MemoryField) -> None:
        super().__init__()
        self.setDecimals(2)
        self.setRange(field.low, field.high)
        self.setSingleStep(field.step)
        self.setSuffix(f" {field.unit}" if field.unit else "")
        self.setMinimumWidth(70)

    def wheelEvent(self, event: Any) -> None:
        """Leave the wheel to the scroll area."""
        event.ignore()

    @property
    def setting(self) -> float:
        """The value."""
        return self.value()

    @setting.setter
    def setting(self, value: float) -> None:
        self.setValue(value)


class _Switch(QCheckBox):
    """On or off."""

    def __init__(self, field: MemoryField) -> None:
        super().__init__("on")

    @property
    def setting(self) -> bool:
        """The value."""
        return self.isChecked()

    @setting.setter
    def setting(self, value: bool) -> None:
        self.setChecked(value)


class _Policy(Choice):
    """One of the registered policies."""

    def __init__(self, field: MemoryField) -> None:
        super().__init__(policy_choices(field.policy))

    @property
    def setting(self) -> str:
        """The value."""
        return str(self.value)

    @setting.setter
    def setting(self, value: str) -> None:
        self.value = value


class MemoryForm(QWidget):
    """Settings of the memory manager.

    `edited` is emitted with a `MemoryConfig` whenever what stands in the form is valid and new; while it is not, the
    reason is shown and the last valid settings count.
    """

    edited = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._config = MemoryConfig()
        self._silent = False
        self.controls: dict[str, Any] = {}
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
        for group in GROUPS:
            section = Section(group, folded=group != GROUPS[0], name_px=NAME_PX)
            for field in memory_fields():
                if field.group == group:
                    section.add(field.label, self._make(field), field.tooltip)
            layout.addWidget(section)
            self.sections.append(section)
        self.config = self._config

    def _make(self, field: MemoryField) -> QWidget:
        kind = type(getattr(MemoryConfig(), field.name))
        control: Any
        if field.policy:
            control = _Policy(field)
            control.currentIndexChanged.connect(self._on_edit)
        elif kind is bool:
            control = _Switch(field)
            control.toggled.connect(self._on_edit)
        elif kind is float:
            control = _FloatBox(field)
            control.valueChanged.connect(self._on_edit)
        else:
            control = _IntBox(field)
            control.valueChanged.connect(self._on_edit)
        control.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.controls[field.name] = control
        return control

    @property
    def config(self) -> MemoryConfig:
        """The last valid settings; setting them fills the form without `edited`."""
        return self._config

    @config.setter
    def config(self, config: MemoryConfig) -> None:
        self._config = config
        self._silent = True
        for name, control in self.controls.items():
            control.setting = getattr(config, name)
        self._silent = False
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

    def _on_edit(self, *_: Any) -> None:
        if self._silent:
            return
        try:
            config = self._config.replace(**{name: control.setting for name, control in self.controls.items()})
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

    @staticmethod
    def _in_words(message: str) -> str:
        """Replace names of fields by those in the form."""
        for field in sorted(FIELDS, key=lambda f: -len(f.name)):
            message = message.replace(field.name, f"'{field.label}'")
        return f"Not used yet: {message}"
