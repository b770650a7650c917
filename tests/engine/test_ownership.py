"""A pixel stays with its last owner while the owner still claims it."""

from __future__ import annotations

import torch

from napari_xmem.engine.estimate import RegionMask
from napari_xmem.engine.ownership import Ownership
from napari_xmem.engine.regions import Region

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
