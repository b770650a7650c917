"""Work is saved, opened in another window, and gone on with; nothing is lost by closing or by damaged files."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import tifffile
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QEvent
from qtpy.QtGui import QCloseEvent

from napari_xmem.errors import OutputError, SessionError
from napari_xmem.session import TrackingSession
from napari_xmem.widgets.layers.label_colours import colours_of
from napari_xmem.widgets.layers.result_layer import session_of
from napari_xmem.widgets.saving.bar import SavingBar
from napari_xmem.widgets.saving.close_guard import CloseGuard
from napari_xmem.widgets.saving.saver import saver_of
from widget_scenes import drifting_discs, seeds_on

pytestmark = pytest.mark.gui


@pytest.fixture
def worked(viewer, widget, tmp_path):
    """A movie from a file, seeds, a result with a correction, a lock, and strokes that were not used yet."""
    movie, truth = drifting_discs()
    tifffile.imwrite(tmp_path / "own.tif", movie)
    (image,) = viewer.open(str(tmp_path / "own.tif"), plugin="napari")
    image.scale, image.units = (1, 0.5, 0.5), ("pixel", "um", "um")
    seeds = viewer.add_labels(seeds_on(truth, 0), name="mine", scale=(1, 0.5, 0.5))
    widget.seeds, widget.last_frame = seeds, 4
    widget.scope = "global"
    result = widget.run(wait=True)
    session = session_of(result)
    right = truth[2].copy()
    right[2:6, 2:6] = 77
    session.correct({2: right})
    session.lock([1])
    result.data_setitem((np.full(3, 3), np.array([40, 41, 42]), np.array([5, 5, 5])), 200)
    viewer.dims.set_point(0, 3)
    return widget, image, seeds, result, session


def test_everything_comes_back_in_another_window(worked, viewer, make_napari_viewer, tmp_path, tiny_model, qtbot):
    _, image, seeds, result, session = worked
    saver = saver_of(viewer)
    assert saver.has_unsaved
    saver.save(tmp_path / "work.xmem-session", wait=True)
    assert not saver.has_unsaved
    result.data_setitem((np.array([3]), np.array([1]), np.array([1])), 201)
    assert saver.has_unsaved, "a stroke is work"
    result.undo()

    other = make_napari_viewer()
    _, dock = other.window.add_plugin_dock_widget("napari-xmem", "Propagate labels")
    opened = saver_of(other)
    other.open(str(tmp_path / "work.xmem-session"), plugin="napari-xmem")  # as when it is dropped on the window
    qtbot.waitUntil(lambda: len(other.layers) == 3 and not opened.is_busy, timeout=20_000)
    assert not opened.has_unsaved
    assert [layer.name for layer in other.layers] == [image.name, seeds.name, result.name]
    again = other.layers[result.name]
    np.testing.assert_array_equal(again.data, result.data)
    np.testing.assert_array_equal(other.layers["mine"].data, seeds.data)
    for layer, old in zip(other.layers, (image, seeds, result), strict=True):
        np.testing.assert_allclose(layer.scale, old.scale)
        assert layer.units == old.units
    assert colours_of(again) == colours_of(result) and set(colours_of(result)) >= set(
        np.unique(seeds.data[0][seeds.data[0] > 0]).tolist()
    )
    assert other.dims.point[0] == 3 and other.layers.selection.active is again
    assert (dock.controls.seeds, dock.controls.last_frame, dock.controls.scope) == (other.layers["mine"], 4, "global")
    assert dock.controls.model == tiny_model
    there = session_of(again)
    assert there.annotations == session.annotations and there.lineage == session.lineage

    _, review = other.window.add_plugin_dock_widget("napari-xmem", "Review and correct")
    assert review.subject.reviewed.edited(3), "strokes that were not used are still strokes"
    right = session.labels(3).copy()
    right[40:43, 5] = 200
    assert str(review.use_as_correction([3], wait=True)) == str(session.correct({3: right}))
    np.testing.assert_array_equal(there.labels(4), session.labels(4))
    # Python opens the same file, and the viewer opens what Python saves
    script = TrackingSession.load(tmp_path / "work.xmem-session", tmp_path / "own.tif", model=tiny_model)
    np.testing.assert_array_equal(script.labels(2), session.labels(2))
    script.save(tmp_path / "script.xmem-session")
    dock.controls.model = tiny_model
    opened.open(tmp_path / "script.xmem-session", wait=True)
    np.testing.assert_array_equal(other.layers["own tracked [1]"].data[2], session.labels(2))


def test_the_movie_is_found_or_asked_for(worked, viewer, make_napari_viewer, tmp_path):
    saver_of(viewer).save(tmp_path / "work.xmem-session", wait=True)
    (tmp_path / "moved").mkdir()
    shutil.move(tmp_path / "own.tif", tmp_path / "moved" / "renamed.tif")
    other = make_napari_viewer()
    opened = saver_of(other)
    with pytest.raises(SessionError, match="own.tif is not there any more"):
        opened.open(tmp_path / "work.xmem-session", wait=True)
    asked = []
    opened.ask_movie = lambda text: asked.append(text) or str(tmp_path / "moved" / "renamed.tif")
    opened.open(tmp_path / "work.xmem-session", wait=True)
    assert len(other.layers) == 3 and "not there any more" in asked[0]
    movie, _ = drifting_discs()
    tifffile.imwrite(tmp_path / "own.tif", movie + 1)
    third = make_napari_viewer()
    with pytest.raises(SessionError, match="another movie now"):
        saver_of(third).open(tmp_path / "work.xmem-session", wait=True)
    assert not third.layers, "what did not fit is taken out again"


def test_seeds_alone_are_saved_and_damage_is_a_sentence(viewer, loaded, make_napari_viewer, tmp_path):
    saver, file = saver_of(viewer), tmp_path / "seeds.xmem-session"
    with pytest.raises(OutputError, match="cannot be"):
        saver.save(tmp_path / "no folder" / "x.xmem-session", wait=True)
    saver.save(file, wait=True)
    other = make_napari_viewer()
    other.add_image(viewer.layers["movie"].data, name="the same, opened by hand")
    opened = saver_of(other)
    opened.open(file, wait=True)
    np.testing.assert_array_equal(other.layers["seeds"].data, viewer.layers["seeds"].data)
    whole = file.read_bytes()
    at, before = whole.index(b"viewer/layers/0/000000.npz") + 100, list(other.layers)
    for broken in (whole[: len(whole) // 2], b"", whole[:at] + bytes([255 - whole[at]]) + whole[at + 1 :]):
        file.write_bytes(broken)
        with pytest.raises(SessionError, match="is damaged|cannot be read"):
            opened.open(file, wait=True)
    assert list(other.layers) == before
    with pytest.raises(SessionError, match="cannot be read"):
        opened.open(tmp_path / "nothing.xmem-session")


def test_closing_asks_and_saves(worked, viewer, tmp_path, qtbot):
    window = worked[0].window()
    qtbot.waitUntil(lambda: window.findChild(CloseGuard) is not None)
    guard, saver, asked = window.findChild(CloseGuard), saver_of(viewer), []
    answers = iter(["cancel", "save", "discard"])
    guard.ask = lambda text: asked.append(text) or next(answers)
    assert not guard.eventFilter(window, QCloseEvent()), "a hidden window goes without a question"
    guard._must_ask = lambda window: saver.has_unsaved
    event = QCloseEvent()
    assert guard.eventFilter(window, event) and not event.isAccepted() and "not saved" in asked[0]
    saver.path = tmp_path / "closed.xmem-session"
    assert not guard.eventFilter(window, QCloseEvent()) and saver.path.exists()
    assert not guard.eventFilter(window, QEvent(QEvent.Type.Close)) and len(asked) == 2, "nothing unsaved: no question"
    assert saver.is_closing
    guard.eventFilter(window, QEvent(QEvent.Type.Show))
    assert not saver.is_closing


def test_layers_that_were_removed_unsaved_come_back(viewer, loaded, qtbot):
    """All layers cleared with every panel open and its extras shown: nothing hangs, and nothing is lost."""
    names = ("Memory", "Explain", "Lineage", "Review and correct")
    made = {name: viewer.window.add_plugin_dock_widget("napari-xmem", name)[1] for name in names}
    layer = loaded.run(wait=True)
    notification_manager.records.clear()  # of other tests
    review = made["Review and correct"]
    review.watch.look()
    review.form.numbers.setChecked(True)
    review.next_frame()
    viewer.layers.clear()
    saver = saver_of(viewer)
    bar = loaded.findChild(SavingBar)
    bar.show_state()
    assert {item.name for item in saver.removed_layers} == {"movie", "seeds", "movie tracked"}
    assert not bar.back.isHidden() and not loaded.runner.is_running
    bar.back.click()
    assert [item.name for item in viewer.layers][:3] == ["movie", "seeds", "movie tracked"]
    assert viewer.layers["movie tracked"] is layer and session_of(layer) is not None
    assert bar.back.isHidden() and not saver.removed_layers
    review.watch.look()
    assert review.result is layer
    told = []
    saver._removed.removed.connect(told.append)
    viewer.layers.remove(layer)
    qtbot.waitUntil(lambda: told == [["movie tracked"]], timeout=10_000)
    bar.show_state()
    bar.back.click()
    notice = f"Removed with unsaved work: '{layer.name}'"
    assert sum(notice in item.message for item in notification_manager.records) == 1
    saver.is_closing = True
    viewer.layers.remove(layer)
    qtbot.waitUntil(lambda: len(told) == 2, timeout=10_000)
    assert sum(notice in item.message for item in notification_manager.records) == 1, "nobody is told at closing"
    saver.is_closing = False
    bar.show_state()
    bar.back.click()
    del viewer.layers["seeds"]
    assert not saver.removed_layers, "it holds no work of a run"
