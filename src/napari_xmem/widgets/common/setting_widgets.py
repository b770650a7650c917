"""Controls of settings, made by magicgui from what a config says about its fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magicgui.widgets import ComboBox, FloatSpinBox, create_widget
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QComboBox, QSizePolicy

from napari_xmem.config import MemoryConfig, Option, settings_of
from napari_xmem.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from magicgui.widgets.bases import ValueWidget

    from napari_xmem.config import Setting

__all__ = ["NumberBox", "SettingControls", "policy_options", "setting_widget"]


class NumberBox(FloatSpinBox):
    """A number with its unit; at its lowest it may stand for None.

    Parameters
    ----------
    known : Setting
        What the config says about the field.
    **kwargs
        As for `magicgui.widgets.FloatSpinBox`.
    """

    def __init__(self, known: Setting, **kwargs: Any) -> None:
        self._known = known
        kwargs.pop("value", None)
        low, high = self._range(known)
        super().__init__(min=low, max=high, step=known.step, **kwargs)
        self.native.setDecimals(0 if known.kind is int else 2 if known.step < 1 or known.scale != 1 else 1)
        self.native.setAlignment(Qt.AlignmentFlag.AlignLeft)
        self.native.setMinimumWidth(70)
        self.native.setSpecialValueText(known.none)
        self.native.valueChanged.connect(self._show_unit)
        self.value = known.default
        self._show_unit(self.native.value())

    @staticmethod
    def _range(known: Setting) -> tuple[float, float]:
        """Return the range of the box: below the least value there is room for None."""
        low = (known.low or 0) / known.scale
        high = (known.offered if known.high is None else known.high) / known.scale
        if known.kind is int:
            return low - known.optional, high
        if known.optional:
            return 0.0, high
        return (low + 0.1 if known.above else low), high

    def _show_unit(self, shown: float) -> None:
        unit = self._known.unit.removesuffix("s") if shown == 1 else self._known.unit
        self.native.setSuffix(f" {unit}" if unit else "")

    def get_value(self) -> Any:
        """Return the value as the field holds it."""
        shown = super().get_value()
        if self._known.optional and shown <= self.min:
            return None
        value = shown * self._known.scale
        return round(value) if self._known.kind is int else value

    def set_value(self, value: Any) -> None:
        """Show a value of the field; one that is larger than what is offered widens the range."""
        if value is None:
            super().set_value(self.min)
            return
        shown = value / self._known.scale
        if shown > self.native.maximum():
            self.native.setMaximum(shown)
        super().set_value(shown)


class _LeaveTheWheel(QObject):
    """Leaves the wheel to the scroll area, so that scrolling never changes a setting."""

    def eventFilter(self, watched: Any, event: Any) -> bool:
        """Keep wheel events from the control."""
        if event.type() == QEvent.Type.Wheel:
            event.ignore()
            return True
        return False


class _BeforeOpening(QObject):
    """Calls a function when somebody is about to use a control."""

    def __init__(self, parent: QObject, fill: Callable[[], Any]) -> None:
        super().__init__(parent)
        self._fill = fill

    def eventFilter(self, watched: Any, event: Any) -> bool:
        """Look for the press of a button or key."""
        if event.type() in (QEvent.Type.MouseButtonPress, QEvent.Type.KeyPress):
            self._fill()
        return False


def policy_options(registry: str) -> tuple[Option, ...]:
    """Return the policies of a registry of `napari_xmem.memory`: selection, potentiation or eviction."""
    from napari_xmem.memory import EVICTIONS, POTENTIATIONS, SELECTIONS

    found: Any = {"selection": SELECTIONS, "potentiation": POTENTIATIONS, "eviction": EVICTIONS}[registry]
    policies = {name: found.build(MemoryConfig(**{found.field: name})) for name in found.names}
    return tuple(Option(name, name, (made.__doc__ or name).strip().splitlines()[0]) for name, made in policies.items())


def setting_widget(known: Setting) -> ValueWidget[Any]:
    """Return the control of a setting: a choice, a switch or a number, as its type and range ask for.

    Parameters
    ----------
    known : Setting
        What the config says about the field.
    """
    options = policy_options(known.registry) if known.registry else known.options
    made: Any
    if options:
        choices = [(option.label, option.value) for option in options]
        made = create_widget(known.default, name=known.name, options={"widget_type": "ComboBox", "choices": choices})
        _dress_choice(made, options)
    elif known.kind is bool:
        made = create_widget(known.default, annotation=bool, name=known.name)
        made.native.setText("on")
    else:
        made = create_widget(annotation=known.kind, name=known.name, options={"widget_type": NumberBox, "known": known})
    made.native.installEventFilter(_LeaveTheWheel(made.native))
    made.native.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    return made


def _dress_choice(choice: ComboBox, options: Iterable[Option]) -> None:
    """Let a choice never get wider than its column, and explain each of its items."""
    box = choice.native
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(6)
    box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    for index, option in enumerate(options):
        box.setItemData(index, option.help or option.label, Qt.ItemDataRole.ToolTipRole)


class SettingControls:
    """The controls of the settings of one config.

    Parameters
    ----------
    config : type
        `MemoryConfig` or `PropagationConfig`.
    names : iterable of str, optional
        Fields that get a control; None: all that have a label.
    """

    def __init__(self, config: type, names: Iterable[str] | None = None) -> None:
        known = settings_of(config)
        wanted = tuple(names) if names is not None else tuple(n for n, item in known.items() if item.label)
        self.known = {name: known[name] for name in wanted}
        self._widgets = {name: setting_widget(item) for name, item in self.known.items()}

    def __getitem__(self, name: str) -> ValueWidget[Any]:
        """Return the control of a setting."""
        return self._widgets[name]

    @property
    def values(self) -> dict[str, Any]:
        """What stands in the controls."""
        return {name: made.value for name, made in self._widgets.items()}

    def get(self, name: str) -> Any:
        """Return the value of a setting."""
        return self._widgets[name].value

    def set(self, name: str, value: Any) -> None:
        """Show a value of a setting; a choice that is open, such as the device, takes what is not on offer too.

        Raises
        ------
        ConfigError
            If the value is of the wrong kind or out of range.
        """
        known, made = self.known[name], self._widgets[name]
        checked = known.checked(value)
        if isinstance(made, ComboBox) and checked not in made.choices:
            if known.closed or known.registry:
                raise ConfigError(f"{name} is {value!r}, expected one of {', '.join(map(repr, made.choices))}.")
            self.offer(name, Option(checked, checked, ""))
        made.value = checked

    def offer(self, name: str, option: Option) -> None:
        """Add a value to a choice, unless it is there."""
        made: Any = self._widgets[name]
        if option.value not in made.choices:
            made.native.addItem(option.label, option.value)
            position = made.native.count() - 1
            made.native.setItemData(position, option.help or option.label, Qt.ItemDataRole.ToolTipRole)

    def limit(self, name: str, high: float) -> None:
        """Offer numbers up to `high` only, in the unit of the field; what stands there already stays."""
        made: Any = self._widgets[name]
        made.native.setMaximum(max(high / self.known[name].scale, made.native.value()))

    def before_opening(self, name: str, fill: Callable[[], Any]) -> None:
        """Call `fill` before the list of a choice opens, for what is too slow to look for earlier."""
        box = self._widgets[name].native
        box.installEventFilter(_BeforeOpening(box, fill))

    def connect(self, changed: Callable[[], Any]) -> None:
        """Call `changed` whenever a control shows another value."""
        for made in self._widgets.values():
            made.changed.connect(lambda _value: changed())
