"""What can be read and reached: contrast in both themes, room for large fonts, names of layers."""

from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np
import pytest
from napari.settings import get_settings
from qtpy.QtWidgets import QScrollArea

from napari_xmem.session.annotations import Annotations
from napari_xmem.session.results import Change, FrameChange
from napari_xmem.widgets.common.status_text import pace_text, step_text
from napari_xmem.widgets.common.theme import style_sheet, theme_colours

pytestmark = pytest.mark.gui
WAIT = 60_000


def contrast(one, other):
    """Return the contrast of two hex colours, as WCAG 2 defines it."""

    def luminance(colour):
        part = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
        return float(linear @ (0.2126, 0.7152, 0.0722))

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_text_of_every_rule_can_be_read(theme):
    colours = theme_colours(theme)
    named = {"white": "#ffffff", "transparent": colours.background}
    checked = 0
    for selector, body in re.findall(r"(\S[^{}]*?)\s*\{([^}]*)\}", style_sheet(colours)):
        text = re.search(r"(?<![-\w])color: ([#\w]+)", body)
        ground = re.search(r"background-color: ([#\w]+)", body)
        if text is None:
            continue
        pair = [named.get(c, c)[:7] for c in (text[1], ground[1] if ground else colours.background)]
        assert contrast(*pair) >= 4.5, (selector, pair)
        checked += 1
    assert checked > 10
    assert contrast("#ffffff", colours.accent_hover) >= 4.5, "the hovered button keeps its white text"


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_what_takes_the_keys_has_a_ring_that_can_be_seen(theme):
    colours = theme_colours(theme)
    rules = style_sheet(colours)
    for role in set(re.findall(r'(Q(?:Tool|Push)Button\[role="\w+"\])', rules)):
        assert f"{role}:focus" in rules, role
    assert min(contrast(colours.focus, ground) for ground in (colours.background, colours.foreground)) >= 3


@pytest.mark.parametrize("name", ["Propagate labels", "Review and correct"])
def test_a_larger_font_gets_the_room_it_needs(viewer, qtbot, name):
    _, dock = viewer.window.add_plugin_dock_widget("napari-xmem", name)
    qtbot.waitUntil(lambda: not dock._fit_timer.isActive(), timeout=WAIT)
    assert dock.minimumWidth() == 350
    dock.form.setStyleSheet("* { font-size: 18pt; }")
    dock.setStyleSheet(dock.styleSheet() + "* { font-size: 18pt; }")
    qtbot.waitUntil(lambda: dock.minimumWidth() > 350, timeout=WAIT)
    area = dock.findChild(QScrollArea)
    dock.resize(dock.minimumWidth(), 600)
    assert dock.form.minimumSizeHint().width() <= dock.minimumWidth() - area.verticalScrollBar().sizeHint().width()


def test_letters_of_small_buttons_have_the_size_that_the_user_chose(viewer, widget, monkeypatch):
    appearance = get_settings().appearance
    small, fold = widget.form.new_seeds, widget.form.more.header
    for size in (14, 9):
        monkeypatch.setattr(appearance, "font_size", size)
        for item in (small, fold):
            item.ensurePolished()
            assert item.font().pointSize() == size


def test_another_result_has_the_time_in_its_name_and_hides_the_first(viewer, loaded):
    first = loaded.run(wait=True)
    viewer.layers.selection.active = viewer.layers["movie"]
    second = loaded.run(wait=True)
    assert first.name == "movie tracked" and re.fullmatch(r"movie tracked \d\d:\d\d", second.name)
    assert second.visible and not first.visible


def test_a_slow_run_says_why():
    assert pace_text(1.0, 0.9, 0.2) == "" and pace_text(9.0, None, 0.2) == ""
    assert pace_text(30.0, 3.0, 0.2) == "Frames take 30 s instead of 3.0 s: other programs use the processor."
    assert pace_text(1.4, 0.9, 0.98) == "Frames take 1.4 s instead of 0.9 s."
    assert pace_text(0.6, 0.04, 0.98) == "Frames take 0.6 s instead of 40 ms."


def test_undoing_what_a_correction_did_in_the_place_of_a_run_says_what_is_missing():
    record = SimpleNamespace()
    frames = {t: FrameChange(record if t < 3 else None, record) for t in range(1, 6)}
    step = Change("correction of frame 1", frames, Annotations(), Annotations())
    undone, in_effect = (SimpleNamespace(history=SimpleNamespace(latest=latest)) for latest in (None, step))
    assert step_text(step, undone) == "Undone: correction of frame 1. Frames 3 to 5 have no result now."
    assert step_text(step, in_effect) == "Correction of frame 1."
