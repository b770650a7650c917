"""On a frame that hardly matches the one before, whoever does not look like an object is not believed to be it."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage

from napari_xmem.engine.identity import FrameSeen, IdentityKeeper
from napari_xmem.engine.scopes.object_state import TrackedObject
from napari_xmem.engine.scopes.postprocess import postprocess_masks
from napari_xmem.engine.scopes.region_masks import RegionMask
from napari_xmem.engine.scopes.regions import Region

SHAPE = (64, 128)
PLACES = {1: (30, 28), 2: (34, 64), 3: (28, 100)}


def seen_at(time, looks, given=()):
    """Three discs of radius 10; `looks` seeds the texture of each."""
    rng, (y, x) = np.random.default_rng(time), np.mgrid[: SHAPE[0], : SHAPE[1]]
    gray, masks = np.full(SHAPE, 0.1, np.float32), []
    for i, (row, column) in PLACES.items():
        rough = ndimage.gaussian_filter(np.random.default_rng(looks[i]).standard_normal((64, 128)), 2)
        rough = np.roll(rough / rough.std(), (row - 32, column - 64), (0, 1))
        inside = np.hypot(y - row, x - column) < 10
        gray[inside] = 0.8 + 0.1 * rough[inside]
        masks.append(RegionMask(i, Region(0, 0, *SHAPE), torch.from_numpy(inside.astype(np.float32))))
    gray += rng.normal(0, 0.02, SHAPE).astype(np.float32)
    masks, seen = postprocess_masks(masks, SHAPE)
    return FrameSeen(time, lambda _, factor: gray[::factor, ::factor], SHAPE, masks, seen, set(given), (0.0, 0.0))


def advance(keeper, objects, at):
    keeper.judge(at, objects)
    keeper.keep(at.masks, at.seen, set())
    for i, tracked in objects.items():
        tracked.update(at.seen[i], (0.0, 0.0), seeded=i in at.given)


def test_strangers_are_doubted_and_those_who_come_back_are_themselves():
    own, others = {1: 11, 2: 12, 3: 13}, {1: 21, 2: 22, 3: 13}
    objects = {i: TrackedObject(i, None, tuple(map(float, p)), (20.0, 20.0), 314.0) for i, p in PLACES.items()}
    keeper = IdentityKeeper(20)
    for time in range(8):
        advance(keeper, objects, seen_at(time, own, PLACES if time == 0 else ()))
    assert [tracked.identity for tracked in objects.values()] == [1.0] * 3
    keeper.question_all()
    for time in range(8, 14):
        advance(keeper, objects, seen_at(time, others))
        assert max(objects[1].identity, objects[2].identity) < 0.2
        assert objects[3].identity > 0.9  # who looks the same is believed
    objects[1].identity *= 0.5  # an encounter, say: that doubt stays
    again = IdentityKeeper(20)
    again.load_state_dict(keeper.state_dict())
    again.question_all()
    advance(again, objects, seen_at(14, {**own, 2: 22}))
    assert 0.5 >= objects[1].identity > 0.45 > 0.2 > objects[2].identity
    advance(again, objects, seen_at(15, own, [2]))
    assert objects[2].identity == 1.0
