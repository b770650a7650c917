"""What the form makes of layers, and what it says when something is missing."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import zarr
from qtpy.QtWidgets import QToolButton

import napari_xmem as nx
from engine.division.dividing_movies import dividing_movie
from napari_xmem.config import MemoryConfig
from napari_xmem.errors import ConfigError
from widget_scenes import drifting_discs, seeds_on

pytestmark = pytest.mark.gui
WAIT = 60_000


def test_empty_viewer(widget):
    assert widget.problem == "Open a movie and add a Labels layer with at least one painted object."
    assert widget.form.hint.text == widget.problem
    assert not widget.form.run.isEnabled()
    assert widget.form.run.toolTip() == widget.problem
    with pytest.raises(ConfigError, match="Open a movie"):
        widget.run()


def test_from_nothing_to_ready_by_hand(qtbot, viewer, widget):
    movie, _ = drifting_discs()
    viewer.add_image(movie, name="movie")
    assert "press + beside Seeds" in widget.form.hint.text
    viewer.dims.set_point(0, 2)
    widget.form.new_seeds.click()
    layer = viewer.layers["movie seeds"]
    assert widget.seeds is layer and layer.mode == "paint" and viewer.layers.selection.active is layer
    qtbot.waitUntil(lambda: "Paint at least one object in 'movie seeds'" in widget.form.hint.text, timeout=60_000)
    layer.paint((2, 20, 20), 5)
    qtbot.waitUntil(lambda: widget.form.run.isEnabled(), timeout=60_000)
    assert widget.form.hint.text == ""
    assert widget.form.painted.text() == "1 object on frame 2"
    assert widget.form.status.text.startswith("Ready to follow 1 object on frames 2 to 5. Frames 0 to 1 stay empty")
    layer.undo()
    qtbot.waitUntil(lambda: not widget.form.run.isEnabled(), timeout=60_000)


def test_single_images_are_explained(viewer, widget):
    viewer.add_image(np.zeros((40, 50)), name="photo")
    assert "'photo' is a single image of 40 x 50 pixels" in widget.problem


def test_labels_of_another_size_are_explained(viewer, widget):
    viewer.add_image(drifting_discs()[0], name="movie")
    other = viewer.add_labels(np.ones((6, 40, 40), int), name="other")
    assert widget.seeds is None, "labels that don't fit are not chosen by themselves"
    widget.seeds = other
    assert "'other' has shape (6, 40, 40); 'movie' has 6 frames of 48 x 64 pixels" in widget.problem


def test_seeds_outside_the_range(qtbot, loaded):
    qtbot.waitUntil(lambda: not loaded.problem, timeout=60_000)
    loaded.first_frame = 2
    assert "None of the painted frames lies within frames 2 to 5" in loaded.problem


def test_missing_model_file(qtbot, loaded, tmp_path):
    qtbot.waitUntil(lambda: not loaded.problem, timeout=60_000)
    loaded.model = tmp_path / "gone.pth"
    assert "There is no file" in loaded.problem and not loaded.form.run.isEnabled()


def test_wrong_values_are_named(loaded):
    with pytest.raises(ConfigError, match="'forward', 'backward' or 'both'"):
        loaded.direction = "sideways"
    with pytest.raises(ConfigError, match="layers on offer: 'movie'"):
        loaded.image = "film"
    with pytest.raises(ConfigError, match="expected 0 to 5"):
        loaded.last_frame = 6


def test_renaming_a_layer_renames_the_choice(viewer, loaded):
    viewer.layers["movie"].name = "film"
    assert loaded.form.image.currentText() == "film" and loaded.image.name == "film"


def test_a_single_frame_of_seeds_belongs_to_the_frame_that_is_said(qtbot, viewer, widget):
    """Whatever the viewer shows: napari opens a movie on its middle frame."""
    movie, truth = drifting_discs()
    viewer.add_image(movie, name="movie")
    assert viewer.dims.current_step[0] != 0
    viewer.add_labels(truth[0], name="seeds")
    assert widget.form.belongs.isVisibleTo(widget.form) and not widget.form.seed_frames.isVisibleTo(widget.form)
    assert widget.seed_frame == 0
    qtbot.waitUntil(lambda: widget.form.painted.text() == "2 objects on frame 0", timeout=60_000)
    assert "frames 0 to 5" in widget.form.status.text
    layer = widget.run(wait=True)
    assert layer.metadata["napari_xmem"]["seeded_frames"] == [0]
    assert np.array_equal(layer.data[0], truth[0])
    widget.seeds.data = truth[4]
    widget.form.seed_frame.setValue(4)
    layer = widget.run(wait=True)
    assert layer.metadata["napari_xmem"]["seeded_frames"] == [4]
    assert np.array_equal(layer.data[4], truth[4]) and not layer.data[:4].any()


def test_labels_that_fit_another_frame_better_are_doubted(qtbot, viewer, widget):
    movie, truth = drifting_discs(16)
    viewer.add_image(movie, name="movie")
    viewer.add_labels(truth[0], name="seeds")
    widget.forecast = True
    widget.seed_frame = 14
    qtbot.waitUntil(lambda: "fit frame 0 better than frame 14" in widget.form.status.text, timeout=60_000)
    widget.seed_frame = 0
    said = widget.form.status
    qtbot.waitUntil(lambda: "frames 0 to 15" in said.text and "per frame" in said.text, timeout=60_000)
    assert "better" not in said.text


@pytest.mark.parametrize("kind", ["coarse", "cropped", "late", "turned"])
def test_labels_elsewhere_count_where_they_are_seen(qtbot, viewer, widget, kind):
    """Other pixels, another corner, another begin in time, turned by a quarter: the world says what lies where."""
    movie, truth = drifting_discs()
    image = viewer.add_image(movie, name="movie", scale=(2, 0.5, 0.5), translate=(4, 10, 20))
    seeds = seeds_on(truth, 1)
    if kind == "coarse":
        viewer.add_labels(seeds[:, ::2, ::2], name="seeds", scale=(2, 1, 1), translate=(4, 10, 20))
    elif kind == "cropped":
        viewer.add_labels(seeds[:, 6:44, 4:60], name="seeds", scale=(2, 0.5, 0.5), translate=(4, 13, 22))
    elif kind == "late":
        viewer.add_labels(seeds[1:4], name="seeds", scale=(2, 0.5, 0.5), translate=(6, 10, 20))
    else:
        turned = np.ascontiguousarray(np.rot90(seeds, 1, (1, 2)))  # its row is the movie's column, from the right
        affine = np.array([[0, 1], [-1, 0]])
        layer = viewer.add_labels(turned, name="seeds")
        matrix = np.eye(4)
        matrix[0, 0], matrix[0, 3] = 2, 4
        matrix[1:3, 1:3] = 0.5 * affine
        matrix[1:3, 3] = (10, 20 + 0.5 * 63)
        layer.affine = matrix
    assert widget.seeds is viewer.layers["seeds"] and widget.image is image
    qtbot.waitUntil(lambda: widget.form.painted.text() == "2 objects on frame 1", timeout=60_000)
    assert widget.form.place.isVisibleTo(widget.form)
    taken = dict(widget.make_job().seeds.painted())
    assert set(taken) == {1}
    overlap = (taken[1] == truth[1])[(truth[1] > 0) | (taken[1] > 0)].mean()
    assert overlap == 1 if kind != "coarse" else overlap > 0.8
    assert "counts where you see it" in widget.form.status.text
    layer = widget.run(wait=True)
    assert np.array_equal(layer.data[1], taken[1]) and layer.data.shape == truth.shape


def test_what_falls_outside_is_said_and_labels_can_be_laid_on_the_movie(qtbot, viewer, widget):
    """As after saving labels in a format that forgets the pixel size."""
    movie, truth = drifting_discs()
    viewer.add_image(movie, name="movie", scale=(1, 0.5, 0.5), units=("pixel", "um", "um"))
    viewer.add_labels(seeds_on(truth, 0), name="seeds")
    qtbot.waitUntil(lambda: "lies outside the movie" in widget.form.status.text, timeout=60_000)
    assert "Its unit is pixel, the movie's micrometer" in widget.form.status.text
    widget.form.lay_on.click()
    qtbot.waitUntil(lambda: widget.form.painted.text() == "2 objects on frame 0", timeout=60_000)
    assert not widget.form.place.isVisibleTo(widget.form)
    np.testing.assert_allclose(viewer.layers["seeds"].scale, (1, 0.5, 0.5))
    assert np.array_equal(widget.make_job().seeds.read(0), truth[0])
    assert "unit" not in widget.form.status.text, "labels without a unit have the movie's"
    viewer.layers["seeds"].units = ("pixel", "mm", "mm")
    widget.inputs.look_at_seeds()
    said = "'seeds': its unit is millimeter, the movie's micrometer"
    qtbot.waitUntil(lambda: said in widget.form.status.text, timeout=60_000)


def test_labels_without_the_channel_axis(viewer, widget):
    """Labels (T, Z, Y, X) of an image (T, C, Z, Y, X)."""
    movie, truth = drifting_discs(4)
    data = np.stack([np.stack([movie] * 3, 1)] * 2, 1)
    viewer.add_image(data, name="movie", axis_labels=("t", "c", "z", "y", "x"), contrast_limits=(0, 900))
    seeds = np.zeros((4, 3, 48, 64), np.uint16)
    seeds[0, 2] = truth[0]
    viewer.add_labels(seeds, name="seeds")
    assert widget.seeds is viewer.layers["seeds"]
    widget.channels = (0,)
    widget.planes = "all"
    layer = widget.run(wait=True)
    assert np.array_equal(layer.data[0, 0, 2], truth[0]) and not layer.data[:, 0, :2].any()


def test_the_shape_of_seeds_says_which_axis_is_time(viewer, widget):
    """An image (C, T, Y, X) without names of axes."""
    movie, truth = drifting_discs()
    viewer.add_image(np.stack([movie, movie // 2]), name="movie", contrast_limits=(0, 900))
    viewer.add_labels(seeds_on(truth, 0), name="seeds")
    assert widget.seeds is viewer.layers["seeds"] and not widget.problem.startswith("'seeds'")
    assert widget.form.time_axis.value == 1 and widget.form.channel_axis.value == 0
    layer = widget.run(wait=True)
    assert np.array_equal(layer.data[0, 0], truth[0]) and layer.data[0, 5].any()


def test_what_was_painted_in_a_result_can_be_brought_back_after_a_run_into_it(qtbot, viewer, loaded):
    layer = loaded.run(wait=True)
    painted = layer.data[3].copy()
    painted[:4, :4] = 5
    layer.data_setitem((np.full(16, 3), *np.indices((4, 4)).reshape(2, -1)), 5)
    loaded.target = layer
    loaded.run(wait=True)
    assert not (layer.data[3, :4, :4] == 5).any()
    (link,) = [item for item in loaded.form.status._offers if "Bring back" in item.text()]
    assert "(1 frame)" in link.text()
    link.click()
    np.testing.assert_array_equal(layer.data[3], painted)


def test_only_the_frame_shown(qtbot, viewer, widget):
    movie, truth = drifting_discs()
    viewer.add_image(movie, name="movie")
    viewer.add_labels(truth, name="all frames")
    viewer.dims.set_point(0, 3)
    widget.seed_frames = "current"
    qtbot.waitUntil(lambda: widget.form.painted.text() == "2 objects on frame 3", timeout=60_000)
    layer = widget.run(wait=True)
    assert layer.metadata["napari_xmem"]["seeded_frames"] == [3]


def test_labels_of_every_frame_are_asked_about(qtbot, viewer, widget, tiny_model):
    movie, truth = drifting_discs()
    numbered = np.stack([np.where(labels > 0, labels + 10 * t, 0) for t, labels in enumerate(truth)])
    viewer.add_image(movie, name="movie")
    viewer.add_labels(numbered, name="segmented")
    widget.form.settings.set("scope", "local")
    first, link = widget.form.every_frame.findChildren(QToolButton)
    qtbot.waitUntil(lambda: "Every frame of 'segmented' is labelled" in widget.problem, timeout=60_000)
    assert widget.form.every_frame.isVisibleTo(widget.form) and not widget.form.run.isEnabled()
    first.click()
    widget.inputs.scan.finish()
    assert not widget.problem and not widget.form.every_frame.isVisibleTo(widget.form)
    assert "2 objects on frames 0 to" in widget.inputs.plan
    results = [widget.run(wait=True)]
    widget.seed_frames = "painted"
    widget.inputs.scan.finish()
    assert widget.form.every_frame.isVisibleTo(widget.form)
    link.click()
    widget.inputs.scan.finish()
    results.append(widget.run(wait=True))
    options = {"model": tiny_model, "scope": "local"}
    for layer, detections in zip(results, (None, numbered), strict=True):
        expected = nx.propagate(movie, {0: numbered[0]}, detections=detections, **options)
        assert layer.metadata["napari_xmem"]["seeded_frames"] == [0]
        np.testing.assert_array_equal(layer.data, expected.labels)


@pytest.mark.parametrize("kind", ["dask", "zarr", "memmap", "rgb", "singleton", "bool", "multiscale"])
def test_kinds_of_movies(viewer, widget, tmp_path, kind):
    movie, truth = drifting_discs()
    data = {
        "dask": lambda: da.from_array(movie, chunks=(1, -1, -1)),
        "zarr": lambda: zarr.array(movie, chunks=(1, *movie.shape[1:])),
        "memmap": lambda: _memmap(tmp_path / "movie.raw", movie),
        "rgb": lambda: np.stack([(movie // 4).astype(np.uint8)] * 3, -1),
        "singleton": lambda: movie[:, None],
        "bool": lambda: movie > 400,
        "multiscale": lambda: [movie, movie[:, ::2, ::2]],
    }[kind]()
    image = viewer.add_image(
        data, name="movie", rgb=kind == "rgb", contrast_limits=(0, 255) if kind == "rgb" else (0, 900)
    )
    assert image.rgb == (kind == "rgb")
    viewer.add_labels(seeds_on(truth, 1), name="seeds")
    layer = widget.run(wait=True)
    shape = data[0].shape if kind == "multiscale" else data.shape
    assert layer.data.shape == (shape[:-1] if kind == "rgb" else shape)
    assert np.array_equal(layer.data.reshape(truth.shape)[1], truth[1])


def _memmap(path, array):
    file = np.memmap(path, array.dtype, "w+", shape=array.shape)
    file[:] = array
    return file


def test_channels_along_an_axis(viewer, widget):
    movie, truth = drifting_discs()
    data = np.stack([movie, movie[:, ::-1], movie, movie], 1)
    viewer.add_image(data, name="movie", axis_labels=("t", "c", "y", "x"), contrast_limits=(0, 900))
    viewer.add_labels(seeds_on(truth, 0), name="seeds")
    assert widget.form.channel_axis.value == 1
    widget.channels = (0, 3)
    layer = widget.run(wait=True)
    assert layer.data.shape == data.shape
    assert all(np.array_equal(layer.data[0, c], truth[0]) for c in range(4)), "labels show on every channel"
    layer.data[0, 2, 0, 0] = 5
    assert layer.data[0, 1, 0, 0] == 5, "and are the same everywhere"


def test_slices_of_a_z_stack(viewer, widget):
    """Objects are followed through z as through time, from a slice in the middle both ways."""
    stack, truth = drifting_discs()
    viewer.add_image(stack, name="stack", axis_labels=("z", "y", "x"), scale=(2, 0.5, 0.5), translate=(7, 1, 2))
    viewer.add_labels(seeds_on(truth, 3), name="seeds", scale=(2, 0.5, 0.5), translate=(7, 1, 2))
    assert widget.form.time_axis.currentText().startswith("z")
    widget.direction = "both"
    layer = widget.run(wait=True)
    assert layer.metadata["napari_xmem"]["frames_done"] == list(range(6))
    np.testing.assert_allclose(layer.scale, (2, 0.5, 0.5))
    np.testing.assert_allclose(layer.translate, (7, 1, 2))
    widget.inputs.show_frame(5)
    assert viewer.dims.point[0] == pytest.approx(17)


def test_results_in_zarr_and_dask_labels_as_seeds(viewer, widget):
    movie, truth = drifting_discs()
    viewer.add_image(da.from_array(movie, chunks=(1, -1, -1)), name="movie", contrast_limits=(0, 900))
    viewer.add_labels(da.from_array(seeds_on(truth, 0), chunks=(1, -1, -1)), name="seeds")
    assert np.array_equal(widget.run(wait=True).data[0], truth[0])
    target = viewer.add_labels(
        zarr.zeros(truth.shape, chunks=(1, *truth.shape[1:]), dtype=np.uint16),
        name="on disk",
        metadata={"napari_xmem": {}},
    )
    widget.target = target
    assert widget.run(wait=True) is target
    assert np.array_equal(target.data[0], truth[0]) and np.asarray(target.data[5]).any()


def test_a_plane_of_a_movie_of_stacks(viewer, widget):
    movie, truth = drifting_discs()
    data = np.stack([movie] * 5, 1)
    viewer.add_image(data, name="movie", axis_labels=("t", "z", "y", "x"), contrast_limits=(0, 900))
    seeds = np.zeros(data.shape, np.uint16)
    seeds[0, 3] = truth[0]
    viewer.add_labels(seeds, name="seeds")
    viewer.dims.set_point((0, 1), (0, 3))
    layer = widget.run(wait=True)
    assert np.array_equal(layer.data[0, 3], truth[0])
    assert not layer.data[:, [0, 1, 2, 4]].any()


def test_all_planes_of_a_movie_of_stacks(viewer, widget):
    movie, truth = drifting_discs()
    data = np.stack([movie] * 4, 1)
    viewer.add_image(data, name="movie", axis_labels=("t", "z", "y", "x"), contrast_limits=(0, 900))
    seeds = np.zeros(data.shape, np.uint16)
    seeds[0, 1] = truth[0]
    seeds[0, 2][truth[0] == 9] = 9
    viewer.add_labels(seeds, name="seeds")
    assert "Paint at least one object" in widget.problem or "Looking" in widget.problem, "plane 0 is on display"
    widget.planes = "all"
    layer = widget.run(wait=True)
    assert np.array_equal(layer.data[0], seeds[0])
    assert layer.data[5, 1].any() and layer.data[5, 2].any() and not layer.data[:, [0, 3]].any()
    assert widget.runner.time_left.total == 12 and widget.runner.time_left.done == 12


def test_a_cell_of_a_movie_of_stacks_has_the_same_daughters_in_all_planes(viewer, widget):
    frames, truth = (part[:, 8:104, :80] for part in dividing_movie([0.0, 24.0, 28.0]))
    viewer.add_image(np.stack([frames] * 2, 1), name="movie", axis_labels=("t", "z", "y", "x"))
    seeds = np.zeros((len(frames), 2, *truth[0].shape), np.uint16)
    seeds[0] = truth[0]
    viewer.add_labels(seeds, name="seeds")
    widget.model, widget.planes, widget.scope = "bundled", "all", "local"
    layer = widget.run(wait=True)
    for plane in np.swapaxes(layer.data, 0, 1):
        assert np.array_equal(plane[0], truth[0])
        for t in range(1, len(frames)):
            assert set(np.unique(plane[t])) == {0, 2, 3}
    upper = layer.data[2][:, truth[2] == 3]
    lower = layer.data[2][:, truth[2] == 4]
    (above, below) = (np.bincount(part.ravel()).argmax() for part in (upper, lower))
    assert {above, below} == {2, 3}
    assert (upper == above).mean() > 0.7 and (lower == below).mean() > 0.7
    assert widget.session.lineage.parents == {2: 1, 3: 1}


def test_seeds_of_one_plane_go_through_all_planes(viewer, widget):
    movie, truth = drifting_discs(3)
    data = np.stack([movie] * 3, 1)
    viewer.add_image(data, name="movie", axis_labels=("t", "z", "y", "x"), contrast_limits=(0, 900))
    seeds = np.zeros(data.shape, np.uint16)
    seeds[0, 1] = truth[0]
    viewer.add_labels(seeds, name="seeds")
    widget.planes = "fill"
    layer = widget.run(wait=True)
    assert np.array_equal(layer.data[0, 1], truth[0])
    assert layer.data[0, 0].any() and layer.data[0, 2].any(), "neighbouring planes are seeded from the painted one"


def test_presets_set_memory_and_scope(widget):
    widget.preset = "paper"
    assert widget.memory == MemoryConfig.paper() and widget.scope == "global"
    widget.scope = "local"
    assert widget.preset == "custom"
    widget.memory = MemoryConfig()
    widget.scope = "auto"
    assert widget.preset == "standard"
    widget.preset = "Long movie"
    assert widget.preset == "long", "as it reads on the screen"


def test_misspelt_settings_of_a_panel_are_refused(widget):
    with pytest.raises(ConfigError, match=r"panel Propagate labels has no directon \(did you mean direction\?\)"):
        widget.directon = "both"
    assert widget.direction == "forward" and not hasattr(widget, "directon")


def test_fits_a_narrow_dock_and_explains_every_control(widget):
    from qtpy.QtWidgets import QAbstractButton, QAbstractSlider, QComboBox, QScrollBar, QSpinBox

    scroll_bar_px = 15
    assert widget.minimumWidth() <= 360
    assert widget.form.minimumSizeHint().width() + scroll_bar_px <= widget.minimumWidth()
    for kind in (QAbstractButton, QComboBox, QSpinBox):
        for control in widget.form.findChildren(kind):
            if control.isVisibleTo(widget.form):
                assert control.toolTip(), control.objectName() or control
            if isinstance(control, QAbstractButton):
                name = control.accessibleName() or control.text()
                assert len(name) > 2 or name.isdigit(), f"a screen reader would say only {name!r}"
    for kind in (QAbstractSlider, QComboBox, QSpinBox):
        for control in widget.form.findChildren(kind):
            assert control.accessibleName() or isinstance(control, QScrollBar), control.toolTip()


def test_labels_too_large_for_memory_lie_on_disk():
    from napari_xmem.widgets.layers.result_layer import zeros

    small, large = zeros((2, 3, 4), np.uint16), zeros((2, 300, 400), np.uint16, limit_bytes=1000)
    assert type(small) is np.ndarray and isinstance(large, np.memmap)
    large[1, 2, 3] = 7
    assert large.sum() == 7


def test_sizes_are_passed_on(loaded):
    loaded.diameter_px, loaded.max_displacement_px = 20, None
    config = loaded.make_job().config
    assert config.diameter_px == 20 and config.max_displacement_px is None


def test_next_number_and_one_number_on_two_cells(viewer, loaded, qtbot):
    layer = loaded.controls.seeds
    viewer.dims.set_point(0, 0)
    layer.mode, layer.selected_label = "paint", 3
    layer.paint((0, 40, 10), 3)
    assert layer.selected_label == 3, "off: as napari does it"
    qtbot.waitUntil(lambda: "Object 3 lies in several places on frame 0" in loaded.form.status.text)
    layer.undo()
    loaded.form.next_number.setChecked(True)
    layer.paint((0, 40, 10), 3)
    assert layer.selected_label == 10
    layer.paint((0, 5, 60), 10)
    assert layer.selected_label == 11
    layer.mode = "erase"
    layer.paint((0, 5, 60), 0)
    assert layer.selected_label == 11


def test_seeds_that_are_not_what_they_seem_are_mended_by_a_click(viewer, widget, qtbot):
    movie, truth = drifting_discs()
    viewer.add_image(movie, name="movie")
    seeds = np.zeros_like(truth)
    seeds[1, 4:12, 4:12] = seeds[1, 30:40, 30:40] = 3
    seeds[2, 10:20, 40:50] = 5
    seeds[2, 12:18, 42:48] = 0
    seeds[2, 30, 20:22] = 2
    layer = viewer.add_labels(seeds, name="seeds")
    viewer.dims.set_point(0, 0)
    form, scan = widget.form, widget.inputs.scan
    qtbot.waitUntil(lambda: scan.complete and not widget.problem, timeout=WAIT)
    shown = {item for item in (form.split, form.fill, form.one_frame) if not item.isHidden()}
    assert shown == {form.split, form.fill, form.one_frame} and not form.repairs.isHidden()
    assert "Object 5 encloses background on frame 2" in form.status.text
    assert "Object 2 has only a few pixels on frame 2" in form.status.text
    form.split.click()
    qtbot.waitUntil(lambda: not scan.in_parts and scan.complete, timeout=WAIT)
    assert set(np.unique(layer.data[1])) == {0, 3, 6}
    assert (layer.data[1, 30:40, 30:40] == 3).all(), "the larger part keeps the number"
    form.fill.click()
    qtbot.waitUntil(lambda: not scan.hollow and scan.complete, timeout=WAIT)
    assert (layer.data[2, 10:20, 40:50] == 5).all()
    layer.undo()
    assert not layer.data[2, 12:18, 42:48].any(), "Ctrl+Z takes it back"
    form.one_frame.click()
    assert widget.inputs.current_frame == 1 and widget.seed_frames == "current"
    qtbot.waitUntil(lambda: scan.complete and scan.frames == (1,), timeout=WAIT)
    assert form.repairs.isHidden()


def test_sizes_that_cannot_be_meant_are_told(loaded, qtbot):
    box = loaded.form.settings["max_displacement_px"].native
    assert box.maximum() == 80, "no object moves farther than the diagonal of 48 x 64 pixels"
    loaded.inputs.scan.finish()
    assert "Diameter is" not in loaded.inputs.plan
    loaded.diameter_px = 1
    assert "Diameter is 1 px, but what you painted is about 1" in loaded.inputs.plan
    assert "slow" in loaded.inputs.plan
