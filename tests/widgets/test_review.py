"""Review and correct, as a person would: look, paint, press, compare, take back."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QAbstractButton

from napari_xmem.errors import SessionError
from napari_xmem.widgets.layers.result_layer import METADATA_KEY, SCORES_KEY, session_of
from review_scenes import add_result
from widget_scenes import drifting_discs

pytestmark = pytest.mark.gui

WAIT_MS = 120_000


@pytest.fixture
def review(viewer):
    _, made = viewer.window.add_plugin_dock_widget("napari-xmem", "Review and correct")
    return made


@pytest.fixture
def scene(viewer, network, review):
    layer, session, truth = add_result(viewer, network)
    review.watch.look()
    return review, layer, session, truth


def click(widget, x=None, y=None):
    from qtpy.QtTest import QTest

    place = QPoint(int(x if x is not None else widget.width() / 2), int(y if y is not None else widget.height() / 2))
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)


def press(qtbot, review, button, signal="busy_changed"):
    """Press a button and wait for the end of the work."""
    with qtbot.waitSignal(getattr(review, signal), timeout=WAIT_MS, check_params_cb=lambda busy: not busy):
        button.click()


def paint_disc(layer, frame, label, centre=(10, 50), size=6):
    layer.mode = "paint"
    layer.brush_size = size
    layer.selected_label = label
    layer.paint((frame, *centre), label)


def test_empty_state_says_what_to_do(review):
    assert review.form.hint.text.startswith("Nothing to review yet: propagate labels first")
    assert not review.form.correct.isEnabled()
    assert not review.form.next_frame.isEnabled()


def test_the_result_is_found_and_the_strip_leads_to_frames(scene, viewer, qtbot):
    review, layer, session, _ = scene
    assert review.result is layer
    assert review.form.hint.text == ""
    strip = review.form.strip
    assert strip.has_data
    strip.resize(320, 110)
    for frame in (5, 0, 7):
        click(strip, strip.x_of(frame))
        assert review.frame == frame
        assert viewer.dims.current_step[0] == frame
    assert "Frame 5" in strip.tip(5)
    worst = session.review().worst_objects(5)[0]
    assert f"object {worst.object_id}" in strip.tip(5)
    assert "painted" in strip.tip(0)
    click(strip, 2)
    assert review.frame == 7


def test_next_to_check_goes_on_at_every_press(scene, viewer):
    review, _, session, _ = scene
    queue = session.review().queue
    assert len(queue) > 1
    for press_number in range(len(queue) + 1):
        review.form.next_frame.click()
        event = queue[press_number % len(queue)]
        assert review.frame == event.frame == review.form.strip.proposed
        assert f"({press_number % len(queue) + 1} of {len(queue)})" in review.form.frame_text.text()
        assert event.reason in review.form.frame_text.text()
        if event.objects:
            assert review.result.selected_label == event.objects[0]
    assert viewer.layers.selection.active is review.result


def test_a_click_on_a_doubtful_object_chooses_it(scene, viewer):
    review, _, session, _ = scene
    review.show_frame(5)
    worst = session.review().worst_objects(5)[0]
    assert review.form.worst.item(0, 0).text() == str(worst.object_id)
    review._on_worst(0)
    assert viewer.layers.selection.active is review.result
    assert review.result.selected_label == worst.object_id


def test_paint_correct_compare_and_take_back(scene, viewer, qtbot):
    review, layer, session, _ = scene
    review.show_frame(3)
    old = layer.data.copy()
    paint_disc(layer, 3, 5)
    qtbot.waitUntil(lambda: review.edited_frames == (3,), timeout=WAIT_MS)
    assert "You painted on frame 3" in review.form.edited.text()
    painted = layer.data[3].copy()
    with qtbot.waitSignal(review.corrected, timeout=WAIT_MS) as caught:
        review.form.correct.click()
        assert not review.form.correct.isEnabled()
    summary = caught.args[0]
    assert summary.corrected == (3,)
    assert 5 in summary.objects_changed
    np.testing.assert_array_equal(layer.data[3], painted)
    np.testing.assert_array_equal(layer.data[:3], old[:3])
    np.testing.assert_array_equal(layer.data, session.result().labels)
    assert str(summary) == review.form.status.text
    assert review.edited_frames == ()
    assert layer.metadata[METADATA_KEY]["corrected_frames"] == [3]
    assert layer.metadata[SCORES_KEY].confidence.shape[0] == 8
    new = layer.data.copy()
    now, step = layer.data.copy(), session.history.latest
    review.form.old.click()
    assert review.form.old.isChecked()
    assert not layer.visible
    shown = review.actions.before.layer
    for frame in (3, 5, 2):
        review.show_frame(frame)
        np.testing.assert_array_equal(shown.data, old[frame])
    np.testing.assert_array_equal(layer.data, now)
    assert session.history.latest is step
    review.form.old.click()
    assert not review.form.old.isChecked()
    assert layer.visible
    assert shown not in viewer.layers
    np.testing.assert_array_equal(layer.data, now)
    for leave in ("paint", "select", "show"):  # who wants to work sees what is worked on
        review.form.old.click()
        old_view = review.actions.before.layer
        old_view.selected_label = 7
        if leave == "paint":
            old_view.mode = "paint"
            assert layer.mode == "paint" and layer.selected_label == 7
        elif leave == "select":
            viewer.layers.selection.active = layer
        else:
            layer.visible = True
        assert layer.visible and old_view not in viewer.layers and not review.form.old.isChecked()
        assert "shown again" in review.form.status.text
        layer.mode = "pan_zoom"
    np.testing.assert_array_equal(layer.data, new)
    press(qtbot, review, review.form.undo)
    np.testing.assert_array_equal(layer.data, old)
    assert not review.form.undo.isEnabled()
    press(qtbot, review, review.form.redo)
    np.testing.assert_array_equal(layer.data, new)


def test_edits_undone_with_the_brush_or_discarded_are_no_edits(scene, qtbot):
    review, layer, session, _ = scene
    review.show_frame(2)
    paint_disc(layer, 2, 5)
    qtbot.waitUntil(lambda: review.edited_frames == (2,), timeout=WAIT_MS)
    layer.undo()
    qtbot.waitUntil(lambda: review.edited_frames == (), timeout=WAIT_MS)
    paint_disc(layer, 2, 5)
    qtbot.waitUntil(lambda: review.edited_frames == (2,), timeout=WAIT_MS)
    review.form.revert.click()
    assert review.edited_frames == ()
    np.testing.assert_array_equal(layer.data[2], session.labels(2))
    layer.undo()
    qtbot.waitUntil(lambda: review.edited_frames == (2,), timeout=WAIT_MS)


def test_several_painted_frames_are_one_correction(scene, qtbot):
    review, layer, session, _ = scene
    for frame in (2, 5):
        review.show_frame(frame)
        paint_disc(layer, frame, 5)
        qtbot.waitUntil(lambda f=frame: f in review.edited_frames, timeout=WAIT_MS)
    assert review.form.correct.text() == "Use as correction (2 frames)"
    summary = review.use_as_correction(wait=True)
    assert summary.corrected == (2, 5)
    review.backward = True
    assert session.snapshot().undo == "correction of frames 2, 5"
    assert "two places" not in review.form.status.text
    review.show_frame(6)
    new = session.new_ids(1)[0]
    for centre in ((10, 50), (40, 8)):  # the number of the last stroke, on what is another cell
        paint_disc(layer, 6, new, centre)
    qtbot.waitUntil(lambda: 6 in review.edited_frames, timeout=WAIT_MS)
    review.use_as_correction(wait=True)
    assert f"You painted {new} in two places on frame 6" in review.form.status.text
    review.undo(wait=True)
    review.use_as_correction((6,), wait=True)
    assert "two places" not in review.form.status.text


def test_locked_frames_stay(scene, viewer, qtbot):
    review, layer, session, truth = scene
    old = layer.data.copy()
    review.show_frame(5)
    review.form.lock.click()
    assert session.annotations.locked == {5}
    assert not review.form.correct.isEnabled() and "Frame 5 is locked. Unlock it" in review.form.edited.text()
    assert "frame 5" in review.form.locked.text()
    layer.data[3] = truth[3]
    review.show_frame(3)
    summary = review.use_as_correction([3], wait=True)
    assert summary.segments[0].ended_at == 5
    np.testing.assert_array_equal(layer.data[5:], old[5:])
    review.form.unlock.click()
    assert session.annotations.locked == frozenset()
    review.form.lock_before.click()
    assert session.annotations.locked == {0, 1, 2, 3}


def test_a_refused_correction_is_told_and_the_dock_stays_usable(scene, viewer, qtbot):
    review, layer, session, truth = scene
    session.lock([4])
    layer.data[4] = truth[4]
    with pytest.raises(SessionError, match="locked"):
        review.use_as_correction([4], wait=True)
    assert "locked" in review.form.status.text
    assert not review.is_busy
    session.unlock([4])
    assert review.use_as_correction([4], wait=True).corrected == (4,)


def test_any_error_of_the_thread_ends_in_a_message(scene, monkeypatch):
    review, _, session, _ = scene

    def fail(*args, **kwargs):
        raise RuntimeError("CUDA error: something")

    monkeypatch.setattr(session, "begin_correction", fail)
    with pytest.raises(Exception, match="CUDA error"):
        review.use_as_correction([3], wait=True)
    assert "CUDA error" in review.form.status.text
    assert not review.is_busy
    monkeypatch.undo()
    review.use_as_correction([3], wait=True)


def test_stop_keeps_what_is_done(scene, qtbot):
    review, layer, session, truth = scene
    layer.data[1] = truth[1]
    with qtbot.waitSignal(review.busy_changed, timeout=WAIT_MS, check_params_cb=lambda busy: not busy):
        review.use_as_correction([1])
        assert review.form.stop.isVisibleTo(review.form)
        review.form.stop.click()
    assert session.state.value == "finished"
    np.testing.assert_array_equal(layer.data, session.result().labels)
    review.undo(wait=True)


def test_labels_of_another_program_can_be_adopted(viewer, review, tiny_model, qtbot):
    movie, truth = drifting_discs()
    viewer.add_image(movie, name="movie")
    layer = viewer.add_labels(truth.copy(), name="from elsewhere")
    review.result = layer
    assert review.form.adopt.isVisibleTo(review.form)
    assert "was not made in this session" in review.form.hint.text
    review.model = tiny_model
    with qtbot.waitSignal(review.adopted, timeout=WAIT_MS):
        review.form.adopt.click()
    qtbot.waitUntil(lambda: not review.is_busy, timeout=WAIT_MS)
    session = session_of(layer)
    np.testing.assert_array_equal(session.result().labels, truth)
    assert review.form.frame_text.text() == f"Frame {review.subject.frame}: confidence unknown"
    layer.data[2][truth[2] == 3] = 0
    summary = review.use_as_correction([2], wait=True)
    assert 3 in summary.objects_changed
    review.undo(wait=True)
    np.testing.assert_array_equal(layer.data, truth)


def test_a_result_of_all_planes_is_reviewed_plane_by_plane(viewer, review, tiny_model):
    movie, truth = drifting_discs(4)
    viewer.add_image(np.stack([movie] * 3, 1), name="movie", axis_labels=("t", "z", "y", "x"), contrast_limits=(0, 900))
    layer = viewer.add_labels(np.stack([truth] * 3, 1), name="tracked", axis_labels=("t", "z", "y", "x"))
    review.model = tiny_model
    viewer.dims.set_point((0, 1), (0, 2))
    review.result = layer
    review.adopt(wait=True)
    assert not review.form.hint.text
    viewer.dims.set_point(0, 1)
    layer.data_setitem((np.full(9, 1), np.full(9, 2), *np.indices((3, 3)).reshape(2, -1)), 5)
    review.look_for_edits()
    assert review.edited_frames == (1,)
    review.use_as_correction(wait=True)
    assert (layer.data[1, 2, :3, :3] == 5).all() and np.array_equal(layer.data[:, 0], truth)
    viewer.dims.set_point(1, 0)
    assert "the plane z 2 is under review" in review.form.hint.text
    review.adopt(wait=True)
    assert not review.form.hint.text
    np.testing.assert_array_equal(review.session.result().labels, truth)


def test_keys(scene, viewer, qtbot):
    review, layer, _session, truth = scene
    keys = {str(key): act for key, act in viewer.keymap.items()}
    keys["Shift+N"](viewer)
    assert review.frame == review.form.strip.proposed
    layer.data[review.frame] = truth[review.frame]
    with qtbot.waitSignal(review.corrected, timeout=WAIT_MS):
        keys["Shift+C"](viewer)
    viewer.window.remove_dock_widget(review)
    review.deleteLater()
    qtbot.waitUntil(lambda: not {"Shift+N", "Shift+C"} & {str(key) for key in viewer.keymap}, timeout=WAIT_MS)


def test_a_second_correction_waits_for_the_first(scene, qtbot):
    review, layer, session, truth = scene
    layer.data[1] = truth[1]
    review.use_as_correction([1])
    with pytest.raises(SessionError, match="going on"):
        review.use_as_correction([2], wait=True)
    with qtbot.waitSignal(review.corrected, timeout=WAIT_MS):
        pass
    assert review.use_as_correction([2], wait=True).corrected == (2,)
    assert session.annotations.corrected == {1, 2}


def test_removing_the_layer_or_closing_during_a_correction(scene, viewer, qtbot):
    review, layer, session, truth = scene
    layer.data[1] = truth[1]
    with qtbot.waitSignal(review.busy_changed, timeout=WAIT_MS, check_params_cb=lambda busy: not busy):
        review.use_as_correction([1])
        viewer.layers.remove(layer)
    assert review.result is None
    assert review.form.hint.text.startswith("Nothing to review")
    assert session.wait(10)


def test_closing_the_dock_during_a_correction(scene, viewer, qtbot):
    review, layer, session, truth = scene
    layer.data[1] = truth[1]
    review.use_as_correction([1])
    viewer.window.remove_dock_widget(review)
    review.deleteLater()
    qtbot.waitUntil(lambda: session.state.value == "finished", timeout=WAIT_MS)
    viewer.dims.set_point(0, 2)


def test_corrections_wait_for_a_run(viewer, review, network, qtbot):
    _layer, session, _ = add_result(viewer, network)
    running = session.frames()
    next(running)
    review.watch.look()
    assert not review.form.correct.isEnabled()
    assert "A run is going on" in review.form.edited.text()
    running.close()
    review.watch.look()
    assert review.form.correct.isEnabled()


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_fits_a_narrow_dock(scene, viewer, theme):
    viewer.theme = theme
    review = scene[0]
    review.form.locks.is_open = True
    assert review.form.minimumSizeHint().width() <= 340


def test_correcting_a_paused_run(viewer, review, loaded, qtbot):
    """Pause in "Propagate labels", correct here: the rest is done with the correction."""
    loaded.scope = "global"
    with qtbot.waitSignal(loaded.frame_done, timeout=WAIT_MS, check_params_cb=lambda r: r.frame == 2):
        loaded.run()
    loaded.pause()
    layer = loaded.result
    session = session_of(layer)
    qtbot.waitUntil(lambda: session.state.value == "paused", timeout=WAIT_MS)
    review.watch.look()
    assert review.result is layer
    _, truth = drifting_discs()
    viewer.dims.set_point(0, 1)
    layer.data[1] = truth[1]
    layer.events.paint(value=[])
    qtbot.waitUntil(lambda: review.edited_frames == (1,), timeout=WAIT_MS)
    assert review.form.correct.text() == "Use as correction"
    review.use_as_correction([1], wait=True)
    np.testing.assert_array_equal(layer.data[1], truth[1])
    assert session.snapshot().with_result == tuple(range(6))
    qtbot.waitUntil(lambda: loaded.state.value == "idle", timeout=WAIT_MS)
    assert session.snapshot().task == "correction of frame 1"
    assert session.snapshot().corrected == (1,)


def test_a_run_into_a_corrected_result_says_so_and_gives_the_correction_back(viewer, review, loaded, qtbot):
    loaded.scope = "global"
    layer = loaded.run(wait=True)
    _, truth = drifting_discs()
    layer.data[3] = truth[3]
    review.watch.look()
    review.use_as_correction([3], wait=True)
    choice = loaded.form.target
    choice.setCurrentIndex(next(n for n in range(choice.count()) if choice.itemData(n) is layer))
    replaced = loaded.form.replaced
    assert replaced.text == "Run replaces your corrections of 1 frame in 'movie tracked'."
    loaded.first_frame = 4
    assert not replaced.text and replaced.isHidden()
    loaded.first_frame = 0
    assert "corrections of 1 frame" in replaced.text
    with qtbot.waitSignal(loaded.run_ended, timeout=WAIT_MS):
        loaded.form.run.click()
    assert not np.array_equal(layer.data[3], truth[3])
    back = next(b for b in loaded.form.findChildren(QAbstractButton) if b.text().startswith("Bring back what you"))
    assert back.text() == "Bring back what you painted (1 frame)" and back.isEnabled()
    back.click()
    np.testing.assert_array_equal(layer.data[3], truth[3])
    review.watch.look()
    review.use_as_correction([3], wait=True)
    assert session_of(layer).snapshot().corrected == (3,)
    assert "corrections of 1 frame" in replaced.text and not replaced.isHidden(), "with the same target as before"
    press(qtbot, review, review.form.undo)
    assert not replaced.text


@pytest.mark.slow
def test_a_correction_of_one_nucleus_does_not_redo_the_movie(viewer, review, widget):
    """With the bundled model: it ends where old and new agree, and only what collides with the nucleus changes too."""
    from scipy.ndimage import binary_dilation

    from napari_xmem.sample_data import simulated_nuclei

    movie, truth = simulated_nuclei(14, (128, 128), 6)
    viewer.add_image(movie, name="movie")
    seeds = np.zeros_like(truth)
    seeds[0] = truth[0]
    viewer.add_labels(seeds, name="seeds")
    widget.model = "bundled"
    layer = widget.run(wait=True)
    review.watch.look()
    old = layer.data.copy()
    ids, areas = np.unique(old[2][2:-2, 2:-2], return_counts=True)
    nucleus = int(ids[1:][areas[1:].argmax()])
    grown = binary_dilation(old[2] == nucleus) & (old[2] == 0)
    viewer.dims.set_point(0, 2)
    layer.data_setitem((np.full(grown.sum(), 2), *np.nonzero(grown)), nucleus)
    summary = review.use_as_correction(wait=True)
    (segment,) = summary.segments
    print(summary)
    assert segment.ended == "agreed", str(summary)
    assert len(segment.frames_done) < 11
    assert nucleus in summary.objects_changed and len(summary.objects_changed) <= 2
    np.testing.assert_array_equal(layer.data[segment.ended_at + 1 :], old[segment.ended_at + 1 :])
    assert f"until old and new agreed on frame {segment.ended_at}" in review.form.status.text


def test_a_frame_that_is_right_is_said_so_and_undo_goes_there(scene, viewer, qtbot):
    review, _layer, session, _ = scene
    review.show_frame(3)
    assert review.form.correct.text() == "Frame 3 is right"
    places = [
        item.mapTo(review.form, QPoint(0, 0)) for item in (review.form.undo, review.form.redo, review.form.correct)
    ]
    with qtbot.waitSignal(review.corrected, timeout=WAIT_MS):
        click(review.form.correct)
    assert "Frame 3 is right as it is" in review.form.status.text and session.annotations.corrected == {3}
    review.show_frame(6)
    press(qtbot, review, review.form.undo)
    assert review.frame == 3 and "Undone: correction of frame 3" in review.form.status.text
    review.next_frame()
    assert places == [
        item.mapTo(review.form, QPoint(0, 0)) for item in (review.form.undo, review.form.redo, review.form.correct)
    ], "buttons stay under the mouse"


def test_ring_and_numbers_show_what_is_spoken_of(scene, viewer, qtbot):
    review, layer, session, _ = scene
    review.show_frame(5)
    chosen = viewer.layers.selection.active
    review._on_worst(0)
    asked = int(review.form.worst.item(0, 0).text())
    ring = review.pointer.layer
    where = np.argwhere(session.labels(5) == asked)
    if len(where):
        np.testing.assert_allclose(ring.data[0], where.mean(0), atol=0.01)
    np.testing.assert_allclose(ring.scale, layer.scale[-2:])
    qtbot.waitUntil(lambda: ring.visible and not review.pointer._timer.isActive(), timeout=WAIT_MS)
    camera = getattr(viewer, "scene", viewer).camera
    layer.corner_pixels = np.array([[0, 20, 20], [7, 40, 40]])  # what the canvas shows
    seen = tuple(camera.center)
    review.pointer.show(layer, [(30.0, 30.0)], 12.0)
    assert tuple(camera.center) == seen, "what is in view stays where it is"
    review.pointer.show(layer, [(50.0, 30.0)], 12.0)
    np.testing.assert_allclose(camera.center[-2:], layer.data_to_world((0, 50.0, 30.0))[-2:])
    review.show_frame(2)
    assert not review.pointer.is_shown
    review.form.numbers.click()
    labels = review.subject.reviewed.read(2)
    assert list(review.numbers.layer.features["number"]) == sorted(set(np.unique(labels)) - {0})
    assert viewer.layers.selection.active in (chosen, layer)
    layer.data[6] = 0
    layer.data[6, 4:8, 4:8] = 9
    review.show_frame(6)
    np.testing.assert_allclose(review.numbers.layer.data, [[5.5, 5.5]])
    review.form.numbers.click()
    assert review.numbers.layer is None
    viewer.layers.clear()
    review._on_worst(0)
