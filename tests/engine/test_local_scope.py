"""The local scope follows what moves far, grows where it must, and does not mix up look-alikes."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from scipy import ndimage

import napari_xmem as nx
from engine.simple_movies import disc_movie, tiny_config, tiny_network
from napari_xmem.config import ModelConfig, PropagationConfig
from napari_xmem.engine import prepare_run
from napari_xmem.engine.run_passes import open_scope
from napari_xmem.engine.scopes.local_scope import LocalScope
from napari_xmem.engine.scopes.object_state import Observation, TrackedObject
from napari_xmem.engine.scopes.postprocess import postprocess_masks
from napari_xmem.engine.scopes.region_masks import RegionMask
from napari_xmem.engine.scopes.regions import Region
from napari_xmem.engine.scopes.scope_choice import choose_scope
from napari_xmem.memory import MemoryBank
from napari_xmem.model import load_model
from napari_xmem.model.checkpoint import bundled_path


@pytest.fixture(scope="module")
def bundled():
    if not bundled_path().exists():
        pytest.skip("no bundled weights")
    return load_model("bundled", "cpu")


def cells(paths, shape, radii, alike=False):
    """Return frames and labels of textured discs that follow `paths` (objects, T, 2) of y, x centres."""
    rng = np.random.default_rng(0)
    yy, xx = np.mgrid[: shape[0], : shape[1]]
    frames = np.zeros((paths.shape[1], *shape), np.float32)
    labels = np.zeros((paths.shape[1], *shape), np.int32)
    side = 4 * max(radii)
    textures = [ndimage.gaussian_filter(rng.normal(size=(side, side)), 2) for _ in radii]
    textures = [textures[0]] * len(radii) if alike else textures
    for t in range(paths.shape[1]):
        for i, radius in enumerate(radii):
            y, x = paths[i, t]
            inside = np.hypot(yy - y, xx - x) <= radius
            labels[t][inside] = i + 1
            rows = np.clip((yy - y + side // 2).astype(int), 0, side - 1)
            columns = np.clip((xx - x + side // 2).astype(int), 0, side - 1)
            frames[t][inside] = (1 + 6 * textures[i][rows, columns])[inside]
        frames[t] = ndimage.gaussian_filter(frames[t], 1) + rng.normal(0, 0.05, shape)
    return frames, labels


def jaccards(found, truth):
    """Return the Jaccard index of every object on every frame but the first."""
    ids = [int(i) for i in np.unique(truth) if i]
    pairs = [(found[t] == i, truth[t] == i) for t in range(1, len(truth)) for i in ids]
    return np.array([(a & b).sum() / max(1, (a | b).sum()) for a, b in pairs])


def follow(bundled, paths, shape, radii, alike=False, **options):
    frames, labels = cells(paths, shape, radii, alike)
    result = nx.propagate(frames, {0: labels[0]}, model=bundled, scope="local", **options)
    return jaccards(result.labels, labels)


STARTS = np.array([(50, 40), (50, 110), (130, 60), (190, 100)])


def test_a_drift_of_one_diameter_per_frame_is_followed(bundled):
    paths = np.stack([STARTS + np.array((0, 32 * t)) for t in range(6)], 1)
    assert follow(bundled, paths, (240, 310), [16] * 4).min() > 0.8


def test_a_stage_jump_of_four_diameters_is_recovered(bundled):
    paths = np.stack([STARTS + (np.array((20, 128)) if t >= 2 else 0) for t in range(5)], 1)
    assert follow(bundled, paths, (240, 280), [16] * 4).min() > 0.8


def test_objects_that_go_a_diameter_per_frame_each_its_own_way(bundled):
    steps = np.arange(6)[:, None]
    ways = [(60, 40) + steps * (0, 32), (150, 250) - steps * (0, 32), (230, 60) + steps * (-22, 22)]
    found = follow(bundled, np.stack(ways), (288, 300), [16] * 3).reshape(5, 3)
    assert found[0].min() > 0.5  # nobody knows yet that they move: masks may be cut by the border of their region
    assert found.min() > 0.4, "a mask may be cut on one frame more, but nobody is lost"
    assert np.delete(found, (0, 3), axis=0).min() > 0.75


def test_small_and_large_objects_in_one_movie(bundled):
    radii = [8, 10, 16, 18, 45]
    starts = np.array([(30, 30), (80, 40), (140, 40), (40, 120), (150, 170)])
    paths = np.stack([starts + np.array((t, 2 * t)) for t in range(5)], 1)
    found = follow(bundled, paths, (230, 250), radii).reshape(4, 5)
    assert found[:, :4].min() > 0.6 and found[:, 4].min() > 0.85


def test_identity_does_not_leak_to_look_alikes(bundled):
    """Copies of one disc, side by side, that all creep to the right: each stays itself."""
    starts = np.array([(24 + 36 * row, 30 + 36 * column) for row in range(4) for column in range(4)])
    paths = np.stack([starts + np.array((0, 3 * t)) for t in range(8)], 1)
    frames, labels = cells(paths, (156, 200), [15] * 16, alike=True)
    result = nx.propagate(frames, {0: labels[0]}, model=bundled, scope="local")
    for t in range(1, 8):
        for i in range(1, 17):
            inside = result.labels[t][labels[t] == i]
            assert np.bincount(inside, minlength=17).argmax() == i
            assert (inside[inside > 0] == i).mean() > 0.95


def test_memory_is_kept_per_object_and_bounded():
    memory = nx.MemoryConfig(
        memory_interval_frames=1, working_min_frames=2, working_max_frames=4, num_prototypes=8,
        long_term_max_elements=40,
    )  # fmt: skip
    frames, labels = disc_movie(3, 40, (64, 96))
    run = prepare_run(frames, {0: labels[0]}, tiny_network(), PropagationConfig(memory=memory, scope="local"))
    scope = open_scope(run)
    sizes = []
    for t in range(40):
        scope.advance(frames[t], t, labels[0] if t == 0 else None)
        sizes.append([bank.sizes.total for bank in scope.banks])
    cells_each = (96 // 8) ** 2
    assert len(scope.banks) == 3 and all(bank.object_ids == (i,) for i, bank in enumerate(scope.banks, 1))
    assert np.max(sizes) <= 5 * cells_each + 40


def mask_at(top, left, height, width, region):
    probability = torch.zeros(region.shape)
    probability[top : top + height, left : left + width] = 0.9
    return RegionMask(1, region, probability)


@pytest.mark.parametrize(
    ("place", "region", "cut"),
    [
        ((30, 30), Region(96, 96, 96, 96), False),
        ((0, 30), Region(96, 96, 96, 96), True),
        ((76, 30), Region(96, 96, 96, 96), True),
        ((30, 76), Region(96, 96, 96, 96), True),
        ((0, 30), Region(0, 96, 96, 96), False),  # there the frame ends
        ((30, 76), Region(96, 160, 96, 96), False),
    ],
)
def test_a_mask_at_the_border_of_its_region_is_noticed(place, region, cut):
    _, seen = postprocess_masks([mask_at(*place, 20, 20, region)], (256, 256))
    assert seen[1].cut is cut and seen[1].area_px == 400


def test_the_region_grows_for_an_object_that_was_cut_or_lost():
    scope = LocalScope(tiny_network(), nx.MemoryConfig())
    bank = MemoryBank(nx.MemoryConfig(), key_dim=8, value_dim=8)
    bank.add(0, torch.rand(8, 4), torch.ones(4), torch.rand(8, 4), torch.rand(1, 8, 4), (1,))
    tracked = TrackedObject(1, bank, (200.0, 200.0), (60.0, 60.0), 3600.0)
    scope.objects[1] = tracked

    def side():
        return scope.search.regions(scope.objects, (512, 512), (0.0, 0.0))[0][1].height

    usual = side()
    tracked.update(Observation(3600.0, 0.9, (170.0, 170.0, 230.0, 230.0), cut=True), (0.0, 0.0), seeded=False)
    assert side() > usual
    tracked.update(Observation(3600.0, 0.9, (170.0, 170.0, 230.0, 230.0)), (0.0, 0.0), seeded=False)
    assert side() == usual
    for _ in range(2):
        tracked.update(Observation(0.0, 0.0, (0.0, 0.0, 0.0, 0.0)), (3.0, 4.0), seeded=False)
    assert side() > 1.5 * usual and tracked.centre_px == (206.0, 208.0)  # looked for where the frame drifted to


def test_motion_is_expected_to_go_on_unless_the_area_jumps():
    def moved(area, box):
        tracked = TrackedObject(1, None, (100.0, 100.0), (40.0, 40.0), 1200.0)
        for _ in range(4):
            tracked.update(Observation(area, 0.9, box), (0.0, 0.0), seeded=False)
            tracked.centre_px = (100.0, 100.0)
        return tracked.velocity_px[1]

    assert moved(1200.0, (80.0, 110.0, 120.0, 150.0)) == pytest.approx(30 * 15 / 16)
    assert moved(400.0, (80.0, 110.0, 120.0, 150.0)) == pytest.approx(10.0)


def test_auto_scope_looks_at_objects_frame_and_device_and_says_so(caplog):
    official, shape = ModelConfig(), (480, 640)
    assert choose_scope("auto", official, 3, shape, "cpu")[0] == "global"
    for scope, reason in (
        choose_scope("auto", official, 20, shape, "cpu"),
        choose_scope("auto", official, 3, (2048, 2048), "cpu"),
    ):
        assert scope == "local" and "CPU" in reason
    scope, reason = choose_scope("auto", official, 20, shape, "cuda")
    assert scope == "global" and "20 objects" in reason and "480 x 640" in reason and "CUDA" in reason
    assert choose_scope("auto", official, 200, shape, "cuda")[0] == "local"
    assert choose_scope("auto", tiny_config(), 1, shape, "cpu")[0] == "local"
    assert choose_scope("global", tiny_config(), 500, shape, "cpu") == ("global", "global: as asked for.")
    frames, labels = disc_movie(2, 3)
    with caplog.at_level(logging.INFO, "napari_xmem"):
        result = nx.propagate(frames, {0: labels[0]}, model=tiny_network())
    assert result.scope == "local" and result.scope_reason in caplog.text


def kept_to(beyond, frames=4, extent=60.0):
    """An object of 60 px that was expected at (200, 200) and reached `beyond` pixels further to the right."""
    tracked = TrackedObject(1, None, (200.0, 200.0), (extent, extent), 3600.0)
    for _ in range(frames):
        tracked.centre_px = tracked.expected_px = (200.0, 200.0)
        tracked.extent_px = (extent, extent)
        box = (170.0, 170.0, 230.0, 230.0 + beyond)
        tracked.update(Observation(3600.0, 0.9, box), (0.0, 0.0), seeded=False)
    return tracked


def test_the_margin_follows_how_far_objects_went_beyond_what_was_expected():
    assert kept_to(0.0, frames=3).margin_px(40.0) == 40.0  # not yet known
    assert kept_to(0.0).margin_px(40.0) == pytest.approx(22.0)
    assert kept_to(6.0).margin_px(40.0) == pytest.approx(22.0 + 12.0)
    assert kept_to(30.0).margin_px(40.0) == 40.0
    assert kept_to(-8.0).margin_px(40.0) == pytest.approx(22.0)  # it only shrank


def test_one_surprise_is_remembered_for_four_frames():
    tracked = kept_to(0.0)
    for beyond, margin in ((5.0, 32.0), (0.0, 32.0), (0.0, 32.0), (0.0, 32.0), (0.0, 22.0)):
        tracked.expected_px, tracked.extent_px = (200.0, 200.0), (60.0, 60.0)
        tracked.update(Observation(3600.0, 0.9, (170.0 - beyond, 170.0, 230.0, 230.0)), (0.0, 0.0), seeded=False)
        assert tracked.margin_px(40.0) == pytest.approx(margin)


@pytest.mark.parametrize("change", ["seeded", "cut", "lost"])
def test_after_a_change_objects_are_looked_for_in_the_largest_margin(change):
    tracked = kept_to(0.0)
    there = Observation(3600.0, 0.9, (170.0, 170.0, 230.0, 230.0), cut=change == "cut")
    gone = Observation(0.0, 0.0, (0.0, 0.0, 0.0, 0.0))
    tracked.update(gone if change == "lost" else there, (0.0, 0.0), seeded=change == "seeded")
    assert tracked.margin_px(40.0) == 40.0


def test_a_largest_step_that_the_user_gave_is_kept_to():
    sides = []
    for given in (None, 45.0):
        scope = LocalScope(tiny_network(), nx.MemoryConfig(), max_displacement_px=given)
        tracked = kept_to(0.0)
        tracked.bank = MemoryBank(nx.MemoryConfig(), key_dim=8, value_dim=8)
        tracked.bank.add(0, torch.rand(8, 4), torch.ones(4), torch.rand(8, 4), torch.rand(1, 8, 4), (1,))
        scope.objects[1] = tracked
        sides.append(scope.search.regions(scope.objects, (512, 512), (0.0, 0.0))[0][1].height)
    assert sides[1] == 152 and sides[0] < sides[1]  # 60 + 2 * 45, on the key grid
