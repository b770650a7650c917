"""The Explain dock: click a pixel, see who voted, go to their frames."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Points
from napari.utils._proxies import ReadOnlyWrapper
from napari.utils.events import Event
from napari.utils.interactions import mouse_move_callbacks, mouse_press_callbacks, mouse_release_callbacks

from napari_xmem.errors import InputError
from review_scenes import add_result

pytestmark = pytest.mark.gui

WAIT_MS = 120_000


@pytest.fixture
def explain(viewer):
    _, made = viewer.window.add_plugin_dock_widget("napari-xmem", "Explain")
    return made


@pytest.fixture
def scene(viewer, network, explain):
    layer, session, _ = add_result(viewer, network)
    explain.watch.look()
    return explain, layer, session


def mouse(viewer, kind, position, pos):
    event = Event(kind)
    event.position, event.pos, event.button = tuple(position), np.array(pos), 1
    event.is_dragging = kind == "mouse_move"
    event.dims_displayed, event.view_direction, event.modifiers = [1, 2], None, ()
    {
        "mouse_press": mouse_press_callbacks,
        "mouse_move": mouse_move_callbacks,
        "mouse_release": mouse_release_callbacks,
    }[kind](viewer, ReadOnlyWrapper(event, exceptions=("handled",)))  # as the canvas does


def click_at(viewer, layer, frame, y, x, drag=0):
    position = layer.data_to_world((frame, y, x))
    mouse(viewer, "mouse_press", position, (100, 100))
    if drag:
        mouse(viewer, "mouse_move", position, (100 + drag, 100))
    mouse(viewer, "mouse_release", position, (100 + drag, 100))


def object_pixel(layer, frame):
    return tuple(int(v) for v in np.argwhere(layer.data[frame] > 0)[10])


def test_click_shows_votes_and_their_frames(scene, viewer, qtbot):
    explain, layer, _session = scene
    viewer.dims.set_point(0, 5)
    y, x = object_pixel(layer, 5)
    explain.form.mode.click()
    assert explain.active
    with qtbot.waitSignal(explain.explained, timeout=WAIT_MS) as caught:
        click_at(viewer, layer, 5, y, x)
    told = caught.args[0]
    assert (told.frame, told.object_id) == (5, layer.data[5, y, x])
    points = explain.votes.layer
    assert isinstance(points, Points)
    assert len(points.data) == len(told.votes) + 1
    np.testing.assert_allclose(points.scale, layer.scale[-2:])
    assert list(points.features["store"][:-1]) == [v.store for v in told.votes]
    assert np.argmax(points.size[:-1]) == 0
    assert {v.frame for v in told.votes} <= {0, 2, 4}
    table = explain.form.table
    weights = [float(table.item(r, 2).text().rstrip("%")) for r in range(table.rowCount())]
    assert sum(weights) == pytest.approx(100, abs=1)
    assert weights == sorted(weights, reverse=True)
    table.cellClicked.emit(0, 0)
    assert viewer.dims.current_step[0] == int(table.item(0, 0).text())
    explain.form.back.click()
    assert viewer.dims.current_step[0] == 5


def test_click_on_a_vote_goes_to_its_frame(scene, viewer):
    explain, layer, _ = scene
    told = explain.explain(5, *object_pixel(layer, 5), wait=True)
    explain.active = True
    viewer.dims.set_point(0, 5)
    points = explain.votes.layer
    frames = [explain.votes.frame_at((5, *points.data_to_world(place))) for place in points.data[:-1]]
    assert {f for f in frames if f is not None} <= {v.frame for v in told.votes}
    index = next(i for i, f in enumerate(frames) if f is not None)
    world = points.data_to_world(points.data[index])
    mouse(viewer, "mouse_press", (5, *world), (50, 50))
    mouse(viewer, "mouse_release", (5, *world), (50, 50))
    assert viewer.dims.current_step[0] == frames[index]


def test_drags_and_clicks_without_the_mode_do_nothing(scene, viewer):
    explain, layer, _ = scene
    viewer.dims.set_point(0, 5)
    y, x = object_pixel(layer, 5)
    click_at(viewer, layer, 5, y, x)
    assert not explain.is_busy
    explain.active = True
    click_at(viewer, layer, 5, y, x, drag=30)
    assert not explain.is_busy


def test_painted_frames_and_background(scene, viewer):
    explain, layer, session = scene
    told = explain.explain(0, *object_pixel(layer, 0), wait=True)
    assert told.painted
    assert "painted by you" in explain.form.shares.text()
    assert explain.votes.layer is None
    layer.data[5] = 0
    session.correct({5: layer.data[5]})
    with pytest.raises(InputError, match="No object|given by hand"):
        explain.explain(5, 1, 1, wait=True)
    assert explain.form.status.text
    assert not explain.is_busy


def test_clear_removes_the_dots(scene, viewer):
    explain, layer, _ = scene
    explain.explain(5, *object_pixel(layer, 5), wait=True)
    explain.form.clear.click()
    assert explain.votes.layer is None
    assert not any(isinstance(item, Points) for item in viewer.layers)


def test_empty_state_and_closing(viewer, explain):
    assert explain.form.hint.text == "Nothing to explain yet: propagate labels first."
    assert not explain.form.mode.isEnabled()
    callbacks = len(viewer.mouse_drag_callbacks)
    viewer.window.remove_dock_widget(explain)
    explain.deleteLater()
    from qtpy.QtCore import QCoreApplication, QEvent

    QCoreApplication.sendPostedEvents(None, int(QEvent.Type.DeferredDelete.value))
    assert len(viewer.mouse_drag_callbacks) == callbacks - 1
