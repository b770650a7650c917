"""Questions about events, on label movies in which one thing is wrong at a time."""

from __future__ import annotations

import numpy as np
import pytest

from lineage_scenes import family
from napari_xmem.session import QuestionKind, TrackingSession
from napari_xmem.session.events_to_check import events_to_check
from napari_xmem.tracking import Event, EventKind, Lineage
from session.lineage_sessions import CONFIG, family_session, movie_of


def walkers(frames=12, count=6, size=96):
    """Squares of 8 pixels in two rows that walk to the right by a pixel per frame."""
    labels = np.zeros((frames, size, size), np.uint16)
    for t in range(frames):
        for i in range(count):
            y, x = 12 + 40 * (i % 2), 10 + 24 * (i // 2) + t
            labels[t, y : y + 8, x : x + 8] = i + 1
    return labels


def asked(labels, **options):
    return [(e.kind, e.frame, e.objects) for e in events_to_check(Lineage.from_labels(labels), **options)]


def test_nothing_is_asked_where_all_is_well():
    assert asked(walkers()) == []
    assert events_to_check(Lineage.from_labels(np.zeros((3, 8, 8), int))) == ()


def test_a_cell_that_vanishes_inside_is_asked_about_and_one_that_left_is_not():
    labels = walkers()
    labels[7:][labels[7:] == 3] = 0
    assert asked(labels) == [(QuestionKind.VANISHED, 7, (3,))]
    assert asked(labels, checked=[7]) == []
    assert asked(labels, absent={3: ((7, 12),)}) == []
    leaving = walkers()[:, :, :66]
    assert set(np.unique(leaving[-1])) < set(np.unique(leaving[0]))
    assert not [e for e in asked(leaving) if e[0] is QuestionKind.VANISHED]
    assert asked(leaving) == []


def test_exchanged_cells_are_one_question():
    labels = walkers()
    a, b = labels[5:] == 1, labels[5:] == 3
    labels[5:][a], labels[5:][b] = 3, 1
    assert asked(labels) == [(QuestionKind.SWAP, 5, (1, 3))]


def test_jumps_of_area_and_place_and_gaps():
    labels = walkers()
    labels[6, 12:17, 16:24] = 0  # five of eight rows of cell 1 are missing
    assert [e[:2] for e in asked(labels)] == [(QuestionKind.AREA, 6), (QuestionKind.AREA, 7)]
    labels = walkers()
    labels[8][labels[8] == 2] = 0
    labels[8, 80:88, 80:88] = 2
    assert set(asked(labels)) == {(QuestionKind.JUMP, 8, (2,)), (QuestionKind.JUMP, 9, (2,))}
    labels = walkers()
    labels[4:6][labels[4:6] == 2] = 0
    assert asked(labels) == [(QuestionKind.GAP, 4, (2,))]


def test_a_mother_that_rounds_up_before_she_divides_and_daughters_that_grow_are_no_question():
    labels = walkers()
    left, right = labels[7:] == 1, np.roll(labels[7:] == 1, 10, axis=2)
    labels[5:7, 12:17][labels[5:7, 12:17] == 1] = 0  # she condenses
    labels[7:][left], labels[7:][right] = 11, 12
    labels[7, 12:17][labels[7, 12:17] > 10] = 0  # daughters begin small
    parents = {11: 1, 12: 1}
    assert events_to_check(Lineage.from_labels(labels, parents)) == ()
    late = walkers()
    late[1:2, 12:17][late[1:2, 12:17] == 1] = 0  # long before: nothing to do with it
    late[7:] = labels[7:]
    kinds = [(e.kind, e.frame) for e in events_to_check(Lineage.from_labels(late, parents))]
    assert kinds == [(QuestionKind.AREA, 1)]


def test_a_picture_that_is_shifted_as_a_whole_is_no_jump():
    labels = walkers(size=128)
    labels[6:] = np.roll(labels[6:], (25, 20), axis=(1, 2))
    assert [e for e in asked(labels) if e[0] is QuestionKind.JUMP] == []


def test_cells_that_begin_beside_a_lost_one_are_asked_about_with_it():
    labels = walkers()
    for t in range(6, 12):
        mask = labels[t] == 1
        columns = np.flatnonzero(mask.any(0))
        labels[t][mask] = 11
        labels[t][:, columns[4] :][labels[t][:, columns[4] :] == 11] = 12
    found = events_to_check(Lineage.from_labels(labels))
    assert [(e.kind, e.frame, e.objects) for e in found] == [(QuestionKind.VANISHED, 6, (1, 11, 12))]
    assert found[0].reason.endswith("a division?")
    linked = Lineage.from_labels(labels, {11: 1, 12: 1})
    assert events_to_check(linked) == ()
    assert events_to_check(Lineage.from_labels(np.where(labels == 12, 0, labels)))[0].reason.endswith("the same cell?")


def test_unsure_divisions_until_somebody_says_so():
    event = Event(EventKind.DIVISION, 3, (1, 2, 3), 0.55)
    lineage = Lineage.from_labels(family(), events=[event])
    found = [e for e in events_to_check(lineage) if e.kind is QuestionKind.DIVISION]
    assert [(e.frame, e.objects, e.reason) for e in found] == [(3, (1, 2, 3), "1 divides into 2 and 3: 55% sure")]
    assert not [e for e in events_to_check(lineage, mothers={2: 1, 3: 1}) if e.kind is QuestionKind.DIVISION]


def test_the_queue_goes_on_at_every_step_and_begins_again(tiny):
    labels = walkers()
    labels[7:][labels[7:] == 3] = 0
    labels[9:][labels[9:] == 4] = 0
    labels[4][labels[4] == 2] = 0
    session = TrackingSession.of_labels(movie_of(labels), labels, model=tiny, config=CONFIG)
    seen, latest = [], None
    for _ in range(4):
        place, length, latest = session.review().next_in_queue(latest)
        seen.append((place, length, latest.frame))
    assert seen == [(1, 3, 7), (2, 3, 9), (3, 3, 4), (1, 3, 7)]
    session.remove(3, 6)  # it ends by somebody's hand: answered
    place, length, event = session.review().next_in_queue(latest)
    assert (place, length, event.frame) == (1, 2, 9)


@pytest.mark.parametrize("confirm", [lambda s: s.link(5, 3), lambda s: s.divide(3, 6, (5, 6))])
def test_an_answered_division_is_no_question_any_more(tiny, confirm):
    session = family_session(tiny)
    kinds = [(e.kind, e.objects) for e in session.review().queue]
    assert (QuestionKind.DIVISION, (3, 5, 6)) in kinds
    confirm(session)
    left = [(e.kind, e.objects) for e in session.review().queue]
    assert ((QuestionKind.DIVISION, (3, 5, 6)) in left) == (6 not in session.annotations.mothers)


def test_a_hundred_frames_of_many_cells_are_quiet():
    rng = np.random.default_rng(1)
    labels = np.zeros((40, 128, 128), np.uint16)
    y, x = np.mgrid[:128, :128]
    places = np.stack(np.meshgrid(np.arange(12, 120, 16), np.arange(12, 120, 16)), -1).reshape(-1, 2).astype(float)
    for t in range(40):
        places += rng.normal(0, 0.4, places.shape)
        for i, (cy, cx) in enumerate(places):
            labels[t][(y - cy) ** 2 + (x - cx) ** 2 < (5 + rng.normal(0, 0.15)) ** 2] = i + 1
    assert asked(labels) == []
