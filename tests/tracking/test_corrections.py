from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lineage_scenes import PARENTS, budding, family
from napari_xmem.errors import InputError
from napari_xmem.tracking import Begin, Detections, End, Event, EventKind, Lineage, corrections


@pytest.fixture
def lineage():
    return Lineage.from_labels(family(), PARENTS)


def relabelled(edit, labels):
    return np.stack([edit.relabelled(t, frame) for t, frame in enumerate(labels)])


def check(edit, labels, before):
    """Labels after a correction, measured anew, are what its lineage says; nothing else changes."""
    after = relabelled(edit, labels)
    assert Detections.from_labels(after) == edit.lineage.detections
    changed = [t for t in range(len(labels)) if not np.array_equal(after[t], labels[t])]
    assert set(changed) <= set(edit.frames)
    named = set(edit.object_ids)
    for t in changed:
        differs = after[t] != labels[t]
        assert set(np.unique(labels[t][differs])) | set(np.unique(after[t][differs])) <= named | {0}
    for i in set(edit.lineage.object_ids) - named:
        assert edit.lineage.parents.get(i) == before.parents.get(i)
        assert (edit.lineage.begins[i], edit.lineage.ends[i]) == (before.begins[i], before.ends[i])
    assert edit.event.kind is EventKind.CORRECTION and edit.event.odds == 1
    return after


def test_link_and_unlink(lineage):
    edit = corrections.unlink(lineage, 5)
    assert edit.lineage.parents == {2: 1, 3: 1, 6: 3} and edit.lineage.begins[5] is Begin.APPEARED
    assert edit.lineage.ends[3] is End.CONTINUED and edit.object_ids == (3, 5) and not edit.frames
    again = corrections.link(edit.lineage, 5, 3)
    assert again.lineage == lineage and again.object_ids == (3, 5)
    other = corrections.link(lineage, 5, 2)
    assert other.lineage.parents[5] == 2 and other.lineage.generation[5] == 2
    check(other, family(), lineage)


def test_swap_from_here_on(lineage):
    labels = family()
    edit = corrections.swap(lineage, 2, 3, 4)
    after = check(edit, labels, lineage)
    assert (after[3] == labels[3]).all() and ((after[4] == 2) == (labels[4] == 3)).all()
    # Object 3 divided on frame 6, and what was 3 there is called 2 now.
    assert edit.lineage.parents == {2: 1, 3: 1, 5: 2, 6: 2} and edit.frames == range(4, 8)
    back = corrections.swap(edit.lineage, 2, 3, 4)
    assert back.lineage == lineage and np.array_equal(relabelled(back, after), labels)


def test_swap_of_whole_tracks_takes_mothers_along():
    labels = family()
    lineage = Lineage.from_labels(labels, {2: 1, 3: 1, 6: 3})
    edit = corrections.swap(lineage, 5, 6, 0)
    check(edit, labels, lineage)
    assert edit.lineage.parents == {2: 1, 3: 1, 5: 3}


def test_join(lineage):
    labels = family()
    edit = corrections.join(lineage, 1, 2)
    after = check(edit, labels, lineage)
    assert edit.lineage.parents == {3: 1, 5: 3, 6: 3} and 2 not in edit.lineage
    assert edit.lineage.ends[1] is End.END_OF_MOVIE and (after == 2).sum() == 0 and edit.frames == range(3, 8)
    # An object that was lost and found again under another id.
    cut = labels.copy()
    cut[4:][labels[4:] == 2] = 9
    cut[4][cut[4] == 9] = 0
    apart = Lineage.from_labels(cut, {2: 1, 3: 1, 5: 3, 6: 3})
    whole = corrections.join(apart, 2, 9).lineage
    assert whole.parents == PARENTS and whole.last_frame[2] == 7
    assert corrections.join(apart, 9, 2).lineage.parents == {9: 1, 3: 1, 5: 3, 6: 3}


def test_remove(lineage):
    labels = family()
    edit = corrections.remove(lineage, 2, 5)
    check(edit, labels, lineage)
    assert edit.lineage.last_frame[2] == 4 and edit.lineage.ends[2] is End.REMOVED
    whole = corrections.remove(lineage, 3)
    check(whole, labels, lineage)
    assert 3 not in whole.lineage and whole.lineage.parents == {2: 1} and whole.frames == range(3, 6)
    assert whole.lineage.begins[5] is Begin.APPEARED


def test_divide_into_objects_that_are_there():
    labels = family()
    lineage = Lineage.from_labels(labels)
    edit = corrections.divide(lineage, 1, 3, [2, 3])
    check(edit, labels, lineage)
    assert edit.lineage.parents == {2: 1, 3: 1} and edit.lineage.ends[1] is End.DIVIDED
    assert edit.event == Event(EventKind.CORRECTION, 3, (1, 2, 3), detail="divide")


def test_divide_gives_the_rest_of_the_mother_a_new_id():
    labels = family()
    labels[labels == 3] = 1  # the mother's id went on with one daughter
    lineage = Lineage.from_labels(labels, {5: 1, 6: 1})
    edit = corrections.divide(lineage, 1, 3, [2, 70_000])
    after = check(edit, labels, lineage)
    assert after.dtype == np.int32 and edit.lineage.parents == {2: 1, 70_000: 1, 5: 70_000, 6: 70_000}
    assert edit.lineage.ends[1] is End.DIVIDED and edit.lineage.last_frame[1] == 2


def test_divide_budding():
    labels, parents = budding()
    lineage = Lineage.from_labels(labels)
    edit = corrections.divide(corrections.divide(lineage, 1, 2, [2]).lineage, 1, 4, [3])
    assert edit.lineage == Lineage.from_labels(labels, parents) and not edit.frames


def test_divide_as_painted():
    labels = family()
    labels[(labels == 2) | (labels == 3) | (labels == 5) | (labels == 6)] = 0
    labels[3:][family()[3:] == 2] = 1  # both daughters keep the mother's id
    labels[3:][family()[3:] == 3] = 1
    before = Lineage.from_labels(labels)
    painted = family()[3]
    edit = corrections.divide(before, 1, 3, [2, 3], painted)
    after = relabelled(edit, labels)
    assert np.array_equal(after[3], painted) and not (after[4:] == 1).any() and edit.frames == range(3, 8)
    assert edit.lineage == Lineage.from_detections(Detections.from_labels(after), {2: 1, 3: 1}, stop=8)
    assert edit.lineage.divisions[0].daughters == (2, 3)


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("divide", (99, 3, [2]), "99 does not exist"),
        ("divide", (1, 0, [2, 3]), "cannot divide on 0"),
        ("divide", (1, 3, [1, 3]), "other, different objects"),
        ("divide", (1, 3, []), "other, different objects"),
        ("divide", (2, 6, [5, 6]), "daughter of 3 already"),
        ("divide", (1, 3, [4]), "the id is in use"),
        ("divide", (1, 3, [20, 21]), "paint them"),
        ("divide", (1, 3, [2, 21]), "is not seen from frame 3 on"),
        ("divide", (1, 3, [0]), "cannot be an id"),
        ("divide", (1, 3, [2**31]), "cannot be an id"),
        ("link", (5, 99), "99 does not exist"),
        ("link", (99, 5), "99 does not exist"),
        ("link", (5, 5), "own mother"),
        ("link", (1, 5), "circle"),
        ("link", (4, 5), "begins before her daughters"),
        ("unlink", (4,), "no mother"),
        ("swap", (2, 2, 3), "with itself"),
        ("swap", (2, 99, 3), "99 does not exist"),
        ("swap", (1, 4, 7), "not seen from frame 7"),
        ("join", (2, 3), "both there on frame 3"),
        ("join", (2, 2), "with itself"),
        ("join", (5, 1), "circle|begins before"),
        ("remove", (4, 6), "not seen from frame 6"),
        ("remove", (99, 0), "99 does not exist"),
    ],
)
def test_refused_and_nothing_changed(lineage, name, arguments, words):
    with pytest.raises(InputError, match=words):
        getattr(corrections, name)(lineage, *arguments)
    assert lineage == Lineage.from_labels(family(), PARENTS)


def test_daughters_have_to_be_painted(lineage):
    with pytest.raises(InputError, match=r"\[30\] are not painted"):
        corrections.divide(lineage, 4, 2, [30], family()[2])


def test_what_events_said_of_others_stays():
    events = [Event(EventKind.LOSS, 5, (4,), 0.9), Event(EventKind.CORRECTION, 5, (7,), detail="paint")]
    lineage = Lineage.from_labels(family(), PARENTS, events=events)
    after = corrections.remove(corrections.unlink(lineage, 2).lineage, 6).lineage
    assert after.ends[4] is End.LOST and after.begins[7] is Begin.PAINTED


def arguments(what, a, b, t):
    return {
        "divide": (a, t, [b]),
        "link": (a, b),
        "unlink": (a,),
        "swap": (a, b, t),
        "join": (a, b),
        "remove": (a, t),
    }[what]


NAMES = st.sampled_from(["divide", "link", "unlink", "swap", "join", "remove"])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(NAMES, st.integers(1, 8), st.integers(1, 8), st.integers(0, 8)), max_size=8))
def test_any_sequence_keeps_labels_and_lineage_together(steps):
    """Whatever is corrected: labels changed frame by frame are what the lineage says, and refusals change nothing."""
    labels, lineage = family(), Lineage.from_labels(family(), PARENTS)
    for what, a, b, t in steps:
        try:
            edit = getattr(corrections, what)(lineage, *arguments(what, a, b, t))
        except InputError:
            assert Detections.from_labels(labels) == lineage.detections
            continue
        labels = check(edit, labels, lineage)
        lineage = edit.lineage
        for daughter, mother in lineage.parents.items():
            assert lineage.first_frame[mother] < lineage.first_frame[daughter]
