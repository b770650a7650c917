"""Running: results, stopping, and everything that can happen on the way."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Labels
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QToolButton

from napari_xmem.errors import ConfigError, InputError
from napari_xmem.widgets.jobs.viewer_runner import RunState
from widget_scenes import drifting_discs, seeds_on

pytestmark = pytest.mark.gui
WAIT = 60_000


def test_a_click_on_run_labels_every_frame(qtbot, viewer, loaded):
    qtbot.waitUntil(loaded.form.run.isEnabled, timeout=WAIT)
    with qtbot.waitSignal(loaded.run_ended, timeout=WAIT) as ended:
        qtbot.mouseClick(loaded.form.run, Qt.MouseButton.LeftButton)
    assert ended.args[0].status == "finished"
    layer = viewer.layers["movie tracked"]
    assert layer.data.shape == (6, 48, 64) and layer.data.dtype == np.uint16
    assert np.array_equal(layer.data[0], viewer.layers["seeds"].data[0])
    np.testing.assert_allclose(layer.scale, (1, 0.5, 0.5))
    np.testing.assert_allclose(layer.translate, (0, 10, 20))
    assert layer.units == viewer.layers["movie"].units
    assert layer.axis_labels == viewer.layers["movie"].axis_labels
    recipe = layer.metadata["napari_xmem"]
    assert recipe["image"] == "movie" and recipe["seeds"] == "seeds" and recipe["status"] == "finished"
    assert recipe["model"] == "tiny" and recipe["frames_done"] == list(range(6))
    scores = layer.metadata["napari_xmem_scores"]
    assert scores.confidence.shape == (6, 2)
    assert loaded.form.status.text.startswith("Done: 6 frames")
    assert "the layer 'movie tracked'" in loaded.form.status.text


def test_frames_appear_one_by_one_and_the_slider_stays(qtbot, viewer, loaded):
    viewer.dims.set_point(0, 2)
    seen = []
    loaded.frame_done.connect(lambda result: seen.append((result.frame, viewer.dims.current_step[0])))
    loaded.run(wait=True)
    assert seen == [(t, 2) for t in range(6)]


def test_the_slider_follows_if_asked(viewer, loaded):
    loaded.follow = True
    seen = []
    loaded.frame_done.connect(lambda result: seen.append(viewer.dims.current_step[0]))
    loaded.run(wait=True)
    assert seen == list(range(6))


def test_the_engine_alone_gives_the_same_labels(viewer, loaded, tiny_model):
    from napari_xmem import propagate

    layer = loaded.run(wait=True)
    alone = propagate(viewer.layers["movie"].data, viewer.layers["seeds"].data, model=tiny_model)
    np.testing.assert_array_equal(layer.data, alone.labels)
    recipe = layer.metadata["napari_xmem"]
    assert {name: recipe[name] for name in alone.recipe} == alone.recipe


@pytest.mark.parametrize(
    ("direction", "frames"), [("forward", [2, 3, 4]), ("backward", [1, 2]), ("both", [1, 2, 3, 4])]
)
def test_direction_and_range(viewer, loaded, direction, frames):
    _, truth = drifting_discs()
    viewer.layers["seeds"].data = seeds_on(truth, 2)
    loaded.direction = direction
    loaded.first_frame, loaded.last_frame = 1, 4
    layer = loaded.run(wait=True)
    assert layer.metadata["napari_xmem"]["frames_done"] == frames
    assert not layer.data[[0, 5]].any()


def test_stop_keeps_what_is_done(qtbot, viewer, loaded):
    movie, truth = drifting_discs(60)
    viewer.layers["movie"].data = movie
    viewer.layers["seeds"].data = seeds_on(truth, 0)
    loaded.whole_movie()
    loaded.frame_done.connect(lambda _: loaded.stop())
    with qtbot.waitSignal(loaded.run_ended, timeout=WAIT) as ended:
        loaded.run()
    outcome = ended.args[0]
    assert outcome.status == "stopped" and 1 <= outcome.n_frames < 60
    assert outcome.layer in viewer.layers
    assert outcome.layer.data[0].any()
    assert "What is done (" in loaded.form.status.text
    assert loaded.form.run.isEnabled() and not loaded.form.stop.isEnabled()


def test_pause_and_resume(qtbot, loaded):
    states = []
    loaded.state_changed.connect(states.append)
    with qtbot.waitSignal(loaded.frame_done, timeout=WAIT):
        loaded.run()
    loaded.form.pause.click()
    assert loaded.state in (RunState.PAUSING, RunState.PAUSED) and loaded.form.pause.text() == "Resume"
    qtbot.waitUntil(lambda: loaded.state is RunState.PAUSED, timeout=WAIT)
    qtbot.waitUntil(lambda: "Paused" in loaded.form.status.text, timeout=WAIT)
    greyed = [control for control in loaded.form.input.findChildren(QToolButton) if control.isVisibleTo(loaded.form)]
    tips = [control.toolTip() for control in greyed]
    assert greyed and all(tip.endswith("a run is going on.") and tip.count("Not now") == 1 for tip in tips)
    with qtbot.waitSignal(loaded.run_ended, timeout=WAIT) as ended:
        loaded.form.pause.click()
    assert ended.args[0].status == "finished" and ended.args[0].n_frames == 6
    assert RunState.PAUSED in states
    assert not any("a run is going on" in control.toolTip() for control in greyed)


def test_stop_while_paused(qtbot, loaded):
    with qtbot.waitSignal(loaded.frame_done, timeout=WAIT):
        loaded.run()
    loaded.pause()
    with qtbot.waitSignal(loaded.run_ended, timeout=WAIT):
        loaded.stop()
    assert loaded.state is RunState.IDLE


@pytest.mark.parametrize(
    ("name", "reason"), [("movie", "the movie was removed"), ("movie tracked", "result layer was")]
)
def test_deleting_a_layer_mid_run(qtbot, viewer, loaded, name, reason):
    loaded.frame_done.connect(lambda _: name in viewer.layers and viewer.layers.remove(name))
    with qtbot.waitSignal(loaded.run_ended, timeout=WAIT) as ended:
        loaded.run()
    assert ended.args[0].status == "stopped"
    assert reason in loaded.form.status.text
    assert loaded.state is RunState.IDLE


def test_deleting_the_seeds_mid_run_does_no_harm(qtbot, viewer, loaded):
    loaded.frame_done.connect(lambda _: "seeds" in viewer.layers and viewer.layers.remove("seeds"))
    with qtbot.waitSignal(loaded.run_ended, timeout=WAIT) as ended:
        loaded.run()
    assert ended.args[0].status == "finished"


def test_running_twice_at_once_is_refused(qtbot, loaded):
    with qtbot.waitSignal(loaded.run_ended, timeout=WAIT):
        loaded.run()
        with pytest.raises(ConfigError, match="going on"):
            loaded.run()
        loaded.run_clicked()


def test_a_second_run_makes_a_second_layer(viewer, loaded):
    first, second = loaded.run(wait=True), loaded.run(wait=True)
    assert first is not second and first in viewer.layers
    assert np.array_equal(first.data, second.data)


def test_writing_into_an_earlier_result_keeps_its_other_frames(viewer, loaded):
    first = loaded.run(wait=True)
    first.data[5] = 7
    loaded.target = first
    loaded.last_frame = 4
    assert loaded.run(wait=True) is first
    assert (first.data[5] == 7).all()
    assert sum(isinstance(layer, Labels) for layer in viewer.layers) == 2


def test_switching_movies(viewer, loaded):
    first = loaded.run(wait=True)
    movie, truth = drifting_discs(4, (32, 80))
    image = viewer.add_image(movie, name="other")
    labels = viewer.add_labels(seeds_on(truth, 1), name="other seeds")
    assert loaded.image.name == "movie", "opening a movie must not change the choice"
    loaded.image = image
    assert loaded.seeds is labels, "seeds that fit are chosen"
    assert (loaded.first_frame, loaded.last_frame) == (0, 3)
    second = loaded.run(wait=True)
    assert second.data.shape == (4, 32, 80) and first in viewer.layers


def test_switching_movies_mid_run(qtbot, viewer, loaded):
    movie, _ = drifting_discs(4, (32, 80))
    image = viewer.add_image(movie, name="other")
    with qtbot.waitSignal(loaded.run_ended, timeout=WAIT) as ended:
        loaded.run()
        loaded.image = image
    assert ended.args[0].layer.name == "movie tracked"


def test_closing_the_viewer_mid_run(qtbot, viewer, loaded):
    with qtbot.waitSignal(loaded.frame_done, timeout=WAIT):
        loaded.run()
    viewer.close()


def test_closing_the_panel_mid_run(qtbot, viewer, loaded):
    with qtbot.waitSignal(loaded.frame_done, timeout=WAIT):
        loaded.run()
    runner = loaded.runner
    runner.pause()
    viewer.window.remove_dock_widget(loaded)
    assert runner.is_running
    _, again = viewer.window.add_plugin_dock_widget("napari-xmem", "Propagate labels")
    assert again.form.stop.isEnabled(), "opened again, it shows the run"
    with qtbot.waitSignal(runner.ended, timeout=WAIT) as ended:
        again.resume()
    assert ended.args[0].status == "finished" and "movie tracked" in viewer.layers


def test_after_a_run_its_result_is_the_layer_to_work_on(viewer, loaded):
    viewer.layers.selection.active = loaded.controls.seeds
    assert "nothing runs" in loaded.form.pause.toolTip() and "nothing runs" in loaded.form.stop.toolTip()
    layer = loaded.run(wait=True)
    assert viewer.layers.selection.active is layer and loaded.controls.seeds.contour > 0
    viewer.layers.selection.active = other = viewer.add_points()
    loaded.run(wait=True)
    assert viewer.layers.selection.active is other, "who works on something else is left alone"
    loaded.first_frame, loaded.last_frame = 3, 1
    assert "before the first" in loaded.problem
    loaded.first_frame, loaded.last_frame, loaded.direction = 0, 5, "backward"
    assert "Nothing lies before frame 0" in loaded.problem


def test_a_stroke_on_a_frame_to_come_is_kept_and_undo_cuts_no_hole(qtbot, viewer, loaded):
    warned = []
    loaded.runner.warned.connect(warned.append)
    with qtbot.waitSignal(loaded.frame_done, timeout=WAIT):
        loaded.run()
    loaded.pause()
    qtbot.waitUntil(lambda: loaded.state.value == "paused", timeout=WAIT)
    layer = loaded.result
    layer.data_setitem((np.full(9, 4), *np.mgrid[0:3, 0:3].reshape(2, 9)), 77)
    layer.data_setitem((np.full(48 * 64, 5), *np.indices((48, 64)).reshape(2, -1)), 0)  # changes nothing: no stroke
    with qtbot.waitSignal(loaded.run_ended, timeout=WAIT):
        loaded.resume()
    session = loaded.session
    assert (layer.data[4, :3, :3] == 77).all() and (layer.data[4] == session.labels(4)).sum() >= 48 * 64 - 9
    assert len(warned) == 1 and "strokes on frame 4" in warned[0]
    whole = layer.data.copy()
    layer.undo()
    np.testing.assert_array_equal(layer.data, whole)

    _, review = viewer.window.add_plugin_dock_widget("napari-xmem", "Review and correct")
    viewer.dims.set_point(0, 4)
    review.subject.look_for_edits()
    assert review.edited_frames == (4,)
    layer.data_setitem((np.full(4, 2), *np.mgrid[0:2, 0:2].reshape(2, 4)), 88)  # painted on 2, used on 4
    review.use_as_correction([4], wait=True)
    assert (session.labels(4)[:3, :3] == 77).all()
    layer.undo()
    np.testing.assert_array_equal(layer.data[2], session.labels(2), "a stroke on a frame that stayed can be undone")
    review.undo(wait=True)
    np.testing.assert_array_equal(layer.data[4], session.labels(4))
    assert not (session.labels(4) == 77).any()


class Broken:
    """A lazy movie with a damaged frame."""

    shape, dtype, ndim = (6, *drifting_discs()[0].shape[1:]), np.dtype(np.uint16), 3

    def __init__(self):
        self.good = drifting_discs()[0]

    def __getitem__(self, index):
        frame = index[0] if isinstance(index, tuple) else index
        if isinstance(frame, (int, np.integer)) and frame == 3:
            raise OSError("read error at byte 512")
        return self.good[index]

    def __array__(self, dtype=None, copy=None):
        return self.good


def test_a_damaged_frame_ends_in_a_message_and_a_usable_widget(qtbot, viewer, widget):
    _, truth = drifting_discs()
    viewer.add_image(Broken(), name="damaged", contrast_limits=(0, 900), cache=False)
    viewer.add_labels(seeds_on(truth, 0), name="seeds")
    with pytest.raises(InputError, match="frame 3 cannot be read"):
        widget.run(wait=True)
    assert "frame 3 cannot be read" in widget.form.status.text
    assert "Traceback" in widget.form.status._details
    assert widget.state is RunState.IDLE and widget.form.run.isEnabled()


def test_wrong_weights_are_told(qtbot, loaded, tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(b"no weights")
    loaded.model = path
    qtbot.waitUntil(loaded.form.run.isEnabled, timeout=WAIT)
    with qtbot.waitSignal(loaded.run_ended, timeout=WAIT) as ended:
        qtbot.mouseClick(loaded.form.run, Qt.MouseButton.LeftButton)
    assert ended.args[0].status == "failed"
    assert "weights.pth" in loaded.form.status.text
    assert not [layer for layer in loaded.viewer.layers if "tracked" in layer.name]
