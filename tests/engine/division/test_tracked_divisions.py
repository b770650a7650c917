"""Movies in which a cell divides, followed with the bundled network."""

from __future__ import annotations

import numpy as np
import pytest

import napari_xmem as nx
from engine.division.dividing_movies import apart, disc, dividing_movie
from napari_xmem.config import PropagationConfig
from napari_xmem.engine import iter_run, prepare_run
from napari_xmem.engine.division import DELAY_FRAMES
from napari_xmem.tracking import EventKind

DIVIDES_AT = 2


def jaccard(a, b):
    return (a & b).sum() / max((a | b).sum(), 1)


@pytest.fixture(scope="module")
def network():
    return nx.load_model("bundled", device="cpu")


@pytest.fixture(scope="module")
def options(network):
    return {"model": network, "device": "cpu", "scope": "local"}


@pytest.fixture(scope="module")
def movie():
    """Daughters part, touch again on the last two frames, and stay two."""
    return dividing_movie([*apart(6, DIVIDES_AT), 22.0, 19.0])


@pytest.fixture(scope="module")
def found(movie, options):
    frames, labels = movie
    return list(nx.iter_propagate(frames, {0: labels[0]}, **options))


def test_a_mother_ends_and_two_daughters_begin(movie, found):
    _, labels = movie
    at = found[DIVIDES_AT]
    assert [r.object_ids for r in found[:DIVIDES_AT]] == [(1, 2)] * DIVIDES_AT
    assert at.object_ids == (2, 3, 4) and at.births == ((3, 1), (4, 1)) and at.ends == ((1, "divided"),)
    (event,) = at.events
    assert event.kind is EventKind.DIVISION and event.objects == (1, 3, 4) and event.odds > 0.9
    assert DIVIDES_AT < event.decided <= DIVIDES_AT + DELAY_FRAMES
    assert all(not r.births and not r.events for r in found[1:] if r is not at)
    names = {jaccard(at.labels == 3, labels[DIVIDES_AT] == i): i for i in (3, 4)}
    upper = names[max(names)]
    for r in found[DIVIDES_AT:]:
        assert r.object_ids == (2, 3, 4)
        for mine, true in ((3, upper), (4, 7 - upper), (2, 2)):
            assert jaccard(r.labels == mine, labels[r.frame] == true) > 0.7, (r.frame, mine)
        assert not (r.labels == 1).any()
        assert [int((r.labels == i).sum()) for i in r.object_ids] == r.area_px.tolist()
        assert (r.confidence > 0.6).all()


def test_frames_come_in_order_and_final(movie, found, options):
    frames, labels = movie
    assert [r.frame for r in found] == list(range(len(frames)))
    whole = nx.propagate(frames, {0: labels[0]}, **options)
    for r in found:
        assert np.array_equal(whole.labels[r.frame], r.labels)
    assert whole.lineage.parents == {3: 1, 4: 1}
    assert whole.lineage.last_frame[1] == DIVIDES_AT - 1 and whole.lineage.first_frame[3] == DIVIDES_AT
    assert [event.kind for event in whole.events] == [EventKind.DIVISION]
    assert whole.lineage.confidence[3] == whole.events[0].odds


def test_keep_gives_the_mothers_id_to_both(movie, options):
    frames, labels = movie
    kept = list(nx.iter_propagate(frames, {0: labels[0]}, divisions="keep", **options))
    assert all(r.object_ids == (1, 2) and not r.events for r in kept)
    for r in kept[DIVIDES_AT:]:
        assert jaccard(r.labels == 1, labels[r.frame] > 2) > 0.7


def test_nothing_waits_where_nothing_divides(options):
    frames, labels = dividing_movie([0.0] * 4)
    run = prepare_run(frames, {0: labels[0]}, options["model"], PropagationConfig(device="cpu", scope="local"))
    worked = []
    for result in iter_run(run, watch=lambda _, frame: worked.append(frame)):
        assert worked[-1] == result.frame


def test_labels_are_as_kept_where_nothing_divides(options):
    frames, labels = dividing_movie([0.0] * 4)
    both = [nx.propagate(frames, {0: labels[0]}, divisions=d, **options).labels for d in ("track", "keep")]
    assert np.array_equal(*both)


def test_new_ids_never_meet_ids_painted_on_later_frames(movie, options):
    frames, labels = movie
    later = np.where(disc(20, 110, 6), 3, 0)
    found = nx.propagate(frames, {0: labels[0], 6: later}, **options)
    assert found.lineage.parents == {4: 1, 5: 1}


def test_a_cell_painted_in_two_parts_is_followed_as_what_it_becomes(movie, options):
    frames, labels = movie
    painted = np.where(labels[DIVIDES_AT] >= 3, 1, labels[DIVIDES_AT])
    with pytest.warns(UserWarning, match="2 separate parts"):
        found = nx.propagate(frames[DIVIDES_AT:], {0: painted}, **options)
    assert found.lineage.parents == {3: 1, 4: 1}
    assert set(np.unique(found.labels[0])) == {0, 1, 2}
    assert found.lineage.first_frame[3] == 1


def test_a_cell_lost_at_metaphase_that_comes_back_as_two(options):
    frames, labels = dividing_movie(apart(8, 4))
    dark = labels[2:4] == 1
    frames[2:4][dark] = 0.1
    found = nx.propagate(frames, {0: labels[0]}, **options)
    assert found.lineage.parents == {3: 1, 4: 1}
    assert found.lineage.first_frame[3] == 4


def test_a_colony_on_a_large_field_is_no_movie_of_few_objects():
    """It begins with one cell; once there are daughters, every frame is looked at and memorised as usual."""
    frames, labels = dividing_movie(apart(9, 3))
    frames, labels = (np.pad(stack, ((0, 0), (150, 150), (150, 150)), "edge") for stack in (frames, labels))
    session = nx.TrackingSession(frames, {0: np.where(labels[0] == 1, labels[0], 0)})
    at_video_rate = []
    for _ in session.frames():
        assert session.follower is not None
        at_video_rate.append(session.follower.video_rate.on)
    assert [division.mother for division in session.lineage.divisions] == [1]
    assert at_video_rate[0] and not at_video_rate[-1]
