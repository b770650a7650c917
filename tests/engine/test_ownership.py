"""A pixel stays with its last owner while the owner still claims it."""

from __future__ import annotations

import torch

from napari_xmem.engine.scopes.ownership import Ownership
from napari_xmem.engine.scopes.region_masks import RegionMask
from napari_xmem.engine.scopes.regions import Region

SHAPE = (16, 24)
REGION = Region(0, 0, 16, 16)


def square(object_id: int, left: int, value: float = 0.9) -> RegionMask:
    probability = torch.zeros(16, 16)
    probability[4:10, left : left + 6] = value
    return RegionMask(object_id, REGION, probability)


def test_first_frame_defends_nothing() -> None:
    masks = [square(1, 2), square(2, 4)]
    assert Ownership().defend(masks, set()) == masks


def test_owner_keeps_what_it_still_claims() -> None:
    ownership = Ownership()
    ownership.update([square(1, 2)], SHAPE)
    owner, greedy = ownership.defend([square(1, 2, 0.6), square(2, 4, 0.99)], set())
    assert torch.equal(owner.probability, square(1, 2, 0.6).probability)
    assert float(greedy.probability[4:10, 4:8].max()) <= 0.02
    assert float(greedy.probability[4:10, 8:10].min()) > 0.9


def test_what_the_owner_gives_up_is_free() -> None:
    ownership = Ownership()
    ownership.update([square(1, 2)], SHAPE)
    _, taker = ownership.defend([square(1, 2, 0.1), square(2, 4)], set())
    assert torch.equal(taker.probability, square(2, 4).probability)


def test_painted_masks_are_left_alone() -> None:
    ownership = Ownership()
    ownership.update([square(1, 2)], SHAPE)
    painted = square(2, 4, 1.0)
    assert ownership.defend([square(1, 2), painted], {2})[1] is painted


def test_ownership_moves_with_the_drift() -> None:
    ownership = Ownership()
    ownership.update([square(1, 2)], SHAPE)
    ownership.move((3.0, 5.0), SHAPE)
    moved = RegionMask(1, REGION, torch.roll(square(1, 2).probability, (3, 5), (0, 1)))
    other = RegionMask(2, REGION, torch.ones(16, 16))
    lowered = ownership.defend([moved, other], set())[1].probability <= 0.02
    assert torch.equal(lowered, moved.probability > 0.5)
    ownership.move((0.0, 0.0), (32, 32))
    assert ownership.defend([other], set()) == [other]


def test_where_most_are_lost_at_once_they_keep_what_they_held() -> None:
    ownership = Ownership()
    shape = (8, 16)
    whole = Region(0, 0, 8, 16)

    def half(object_id, left, strength=0.9):
        probability = torch.zeros(shape)
        probability[:, left : left + 8] = strength
        return RegionMask(object_id, whole, probability)

    def blank(object_id):
        return RegionMask(object_id, whole, torch.zeros(shape))

    ownership.update([half(1, 0), half(2, 8)], shape)
    for _ in range(2):  # two dark frames
        ownership.update([blank(1), blank(2)], shape, {1, 2})
    both = [RegionMask(i, whole, torch.full(shape, 0.9)) for i in (1, 2)]  # each claims what looks like it
    first, second = ownership.defend(both, set())
    assert (first.probability[:, :8] > 0.5).all() and (first.probability[:, 8:] < 0.5).all()
    assert (second.probability[:, 8:] > 0.5).all() and (second.probability[:, :8] < 0.5).all()


def test_one_that_is_lost_by_itself_holds_nothing() -> None:
    ownership = Ownership()
    shape = (8, 16)
    whole = Region(0, 0, 8, 16)
    probability = torch.zeros(shape)
    probability[:, :8] = 0.9
    others = [RegionMask(i, whole, torch.zeros(shape)) for i in (2, 3)]
    ownership.update([RegionMask(1, whole, probability), *others], shape)
    ownership.update([RegionMask(1, whole, torch.zeros(shape)), *others], shape, {1})
    both = [RegionMask(i, whole, torch.full(shape, 0.9)) for i in (1, 2)]
    assert all((mask.probability > 0.5).all() for mask in ownership.defend(both, set()))
