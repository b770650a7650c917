"""The Lineage dock, as a person would use it: click cells, press buttons and keys, take back."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from lineage_scenes import PARENTS, family
from napari_xmem.errors import XMemError
from napari_xmem.tracking import End
from napari_xmem.widgets.layers.movie_view import MovieView
from napari_xmem.widgets.layers.result_layer import METADATA_KEY, ResultTarget, keep_session
from napari_xmem.widgets.lineage.form import DIVIDING, FAMILY
from session.lineage_sessions import family_session, movie_of

pytestmark = pytest.mark.gui

WAIT_MS = 120_000


@pytest.fixture
def dock(viewer):
    _, made = viewer.window.add_plugin_dock_widget("napari-xmem", "Lineage")
    return made


@pytest.fixture
def scene(viewer, network, dock):
    labels = family()
    image = viewer.add_image(movie_of(labels), name="movie", scale=(1, 0.5, 0.5), translate=(0, 10, 20))
    view = MovieView.of_layer(image)
    target = ResultTarget(view)
    target.allocate(np.uint16)
    session = family_session(network, write=target.write)
    session._context.tell(list(session.results.frames))
    layer = viewer.add_labels(
        target.data, name="movie tracked", metadata={METADATA_KEY: {}}, scale=image.scale, translate=image.translate
    )
    keep_session(layer, session, view)
    dock.watch.look()
    dock.form.tree.resize(330, 280)
    return dock, layer, session


def click(dock, cell, frame=None, keys=Qt.KeyboardModifier.NoModifier):
    tree, lineage = dock.form.tree, dock.lineage
    frame = lineage.first_frame[cell] if frame is None else frame
    place = QPoint(round(tree.x_of(cell)), round(tree.y_of(frame + 0.5)))
    QTest.mouseClick(tree.viewport(), Qt.MouseButton.LeftButton, keys, place)


def choose(dock, *cells):
    click(dock, cells[0])
    for cell in cells[1:]:
        click(dock, cell, keys=Qt.KeyboardModifier.ControlModifier)
    assert dock.chosen == cells


def done(qtbot, dock, act):
    with qtbot.waitSignal(dock.actions.busy_changed, timeout=WAIT_MS, check_params_cb=lambda busy: not busy):
        act()


def press_key(viewer, key):
    """Press a key in the window, as napari receives it."""
    from qtpy.QtWidgets import QApplication

    canvas = viewer.window._qt_viewer.canvas.native
    QTest.keyClick(canvas, key, Qt.KeyboardModifier.ShiftModifier)
    QApplication.processEvents()


def in_step(dock, layer, session):
    """Layer, tree and lineage say the same."""
    np.testing.assert_array_equal(layer.data, np.stack([session.labels(t) for t in range(8)]))
    assert set(dock.form.tree.cells) == set(session.lineage.object_ids)
    assert dock.lineage == session.lineage


def test_empty_states_say_what_to_do(dock):
    assert dock.form.hint.text.startswith("No lineage yet: propagate labels first")
    assert not dock.form.tree.has_data
    assert not any(button.isEnabled() for button in dock.form.actions.values())
    assert not dock.form.export.isEnabled()


def test_a_click_jumps_to_cell_and_frame_and_selection_is_one(scene, viewer):
    dock, layer, _ = scene
    assert dock.result is layer
    assert dock.form.hint.text == ""
    click(dock, 3, 4)
    assert dock.chosen == (3,)
    assert layer.selected_label == 3
    assert viewer.dims.current_step[0] == 4
    assert "Cell 3 · frames 3 to 5 · daughter of 1 (90% sure) · divides into 5 and 6" in dock.form.facts.text()
    layer.selected_label = 4
    assert dock.chosen == (4,)
    place = QPoint(3, round(dock.form.tree.y_of(6.5)))
    QTest.mouseClick(dock.form.tree.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)
    assert viewer.dims.current_step[0] == 6
    assert dock.chosen == (4,)
    viewer.dims.set_point(0, 2)
    assert dock.form.tree.current_frame == 2
    choose(dock, 2, 3)
    click(dock, 3, keys=Qt.KeyboardModifier.ControlModifier)
    assert dock.chosen == (2,)


def test_only_dividing_cells_or_the_family_of_the_chosen_one(scene):
    dock, layer, _ = scene
    dock.form.show_cells.value = DIVIDING
    assert set(dock.form.tree.cells) == {1, 2, 3, 5, 6}
    layer.selected_label = 4
    dock.form.show_cells.value = FAMILY
    assert dock.form.tree.cells == (4,)
    layer.selected_label = 5
    assert set(dock.form.tree.cells) == {1, 2, 3, 5, 6}


@pytest.mark.parametrize(
    ("cells", "frame", "button", "key", "check"),
    [
        ((7, 2), 5, "link", Qt.Key.Key_L, lambda s: s.lineage.parents[7] == 2),
        ((5,), 6, "unlink", Qt.Key.Key_U, lambda s: 5 not in s.lineage.parents),
        ((2, 3), 4, "swap", Qt.Key.Key_X, lambda s: s.lineage.parents == {2: 1, 3: 1, 5: 2, 6: 2}),
        ((4, 7), 5, "join", Qt.Key.Key_J, lambda s: 7 not in s.lineage and s.lineage.last_frame[4] == 6),
        ((2,), 5, "remove", Qt.Key.Key_E, lambda s: s.lineage.ends[2] is End.REMOVED),
        ((2, 7), 5, "divide", Qt.Key.Key_M, lambda s: s.lineage.parents[7] == s.lineage.parents[8] == 2),
        ((2,), 5, "divide", Qt.Key.Key_M, lambda s: s.lineage.parents[8] == s.lineage.parents[9] == 2),
    ],
)
def test_every_correction_by_button_and_by_key(scene, viewer, qtbot, cells, frame, button, key, check):
    dock, layer, session = scene
    start = layer.data.copy(), session.lineage, session.annotations
    for act in (dock.form.actions[button].click, lambda: press_key(viewer, key)):
        choose(dock, *cells)
        viewer.dims.set_point(0, frame)
        first_new = session.new_ids(1)[0]
        done(qtbot, dock, act)
        if button == "divide" and first_new > 8:  # ids are never used again
            assert session.lineage.parents[first_new] == 2
        else:
            assert check(session)
        in_step(dock, layer, session)
        assert dock.form.status.label.property("role") == "good", dock.form.status.text
        done(qtbot, dock, dock.form.undo.click)
        np.testing.assert_array_equal(layer.data, start[0])
        assert (session.lineage, session.annotations) == start[1:]
        in_step(dock, layer, session)
    assert "Undone" in dock.form.status.text


def test_daughters_painted_over_the_mother_are_taken(scene, viewer, qtbot):
    dock, layer, session = scene
    viewer.dims.set_point(0, 5)
    click(dock, 2, 5)
    layer.data[5, 16:21, 20:22] = 20
    layer.refresh()
    done(qtbot, dock, dock.form.actions["divide"].click)
    assert session.lineage.parents[20] == session.lineage.parents[21] == 2
    np.testing.assert_array_equal(layer.data[5, 16:21, 20:25], [[20, 20, 21, 21, 21]] * 5)


def test_refusals_are_told_and_nothing_changed(scene, viewer):
    dock, layer, session = scene
    before = layer.data.copy()
    session.lock([5])
    viewer.dims.set_point(0, 5)
    dock.chosen = (2,)
    for act in (dock.remove, dock.divide):
        with pytest.raises(XMemError, match="Frame 5 is locked"):
            act(wait=True)
    assert "Frame 5 is locked" in dock.form.status.text
    dock.chosen = (2, 3)
    with pytest.raises(XMemError, match="begins before"):
        dock.link(wait=True)
    layer.data[4, 0, 0] = 3
    viewer.dims.set_point(0, 4)
    with pytest.raises(XMemError, match="You painted on frame 4"):
        dock.swap(wait=True)
    layer.data[4, 0, 0] = 0
    np.testing.assert_array_equal(layer.data, before)
    assert session.lineage.parents == PARENTS


def test_the_tracks_layer_is_the_lineage_and_keeps_in_step(scene, viewer, qtbot):
    dock, layer, session = scene

    def check():
        tracks = dock.tracks.layer
        assert tracks in viewer.layers
        data, graph, _ = session.lineage.to_napari()
        np.testing.assert_array_equal(tracks.data, data)
        assert {c: list(m) for c, m in tracks.graph.items()} == graph
        np.testing.assert_array_equal(tracks.scale, layer.scale)

    active = viewer.layers.selection.active
    dock.form.tracks.click()
    check()
    assert viewer.layers.selection.active is active
    dock.tracks.layer.color_by = "generation"
    for cells, name in (((7, 2), "link"), ((5,), "unlink"), ((4, 7), "join")):
        dock.chosen = cells
        done(qtbot, dock, dock.form.actions[name].click)
        check()
        if name == "link":
            done(qtbot, dock, dock.form.undo.click)
            check()
    assert dock.tracks.layer.color_by == "generation"
    dock.form.tracks.click()
    assert dock.tracks.layer is None
    assert [item.name for item in viewer.layers] == ["movie", "movie tracked"]
    dock.form.tracks.click()
    viewer.layers.remove(dock.tracks.layer)  # by the bin of the layer list: it stays away
    assert not dock.form.tracks.isChecked() and dock.tracks.layer is None
    assert [item.name for item in viewer.layers] == ["movie", "movie tracked"]
    dock.form.tracks.click()
    check()
    viewer.layers.clear()  # as closing the window does
    assert not viewer.layers


def test_events_lead_to_cells(scene, viewer):
    dock, _, session = scene
    queue = session.review().queue
    assert dock.form.events.rowCount() == len(queue) > 1
    for place, event in enumerate((*queue, queue[0])):
        dock.form.next_event.click()
        assert viewer.dims.current_step[0] == event.frame
        assert dock.chosen == event.objects
        assert dock.form.events_text.text() == f"{place % len(queue) + 1} of {len(queue)}"
    dock._on_event(1)
    assert dock.chosen == queue[1].objects


def test_export_can_be_read_again(scene, tmp_path):
    import napari_xmem as nx

    dock, _, session = scene
    dock.export(tmp_path / "cells.csv")
    assert nx.read_tracks(tmp_path / "cells.csv").lineage.parents == session.lineage.parents
    dock.export(tmp_path / "01_RES")
    assert nx.read_tracks(tmp_path / "01_RES").lineage.parents == session.lineage.parents


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_dock_fits_360_pixels_in_both_themes(scene, viewer, theme):
    dock, _, _ = scene
    viewer.theme = theme
    area = dock.form.parent().parent()
    assert dock.form.minimumSizeHint().width() <= 360 - 2
    assert area.horizontalScrollBar().maximum() == 0


def test_closing_lets_go_of_viewer_and_keys(scene, viewer):
    dock, layer, _ = scene
    assert len(dock.keys.bound) == 6
    viewer.window.remove_dock_widget(dock.parent())
    dock.deleteLater()
    from qtpy.QtWidgets import QApplication

    QApplication.sendPostedEvents(None, 52)  # deferred deletes
    layer.selected_label = 3
    viewer.dims.set_point(0, 3)
