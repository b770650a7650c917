"""Menu entries, keys, forecast, remembered settings."""

from __future__ import annotations

import napari.settings
import numpy as np
import pytest
from napari.utils.shortcuts import default_shortcuts

from napari_xmem.config import MemoryConfig
from napari_xmem.widgets import track_selected_label as actions
from napari_xmem.widgets.jobs.run_outcome import RunState
from napari_xmem.widgets.layers.result_layer import session_of
from napari_xmem.widgets.propagate import stored_choices as _settings
from napari_xmem.widgets.propagate.dock import KEYS, PropagateWidget
from napari_xmem.widgets.review import dock as review
from napari_xmem.widgets.saving.bar import SAVE_KEYS
from widget_scenes import drifting_discs, seeds_on

pytestmark = pytest.mark.gui
WAIT = 60_000


def notified(viewer_messages):
    return viewer_messages[-1].message if viewer_messages else ""


@pytest.fixture
def messages():
    """Notifications, newest last."""
    from napari.utils.notifications import notification_manager

    seen = []
    notification_manager.notification_ready.connect(seen.append)
    yield seen
    notification_manager.notification_ready.disconnect(seen.append)


def test_add_a_label_in_the_middle_of_the_movie(qtbot, viewer, loaded, messages):
    layer = loaded.run(wait=True)
    viewer.layers.selection.active = layer
    before = layer.data.copy()
    viewer.dims.set_point(0, 2)
    layer.selected_label = 5
    layer.data[2, 2:8, 50:60] = 5
    layer.refresh()
    with qtbot.waitSignal(loaded.run_ended, timeout=WAIT) as ended:
        actions.add_selected_label(viewer)
    assert ended.args[0].status == "finished"
    assert "Following object 5 from frame 2 on" in notified(messages)
    assert (layer.data[2, 2:8, 50:60] == 5).all()
    assert np.array_equal(layer.data[:2], before[:2]), "earlier frames are not touched"
    assert 5 in session_of(layer).results.get(4).result.object_ids
    assert layer.metadata["napari_xmem"]["corrected_frames"] == [2]


def test_stop_tracking_from_a_frame_on(qtbot, viewer, loaded, messages):
    layer = loaded.run(wait=True)
    viewer.layers.selection.active = layer
    viewer.dims.set_point(0, 3)
    layer.data[3, 0, 0] = 0
    layer.selected_label = int(layer.data[3].max())
    label = layer.selected_label
    with qtbot.waitSignal(loaded.run_ended, timeout=WAIT):
        actions.stop_tracking_selected_label(viewer)
    assert f"Object {label} ends before frame 3" in notified(messages)
    assert not (layer.data[3:] == label).any()
    assert (layer.data[0] == label).any()


def test_add_while_it_runs(qtbot, viewer, loaded, messages):
    movie, truth = drifting_discs(40)
    viewer.layers["movie"].data = movie
    viewer.layers["seeds"].data = seeds_on(truth, 0)
    loaded.whole_movie()
    asked = []

    def ask(result):
        if result.frame == 3 and not asked:
            asked.append(result.frame)
            viewer.layers.selection.active = viewer.layers["seeds"]
            viewer.dims.set_point(0, 2)
            viewer.layers["seeds"].data[2, 2:8, 50:60] = 5
            viewer.layers["seeds"].selected_label = 5
            actions.add_selected_label(viewer)

    loaded.frame_done.connect(ask)
    layer = loaded.run(wait=True)
    assert "Following object 5" in notified(messages)
    assert (layer.data[2, 2:8, 50:60] == 5).all()
    assert loaded.runner.outcome.status == "finished"
    assert len(loaded.session.results.frames) == 40, "the rest of the movie is done as well"


@pytest.mark.parametrize("action", [actions.add_selected_label, actions.stop_tracking_selected_label])
def test_what_is_missing_is_told(viewer, loaded, messages, action):
    viewer.layers.selection.active = viewer.layers["movie"]
    action(viewer)
    assert "Choose a Labels layer" in notified(messages)
    viewer.layers.selection.active = viewer.layers["seeds"]
    action(viewer)
    assert "There is no result yet" in notified(messages)


def test_keys_are_bound_and_released(qtbot, viewer, loaded):
    bound = {str(key) for key in viewer.keymap}
    assert len(loaded.keys.bound) == len(KEYS) + len(SAVE_KEYS) and {"Shift+T", "Shift+D", "Shift+R"} <= bound
    viewer.window.remove_dock_widget(loaded)
    loaded.deleteLater()
    qtbot.waitUntil(lambda: not {"Shift+T", "Shift+D", "Shift+R"} & {str(key) for key in viewer.keymap}, timeout=WAIT)


def test_presets_differ_in_what_they_say():
    """Each preset is its own settings, and "Little memory" keeps less than any other."""
    from napari_xmem.widgets.propagate.presets import PRESETS, preset_of

    assert [preset_of(p.memory, p.scope) for p in PRESETS] == [p.key for p in PRESETS]

    def kept(memory):
        return (memory.long_term_max_elements, memory.working_max_frames, memory.num_prototypes)

    small = next(p for p in PRESETS if p.key == "small")
    assert all(
        a < b for p in PRESETS if p is not small for a, b in zip(kept(small.memory), kept(p.memory), strict=True)
    )


def test_keys_do_not_collide_with_naparis_own():
    taken = {str(key) for keys in default_shortcuts.values() for key in keys}
    assert not {key.replace("-", "+") for key in (*KEYS, *review.KEYS)} & taken


def test_a_second_panel_shares_the_run(qtbot, viewer, loaded):
    second = PropagateWidget(viewer)
    qtbot.addWidget(second)
    with qtbot.waitSignal(second.run_ended, timeout=WAIT):
        loaded.run()
        assert second.state is not RunState.IDLE and not second.form.run.isEnabled()
    assert second.form.status.text.startswith("Done")


def test_forecast_before_run(qtbot, loaded):
    loaded.forecast = True
    qtbot.waitUntil(lambda: "per frame" in loaded.form.status.text, timeout=WAIT)
    assert "GB of memory" in loaded.form.status.text
    loaded.run(wait=True)
    assert loaded.form.status.text.startswith("Done")


def test_choices_are_remembered_by_the_next_panel(qtbot, viewer, loaded, settings):
    loaded.direction = "both"
    loaded.preset = "small"
    loaded.run(wait=True)
    assert settings.direction == "both"
    second = PropagateWidget(viewer)
    qtbot.addWidget(second)
    assert (second.direction, second.preset, second.model) == ("both", "small", loaded.model)
    assert second.memory == loaded.memory


def test_own_settings_of_memory_are_remembered(qtbot, viewer, loaded, settings):
    loaded.memory = MemoryConfig(top_k=None, num_prototypes=32)
    loaded.scope = "global"
    loaded.run(wait=True)
    assert settings.preset == "custom" and settings.memory == '{"top_k": null, "num_prototypes": 32}'
    second = PropagateWidget(viewer)
    qtbot.addWidget(second)
    assert (second.memory, second.scope, second.preset) == (loaded.memory, "global", "custom")
    settings.memory = '{"no such field": 1}'
    third = PropagateWidget(viewer)
    qtbot.addWidget(third)
    assert third.memory == MemoryConfig() and third.preset == "standard"


HAS_PLUGIN_SETTINGS = hasattr(napari.settings, "get_plugin_settings")


@pytest.mark.skipif(not HAS_PLUGIN_SETTINGS, reason="this napari keeps no settings of plugins")
def test_settings_reach_naparis_file(plugin_settings, npe2pm):
    from napari.settings import get_plugin_settings
    from npe2 import PluginManifest

    npe2pm.register(PluginManifest.from_distribution("napari-xmem"))
    store = get_plugin_settings("napari-xmem").propagate
    assert _settings.remembered(store) == _settings.DEFAULTS, "napari.yaml and _settings.py must agree"
    _settings.remember(store, "direction", "both")
    _settings.remember(store, "direction", "sideways")
    assert get_plugin_settings("napari-xmem").propagate.direction == "both"


def test_keys_can_be_chosen(viewer, monkeypatch, widget):
    """What is chosen in napari's settings is bound, and stands on the button; nonsense is ignored."""
    from types import SimpleNamespace

    from napari_xmem.widgets.common import keys

    if HAS_PLUGIN_SETTINGS:
        assert set(keys.DEFAULT_KEYS.values()) == set(type(keys.open_key_store()).model_fields)
    chosen = SimpleNamespace(next="Alt-N", correct="no such key", swap="Shift-Q")
    monkeypatch.setattr(keys, "open_key_store", lambda: chosen)
    _, made = viewer.window.add_plugin_dock_widget("napari-xmem", "Review and correct")
    _, lineage = viewer.window.add_plugin_dock_widget("napari-xmem", "Lineage")
    assert made.keys.bound == ("Alt-N", "Shift-C")
    assert made.form.next_frame.text().endswith("⌥N") and "Alt+N" in made.form.next_frame.toolTip()
    assert lineage.form.actions["swap"].text().endswith("⇧Q")


def test_follow_stop_follow_goes_on(qtbot, viewer, loaded, messages):
    layer = loaded.run(wait=True)
    session = session_of(layer)
    viewer.layers.selection.active = layer
    viewer.dims.set_point(0, 1)
    layer.selected_label = 5
    layer.data[1, 2:8, 50:60] = 5
    layer.refresh()
    loaded.runner.frame_done.connect(lambda result: loaded.stop() if result.frame == 2 else None)
    with qtbot.waitSignal(loaded.run_ended, timeout=WAIT):
        actions.add_selected_label(viewer)
    assert session.unfinished and 5 not in session.results.objects(5)
    loaded.runner.frame_done.disconnect()
    with qtbot.waitSignal(loaded.run_ended, timeout=WAIT):
        actions.add_selected_label(viewer)
    assert "Going on with object 5" in notified(messages)
    assert all(5 in session.results.objects(t) for t in range(1, 6)) and not session.unfinished
