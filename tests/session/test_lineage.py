"""Corrections of lineages in a session: what they change, what is refused, and that undo leaves no trace."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lineage_scenes import PARENTS, family
from napari_xmem.engine import FrameResult
from napari_xmem.errors import InputError, SessionError, XMemError
from napari_xmem.session import TrackingSession
from napari_xmem.session.corrections.cut_mask import cut_in_two
from napari_xmem.session.corrections.kept_daughter_ids import DaughterNames
from napari_xmem.tracking import End, EventKind, Lineage, corrections
from session.lineage_sessions import CONFIG, family_session, movie_of


@pytest.fixture
def session(tiny):
    return family_session(tiny)


def state_of(session):
    """All that a session says about its results."""
    frames = session.results.frames
    scores = [session.results.get(t).scores for t in frames]
    return {
        "labels": [session.labels(t).tolist() for t in frames],
        "ids": [(s.object_ids, s.area_px.tolist(), s.births, s.ends, s.events) for s in scores],
        "lineage": session.lineage,
        "events": session.events,
        "annotations": session.annotations,
    }


def check_one(session):
    """Results, lineage and events say the same."""
    result = session.result()
    lineage = result.lineage
    assert lineage == session.lineage
    plain = Lineage.from_labels(result.labels, lineage.parents)
    assert lineage.detections == plain.detections
    again = Lineage.from_events(result.events, lineage.detections, start=lineage.start, stop=lineage.stop)
    assert again.parents == lineage.parents
    assert again.ends == lineage.ends
    for t in session.results.frames:
        record = session.results.get(t)
        if t not in session.annotations.locked:
            assert {i: m for i, m in record.scores.births if m is not None} == {
                i: m for i, m in lineage.parents.items() if lineage.first_frame[i] == t
            }
        areas = dict(zip(record.scores.object_ids, record.scores.area_px.tolist(), strict=True))
        there = {int(i) for i in np.unique(session.labels(t)) if i}
        assert {i for i, area in areas.items() if area} == there


def test_the_result_has_the_lineage_that_the_run_found(session):
    assert session.lineage.parents == PARENTS
    assert session.lineage.confidence == {2: 0.9, 3: 0.9, 5: 0.6, 6: 0.6}
    assert session.lineage.ends[1] is End.DIVIDED
    check_one(session)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("link", (7, 2)),
        ("unlink", (5,)),
        ("swap", (2, 3, 4)),
        ("swap", (2, 4, 0)),
        ("join", (7, 4)),
        ("join", (1, 2)),
        ("remove", (3, 4)),
        ("remove", (1, 0)),
        ("remove", (2, 5)),
        ("divide", (2, 5, (7, 8))),
        ("divide", (2, 5, (7,))),
        ("divide", (4, 5, (7,))),
    ],
)
def test_a_correction_does_what_the_pure_function_says(session, name, arguments):
    before, labels = session.lineage, [session.labels(t) for t in range(8)]
    pure = {"join": (4, 7)}.get(name, arguments) if arguments == (7, 4) else arguments
    try:
        expected = getattr(corrections, name)(before, *pure)
    except InputError as error:
        with pytest.raises(InputError, match=str(error)[:20]):
            getattr(session, name)(*arguments)
        return
    start = state_of(session)
    change = getattr(session, name)(*arguments)
    after = session.lineage
    assert after.parents == expected.lineage.parents
    assert after.detections == expected.lineage.detections
    assert after.ends == expected.lineage.ends
    for t in range(8):
        np.testing.assert_array_equal(session.labels(t), expected.relabelled(t, labels[t]))
    assert {t for t in range(8) if not np.array_equal(labels[t], session.labels(t))} <= set(change.frames)
    check_one(session)
    done = state_of(session)
    session.undo()
    assert state_of(session) == start
    session.redo()
    assert state_of(session) == done


def test_the_wanted_cells_are_found_whatever_run_was_before(session):
    session.link(7, 2)
    assert session.lineage.parents[7] == 2
    assert session.lineage.confidence[7] == 1.0
    session.unlink(7)
    assert 7 not in session.lineage.parents
    assert session.annotations.mothers[7] == 0
    assert session.history.undo_title == "object 7 without a mother"


def test_a_mother_is_cut_in_two_and_her_daughters_are_followed(tiny):
    labels = np.zeros((6, 48, 64), np.uint16)
    labels[:, 16:26, 10:40] = 1
    labels[:, 34:44, 10:20] = 2
    written = {}
    session = TrackingSession.of_labels(
        movie_of(labels), labels, model=tiny, config=CONFIG, write=lambda t, image: written.update({t: image.copy()})
    )
    start = state_of(session)
    change = session.divide(1, 3)
    assert change.title == "division of object 1 on frame 3"
    lineage = session.lineage
    assert lineage.parents == {3: 1, 4: 1}
    assert lineage.first_frame[3] == lineage.first_frame[4] == 3
    assert lineage.last_frame[1] == 2
    assert lineage.ends[1] is End.DIVIDED
    areas = [int((session.labels(3) == i).sum()) for i in (3, 4)]
    assert areas == [150, 150]
    for t in range(6):
        assert not (session.labels(t) == 1).any() or t < 3
        if t < 3:
            np.testing.assert_array_equal(session.labels(t), labels[t])
        elif t in written:
            np.testing.assert_array_equal(session.labels(t), written[t])
    assert set(change.frames) <= {3, 4, 5}
    check_one(session)
    assert session.result().lineage.parents == {3: 1, 4: 1}
    session.undo()
    assert state_of(session)["labels"] == start["labels"]
    assert state_of(session)["lineage"] == start["lineage"]
    assert state_of(session)["annotations"] == start["annotations"]
    assert session.divide(1, 3).frames
    assert session.lineage.parents == {5: 1, 6: 1}, "ids are never used again"


def test_painted_daughters_are_taken(session):
    labels = session.labels(5).astype(np.int64)
    labels[labels == 2] = 0
    labels[16:21, 18:21], labels[16:21, 23:26] = 10, 11
    session.divide(2, 5, (10, 11), labels)
    assert session.lineage.parents[10] == session.lineage.parents[11] == 2
    np.testing.assert_array_equal(session.labels(5), labels)
    assert session.lineage.last_frame[2] == 4


REFUSED = [
    (lambda s: s.link(99, 1), "object 99 does not exist"),
    (lambda s: s.link(1, 99), "object 99 does not exist"),
    (lambda s: s.link(1, 1), "its own mother"),
    (lambda s: s.link(1, 5), "circle|begins before"),
    (lambda s: s.link(2, 7), "a mother begins before"),
    (lambda s: s.unlink(1), "has no mother"),
    (lambda s: s.divide(1, 0, (2, 3)), "begins on frame 0"),
    (lambda s: s.divide(4, 3, (2, 3)), "daughter of 1 already"),
    (lambda s: s.divide(4, 3, (1, 8)), "the id is in use"),
    (lambda s: s.divide(99, 3), "object 99 does not exist"),
    (lambda s: s.divide(1, 5), "is not on frame 5"),
    (lambda s: s.divide(1, 50), "Frame 50 does not exist"),
    (lambda s: s.divide(2, 5, (8, 9, 10)), "cut in two only"),
    (lambda s: s.divide(2, 5, (8, 9), np.zeros((3, 3), int)), "shape"),
    (lambda s: s.divide(2, 5, (8, 9), np.zeros((48, 64), int)), "not painted on frame 5"),
    (lambda s: s.swap(2, 2, 3), "exchanged with itself"),
    (lambda s: s.swap(1, 4, 7), "not seen from frame 7"),
    (lambda s: s.join(2, 3), "both there on frame 3"),
    (lambda s: s.join(2, 2), "joined with itself"),
    (lambda s: s.remove(99, 0), "object 99 does not exist"),
    (lambda s: s.remove(1, 7), "not seen from frame 7"),
    (lambda s: s.remove(1, -1), "Frame -1 does not exist"),
]


@pytest.mark.parametrize(("act", "message"), REFUSED)
def test_what_cannot_be_is_refused_and_nothing_changed(session, act, message):
    before = state_of(session)
    with pytest.raises(XMemError, match=message):
        act(session)
    assert state_of(session) == before
    assert session.history.undo_title == ""


@pytest.mark.parametrize(
    ("locked", "act"),
    [
        (3, lambda s: s.divide(1, 3, (2, 3))),
        (5, lambda s: s.divide(2, 5)),
        (6, lambda s: s.divide(2, 5)),
        (5, lambda s: s.link(7, 2)),
        (6, lambda s: s.unlink(5)),
        (7, lambda s: s.swap(2, 3, 4)),
        (6, lambda s: s.join(4, 7)),
        (6, lambda s: s.remove(2, 4)),
    ],
)
def test_locked_frames_are_respected(session, locked, act):
    session.lock([locked])
    before = state_of(session)
    with pytest.raises(SessionError, match=r"locked"):
        act(session)
    assert state_of(session) == before
    session.unlock([locked])
    act(session)


def test_frames_that_show_neither_cell_may_be_locked(session):
    session.lock([0, 1])
    session.swap(2, 3, 4)
    session.remove(7, 5)
    check_one(session)


def test_nothing_is_corrected_while_a_run_goes_on(make_session):
    session = make_session()
    frames = session.frames()
    next(frames)
    with pytest.raises(SessionError, match="not possible"):
        session.link(2, 1)
    session.cancel()
    list(frames)


def test_painted_frames_and_later_runs_follow(session):
    session.correct({4: session.labels(4)})
    session.swap(2, 3, 4)
    painted = session.annotations.labels[4].unpack()
    np.testing.assert_array_equal(painted, session.labels(4))
    known, _ = session._context.known_frames()
    assert {2, 3} <= set(np.unique(known[4]).tolist())


def test_a_run_again_begins_with_the_numbers_of_now(make_session):
    session = make_session()
    session.run()
    session.swap(1, 2, 0)
    seeds = session._context.next_run().seeds
    np.testing.assert_array_equal(seeds[0], session.labels(0))


def test_saved_and_opened_again(session, tmp_path):
    session.link(7, 2)
    session.unlink(5)
    session.swap(2, 3, 4)
    session.remove(3, 6)
    session.save(tmp_path / "a.xmem-session")
    again = TrackingSession.load(tmp_path / "a.xmem-session", movie_of(family()), model=session._context.model)
    assert again.lineage == session.lineage
    assert again.events == session.events
    assert again.annotations == session.annotations
    assert again.new_ids(2) == session.new_ids(2)
    for count in (-1, 10**30):
        with pytest.raises(SessionError, match="new ids were asked for, expected 0 to 100,000"):
            session.new_ids(count)
    again.link(5, 1)


def test_a_removed_object_is_told_from_a_lost_one(session):
    assert session.lineage.ends[7] is End.LOST
    session.remove(7, 6)
    assert session.lineage.ends[7] is End.REMOVED
    session.end_object(2, 5)
    assert session.lineage.ends[2] is End.REMOVED
    assert [e.detail for e in session.events if e.kind is EventKind.CORRECTION] == ["remove", "remove"]


def test_daughters_found_again_keep_their_ids(tiny):
    session = family_session(tiny)
    names = DaughterNames(session.results, range(2, 8))
    for t in range(2, 8):
        image = family()[t].astype(np.int64)
        numbers = {2: 20, 3: 30, 5: 50, 6: 60}
        new = np.select([image == i for i in numbers], list(numbers.values()), image)
        ids = tuple(int(i) for i in np.unique(new) if i)
        births = {3: ((20, 1), (30, 1)), 6: ((50, 30), (60, 30))}.get(t, ())
        result = FrameResult(t, new, ids, np.ones(len(ids), np.int64), np.ones(len(ids), np.float32), births=births)
        named = names.apply(result)
        np.testing.assert_array_equal(named.labels, image)
        assert dict(named.births) == {i: m for i, m in PARENTS.items() if session.lineage.first_frame[i] == t}
    assert names.numbers == {20: 2, 30: 3, 50: 5, 60: 6}


def test_a_waist_is_cut_and_pieces_are_parted():
    dumbbell = np.zeros((20, 40), bool)
    dumbbell[5:15, 2:14], dumbbell[8:12, 14:20], dumbbell[5:15, 20:32] = True, True, True
    cut = cut_in_two(dumbbell)
    np.testing.assert_array_equal(cut > 0, dumbbell)
    assert set(np.unique(cut[:, :14])) == {0, 1}
    assert set(np.unique(cut[:, 20:])) == {0, 2}
    two = np.zeros((20, 40), bool)
    two[2:6, 2:6], two[10:16, 20:26], two[18, 38] = True, True, True
    assert [np.unique(cut_in_two(two)[part]).tolist() for part in (np.s_[2:6, 2:6], np.s_[10:16, 20:26])] == [[1], [2]]
    with pytest.raises(InputError, match="one pixel"):
        cut_in_two(np.eye(1, 5, dtype=bool))
    line = np.zeros((3, 3), bool)
    line[1, :2] = True
    assert sorted(cut_in_two(line)[line]) == [1, 2]


IDS, FRAMES = st.integers(1, 9), st.integers(0, 8)
STEP = st.one_of(
    st.tuples(st.just("link"), IDS, IDS),
    st.tuples(st.just("unlink"), IDS),
    st.tuples(st.just("swap"), IDS, IDS, FRAMES),
    st.tuples(st.just("join"), IDS, IDS),
    st.tuples(st.just("remove"), IDS, FRAMES),
    st.tuples(st.just("divide"), IDS, FRAMES, st.tuples(IDS, IDS)),
    st.tuples(st.just("divide"), IDS, FRAMES, st.tuples(IDS)),
    st.tuples(st.just("lock"), st.tuples(FRAMES)),
    st.tuples(st.just("end_object"), IDS, FRAMES),
    st.tuples(st.just("undo")),
    st.tuples(st.just("redo")),
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEP, min_size=8, max_size=14))
def test_random_corrections_and_undo_leave_no_trace(tiny, steps):
    session = family_session(tiny)
    start = state_of(session)
    for name, *arguments in steps:
        before = state_of(session)
        try:
            getattr(session, name)(*arguments)
        except XMemError:
            assert state_of(session) == before
        check_one(session)
    while session.history.undo_title:
        session.undo()
        check_one(session)
    assert state_of(session) == start
