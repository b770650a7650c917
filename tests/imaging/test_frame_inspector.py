"""Frames with faults are found by their pixels, and good movies have none."""

import json

import numpy as np
import pytest
from scipy import ndimage

from napari_xmem.errors import InputError
from napari_xmem.imaging.acquisition import Acquisition, Finding, FindingKind
from napari_xmem.imaging.frame_inspector import FrameInspector


def movie(n_frames=16, seed=0, step_px=2.0, noise=0.03, moved=None):
    """Textured discs that walk, with noise; `moved`: way of each frame instead of one step."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:128, :160]
    texture = ndimage.gaussian_filter(rng.standard_normal((128, 160)), 2) * 3
    places, ways = rng.uniform(30, 98, (6, 2)), rng.uniform(0, 2 * np.pi, 6)
    steps = np.ones(n_frames) if moved is None else moved
    frames = np.empty((n_frames, 128, 160))
    for t, at in enumerate(np.cumsum(steps) * step_px):
        frame = np.full((128, 160), 0.1)
        for (row, column), way in zip(places, ways, strict=True):
            inside = np.hypot(y - row - at * np.sin(way), x - column - at * np.cos(way)) < 9
            frame[inside] = 0.6 + 0.1 * texture[inside]
        frames[t] = ndimage.gaussian_filter(frame, 1) + rng.normal(0, noise, frame.shape)
    return np.clip(frames * 20000 + 500, 0, 65535).astype(np.uint16)


def looked_at(frames, order=None):
    inspector = FrameInspector()
    order = range(len(frames)) if order is None else order
    return Acquisition.collect(one for t in order for one in inspector.look(frames[t], t))


@pytest.mark.parametrize("seed", range(3))
def test_a_good_movie_has_no_findings(seed):
    assert not looked_at(movie(seed=seed))
    assert not looked_at(movie(seed=seed, step_px=0.0))
    assert not looked_at((movie(seed=seed, noise=0.1) / 257).astype(np.uint8))


@pytest.mark.parametrize("order", [range(16), range(15, -1, -1)], ids=["forward", "backward"])
def test_repeated_frames_and_the_jump_after_them_are_found(order):
    frames = movie(moved=[1] * 9 + [3] + [1] * 6)
    frames[8] = frames[7]  # the camera stood still, and then two frames are missing
    seen = looked_at(frames, order)
    assert seen.frames("repeated") == (8,)
    assert seen.frames("jump") == ((9,) if order[0] == 0 else ())  # backward it comes before what makes it suspicious
    assert {one.frame for one in seen.findings} <= {8, 9}


@pytest.mark.parametrize("sigma_px", [2, 4, 8])
def test_loss_of_focus_is_found_whatever_the_light(sigma_px):
    frames = movie()
    for t in (7, 8):
        blurred = 0.8 * ndimage.gaussian_filter(frames[t].astype(float), sigma_px)
        frames[t] = np.random.default_rng(t).normal(blurred, 300)
    frames[11] = (0.5 * frames[11]).astype(np.uint16)
    found = looked_at(frames)
    assert found.frames("out of focus") == (7, 8)
    assert all(one.amount < 0.7 for one in found.findings if one.kind is FindingKind.DEFOCUS)


def test_saturation_is_found_and_blank_frames_are_left_to_others():
    frames = movie()
    frames[6, :, :60] = 65535
    frames[9:11] = 0
    found = looked_at(frames)
    assert found.frames("saturated") == (6,)
    assert found.findings[0].amount == pytest.approx((frames[6] == 65535).mean(), abs=0.05)
    assert not {9, 10} & {one.frame for one in found.findings}


def test_few_absurd_pixels_and_missing_ones_change_nothing():
    frames = movie().astype(np.float32)
    hot = np.random.default_rng(0).random(frames.shape) < 0.002
    frames[hot] = 1e30
    frames[5, :10] = np.nan
    assert not {one.kind for one in looked_at(frames).findings} & {FindingKind.JUMP, FindingKind.SATURATED}


@pytest.mark.parametrize("seed", (0, 4))
def test_where_scattered_pixels_drown_all_detail_nothing_is_said_of_focus(seed):
    frames = movie(6) // 6
    frames[np.random.default_rng(seed).random(frames.shape) < 0.003 * (1 + seed)] = 65535
    assert not looked_at(frames).frames("out of focus")


def test_findings_are_said_in_one_line_and_survive_json():
    seen = Acquisition.collect(
        [
            Finding(FindingKind.SHIFT, 9, 12.5, 12.0, -3.5),
            Finding(FindingKind.JUMP, 9, 4.0),
            *(Finding(FindingKind.REPEATED, t) for t in (5, 3, 4, 12, 4)),
        ]
    )
    assert seen.describe() == "repeated: frames 3-5, 12; shift: frame 9"
    assert not seen.frames("jump")  # the shift explains it
    assert Acquisition.from_plain(json.loads(json.dumps([list(one) for one in seen.findings]))) == seen
    assert Acquisition().describe() == ""
    with pytest.raises(InputError, match="'torn' is nothing that is looked for in frames, expected one of repeated"):
        seen.frames("torn")
