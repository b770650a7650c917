"""All docks at once: what a person does with one of them must not hurt the others; nothing is left behind."""

from __future__ import annotations

import gc
import threading
import weakref

import numpy as np
import pytest
from qtpy.QtCore import QThreadPool

from napari_xmem.widgets.jobs import threads as _worker
from napari_xmem.widgets.jobs import viewer_runner as _runner
from napari_xmem.widgets.layers.result_layer import session_of
from widget_scenes import drifting_discs, seeds_on

pytestmark = pytest.mark.gui
WAIT = 120_000
OTHERS = ("Memory", "Review and correct", "Explain")


@pytest.fixture
def docks(viewer, loaded):
    """Return all docks: propagate, memory, review, explain."""
    return (loaded, *(viewer.window.add_plugin_dock_widget("napari-xmem", name)[1] for name in OTHERS))


def test_all_docks_take_up_the_result_of_a_run(qtbot, viewer, docks):
    propagate, memory, review, explain = docks
    layer = propagate.run(wait=True)
    for dock in (memory, review, explain):
        dock.watch.look()
        assert dock.result is layer and dock.session is session_of(layer)
    viewer.dims.set_point(0, 3)
    assert memory.form.chart.current_frame == review.form.strip.current_frame == 3
    memory.form.chart.frame_clicked.emit(1)
    assert review.frame == 1


def test_docks_opened_by_a_script_in_a_row_are_tabs_of_each_other(qtbot, make_napari_viewer):
    viewer = make_napari_viewer(show=True)
    names = ("Propagate labels", *OTHERS)
    docks = [viewer.window.add_plugin_dock_widget("napari-xmem", name)[0] for name in names]
    window = docks[0].window()
    qtbot.waitUntil(lambda: len(window.tabifiedDockWidgets(docks[0])) >= len(OTHERS), timeout=WAIT)
    assert set(docks[1:]) <= set(window.tabifiedDockWidgets(docks[0]))


def test_docks_are_tabs_of_each_other_and_the_new_one_is_in_front(qtbot, make_napari_viewer):
    """On a small screen docks below each other would leave no room for any."""
    from qtpy.QtWidgets import QMainWindow

    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1280, 720)
    made = []
    for name in ("Propagate labels", *OTHERS):
        dock, widget = viewer.window.add_plugin_dock_widget("napari-xmem", name)
        made.append((dock, widget))
        qtbot.waitUntil(lambda w=widget: w.isVisible() and not w.visibleRegion().isEmpty(), timeout=WAIT)
    docks = [dock for dock, _ in made]
    window = docks[0].window()
    assert isinstance(window, QMainWindow)
    qtbot.waitUntil(lambda: len(window.tabifiedDockWidgets(docks[0])) >= 3, timeout=WAIT)
    assert set(docks[1:]) <= set(window.tabifiedDockWidgets(docks[0]))
    assert made[-1][1].visibleRegion().boundingRect().height() > 300
    assert made[0][1].visibleRegion().isEmpty()
    assert made[0][1].is_behind and not made[-1][1].is_behind, "what is not seen is not kept up to date"


def test_a_movie_and_its_saved_result_opened_another_day_are_found(viewer):
    movie, truth = drifting_discs()
    viewer.add_image(movie, name="movie")
    viewer.add_labels(seeds_on(truth, 0), name="seeds")
    saved = viewer.add_labels(truth, name="labels")
    viewer.add_labels(np.zeros((3, 20, 20), int), name="unrelated")
    _, review = viewer.window.add_plugin_dock_widget("napari-xmem", "Review and correct")
    assert review.result is saved
    assert "locks, confidences and memory are not known" in review.form.hint.text
    assert review.form.adopt.isVisibleTo(review.form)


@pytest.mark.parametrize("name", ["movie", "movie tracked", "seeds"])
def test_deleting_a_layer_while_all_docks_look(qtbot, viewer, docks, name):
    propagate, memory, review, explain = docks
    propagate.frame_done.connect(lambda _: name in viewer.layers and viewer.layers.remove(name))
    with qtbot.waitSignal(propagate.run_ended, timeout=WAIT):
        propagate.run()
    propagate.frame_done.disconnect()
    for dock in (memory, review, explain):
        dock.watch.look()
        assert (dock.result is None) == (name == "movie tracked")
    if name == "movie":
        assert propagate.problem.startswith("Open a movie")
    else:
        viewer.add_labels(
            seeds_on(drifting_discs()[1], 0), name="more seeds", scale=(1, 0.5, 0.5), translate=(0, 10, 20)
        )
        assert propagate.run(wait=True) in viewer.layers


def test_switching_results(qtbot, viewer, docks):
    propagate, memory, review, explain = docks
    first = propagate.run(wait=True)
    movie, truth = drifting_discs(4, (32, 80))
    propagate.image = viewer.add_image(movie, name="other")
    propagate.seeds = viewer.add_labels(seeds_on(truth, 0), name="other seeds")
    second = propagate.run(wait=True)
    for dock in (memory, review, explain):
        dock.watch.look()
        for layer in (second, first):
            dock.result = layer
            assert dock.session is session_of(layer)
    assert review.form.strip._n_frames == 6
    review.result = "other tracked"
    assert review.result is second and review.form.strip._n_frames == 4


def test_a_slider_moved_by_hand_is_left_alone(qtbot, viewer, loaded):
    movie, truth = drifting_discs(12)
    viewer.layers["movie"].data = movie
    viewer.layers["seeds"].data = seeds_on(truth, 0)
    loaded.whole_movie()
    loaded.follow = True
    seen = []

    def on_frame(result):
        seen.append(viewer.dims.current_step[0])
        if result.frame == 5:
            viewer.dims.set_point(0, 2)  # the user looks at something

    loaded.frame_done.connect(on_frame)
    loaded.run(wait=True)
    assert seen == [*range(6), *[2] * 6]
    assert not loaded.follow, "following ends, visibly"
    loaded.follow = True
    seen.clear()
    loaded.frame_done.disconnect(on_frame)
    loaded.run(wait=True)
    assert viewer.dims.current_step[0] == 11, "the next run may be followed again"


def test_closing_the_viewer_mid_correction_and_mid_forecast(qtbot, viewer, docks):
    propagate, _, review, _ = docks
    layer = propagate.run(wait=True)
    review.watch.look()
    layer.data[1] = drifting_discs()[1][1]
    propagate.forecast = True
    review.use_as_correction([1])
    assert review.is_busy
    viewer.close()


def test_nothing_is_left_behind(qtbot, make_napari_viewer, tiny_model):
    """Widgets, threads and runners are gone when the viewer is closed."""
    threads = set(threading.enumerate())
    viewer = make_napari_viewer(strict_qt="raise")
    movie, truth = drifting_discs()
    viewer.add_image(movie, name="movie")
    viewer.add_labels(seeds_on(truth, 0), name="seeds")
    names = ("Propagate labels", *OTHERS)
    made = [viewer.window.add_plugin_dock_widget("napari-xmem", name)[1] for name in names]
    made[0].model = tiny_model
    layer = made[0].run(wait=True)
    for dock in made[1:]:
        dock.watch.look()
    layer.data[2] = truth[2]
    made[2].use_as_correction([2], wait=True)
    made[3].explain(4, *np.argwhere(layer.data[4] > 0)[0], wait=True)
    gone = [weakref.ref(session_of(layer)), *map(weakref.ref, made)]
    viewer.close()
    del layer, made, dock, viewer
    qtbot.waitUntil(lambda: QThreadPool.globalInstance().activeThreadCount() == 0, timeout=WAIT)
    qtbot.waitUntil(lambda: not _worker._ALIVE, timeout=WAIT)
    qtbot.waitUntil(lambda: gc.collect() >= 0 and all(r() is None for r in gone), timeout=WAIT)
    assert [r() for r in gone] == [None] * len(gone)
    assert not [t for t in threading.enumerate() if t not in threads and t.name.startswith("napari")]
    assert all(runner.state.value == "idle" for runner in _runner._RUNNERS.values())
