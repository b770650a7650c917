"""Light that flickers: what differs by a gain and an offset is undone, what moves or comes is not mistaken for it."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import ndimage

import napari_xmem as nx
from engine.simple_movies import tiny_network
from napari_xmem.config import ModelConfig, PropagationConfig
from napari_xmem.engine import prepare_run
from napari_xmem.engine.run_passes import open_scope
from napari_xmem.engine.scopes.light import FrameLight
from napari_xmem.engine.scopes.preprocess import FrameGeometry, NetworkInput
from napari_xmem.imaging import BrightnessChange, IntensityNormaliser, brightness_change, brightness_profile

GAINS = (1.0, 0.2, 2.0, 0.3, 1.5, 0.5)


def movie(n_frames: int = 6, side: int = 96, step: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Return discs of 16 px that move, on a dark ground, float32 0 to 1000, and their labels."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side]
    frames, labels = np.zeros((n_frames, side, side), np.float32), np.zeros((n_frames, side, side), np.uint16)
    for t in range(n_frames):
        for number, (row, column) in enumerate(((24, 24), (26, 68), (70, 44)), 1):
            inside = np.hypot(y - row - step * t * (number % 2), x - column - step * t * (number - 2)) < 8
            frames[t][inside], labels[t][inside] = 700 + 60 * number, number
        frames[t] = ndimage.gaussian_filter(frames[t], 1) + 100 + rng.normal(0, 12, (side, side))
    return frames, labels


def change(before: np.ndarray, after: np.ndarray) -> BrightnessChange | None:
    return brightness_change(brightness_profile(before, 0, 1000), brightness_profile(after, 0, 1000))


@pytest.mark.parametrize(("gain", "offset"), [(0.2, 0.0), (0.3, 40.0), (2.0, -100.0), (1.0, 400.0), (5.0, 0.0)])
def test_gain_and_offset_are_found_while_objects_move(gain: float, offset: float) -> None:
    frames, _ = movie()
    found = change(frames[0], gain * frames[1] + offset)
    assert found is not None
    assert found.gain == pytest.approx(gain, rel=0.12)
    assert found.offset == pytest.approx(offset / 1000, abs=0.03 * max(1, gain))


def test_other_changes_are_none_of_the_light() -> None:
    frames, _ = movie()
    rng = np.random.default_rng(1)
    assert change(frames[0], frames[1]) is None  # nothing but motion
    assert change(frames[0], 1.1 * frames[1]) is None  # too small to matter: the frame stays bit for bit
    assert change(frames[0], np.roll(frames[0], (48, 40), (0, 1))) is None  # another place
    assert change(frames[0], rng.uniform(0, 1000, frames[0].shape)) is None  # another picture
    assert change(frames[0], np.full_like(frames[0], 100)) is None  # darkness: the gate's business
    brighter = frames[1].copy()
    brighter[:48, :48] *= 2  # one cell lights up
    assert change(frames[0], brighter) is None
    striped = frames[1].copy()
    striped[40:43] = 1e6  # broken lines
    assert change(frames[0], striped) is None


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float64])
def test_frames_are_shown_in_the_light_of_those_before(dtype: type) -> None:
    frames, _ = movie(3)
    frames = (frames * 0.2).astype(dtype)
    dim = (frames[1].astype(np.float64) * 0.3).astype(dtype)
    if dtype is np.float64:
        dim[3, 3] = np.nan  # and what is not finite stays dark
    prepare = NetworkInput(ModelConfig(), IntensityNormaliser.fit(frames), FrameGeometry.fit((96, 96), 1.0, 16))
    light = FrameLight()
    light.show(prepare, frames[0], 0)
    light.keep()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shown = light.show(prepare, dim, 1)
    assert len(light.changes) == 1
    steady = prepare(frames[1], 1)
    assert float((shown - steady).abs().mean()) < 0.25 * float((prepare(np.nan_to_num(dim), 1) - steady).abs().mean())
    assert not (light.keep(), light.show(prepare, frames[2], 2), light.changes)[2]  # back in the old light


def test_no_object_is_lost_in_flickering_light_and_steady_light_changes_nothing() -> None:
    frames, labels = movie(4)
    flickering = frames * np.asarray(GAINS[:4], np.float32)[:, None, None]
    result = nx.propagate(flickering, labels[0], divisions="keep")
    for t in range(1, len(frames)):
        for number in (1, 2, 3):
            found, true = result.labels[t] == number, labels[t] == number
            assert (found & true).sum() / (found | true).sum() > 0.75, (t, number)
    assert not any(event.kind.value == "bad_frame" for event in result.events)
    explained = result.explain(3, *np.argwhere(result.labels[3] == 2).mean(0))  # asks in the light that was seen
    assert explained.votes
    assert max(vote.weight for vote in explained.votes) < 1


def test_a_scope_goes_on_in_the_light_it_knew() -> None:
    frames, labels = movie()
    flickering = frames * np.asarray(GAINS, np.float32)[:, None, None]
    for kind in ("local", "global"):
        config = PropagationConfig(scope=kind, divisions="keep")
        run = prepare_run(flickering, labels[0], tiny_network(), config)
        whole, again = open_scope(run), open_scope(run)
        for t in range(3):
            whole.advance(flickering[t], t, labels[0] if t == 0 else None)
        again.load_state_dict(whole.state_dict())
        for t in range(3, 6):
            one, other = whole.advance(flickering[t], t), again.advance(flickering[t], t)
            assert whole.light.changes or t > 3
            assert again.light.changes == whole.light.changes
            np.testing.assert_array_equal(one.labels, other.labels)
