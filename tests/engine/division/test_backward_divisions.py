"""Divisions found going back in time: when to ask, what to answer, and movies followed with the bundled network."""

from __future__ import annotations

import math

import numpy as np
import pytest

import napari_xmem as nx
from engine.division.dividing_movies import apart, dividing_movie
from napari_xmem.engine.backward_finds import LateObjects
from napari_xmem.engine.division import DELAY_FRAMES
from napari_xmem.engine.division.backward_policies import OneBody, Sighting, TakenOver
from napari_xmem.engine.division.daughter_appearance import Look
from napari_xmem.engine.division.trial import Trial
from napari_xmem.engine.results import FrameResult
from napari_xmem.tracking import Event, EventKind

DIVIDES_AT = 3


def seen(y, x, area):
    return Sighting((float(y), float(x)), float(area))


def look(frame, mother=0.95, areas=(210.0, 0.0), confidence=(0.9, 0.0), blur=0.0):
    return Look(frame, 200.0, mother, areas, confidence, 0.97, 0.0, blur, 1.5)


def trial(*looks, neck=1.0, growth=1.0):
    return Trial(9, (2, 3), looks[0].frame, neck, growth, list(looks), backward=True)


@pytest.mark.parametrize(
    "now",
    [
        seen(50, 52, 210),  # as large as both, hardly moved
        seen(50, 60, 110),  # a plate in their middle
    ],
)
def test_asked_when_one_takes_the_place_of_both(now):
    places = {2: [seen(50, 50, 100), now], 3: [seen(50, 70, 90), None], 4: [seen(90, 50, 100), seen(90, 50, 100)]}
    (meeting,) = TakenOver().propose(places, {})
    assert (meeting.one, meeting.other) == (2, 3)
    assert meeting.growth == pytest.approx(now.area_px / 190) and meeting.leap == math.log2(now.area_px / 100)
    assert meeting.between == pytest.approx((now.centre_px[1] - 50) / 20)


@pytest.mark.parametrize(
    "places",
    [
        {2: [seen(50, 50, 100), seen(50, 52, 104)], 3: [seen(50, 70, 90), None]},  # 3 is lost, 2 goes on
        {2: [seen(50, 50, 100), seen(50, 60, 200)], 3: [seen(50, 70, 90), seen(50, 71, 90)]},  # both are there
        {2: [seen(50, 50, 100), seen(50, 52, 210)], 3: [seen(50, 99, 90), None]},  # too far apart
        {2: [seen(50, 50, 400), seen(50, 52, 900)], 3: [seen(50, 70, 90), None]},  # no sisters
        {2: [seen(50, 50, 100), seen(50, 60, 200)], 3: [seen(50, 70, 90), None, None, None]},  # lost long ago
    ],
)
def test_not_asked(places):
    assert not TakenOver().propose(places, {})


def test_asked_when_two_claim_the_same_and_not_when_one_claims_another():
    places = {2: [seen(50, 50, 100), None], 3: [seen(50, 70, 90), None]}
    (meeting,) = TakenOver().propose(places, {(2, 3): seen(50, 60, 150)})
    assert meeting.shared and meeting.between == 0.5
    assert not TakenOver().propose(places, {(2, 3): seen(50, 50, 100)})  # 3 is gone and mistakes 2 for itself


def test_formula_by_hand():
    looks = [look(5, 0.9), look(4, 0.85, (95.0, 90.0), (0.8, 0.75), 0.25)]
    z = 1.5 + 10 * (0.85 - 0.75) + 6 * (0.5 - 0.7) - 8 * 0.5
    assert OneBody().odds(trial(*looks, neck=0.5)) == pytest.approx(1 / (1 + math.exp(-z)))


def test_one_body_is_a_mother_and_two_that_go_on_are_not():
    assert OneBody().odds(trial(look(5), look(4), look(3))) > 0.95
    two = [look(t, areas=(100.0, 95.0), confidence=(0.95, 0.95), blur=0.01) for t in (5, 4, 3)]
    assert OneBody().odds(trial(*two)) < 0.1
    assert OneBody().odds(trial(look(5), look(4), neck=0.2)) < 0.8
    lost = Look(4, 0.0, 0.0, (100.0, 0.0), (0.9, 0.0), 0.0, 0.0, 0.0, 0.0)
    assert OneBody().odds(trial(look(5), lost)) == 0


def test_divisions_of_mothers_whom_the_later_pass_does_not_know_come_with_them():
    labels = np.zeros((8, 8), np.uint16)
    labels[:2, :2], labels[4:, 4:] = 3, 4
    events = (Event(EventKind.DIVISION, 2, (9, 3, 4), 0.9), Event(EventKind.DIVISION, 2, (1, 5, 6), 0.9))
    found = FrameResult(2, labels, (3, 4), np.array([4, 16]), np.ones(2), births=((3, 9), (4, 9)), events=events)
    late = LateObjects()
    late.put(found, known={1, 5, 6})
    late = LateObjects.from_arrays(late.to_arrays())
    forward = np.where(labels == 4, 0, labels)  # it has found 3 by itself
    forward[5:, 4:] = 1
    merged = late.merge(FrameResult(2, forward, (1, 3), np.array([12, 4]), np.ones(2)), np.uint16)
    assert merged.events == events[:1] and merged.births == ((3, 9), (4, 9))
    assert merged.object_ids == (1, 3, 4) and merged.area_px.tolist() == [12, 4, 0]  # too little is left of 4


@pytest.fixture(scope="module")
def options():
    return {"model": nx.load_model("bundled", device="cpu"), "device": "cpu", "scope": "local"}


@pytest.fixture(scope="module")
def movie():
    return dividing_movie(apart(7, DIVIDES_AT))


def check(found, labels, first=0):
    """One division on its frame, the mother alone before it, her daughters alone after it; from frame `first` on."""
    assert sorted(r.frame for r in found) == list(range(len(found)))
    (event,) = [event for r in found for event in r.events]
    mother, *daughters = event.objects
    assert event.frame == DIVIDES_AT - first and sorted(daughters) == [3, 4] and mother > 4
    for r in found:
        ids = {mother} if r.frame + first < DIVIDES_AT else {3, 4}
        assert set(np.unique(r.labels)) == {0, 2, *ids}, r.frame
        both = np.isin(r.labels, [mother, 3, 4]), np.isin(labels[r.frame + first], [1, 3, 4])
        assert (both[0] & both[1]).sum() / (both[0] | both[1]).sum() > 0.8
    return event


def test_two_cells_that_merge_going_back_are_daughters(movie, options):
    frames, labels = movie
    done, found = [], []
    for r in nx.iter_propagate(frames, {6: labels[6]}, direction="backward", **options):
        done.append(r.frame)
        found.append(r)
    assert done == [6, 5, 4, 3, 2, 1, 0]
    event = check(found, labels)
    assert event.odds > 0.9 and DIVIDES_AT - DELAY_FRAMES <= event.decided < DIVIDES_AT
    at = found[6 - DIVIDES_AT]
    assert dict(at.births) == {3: event.mother, 4: event.mother} and at.ends == ((event.mother, "divided"),)


@pytest.mark.parametrize("seeded", [DIVIDES_AT, DIVIDES_AT + 2])
def test_both_ways_from_the_middle_of_a_movie(movie, options, seeded):
    frames, labels = movie
    found = list(nx.iter_propagate(frames[1:6], {seeded - 1: labels[seeded]}, direction="both", **options))
    mother = check(found, labels, first=1).mother
    whole = np.stack([r.labels for r in sorted(found, key=lambda r: r.frame)])
    lineage = nx.Lineage.from_labels(whole, events=[event for r in found for event in r.events])
    assert lineage.parents == {3: mother, 4: mother} and lineage.last_frame[mother] == DIVIDES_AT - 2


@pytest.mark.parametrize(("backward", "left"), [(False, 0), (False, 1), (True, 0), (True, 1)])
def test_where_the_movie_ends_it_is_less_sure(options, backward, left):
    frames, labels = dividing_movie(apart(4, 3 - left) if not backward else apart(4, 1 + left))
    seeds = {3: labels[3]} if backward else {0: labels[0]}
    found = nx.propagate(frames, seeds, direction="backward" if backward else "forward", **options)
    (event,) = found.events
    assert event.frame == (1 + left if backward else 3 - left)
    assert 0.55 < event.odds < (0.9 if left else 0.7) and "movie ends" in event.detail
    assert len(found.lineage.parents) == 2
