"""The Memory dock: settings, the live chart, surgery, files."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from napari_xmem.config import MemoryConfig, settings_of
from napari_xmem.memory import MemoryEvent, MemorySnapshot, MemoryTotals, Store, StoreMemory
from napari_xmem.widgets.common.chart import store_colour
from napari_xmem.widgets.common.setting_widgets import policy_options
from napari_xmem.widgets.common.theme import theme_colours
from napari_xmem.widgets.layers.result_layer import session_of
from napari_xmem.widgets.memory.memory_chart import MemoryChart, event_lines
from review_scenes import add_result

pytestmark = pytest.mark.gui

WAIT_MS = 120_000


@pytest.fixture
def memory(viewer):
    _, made = viewer.window.add_plugin_dock_widget("napari-xmem", "Memory")
    return made


@pytest.fixture
def scene(viewer, network, memory):
    layer, session, _ = add_result(viewer, network)
    memory.watch.look()
    return memory, layer, session


def test_every_setting_has_a_control_that_explains_itself(memory):
    known = settings_of(MemoryConfig)
    assert set(known) == {field.name for field in fields(MemoryConfig)}
    for name, item in known.items():
        control = memory.form.settings.controls[name].native
        assert memory.form.settings.isAncestorOf(control)
        assert item.help in control.toolTip()
        assert item.effect in control.toolTip()
        assert item.symbol in control.toolTip()
        assert name in control.toolTip()
        assert control.accessibleName() == item.label


@pytest.mark.parametrize("kind", ["selection", "potentiation", "eviction"])
def test_policies_on_offer_are_the_registered_ones(kind):
    options = policy_options(kind)
    assert "usage" in [option.value for option in options] or kind == "potentiation"
    assert all(len(option.help) > 10 for option in options)


def test_settings_reach_the_next_run_and_come_back(memory, widget):
    box = memory.form.settings.controls["memory_interval_frames"].native
    box.setValue(3)
    assert memory.config == MemoryConfig(memory_interval_frames=3)
    assert widget.memory.memory_interval_frames == 3
    assert "for the next run" in memory.form.status.text
    memory.form.settings.paper.click()
    assert widget.memory == MemoryConfig.paper()
    assert widget.memory.permanent_seeds is False
    assert memory.form.settings.controls["permanent_seeds"].native.isChecked() is False
    memory.form.settings.defaults.click()
    assert widget.memory == MemoryConfig()


def test_values_are_checked_while_typed(memory, widget):
    good = memory.config
    memory.form.settings.controls["working_max_frames"].native.setValue(good.working_min_frames)
    assert memory.config == good
    assert widget.memory == good
    assert memory.form.settings.problem.isVisibleTo(memory.form.settings)
    assert "'Working, at most' is" in memory.form.settings.problem.text()
    memory.form.settings.controls["working_min_frames"].native.setValue(good.working_min_frames - 1)
    assert not memory.form.settings.problem.isVisibleTo(memory.form.settings)
    assert memory.config.working_max_frames == good.working_min_frames


def test_none_has_a_word(memory):
    box = memory.form.settings.controls["top_k"].native
    box.setValue(box.minimum())
    assert memory.config.top_k is None
    assert box.text() == "all"
    memory.config = MemoryConfig(top_k=7, deep_update_interval_frames=4)
    assert box.value() == 7
    assert memory.form.settings.controls["deep_update_interval_frames"].native.value() == 4
    memory.config = MemoryConfig(deep_update_interval_frames=None)
    assert memory.config.deep_update_interval_frames is None


def snapshot(frame, working, long_term=0, permanent=5, events=()):
    numbers = {"working": working, "long_term": long_term, "permanent": permanent}
    stores = tuple(StoreMemory(name, n, 100 * n) for name, n in numbers.items())
    return MemorySnapshot(frame, stores, (), tuple(events), MemoryTotals(), ())


def test_chart_draws_stores_and_events(qtbot):
    chart = MemoryChart()
    qtbot.addWidget(chart)
    chart.set_colours(theme_colours("dark"))
    chart.resize(300, 130)
    empty = pixels(chart)
    events = [MemoryEvent(2, "consolidated", 8, 3, "10 frames"), MemoryEvent(2, "evicted", 2, 0, "usage")]
    chart.set_snapshots([snapshot(0, 0), snapshot(1, 10), snapshot(2, 2, 3, events=events)], 4)
    assert chart.top_value() == "15"
    drawn = pixels(chart)
    assert (drawn != empty).any()
    for store in ("permanent", "long_term", "working"):
        code = store_colour(store, dark=True)
        wanted = [int(code[i : i + 2], 16) for i in (1, 3, 5)]
        assert (np.abs(drawn.astype(int) - wanted).max(-1) < 10).sum() > 50, store
    assert chart.tip(1).splitlines() == [
        "Frame 1",
        "permanent: 5 elements",
        "long-term: 0 elements",
        "working: 10 elements",
    ]
    assert "consolidated: 8 became 3 (10 frames)" in chart.tip(2)
    assert "evicted: 2 elements (usage)" in chart.tip(2)
    assert chart.tip(3) == "Frame 3: not done"
    chart.show_bytes(True)
    assert chart.top_value() == "1.5kB"


def pixels(widget):
    image = widget.grab().toImage().convertToFormat(widget.grab().toImage().Format.Format_RGB888)
    rows = np.frombuffer(image.constBits().asstring(image.sizeInBytes()), np.uint8)
    return rows.reshape(image.height(), image.bytesPerLine())[:, : 3 * image.width()].reshape(image.height(), -1, 3)


def test_events_of_many_objects_are_summed_up():
    events = [MemoryEvent(1, "consolidated", 4, 2, "full")] * 3 + [
        MemoryEvent(1, "evicted", 1, 0, f"r{i}") for i in range(9)
    ]
    lines = event_lines(snapshot(1, 1, events=events))
    assert lines[0] == "consolidated: 12 became 6 (full)"
    assert lines[-1] == "and 6 more"
    events = [MemoryEvent(1, "consolidated", 4, 2, "full", (i,)) for i in (5, 2)]
    assert event_lines(snapshot(1, 1, events=events)) == ["consolidated: 8 became 4 (full), objects 5, 2"]
    assert event_lines(snapshot(1, 1, events=events[:1]))[0].endswith("(full), object 5")


def rows_of(table):
    return [[table.item(r, c).text() for c in range(table.columnCount())] for r in range(table.rowCount())]


def test_surgery_by_buttons(scene):
    memory, _, _session = scene
    assert [row[:2] for row in rows_of(memory.form.contents)] == [
        ["0", "permanent"], ["2", "working"], ["4", "working"], ["6", "working"],
    ]  # fmt: skip
    memory.form.contents.selectRow(1)
    memory.form.protect.click()
    assert ["2", "permanent"] in [row[:2] for row in rows_of(memory.form.contents)]
    memory.form.contents.selectRow(2)
    memory.form.forget.click()
    assert "4" not in [row[0] for row in rows_of(memory.form.contents)]
    assert "forgotten" in memory.form.status.text
    memory.form.only_permanent.click()
    assert {row[1] for row in rows_of(memory.form.contents)} == {"permanent"}
    memory.form.only_permanent.click()
    memory.form.undo.click()
    memory.form.undo.click()
    assert ["2", "working"] in [row[:2] for row in rows_of(memory.form.contents)]
    assert not memory.form.undo.isEnabled()


def test_frames_of_look_alikes_have_a_store_of_their_own(scene):
    memory, _, session = scene
    assert "look-alikes" not in memory.form.legend.text()
    for bank in session.follower.banks:
        frame = int(bank._state.filled()["frame"][bank._state.rows_in(Store.WORKING)][0])
        held = bank._state.filled()["frame"] == frame
        bank._state.filled()["store"][held] = int(Store.DISTRACTOR)
        bank._state.refresh()
    memory.show_contents()
    assert "look-alikes" in [row[1] for row in rows_of(memory.form.contents)]
    total = session.follower.snapshot(-1).sizes
    assert sum(int(row[1]) for row in rows_of(memory.form.objects)) == 2 * total.total > total.distractor > 0
    memory.form.chart.set_snapshots([session.follower.snapshot(6)], 8)
    assert "look-alikes: " in memory.form.chart.tip(6)
    assert "look-alikes" in memory._legend()


def test_objects(scene):
    memory, _, _session = scene
    assert [row[0] for row in rows_of(memory.form.objects)] == ["3", "9"]
    memory.form.objects.selectRow(1)
    memory.form.forget_object.click()
    assert [row[0] for row in rows_of(memory.form.objects)] == ["3"]
    memory.form.undo.click()
    assert [row[0] for row in rows_of(memory.form.objects)] == ["3", "9"]


def test_going_to_frames(scene, viewer):
    memory, _layer, _ = scene
    memory.form.contents.cellDoubleClicked.emit(2, 0)
    assert viewer.dims.current_step[0] == 4
    memory.form.chart.frame_clicked.emit(6)
    assert viewer.dims.current_step[0] == 6
    assert memory.form.chart.current_frame == 6


def test_saving_and_loading(scene, tmp_path):
    memory, _, session = scene
    memory.save(tmp_path / "a.xmem")
    assert "saved in a.xmem" in memory.form.status.text
    memory.load(tmp_path / "a.xmem")
    assert session.memory.loaded is not None
    (tmp_path / "b.xmem").write_text("no")
    memory.load(tmp_path / "b.xmem")
    assert "cannot be read" in memory.form.status.text


def test_live_while_running_and_changed_while_paused(viewer, memory, loaded, qtbot):
    """The dock follows a run of Propagate labels; settings changed while paused count when it goes on."""
    loaded.scope = "global"
    memory.config = MemoryConfig(memory_interval_frames=1, working_min_frames=1, working_max_frames=20)
    with qtbot.waitSignal(loaded.frame_done, timeout=WAIT_MS, check_params_cb=lambda r: r.frame == 1):
        loaded.run()
    loaded.pause()
    session = session_of(loaded.result)
    qtbot.waitUntil(lambda: session.state.value == "paused", timeout=WAIT_MS)
    memory.watch.look()
    assert memory.result is loaded.result
    assert memory.form.chart.has_data
    held = {row[0] for row in rows_of(memory.form.contents)}
    assert "0" in held
    memory.form.settings.controls["memory_interval_frames"].native.setValue(50)
    assert "when this run goes on" in memory.form.status.text
    with qtbot.waitSignal(loaded.run_ended, timeout=WAIT_MS):
        loaded.resume()
    memory.watch.look()
    after = {row[0] for row in rows_of(memory.form.contents)}
    assert held <= after and len(after - held) <= 1  # the frame in which it was paused is finished as it was begun


def test_empty_state(memory):
    assert memory.form.hint.text.startswith("No run to look into yet")
    assert not memory.form.save.isEnabled()


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_fits_a_narrow_dock(scene, viewer, theme):
    viewer.theme = theme
    memory = scene[0]
    for section in (memory.form.surgery, memory.form.per_object, memory.form.manager):
        section.is_open = True
    assert memory.form.minimumSizeHint().width() <= 345
