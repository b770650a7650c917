"""Parts of the simulator: canvas, contacts, camera, noise, labels."""

from __future__ import annotations

import numpy as np
import pytest

from napari_xmem.simulate.cells.contacts import push_discs, push_rods
from napari_xmem.simulate.drawing.camera import Camera, stage_path
from napari_xmem.simulate.drawing.canvas import BINS, Canvas, capsule_depth, polar_depth, spine_depth
from napari_xmem.simulate.drawing.noise import TILE, background, blur, sample, tile, walk
from napari_xmem.simulate.movie import build_movie, roots


def circle(radius: float) -> np.ndarray:
    return np.stack([np.full(BINS, radius), np.ones(BINS)]).astype(np.float32)


def test_touching_discs_share_the_pixels_in_the_middle() -> None:
    canvas = Canvas((40, 60))
    for body, x in enumerate((20.0, 36.0)):
        patch = canvas.patch(20.0, x, 0.7, 14.0)
        assert patch is not None
        canvas.claim(patch, polar_depth(patch.u, patch.v, circle(10.0))[0], body)
    assert (canvas.owner[20, 11:28] == 1).all()
    assert (canvas.owner[20, 29:46] == 2).all()
    edge = canvas.edge()
    assert edge[20, 25] == pytest.approx(3.0, abs=0.1)  # to the contact, not to its own outline
    assert abs(edge[20, 28]) < 0.6
    assert edge[20, 8] < 0


def test_a_body_above_takes_all_its_pixels() -> None:
    canvas = Canvas((40, 40))
    for body, x in enumerate((18.0, 22.0)):
        patch = canvas.patch(20.0, x, 0.0, 14.0)
        assert patch is not None
        canvas.claim(patch, polar_depth(patch.u, patch.v, circle(8.0))[0], body, over=True)
    assert (canvas.owner == 2).sum() == pytest.approx(np.pi * 64, rel=0.05)


def test_patches_out_of_the_frame_are_none() -> None:
    canvas = Canvas((40, 40))
    assert canvas.patch(-30.0, 10.0, 0.0, 10.0) is None
    corner = canvas.patch(-2.0, -2.0, 0.0, 10.0)
    assert corner is not None
    assert corner.u.shape == corner.v.shape


def test_only_the_largest_piece_stays() -> None:
    canvas = Canvas((30, 60))
    long = canvas.patch(15.0, 30.0, 0.0, 28.0, 5.0)
    cut = canvas.patch(15.0, 20.0, 0.0, 9.0)
    assert long is not None and cut is not None
    depth = capsule_depth(long.u, long.v, 20.0, 4.0)
    canvas.claim(long, depth, 0)
    canvas.claim(cut, polar_depth(cut.u, cut.v, circle(7.0))[0], 1, over=True)
    lost, any_lost = canvas.keep_whole(long, 0, int((depth > 0).sum()))
    assert any_lost
    assert lost.sum() > 0
    columns = np.flatnonzero((canvas.owner == 1).any(0))
    assert columns.min() > 20


def test_capsule_has_the_area_of_a_capsule() -> None:
    canvas = Canvas((60, 60))
    patch = canvas.patch(30.0, 30.0, 0.9, 29.0)
    assert patch is not None
    area = (capsule_depth(patch.u, patch.v, 12.0, 6.0) > 0).sum()
    assert area == pytest.approx(24 * 12 + np.pi * 36, rel=0.03)


def test_spine_has_the_area_under_its_sides() -> None:
    canvas = Canvas((80, 80))
    patch = canvas.patch(40.0, 40.0, 0.4, 39.0)
    assert patch is not None
    s = np.linspace(-1, 1, 129)
    sides = np.stack([10 * (1 - s**2), 5 * (1 - s**2), np.ones_like(s)]).astype(np.float32)
    area = (spine_depth(patch.u, patch.v, 30.0, 0.1, sides) > 0).sum()
    assert area == pytest.approx(15 * 4 / 3 * 30, rel=0.05)


def test_overlapping_discs_part_and_far_ones_stay() -> None:
    position = np.array([[0.0, 0.0], [0.0, 5.0], [100.0, 100.0]])
    moved = push_discs(position, np.full(3, 5.0), rounds=5)
    assert np.linalg.norm(moved[0] - moved[1]) == pytest.approx(10.0, abs=0.01)
    np.testing.assert_array_equal(moved[2], position[2])


def test_crossing_rods_part() -> None:
    position = np.array([[0.0, 0.0], [1.0, 1.0]])
    angle = np.array([0.0, 0.3])
    for _ in range(60):
        position, angle = push_rods(position, angle, np.full(2, 10.0), np.full(2, 4.0))
    assert np.linalg.norm(position[0] - position[1]) > 5.0


@pytest.mark.parametrize("mode", ["still", "drift", "jitter", "jump", "wild", None])
def test_the_stage_starts_at_zero_and_stays_near(mode: str | None) -> None:
    for seed in range(5):
        path = stage_path(np.random.default_rng(seed), 50, (120, 160), mode)
        assert path.shape == (50, 2)
        assert (path[0] == 0).all()
        assert np.abs(path).max() <= 40.5


def test_camera_digits() -> None:
    light = np.full((3, 16, 16), 0.5, np.float32)
    camera = Camera(depth_bits=16, offset=100, span=1000, read_noise=0, shot_noise=0, uneven=0)
    image = camera.expose(np.random.default_rng(0), light.copy())
    assert image.dtype == np.uint16
    assert (image == 600).all()
    bleached = Camera(depth_bits=8, offset=0, span=200, read_noise=0, shot_noise=0, uneven=0, bleach=0.5)
    image = bleached.expose(np.random.default_rng(0), light.copy())
    assert image.dtype == np.uint8
    assert image[2].mean() == pytest.approx(image[0].mean() / 2, abs=1)
    dark = Camera(uneven=0, read_noise=0, shot_noise=0, invert=True, offset=0, span=100)
    assert dark.expose(np.random.default_rng(0), np.full((1, 8, 8), 0.9, np.float32)).max() <= 11


def test_noise_grows_with_light() -> None:
    camera = Camera(depth_bits=16, offset=1000, span=10000, read_noise=0.005, shot_noise=0.05, uneven=0)
    light = np.zeros((2, 64, 64), np.float32)
    light[1] = 1.0
    image = camera.expose(np.random.default_rng(0), light)
    assert image[1].std() > 3 * image[0].std()


def test_compression_keeps_the_picture() -> None:
    rng = np.random.default_rng(0)
    light = background(rng, (50, 53), 8.0)[None] * 0.1 + 0.5
    plain = Camera(read_noise=0, shot_noise=0, uneven=0).expose(np.random.default_rng(1), light.copy())
    packed = Camera(read_noise=0, shot_noise=0, uneven=0, jpeg=0.02).expose(np.random.default_rng(1), light.copy())
    assert not np.array_equal(plain, packed)
    assert np.abs(plain.astype(int) - packed.astype(int)).mean() < 8


def test_tiles_are_periodic_and_fixed() -> None:
    noise = tile(4.0, 1)
    assert noise.shape == (TILE, TILE)
    assert noise.std() == pytest.approx(1.0, abs=1e-3)
    with pytest.raises(ValueError, match="read-only"):
        noise[0, 0] = 0
    u = np.array([[0.2, 5.0, 300.0]], np.float32)
    np.testing.assert_array_equal(sample(noise, u, u), sample(noise, u - TILE, u + 2 * TILE))


@pytest.mark.parametrize("sigma", [0.0, 1.0, 2.9, 3.5, 9.0])
def test_blur_keeps_the_mean_and_spreads_a_point(sigma: float) -> None:
    flat = np.full((2, 40, 50), 3.0, np.float32)
    np.testing.assert_allclose(blur(flat, sigma), 3.0, rtol=2e-3)
    if sigma:
        point = np.zeros((1, 121, 121), np.float32)
        point[0, 60, 60] = 1
        spread = blur(point, sigma)[0]
        y = np.arange(121) - 60
        assert spread.sum() == pytest.approx(1, rel=0.05)
        assert np.sqrt((spread.sum(1) * y**2).sum() / spread.sum()) == pytest.approx(sigma, rel=0.12)


def test_walks_are_stationary() -> None:
    path = walk(np.random.default_rng(0), 400, (200,), 0.8)
    assert path[0].std() == pytest.approx(1, abs=0.15)
    assert path[-1].std() == pytest.approx(1, abs=0.15)
    assert np.corrcoef(path[:-1].ravel(), path[1:].ravel())[0, 1] == pytest.approx(0.8, abs=0.02)


def test_daughters_of_daughters_go_back_to_the_first_mother() -> None:
    np.testing.assert_array_equal(roots(np.array([-1, -1, 0, 0, 2, 2])), [0, 1, 0, 0, 0, 0])


def test_labels_are_numbered_from_the_first_frame() -> None:
    owner = np.zeros((2, 4, 4), np.int32)
    owner[0, 0] = 3
    owner[1, 0] = 5
    owner[1, 1] = 6
    owner[1, 2] = 1
    made = build_movie("x", owner, owner, np.array([-1, -1, -1, -1, 2, 2]))
    assert made.labels[0, 0, 0] == 1
    assert (made.labels[1, :2] == 1).all()
    assert made.labels[1, 2, 0] == 2
    assert made.lineage_labels is not None
    assert len(np.unique(made.lineage_labels[1])) == 4
    assert set(made.parents.values()) == {1}
