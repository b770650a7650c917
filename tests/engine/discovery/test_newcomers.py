"""Cells that come in: found, confirmed over a few frames, final when yielded; nothing is found twice."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import numpy as np
import pytest

import napari_xmem as nx
from engine.division.dividing_movies import apart, disc, dividing_movie
from napari_xmem.config import PropagationConfig
from napari_xmem.engine import iter_run, prepare_run
from napari_xmem.sample_data import simulated_nuclei
from napari_xmem.tracking import EventKind

FRAMES = 7


@pytest.fixture(scope="module")
def network():
    return nx.load_model("bundled", "cpu")


@pytest.fixture(scope="module")
def scene(network):
    """Nuclei of which two are painted; another one is out of the picture before frame 3."""
    movie, truth = simulated_nuclei(frames=1, size_px=(128, 160), n_objects=6, seed=3)
    frame, truth = movie[0].astype(np.float32), truth[0].astype(np.int32)
    painted = np.where(np.isin(truth, (2, 3)), truth, 0)
    found = nx.find_similar(frame, painted, model=network)
    rim = [*found.labels[0], *found.labels[-1], *found.labels[:, 0], *found.labels[:, -1]]
    late = next(i for i in found.object_ids if i not in rim)
    hidden = frame.copy()
    grown = np.isin(found.labels, [late])
    for _ in range(4):
        grown |= np.roll(grown, 1, 0) | np.roll(grown, -1, 0) | np.roll(grown, 1, 1) | np.roll(grown, -1, 1)
    hidden[grown] = np.percentile(frame, 2)
    noise = np.random.default_rng(0).normal(0, 5, (FRAMES, *frame.shape))
    frames = np.stack([hidden if t < 3 else frame for t in range(FRAMES)]) + noise
    movie = frames.clip(0).astype(np.uint16)
    config = PropagationConfig(entries="find", entry_interval_frames=1)
    return SimpleNamespace(movie=movie, painted=painted, place=found.labels == late, config=config)


@pytest.fixture(scope="module")
def results(network, scene):
    run = prepare_run(scene.movie, {0: scene.painted}, network, scene.config)
    yielded, copies, states = [], [], {}

    def watch(scope, frame):
        states[frame] = copy.deepcopy(scope.state_dict())

    for result in iter_run(run, watch=watch):
        yielded.append(result)
        copies.append(result.labels.copy())
    assert all(np.array_equal(r.labels, kept) for r, kept in zip(yielded, copies, strict=True))
    return SimpleNamespace(frames=yielded, states=states, run=run)


def owner(labels, place):
    ids, counts = np.unique(labels[place], return_counts=True)
    return int(ids[counts.argmax()])


def test_a_cell_that_appears_begins_on_its_first_frame(scene, results):
    labels = [r.labels for r in results.frames]
    new = owner(labels[4], scene.place)
    assert new > 3
    assert not any((frame == new).any() for frame in labels[:3])
    assert all(owner(frame, scene.place) == new for frame in labels[3:])
    assert (new, None) in results.frames[3].births
    (event,) = [e for r in results.frames for e in r.events if new in e.objects]
    assert (event.kind, event.frame, event.detail) == (EventKind.ENTRY, 3, "appeared")
    assert event.decided == 6 and event.odds >= scene.config.min_confidence
    for result in results.frames:
        areas = {i: int((result.labels == i).sum()) for i in result.object_ids}
        assert areas == dict(zip(result.object_ids, result.area_px.tolist(), strict=True))


def test_others_are_there_from_the_first_frame_and_painted_ones_stay(scene, results):
    first = results.frames[0].labels
    assert np.array_equal(np.where(scene.painted, first, 0), scene.painted)
    assert len(np.unique(first)) > 3
    begun = [i for r in results.frames for i, _ in r.births]
    assert len(begun) == len(set(begun))
    details = {e.detail for r in results.frames[:1] for e in r.events if e.kind is EventKind.ENTRY}
    assert details == {"found"}


def test_a_state_goes_on_in_the_middle_of_trials(scene, results):
    from napari_xmem.engine.run_passes import open_scope

    scope = open_scope(results.run)
    scope.load_state_dict(results.states[4])
    assert scope.divisions.trials and scope.divisions.pending
    for t in range(5, FRAMES):
        scope.advance(scene.movie[t], t, last=t == FRAMES - 1)
        if t in results.states:
            ids = [tracked["object_id"] for tracked in results.states[t]["objects"]]
            assert list(scope.object_ids) == ids
            again, before = (s["divisions"]["entries"] for s in (scope.state_dict(), results.states[t]))
            assert (again["since"], len(again["trials"])) == (before["since"], len(before["trials"]))


def test_where_it_cannot_be_done_is_said(network, scene):
    with pytest.raises(nx.errors.ConfigError, match="local scope only"):
        nx.propagate(scene.movie, {0: scene.painted}, model=network, scope="global", entries="find")
    with pytest.raises(nx.errors.ConfigError, match="entries is 'look'"):
        nx.propagate(scene.movie, {0: scene.painted}, model=network, entries="look")


def test_given_detections_are_linked_whatever_their_numbers(network, scene, results):
    """Every frame numbers its cells anew: one id per cell comes out, the late one's from the frame it appears on."""
    rng = np.random.default_rng(1)
    detections = np.zeros((FRAMES, *scene.painted.shape), np.uint16)
    for t in range(FRAMES):
        names = rng.permutation(np.arange(1, 60))
        detections[t] = np.where(scene.painted > 0, names[scene.painted], 0)
        detections[t][scene.place & (t >= 3)] = names[50]
    seeds = {0: scene.painted}
    linked = nx.propagate(scene.movie, seeds, model=network, detections=detections)
    assert {*np.unique(linked.labels)} == {0, 2, 3, 4}
    assert [owner(frame, scene.place) for frame in linked.labels] == [0, 0, 0, 4, 4, 4, 4]
    (event,) = [e for e in linked.events if e.kind is EventKind.ENTRY]
    assert (event.frame, event.objects, event.detail) == (3, (4,), "appeared")
    alone = prepare_run(scene.movie, None, network, PropagationConfig(), detections=detections)
    assert np.array_equal(alone.seeds[0], detections[0])
    for wrong, message in ((detections[:2], "detections have shape"), (detections * 0.5, "detections of frame 0 have")):
        with pytest.raises(nx.errors.SeedError, match=message):
            nx.propagate(scene.movie, seeds, model=network, detections=wrong)
    with pytest.raises(nx.errors.ConfigError, match="detections: new cells"):
        nx.propagate(scene.movie, seeds, model=network, detections=detections, scope="global")


def test_nobody_begins_who_was_there_and_nothing_begins_that_is_no_cell(network):
    """A lost cell that returns is the old one, daughters are found once, and debris begins nothing."""
    frames, truth = dividing_movie(apart(12, 2))
    background = np.random.default_rng(2).normal(0.1, 0.05, frames.shape).astype(np.float32)
    lost = np.isin(np.arange(12), (7, 8))
    frames = np.where((truth == 2) & lost[:, None, None], background, frames)
    rng = np.random.default_rng(3)
    for t, frame in enumerate(frames):
        for place in (*rng.uniform((4, 4), (12, 140), (3, 2)), (104, 136)):
            frame[disc(*place, 3) & (truth[t] == 0)] = 0.9
    seeds = {0: truth[0].astype(np.int32)}
    result = nx.propagate(
        frames, seeds, model=network, scope="local", divisions="track", entries="find", entry_interval_frames=2
    )
    assert not [e for e in result.events if e.kind is EventKind.ENTRY]
    assert [owner(frame, truth[0] == 2) for frame in result.labels] == [0 if gone else 2 for gone in lost]
    assert sorted(result.lineage.parents.values()) == [1, 1]
    assert {owner(result.labels[-1], truth[-1] == i) for i in (3, 4)} == set(result.lineage.parents)
    assert {e.kind for e in result.events} == {EventKind.DIVISION, EventKind.RETURN}
