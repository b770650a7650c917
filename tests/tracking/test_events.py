from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError

import pytest

from napari_xmem.errors import InputError
from napari_xmem.tracking import Event, EventKind, sorted_events, worst_first

DIVISION = Event(EventKind.DIVISION, 5, (1, 2, 3), 0.7, EventKind.ENCOUNTER, decided=8)


def test_division_names_mother_and_daughters():
    assert DIVISION.mother == 1 and DIVISION.daughters == (2, 3)
    corrected = Event(EventKind.CORRECTION, 5, (1, 2, 3), detail="divide")
    assert corrected.mother == 1 and corrected.daughters == (2, 3) and corrected.odds == 1
    for kind in (EventKind.ENCOUNTER, EventKind.LOSS):
        other = Event(kind, 5, (1, 2))
        assert other.mother is None and other.daughters == ()


def test_frozen_and_portable():
    with pytest.raises(FrozenInstanceError):
        DIVISION.odds = 1.0
    assert pickle.loads(pickle.dumps(DIVISION)) == DIVISION
    assert len({DIVISION, Event(EventKind.BAD_FRAME, 3, detail="flat")}) == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((EventKind.DIVISION, -1, (1, 2)), "frames start at 0"),
        ((EventKind.DIVISION, 1, (1,)), "2 or more"),
        ((EventKind.LOSS, 1, ()), "1 or more"),
        ((EventKind.ENCOUNTER, 1, (4, 4)), "different"),
        ((EventKind.ENTRY, 1, (0,)), "above 0"),
        ((EventKind.ENTRY, 1, (3,), 1.5), "probability"),
        ((EventKind.ENTRY, 1, (3,), float("nan")), "probability"),
    ],
)
def test_refused(arguments, words):
    with pytest.raises(InputError, match=words):
        Event(*arguments)


def test_orders():
    sure, late = Event(EventKind.LOSS, 2, (9,), 0.99), Event(EventKind.ENTRY, 9, (4,), 0.7)
    assert sorted_events([late, DIVISION, sure]) == (sure, DIVISION, late)
    assert worst_first([sure, late, DIVISION]) == (DIVISION, late, sure)
