from __future__ import annotations

import pickle

import numpy as np
import pytest

from lineage_scenes import PARENTS, budding, family
from napari_xmem.errors import InputError
from napari_xmem.tracking import Begin, Detections, Division, End, Event, EventKind, Lineage, measure_objects
from napari_xmem.tracking.ancestry import labels_of_founders


@pytest.fixture
def lineage():
    return Lineage.from_labels(family(), PARENTS)


def test_first_and_last_frames(lineage):
    assert lineage.object_ids == (1, 2, 3, 4, 5, 6, 7) and len(lineage) == 7 and 5 in lineage and 8 not in lineage
    assert lineage.first_frame == {1: 0, 2: 3, 3: 3, 4: 0, 5: 6, 6: 6, 7: 5}
    assert lineage.last_frame == {1: 2, 2: 7, 3: 5, 4: 4, 5: 7, 6: 7, 7: 6}
    assert (lineage.start, lineage.stop) == (0, 8)


def test_begins_and_ends(lineage):
    begins = {1: Begin.START, 2: Begin.BORN, 3: Begin.BORN, 4: Begin.START, 5: Begin.BORN, 6: Begin.BORN}
    assert lineage.begins == {**begins, 7: Begin.APPEARED}
    ends = {1: End.DIVIDED, 2: End.END_OF_MOVIE, 3: End.DIVIDED, 4: End.LEFT, 5: End.END_OF_MOVIE}
    assert lineage.ends == {**ends, 6: End.END_OF_MOVIE, 7: End.LOST}


def test_ancestry(lineage):
    assert lineage.daughters == {1: (2, 3), 3: (5, 6)}
    assert lineage.founder == {1: 1, 2: 1, 3: 1, 4: 4, 5: 1, 6: 1, 7: 7}
    assert lineage.generation == {1: 0, 2: 1, 3: 1, 4: 0, 5: 2, 6: 2, 7: 0}
    assert lineage.descendants(1) == (2, 3, 5, 6) and lineage.descendants(4) == ()
    assert lineage.divisions == (Division(1, (2, 3), 3, 1.0), Division(3, (5, 6), 6, 1.0))
    # Birth on frame 3, daughters on frame 6. The mother's own birth and the daughters' divisions were not seen.
    assert lineage.cell_cycle_frames == {3: 3}


def test_budding_mother_goes_on():
    labels, parents = budding()
    lineage = Lineage.from_labels(labels, parents, confidence={2: 0.9, 3: 0.6})
    assert lineage.ends[1] is End.END_OF_MOVIE and lineage.begins[2] is Begin.BORN
    assert lineage.divisions == (Division(1, (2,), 2, 0.9), Division(1, (3,), 4, 0.6))
    assert lineage.cell_cycle_frames == {}


def test_one_daughter_after_the_end_is_no_division():
    labels = family()
    labels[labels == 2] = 0
    lineage = Lineage.from_labels(labels, {3: 1})
    assert lineage.ends[1] is End.CONTINUED and lineage.divisions == ()
    assert lineage.generation[3] == 1


def test_streams_and_large_ids():
    labels = family(np.int64)
    labels[labels == 7] = 2**31 - 1
    whole = Lineage.from_labels(labels, PARENTS)
    assert Lineage.from_labels((frame for frame in labels), PARENTS) == whole
    assert whole.last_frame[2**31 - 1] == 6

    class OneAtATime:
        shape, asked = labels.shape, []

        def __getitem__(self, t):
            self.asked.append(t)
            return labels[t]

    lazy = OneAtATime()
    assert Lineage.from_labels(lazy, PARENTS) == whole and lazy.asked == list(range(8))


def test_part_of_a_movie():
    lineage = Lineage.from_labels(family(), {5: 3, 6: 3}, frames=range(4, 7))
    assert lineage.object_ids == (2, 3, 4, 5, 6, 7) and (lineage.start, lineage.stop) == (4, 7)
    assert lineage.begins[2] is Begin.START and lineage.ends[2] is End.END_OF_MOVIE
    assert lineage.ends[3] is End.DIVIDED and lineage.ends[4] is End.LEFT


def test_volumes():
    flat = family()
    labels = np.stack([flat * 0, flat, flat], axis=1)
    lineage = Lineage.from_labels(labels, PARENTS)
    data, _, _ = lineage.to_napari()
    assert data.shape[1] == 5 and lineage.divisions == Lineage.from_labels(flat, PARENTS).divisions
    assert data[0].tolist() == [1, 0, 1.5, 23.5, 23.5] and lineage.ends[4] is End.LEFT


def test_napari_tracks(lineage):
    data, graph, properties = lineage.to_napari()
    labels = family()
    expected = [
        [i, t, *np.argwhere(labels[t] == i).mean(0)] for i in range(1, 8) for t in range(8) if (labels[t] == i).any()
    ]
    np.testing.assert_allclose(data, expected)
    assert graph == {child: [mother] for child, mother in PARENTS.items()}
    assert {len(column) for column in properties.values()} == {len(data)}
    assert properties["generation"].tolist() == [lineage.generation[int(i)] for i in data[:, 0]]
    assert properties["area_px"].tolist() == [int((labels[int(t)] == i).sum()) for i, t in data[:, :2]]
    assert properties["mother"].tolist() == [PARENTS.get(int(i), 0) for i in data[:, 0]]


def test_nothing_at_all():
    lineage = Lineage.from_labels(np.zeros((3, 8, 8), np.uint8))
    assert len(lineage) == 0 and lineage.to_napari()[0].shape == (0, 4) and (lineage.start, lineage.stop) == (0, 3)


def test_equal_and_portable(lineage):
    assert pickle.loads(pickle.dumps(lineage)) == lineage
    assert lineage != Lineage.from_labels(family(), {2: 1, 3: 1})
    assert lineage != Lineage.from_labels(np.roll(family(), 1, axis=1), PARENTS)


@pytest.mark.parametrize(
    ("parents", "words"),
    [
        ({2: 99}, "99, the mother of 2, does not exist"),
        ({99: 1}, "99, a daughter of 1, does not exist"),
        ({2: 5, 5: 2}, "circle"),
        ({3: 3}, "circle"),
        ({2: 5}, "begins before her daughters"),
        ({2: 3}, "begins before her daughters"),
    ],
)
def test_impossible_mothers(parents, words):
    with pytest.raises(InputError, match=words):
        Lineage.from_labels(family(), parents)


@pytest.mark.parametrize(
    "labels", [np.zeros((3, 8), int), np.zeros((3, 8, 8)), [np.zeros((8, 8), int), np.eye(7, dtype=int)]]
)
def test_no_labels(labels):
    with pytest.raises(InputError, match="labels of frame"):
        Lineage.from_labels(labels)


def test_no_mother_is_zero_or_left_out():
    assert Lineage.from_labels(family(), {**PARENTS, 1: 0, 4: 0}) == Lineage.from_labels(family(), PARENTS)


def test_from_events():
    events = [
        Event(EventKind.DIVISION, 3, (1, 2, 3), 0.8),
        Event(EventKind.DIVISION, 6, (3, 5, 6), 0.6),
        Event(EventKind.EXIT, 7, (7,), 0.7),
        Event(EventKind.LOSS, 5, (4,), 0.9),
        Event(EventKind.LOSS, 4, (2,), 0.9),
        Event(EventKind.RETURN, 5, (2,), 0.9),
    ]
    lineage = Lineage.from_events(events, Detections.from_labels(family()), stop=8)
    assert lineage.parents == PARENTS and lineage.confidence == {2: 0.8, 3: 0.8, 5: 0.6, 6: 0.6}
    assert lineage.ends[7] is End.LEFT and lineage.ends[4] is End.LOST and lineage.ends[2] is End.END_OF_MOVIE


def test_later_corrections_overrule():
    found = Detections.from_labels(family())
    division = Event(EventKind.DIVISION, 6, (3, 5, 6), 0.6)

    def corrected(name, frame, *objects):
        return Lineage.from_events([division, Event(EventKind.CORRECTION, frame, objects, detail=name)], found)

    assert corrected("unlink", 6, 5).parents == {6: 3}
    assert corrected("link", 6, 5, 2).parents == {5: 2, 6: 3}
    assert corrected("link", 6, 5, 2).confidence == {5: 1.0, 6: 0.6}
    assert corrected("swap", 4, 2, 3).parents == {5: 2, 6: 2}
    assert corrected("swap", 7, 2, 3).parents == {5: 3, 6: 3}
    assert corrected("divide", 3, 1, 2, 3).parents == {2: 1, 3: 1, 5: 3, 6: 3}
    assert corrected("paint", 5, 7).begins[7] is Begin.PAINTED
    assert corrected("remove", 7, 7).ends[7] is End.REMOVED


def test_events_of_a_lineage_make_it_again(lineage):
    again = Lineage.from_events(lineage.events(), lineage.detections, stop=lineage.stop)
    assert again == lineage
    kinds = [(event.kind, event.frame, event.objects) for event in lineage.events()]
    assert (EventKind.EXIT, 5, (4,)) in kinds and (EventKind.ENTRY, 5, (7,)) in kinds


def test_detections_replace_and_rename():
    labels = family()
    found = Detections.from_labels(labels)
    changed = labels.copy()
    changed[4, labels[4] == 2] = 0
    changed[4, 40:44, 50:54] = 7
    assert found.with_frame(4, measure_objects(changed[4])) == Detections.from_labels(changed)
    other = labels.copy()
    other[4:][labels[4:] == 2], other[4:][labels[4:] == 3] = 3, 2
    assert found.renamed({2: 3, 3: 2}, 4) == Detections.from_labels(other)
    assert found.renamed({7: 0}) == Detections.from_labels(np.where(labels == 7, 0, labels))
    with pytest.raises(InputError, match="object 2 occurs twice on frame 3"):
        found.renamed({3: 2})


@pytest.mark.parametrize(("name", "links"), [("ecoli_divisions", 188), ("yeast_budding", 7)])
def test_real_lineages(shared_dir, name, links):
    with np.load(shared_dir / "data" / f"dev_{name}.npz") as archive:
        labels, rows = archive["labels"], archive["lineage"]
    parents = {int(child): int(mother) for child, mother, _ in rows}
    lineage = Lineage.from_labels(labels, parents)
    assert len(lineage.parents) == links and len(lineage) == np.unique(labels).size - 1
    # Independent: the frames on which each id occurs.
    for i in lineage.object_ids[:: max(1, len(lineage) // 12)]:
        present = np.flatnonzero((labels == i).any((1, 2)))
        assert (lineage.first_frame[i], lineage.last_frame[i]) == (present[0], present[-1])
    divided = [i for i, end in lineage.ends.items() if end is End.DIVIDED]
    assert len(divided) == (94 if name.startswith("ecoli") else 0)
    assert len(lineage.divisions) == (94 if name.startswith("ecoli") else 7)


def test_labels_of_founders_are_those_of_the_family_that_was_painted(lineage):
    labels = family()
    back = labels_of_founders(labels, lineage.founder)
    assert back.dtype == labels.dtype and back.shape == labels.shape
    for t, frame in enumerate(labels):
        for i in np.unique(frame):
            assert set(np.unique(back[t][frame == i])) == {lineage.founder.get(int(i), 0)}
    np.testing.assert_array_equal(labels_of_founders(labels, {}), labels)
