"""Colours of napari's theme for the few things its own style sheet does not know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from napari.settings import get_settings
from napari.utils.theme import get_theme

__all__ = ["Colours", "font_size_changed", "font_size_pt", "style_sheet", "theme_colours"]

DEFAULT_FONT_PT = 9


@dataclass(frozen=True, slots=True)
class Colours:
    """Hex colours of a theme."""

    background: str
    foreground: str
    primary: str
    secondary: str
    highlight: str
    text: str
    current: str
    warning: str
    error: str
    dark: bool

    @property
    def accent(self) -> str:
        """Colour of the one button that starts things; white text is readable on it."""
        return "#2f6fb5" if self.dark else "#2464a8"

    @property
    def accent_hover(self) -> str:
        """The same under the mouse; white text is readable on it too."""
        return "#3a78bb" if self.dark else "#1b4f86"

    @property
    def progress(self) -> str:
        """Colour of the part that is done; the text colour is readable on it."""
        return "#2f5f94" if self.dark else "#a9cbed"

    @property
    def muted(self) -> str:
        """Colour of explanations."""
        return "#a8adb8" if self.dark else "#5c5f66"

    @property
    def focus(self) -> str:
        """Colour of the ring around what takes the keys."""
        return "#7db4ff" if self.dark else "#0b57b0"

    @property
    def panel(self) -> str:
        """Ground of boxes with a hint."""
        return "#2c3a4b" if self.dark else "#dfe9f4"

    @property
    def bad(self) -> str:
        """Colour of errors in text."""
        return "#ff8b8b" if self.dark else "#a8131d"

    @property
    def good(self) -> str:
        """Colour of success in text."""
        return "#7fd39a" if self.dark else "#1b6e3a"


def theme_colours(name: str) -> Colours:
    """Return the colours of the theme `name` ("dark", "light", or a user's own)."""
    theme: Any = get_theme(name)
    hexes = {
        key: getattr(theme, key).as_hex()
        for key in ("background", "foreground", "primary", "secondary", "highlight", "text", "current")
    }
    red, green, blue = theme.background.as_rgb_tuple()[:3]
    dark = 0.299 * red + 0.587 * green + 0.114 * blue < 128
    return Colours(**hexes, warning=theme.warning.as_hex(), error=theme.error.as_hex(), dark=dark)


def font_size_pt() -> int:
    """Return the size of letters that the user chose for napari, in points."""
    return int(getattr(get_settings().appearance, "font_size", DEFAULT_FONT_PT))


def font_size_changed() -> Any:
    """Return what tells that the user chose another size of letters; None if nothing does."""
    return getattr(get_settings().appearance.events, "font_size", None)


def style_sheet(colours: Colours, font_pt: int = DEFAULT_FONT_PT) -> str:
    """Return style rules for the object names and properties that our forms use.

    napari's own rules give no size to the letters of tool buttons, so that these would stay small: `font_pt`.
    """
    c = colours
    return f"""
    QToolButton[role] {{ font-size: {font_pt}pt; }}
    QLabel[role="heading"] {{ font-weight: 600; color: {c.text}; }}
    QLabel[role="muted"] {{ color: {c.muted}; }}
    QLabel[role="bad"] {{ color: {c.bad}; }}
    QLabel[role="good"] {{ color: {c.good}; }}
    QLabel[role="name"] {{ color: {c.text}; }}
    QFrame[role="rule"] {{ background-color: {c.foreground}; border: none; max-height: 1px; min-height: 1px; }}
    QFrame[role="hint"] {{ background-color: {c.panel}; border-radius: 4px; }}
    QFrame[role="hint"] QLabel {{ background-color: transparent; color: {c.text}; }}
    QToolButton[role="fold"] {{ border: none; background: transparent; color: {c.text}; font-weight: 600;
        padding: 2px 0px; text-align: left; }}
    QToolButton[role="link"] {{ border: none; background: transparent; color: {c.muted};
        text-decoration: underline; padding: 0px; }}
    QToolButton[role="small"] {{ background-color: {c.foreground}; color: {c.text}; border-radius: 2px;
        padding: 2px 6px; min-height: 18px; }}
    QToolButton[role="small"]:hover:enabled {{ background-color: {c.primary}; }}
    QToolButton[role="small"]:checked {{ background-color: {c.accent}; color: white; }}
    QToolButton[role="small"]:disabled {{ background-color: transparent; color: {c.muted};
        border: 1px solid {c.foreground}; }}
    QPushButton[role="primary"] {{ background-color: {c.accent}; color: white; font-weight: 600; padding: 5px 10px; }}
    QPushButton[role="primary"]:hover {{ background-color: {c.accent_hover}; }}
    QPushButton[role="primary"]:disabled {{ background-color: transparent; color: {c.muted};
        border: 1px solid {c.foreground}; }}
    QProgressBar {{ background-color: {c.foreground}; color: {c.text}; border: none; border-radius: 2px;
        text-align: center; min-height: 18px; max-height: 18px; }}
    QProgressBar::chunk {{ background-color: {c.progress}; border-radius: 2px; }}
    QPushButton[role="plain"] {{ padding: 5px 10px; }}
    QToolButton[role="small"]:focus {{ border: 2px solid {c.focus}; padding: 0px 4px; }}
    QToolButton[role="link"]:focus {{ border: 1px solid {c.focus}; }}
    QToolButton[role="fold"]:focus {{ border: 2px solid {c.focus}; padding: 0px; }}
    QPushButton[role="primary"]:focus, QPushButton[role="plain"]:focus {{ border: 2px solid {c.focus};
        padding: 3px 8px; }}
    QCheckBox:focus, QComboBox:focus, QSpinBox:focus, QDoubleSpinBox:focus, QTableView:focus {{
        border: 1px solid {c.focus}; }}
    """
