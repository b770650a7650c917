"""Find the rest: button, slider, click to drop, undo, the brush, and what is said where nothing can be done."""

from __future__ import annotations

import numpy as np
import pytest
from napari.utils.interactions import mouse_press_callbacks, mouse_release_callbacks

import napari_xmem as nx
from napari_xmem.errors import ConfigError
from napari_xmem.sample_data import simulated_nuclei

pytestmark = pytest.mark.gui
WAIT = 60_000


@pytest.fixture(scope="module")
def nuclei():
    movie, truth = simulated_nuclei(frames=2, size_px=(128, 128), n_objects=6)
    painted = np.where(truth <= 2, truth, 0).astype(np.uint16)
    painted[1] = 0
    return movie, painted


@pytest.fixture
def ready(viewer, widget, nuclei):
    movie, painted = nuclei
    viewer.add_image(movie, name="nuclei")
    viewer.add_labels(painted.copy(), name="cells")
    viewer.dims.set_point(0, 0)
    widget.model = "bundled"
    widget.image, widget.seeds = "nuclei", "cells"
    widget.inputs.scan.finish()
    return widget


def click(layer, place):
    class Press:
        type, handled, button, modifiers = "mouse_press", False, 1, ()
        position, view_direction, dims_displayed = (0, *place), None, [1, 2]

    press = Press()
    mouse_press_callbacks(layer, press)
    press.type = "mouse_release"
    mouse_release_callbacks(layer, press)


def test_what_is_found_is_one_step_and_the_slider_acts_at_once(qtbot, ready, nuclei):
    layer, find = ready.seeds, ready.form.find
    with qtbot.waitSignal(ready.finding.finding_ended, timeout=WAIT):
        find.start.click()
        assert ready.is_finding and find.start.text() == "Stop"
    movie, painted = nuclei
    expected = nx.find_similar(movie[0], painted[0], min_confidence=0.5)
    assert len(expected) >= 2
    np.testing.assert_array_equal(layer.data[0], expected.at_least(0.8).labels)
    assert f"Found {len(expected.at_least(0.8))} more objects on frame 0" in find.status.text
    assert find.start.text() == "Find the rest"

    limit = float(np.median(expected.confidence))
    for percent in (100, 50, round(100 * limit + 1)):
        find.surer.setValue(percent)
        np.testing.assert_array_equal(layer.data[0], expected.at_least(percent / 100).labels)
        assert ready.min_confidence == percent / 100
    layer.undo()
    np.testing.assert_array_equal(layer.data, painted)  # however often the slider was moved


def test_dropped_and_mended_objects_stay_so(ready, nuclei):
    found, layer = ready.find_rest(wait=True), ready.seeds
    first, second = ready.found_ids[:2]
    ready.form.find.drop.click()
    click(layer, np.argwhere(layer.data[0] == first)[3])
    assert first not in ready.found_ids and not (layer.data[0] == first).any()
    click(layer, np.argwhere(layer.data[0] == 1)[3])
    assert (layer.data[0] == 1).any()  # painted by the user: not one that was found
    layer.data_setitem((np.zeros(1, int), np.array([127]), np.array([0])), second)  # as the brush does
    ready.form.find.surer.setValue(100)
    assert not (layer.data[0] == second).any()
    ready.form.find.surer.setValue(50)
    assert layer.data[0, 127, 0] == second
    assert set(ready.found_ids) == set(found.object_ids) - {first}


def test_what_cannot_be_done_is_said(qtbot, viewer, ready, nuclei):
    find = ready.form.find
    ready.seeds.data = np.zeros_like(nuclei[1])
    ready.inputs.scan.finish()
    assert not find.start.isEnabled() and "Paint at least one object" in find.start.toolTip()
    with pytest.raises(ConfigError, match="Paint at least one object"):
        ready.find_rest()
    bright = np.zeros_like(nuclei[0])
    bright[0][nuclei[1][0] == 1] = 5000
    viewer.layers["nuclei"].data = bright
    ready.seeds.data = np.where(nuclei[1] == 1, 254, 0).astype(np.uint8)
    assert len(ready.find_rest(wait=True)) == 0
    assert "Nothing more was found on frame 0" in find.status.text
    viewer.layers["nuclei"].data = nuclei[0]
    with pytest.raises(ConfigError, match="numbers up to 255"):
        ready.find_rest(wait=True)
    assert not find.surer.isVisibleTo(find)
    ready.seeds.translate = (0, 5, 5)
    ready.inputs.scan.finish()
    assert "press Lay on movie" in find.start.toolTip()
    ready.lay_on()
    ready.inputs.scan.finish()
    ready.model = "nowhere.pth"
    with qtbot.waitSignal(ready.finding.finding_ended, timeout=WAIT):
        ready.find_clicked()
    assert "Frame 0 could not be searched" in find.status.text


def test_new_cells_are_looked_for_in_a_run(ready, nuclei):
    box = ready.form.settings["entries"].native
    box.setCurrentIndex(box.findText("Look for new cells"))
    layer = ready.run(wait=True)
    movie, painted = nuclei
    expected = nx.propagate(movie, {0: painted[0]}, entries="find")
    assert len(expected.scores.object_ids) > 2
    np.testing.assert_array_equal(layer.data, expected.labels)
