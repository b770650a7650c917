"""Rods whose waist deepens over some frames: daughters begin where the waist is first seen."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

import napari_xmem as nx
from engine.division.test_parts import rod
from napari_xmem.config import PropagationConfig
from napari_xmem.engine import iter_run, prepare_run
from napari_xmem.engine.division.mask_parts import Parts
from napari_xmem.engine.division.policies import WaistBefore
from napari_xmem.engine.state_file import load_memory, rest_of_run, save_memory

OPTIONS = {"device": "cpu", "scope": "local"}


@pytest.fixture(scope="module")
def network():
    return nx.load_model("bundled", device="cpu")


def pinching(waists):
    """Return a movie (T, Y, X) of a rod, its first mask, and its halves on every frame, left 1 and right 2."""
    rng = np.random.default_rng(0)
    bodies = np.stack([rod(waist=waist) > 0 for waist in waists])
    frames = 0.1 + 0.8 * ndimage.gaussian_filter(bodies.astype(np.float32), (0, 0.7, 0.7))
    halves = bodies * (1 + (np.arange(bodies.shape[2]) >= 70))
    return (frames + rng.normal(0, 0.02, frames.shape)).astype(np.float32), bodies[0].astype(np.uint16), halves


def births(results):
    return [(r.frame, r.births) for r in results if r.frame and r.births]


WAISTS = [14, 14, 9, 6, 3, 0, 0, 0]


def test_daughters_begin_on_the_frame_that_showed_the_waist(network, tmp_path):
    frames, seed, halves = pinching(WAISTS)
    run = prepare_run(frames, {0: seed}, network, PropagationConfig(**OPTIONS))
    worked, lag = [], {}

    def keep(scope, frame):
        worked.append(frame)
        save_memory(scope, tmp_path / f"{frame}.xmem", fingerprint=run.network.fingerprint)

    results = []
    for result in iter_run(run, watch=keep):
        lag[result.frame] = worked[-1] - result.frame
        results.append(result)
    assert births(results) == [(2, ((2, 1), (3, 1)))]
    assert lag[0] == lag[1] == 0 and max(lag.values()) <= 4
    for r in results[2:]:
        assert r.object_ids == (2, 3)
        for half in (1, 2):
            mine = r.labels == (2 if (halves[r.frame] == half)[r.labels == 2].mean() > 0.5 else 3)
            true = halves[r.frame] == half
            assert (mine & true).sum() / (mine | true).sum() > 0.75, r.frame
    followed = [np.nonzero(r.labels == 2)[1].mean() < 70 for r in results[2:]]
    assert len(set(followed)) == 1  # the frame that was dated back to does not swap them
    for stopped_after in (2, 3):
        memory = load_memory(tmp_path / f"{stopped_after}.xmem")
        assert 2 in memory.waiting_frames
        rest = list(iter_run(rest_of_run(run, stopped_after + 1, memory)))
        assert births(rest) == births(results)
        for mine, other in zip(rest, results[rest[0].frame :], strict=True):
            assert np.array_equal(mine.labels, other.labels)


def test_a_frame_that_shows_no_waist_or_is_painted_stays_the_mothers(network):
    frames, seed, _ = pinching([14, 14, 14, 7, 3, 0, 0, 0])
    assert births(nx.iter_propagate(frames, {0: seed}, model=network, **OPTIONS))[0][0] == 3
    frames, seed, halves = pinching(WAISTS)
    painted = (halves[2] > 0).astype(np.uint16)
    found = list(nx.iter_propagate(frames, {0: seed, 2: painted}, model=network, **OPTIONS))
    assert births(found)[0][0] == 3 and found[2].object_ids == (1,)


@pytest.mark.parametrize(("waists", "divides"), [([14, 14, 9, 6], True), ([14, 14, 11, 11], False)])
def test_on_the_last_frame_a_deep_waist_is_enough(network, waists, divides):
    frames, seed, _ = pinching(waists)
    results = list(nx.iter_propagate(frames, {0: seed}, model=network, **OPTIONS))
    assert births(results) == ([(2, ((2, 1), (3, 1)))] if divides else [])
    events = [event for r in results for event in r.events]
    assert len(events) == divides and all(
        0.6 < event.odds < 0.67 and "1 frame only" in event.detail for event in events
    )


def test_the_waists_of_both_frames_date():
    policy, none = WaistBefore(widest_mean=0.75, widest_before=0.9), np.zeros((1, 1), bool)
    shallow, deep = rod(waist=10), rod(waist=6)
    assert policy.hint(shallow).neck == pytest.approx(10 / 14, abs=0.12)
    assert policy.hint(rod()) is None and policy.hint(np.zeros((20, 20), np.float32)) is None
    aside = np.clip(np.roll(rod(waist=8), 20, 1) * rod() + rod() * (np.arange(140) < 50), 0, 1)
    assert policy.hint(aside) is None
    for before, now, told in ((0.9, deep, True), (0.8, shallow, False), (0.6, shallow, True), (0.9, rod(), False)):
        assert policy.seen_before(Parts(none, none, before), now) is told
    disc = (np.hypot(*np.mgrid[-20:20, -20:20]) < 15).astype(np.float32)
    assert not policy.seen_before(Parts(none, none, 0.1), disc)
