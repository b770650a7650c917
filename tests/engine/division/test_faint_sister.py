"""A mother followed as one of her daughters: when the other is asked about, on hand-made claims."""

from __future__ import annotations

import numpy as np
import pytest

from engine.division.dividing_movies import disc
from napari_xmem.engine.division.faint_sister import LONGEST_FRAMES, FaintSister, FormerPlaces

HERE, THERE, MIDDLE = (40, 30), (40, 60), (40.0, 45.0)


def claims(there=THERE, radius=8, level=0.4):
    own, other = disc(*HERE, 8), disc(*there, radius)
    return np.where(own, 0.9, 0.0).astype(np.float32), np.where(own, 0.9, np.where(other, level, 0.05))


def test_it_is_asked_only_where_the_mother_shrank():
    policy = FaintSister(halved=0.7)
    assert policy.shrank(70.0, 50.0, (60.0, 100.0, 90.0))
    assert policy.shrank(70.0, 100.0, (60.0, 50.0))
    assert not policy.shrank(71.0, 80.0, (60.0, 100.0, 90.0))
    assert not policy.shrank(0.0, 100.0, (100.0,))  # lost is not halved
    assert not policy.shrank(50.0, 50.0, ())


def test_a_faint_body_across_the_former_place_is_the_sister():
    mask, claim = claims()
    found = FaintSister().propose(mask, claim, np.zeros(mask.shape, bool), MIDDLE)
    assert found is not None
    assert (found == disc(*THERE, 8)).all()


@pytest.mark.parametrize(
    ("changed", "centre", "owned"),
    [
        ({"level": 0.15}, MIDDLE, None),  # next to nothing is claimed
        ({"radius": 3}, MIDDLE, None),  # a speck
        ({"radius": 20}, MIDDLE, None),  # a neighbour that never divided
        ({}, (40.0, 28.0), None),  # the mother was where this daughter is: the other cell stood beside her
        ({}, MIDDLE, disc(40, 64, 9)),  # it is somebody else's
    ],
)
def test_what_is_no_sister_is_not_proposed(changed, centre, owned):
    mask, claim = claims(**changed)
    owned = np.zeros(mask.shape, bool) if owned is None else owned
    assert FaintSister().propose(mask, claim, owned, centre) is None


def test_of_two_bodies_the_one_claimed_more_is_the_sister():
    mask, claim = claims()
    claim = np.maximum(claim, np.where(disc(62, 54, 8), 0.32, 0.0))
    found = FaintSister(off_middle=5.0).propose(mask, claim, np.zeros(mask.shape, bool), MIDDLE)
    assert found is not None
    assert found[THERE]
    assert not found[62, 54]


def test_former_places_follow_the_drift_and_grow_old():
    places = FormerPlaces()
    places.keep({1: (10.0, 20.0), 2: (5.0, 5.0)})
    places.move((1.0, -2.0))
    places.forget_all_but([1, 7])
    other = FormerPlaces()
    other.load_state_dict(places.state_dict())
    assert other.get(1) == (11.0, 18.0)
    assert other.get(2) is other.get(7) is None
    for _ in range(LONGEST_FRAMES):
        other.move((0.0, 0.0))
    assert other.get(1) is None
