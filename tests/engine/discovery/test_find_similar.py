from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

import napari_xmem as nx
from napari_xmem.engine.discovery.example_sizes import alike_in_size
from napari_xmem.engine.discovery.key_similarity import likely_centres
from napari_xmem.notices import listening
from napari_xmem.sample_data import simulated_nuclei


@pytest.fixture(scope="module")
def network():
    return nx.load_model("bundled", "cpu")


@pytest.fixture(scope="module")
def scene():
    """A frame of nuclei, their truth, and three of them painted."""
    movie, truth = simulated_nuclei(frames=1, size_px=(192, 192), n_objects=14, seed=3)
    frame, truth = movie[0], truth[0].astype(np.int32)
    rim = np.unique(np.concatenate([truth[0], truth[-1], truth[:, 0], truth[:, -1]]))
    whole = [i for i in np.unique(truth) if i and i not in rim]
    return frame, truth, np.where(np.isin(truth, whole[:3]), truth, 0)


@pytest.fixture(scope="module")
def found(network, scene):
    return nx.find_similar(scene[0], scene[2], model=network)


def overlaps(labels, ids, truth, painted):
    """Return how many true objects were found with a Jaccard index above one half, and how many were to be found."""
    right = 0
    wanted = [i for i in np.unique(truth) if i and i not in painted]
    for i in wanted:
        mask = truth == i
        right += any(
            (mask & (labels == j)).sum() / (mask | (labels == j)).sum() > 0.5 for j in ids if (labels[mask] == j).any()
        )
    return right, len(wanted)


def test_what_is_found_is_right(scene, found):
    """Of nuclei of very different brightness that touch, nearly all are found; nothing else is."""
    _, truth, seeds = scene
    right, wanted = overlaps(found.labels, found.object_ids, truth, np.unique(seeds))
    assert right == len(found)
    assert right >= 0.8 * wanted


def test_painted_objects_stay_and_new_ids_follow(scene, found):
    seeds = scene[2]
    assert np.array_equal(found.labels[seeds > 0], seeds[seeds > 0])
    assert found.object_ids == tuple(range(int(seeds.max()) + 1, int(seeds.max()) + 1 + len(found)))
    assert set(np.unique(found.labels)) == {0, *np.unique(seeds[seeds > 0]), *found.object_ids}
    assert (np.diff(found.confidence) <= 0).all()
    assert (found.confidence >= 0.8).all()


def test_the_same_input_gives_the_same(network, scene, found):
    again = nx.find_similar(scene[0], scene[2], model=network)
    assert np.array_equal(again.labels, found.labels)
    assert np.array_equal(again.confidence, found.confidence)


def test_a_limit_is_raised_without_computing(found):
    limit = float(np.median(found.confidence))
    fewer = found.at_least(limit)
    gone = set(found.object_ids) - set(fewer.object_ids)
    assert len(fewer) == (found.confidence >= limit).sum()
    assert gone
    assert not np.isin(fewer.labels, list(gone)).any()
    kept = ~np.isin(found.labels, list(gone))
    assert np.array_equal(fewer.labels[kept], found.labels[kept])


def test_one_is_dropped_and_examples_cannot_be(scene, found):
    first, painted = found.object_ids[0], int(scene[2].max())
    left = found.without([first, painted])
    assert first not in left.object_ids
    assert len(left) == len(found) - 1
    assert (left.labels == painted).any()


def test_nothing_is_found_where_nothing_is(network, scene):
    _, _, seeds = scene
    rng = np.random.default_rng(0)
    only_one = np.where(seeds == seeds.max(), 3000, 300) + rng.normal(0, 20, seeds.shape)
    found = nx.find_similar(only_one.astype(np.uint16), np.where(seeds == seeds.max(), seeds, 0), model=network)
    assert len(found) == 0
    assert np.array_equal(np.unique(found.labels), [0, seeds.max()])


def test_only_a_part_of_the_frame_is_searched(network, scene):
    frame, _, seeds = scene
    found = nx.find_similar(frame, seeds, model=network, region=(slice(0, 96), slice(None)))
    assert len(found)
    for i in found.object_ids:
        assert np.argwhere(found.labels == i)[:, 0].mean() < 98
    with pytest.raises(nx.errors.InputError, match="holds no pixel"):
        nx.find_similar(frame, seeds, model=network, region=(slice(50, 50), slice(None)))


def test_bad_input_says_so(network, scene):
    frame, _, seeds = scene
    with pytest.raises(nx.errors.SeedError, match="labels have shape"):
        nx.find_similar(frame, seeds[:-1], model=network)
    with pytest.raises(nx.errors.ConfigError, match="min_confidence is 2"):
        nx.find_similar(frame, seeds, model=network, min_confidence=2)
    with pytest.raises(nx.errors.SeedError):
        nx.find_similar(frame, np.zeros_like(seeds), model=network)


def test_centres_are_at_tops_and_spread_where_it_is_flat():
    y, x = np.mgrid[:40, :40]
    two = np.exp(-((y - 10) ** 2 + (x - 10) ** 2) / 18) + np.exp(-((y - 30) ** 2 + (x - 28) ** 2) / 18)
    tops = likely_centres(two.astype(np.float32), 4.0, least=0.5)
    assert {(round(a - 0.5), round(b - 0.5)) for a, b in tops[:2]} == {(10, 10), (30, 28)}
    flat = likely_centres(np.ones((40, 40), np.float32), 4.0)
    distances = [np.hypot(a[0] - b[0], a[1] - b[1]) for n, a in enumerate(flat) for b in flat[:n]]
    assert min(distances) >= 2.8  # 0.7 radii
    assert len(flat) > 100  # nowhere is left out
    assert likely_centres(np.zeros((40, 40), np.float32), 4.0) == []


def test_a_limit_asked_for_is_one_taken_later(network, scene, found):
    """Searching with a limit gives what searching with a lower one gives, less what is not sure enough."""
    lower = nx.find_similar(scene[0], scene[2], model=network, min_confidence=0.5, first_id=100)
    assert np.array_equal(lower.at_least(0.8).labels > 0, found.labels > 0)
    assert min(lower.object_ids) == 100
    with pytest.raises(nx.errors.InputError, match="first_id is 2"):
        nx.find_similar(scene[0], scene[2], model=network, first_id=2)


def test_background_that_looks_like_the_inside_of_cells_is_none(network):
    """Dark cells with bright rims, on ground as dark as they are: what has no rim is no cell, and turned ones are."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:256, :256]
    frame, truth = np.full((256, 256), 60.0), np.zeros((256, 256), np.int32)
    places = [(60, 60, 0.0), (60, 140, 1.4), (130, 70, 0.8), (140, 160, 2.2)]
    for i, (cy, cx, angle) in enumerate(places, 1):
        along = (y - cy) * np.sin(angle) + (x - cx) * np.cos(angle)
        across = (y - cy) * np.cos(angle) - (x - cx) * np.sin(angle)
        away = np.sqrt((along / 26) ** 2 + (across / 16) ** 2)
        frame[(away > 1) & (away < 1.3)] = 200
        truth[away <= 1] = i
    frame += rng.normal(0, 4, frame.shape)
    seeds = np.where(truth == 1, 1, 0)
    found = nx.find_similar(frame.clip(0, 255).astype(np.uint8), seeds, model=network)
    assert overlaps(found.labels, found.object_ids, truth, [1]) == (3, 3)
    assert len(found) == 3


def test_examples_of_very_different_sizes_are_each_looked_for_at_their_own(network):
    """One large and one small disc painted: the other two of either kind are found, and specks begin no search."""
    y, x = np.mgrid[:160, :160]
    frame, truth = np.full((160, 160), 50.0), np.zeros((160, 160), np.int32)
    for i, (cy, cx, r) in enumerate([(40, 40, 32), (30, 120, 5), (115, 110, 30), (120, 30, 5), (70, 100, 6)], 1):
        truth[(y - cy) ** 2 + (x - cx) ** 2 <= r**2] = i
    frame = ndimage.gaussian_filter(frame + 150 * (truth > 0), 1) + np.random.default_rng(0).normal(0, 3, frame.shape)
    seeds = np.where(truth <= 2, truth, 0)
    told = []
    with listening(told.append):
        found = nx.find_similar(frame.astype(np.uint8), seeds, model=network, memory_budget_bytes=30_000_000)
    assert overlaps(found.labels, found.object_ids, truth, [1, 2]) == (3, 3)
    assert found.object_ids == (3, 4, 5) and (np.diff(found.confidence) <= 0).all()
    assert any("memory budget of 30 MB cannot be kept: finding" in str(notice) for notice in told)
    assert alike_in_size(seeds) == [[1], [2]]
    seeds[150, 150] = 9
    assert alike_in_size(seeds) == [[1], [2, 9]]


def test_a_frame_on_which_nothing_can_be_seen_is_refused(network, scene):
    for value in (7.0, np.nan):
        with pytest.raises(nx.errors.InputError, match="nothing can be seen"):
            nx.find_similar(np.full(scene[2].shape, value, np.float32), scene[2], model=network)
