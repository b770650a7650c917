"""Ids of daughters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_xmem.engine.division import NewIds


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 4)), max_size=30))
def test_no_id_is_held_twice(steps):
    ids, held, ever = NewIds(7, 10_000), [], set()
    for give_back, n in steps:
        if give_back and held:
            ids.give_back([held.pop()])
        else:
            taken = ids.take(n)
            assert not set(taken) & set(held) and min(taken) >= 7
            held += taken
            ever |= set(taken)
    assert ids.first_unused > max(ever, default=6)


def test_a_state_goes_on():
    ids = NewIds(3, 100)
    a = ids.take(4)
    ids.give_back(a[1:3])
    other = NewIds(1, 100)
    other.load_state_dict(ids.state_dict())
    assert other.take(3) == ids.take(3) == (4, 5, 7)


def test_the_last_id_is_given_and_no_more():
    ids = NewIds(9, 10)
    assert ids.n_left == 2 and ids.take(2) == (9, 10) and ids.n_left == 0
    with pytest.raises(ValueError, match="0 are left"):
        ids.take(1)
