"""Few objects at video rate: nothing is computed twice, and what is lost is looked for in turn."""

import numpy as np
import pytest
import torch

from napari_xmem import propagate
from napari_xmem.config import MemoryConfig
from napari_xmem.engine.scopes.comparison_picture import Picture
from napari_xmem.engine.scopes.object_state import TrackedObject
from napari_xmem.engine.scopes.region_masks import RegionMask
from napari_xmem.engine.scopes.regions import Region, boxes_around
from napari_xmem.engine.scopes.unchanged_regions import VideoRate
from napari_xmem.memory import MemoryBank

SCALE = 2.0


def field(*places: tuple[int, int], seed: int = 0) -> Picture:
    """Return a dark field of 256 px with bright squares of 20 px, and a little noise."""
    frame = np.random.default_rng(seed).normal(0.1, 0.02, (256, 256)).astype(np.float32)
    for y, x in places:
        frame[y - 10 : y + 10, x - 10 : x + 10] += 0.9
    return Picture(frame, SCALE)


def followed(object_id: int, y: int, x: int) -> TrackedObject:
    centre = (SCALE * y, SCALE * x)
    bank = MemoryBank(MemoryConfig(), key_dim=4, value_dim=4)
    return TrackedObject(object_id, bank, centre, (40.0, 40.0), 1600.0, expected_px=centre)


def test_what_did_not_change_is_not_looked_at_again_and_not_memorised() -> None:
    rate, objects = VideoRate(), {1: followed(1, 60, 60), 2: followed(2, 180, 180)}
    claims = [RegionMask(i, Region(y, y, 80, 80), torch.full((80, 80), 0.1 * i)) for i, y in ((1, 80), (2, 320))]
    assert rate.due(objects[1])
    rate.note(claims, objects, {1, 2}, field((60, 60), (180, 180)))
    assert not rate.due(objects[1])
    still = field((60, 60), (180, 181), seed=1)  # the second has moved by a pixel
    again = VideoRate()
    again.load_state_dict(rate.state_dict())
    for one in (rate, again):
        known = one.unchanged(objects, still)
        assert list(known) == [1]
        assert torch.equal(known[1].probability, claims[0].probability)
        assert known[1].region == claims[0].region
    objects[1].expected_px = (140.0, 120.0)
    assert not rate.unchanged(objects, still)  # it is expected elsewhere
    objects[1].expected_px = (120.0, 120.0)
    rate.forget({1})
    assert not rate.unchanged(objects, still)
    known_frames = 0
    while again.unchanged({1: objects[1]}, still):
        known_frames += 1
        assert known_frames < 100
    assert known_frames > 10  # and then it is looked at even so
    objects[2].velocity_px = (6.0, 0.0)
    for _ in range(2):
        rate.note([], objects, set(), still)
    assert rate.due(objects[2])  # it has moved
    assert not rate.due(objects[1])
    for _ in range(2):
        rate.note([], objects, set(), still)
    assert rate.due(objects[1])  # it was not memorised for some frames


def test_what_is_lost_is_looked_for_where_something_stands_out() -> None:
    rate, objects = VideoRate(), {1: followed(1, 60, 60), 2: followed(2, 180, 180)}
    rate.note([], objects, set(), field((60, 60), (180, 180)))
    later = field((180, 180), (60, 200), (200, 50))  # 1 is gone from its place; two strangers, one of them may be it
    asked = []
    for frames in range(1, 17):
        objects[1].lost_frames = frames
        asked.append(rate.place_to_search(objects[1], objects, later))
    assert asked[:3] == [(120.0, 120.0)] * 3  # at first it is looked for where it was
    assert asked[3::4] == [(120.0, 120.0)] * 4  # and again and again
    elsewhere = {tuple(round(v / SCALE, -1) for v in place) for place in asked if place not in (None, (120.0, 120.0))}
    assert elsewhere == {(60.0, 200.0), (200.0, 50.0)}  # never where the other one is
    objects[1].lost_frames = 5
    assert rate.place_to_search(objects[1], objects, field((180, 180))) is None


@pytest.mark.parametrize("seed", range(3))
def test_boxes_cover_regions_and_do_not_overlap(seed: int) -> None:
    rng = np.random.default_rng(seed)
    regions = [Region(*map(int, 8 * rng.integers(0, 30, 2)), *map(int, 8 * rng.integers(1, 8, 2))) for _ in range(12)]
    covered = np.zeros((320, 320), int)
    for box in boxes_around(regions):
        covered[box.slices] += 1
    assert covered.max() == 1
    assert all(covered[region.slices].all() for region in regions)


@pytest.mark.parametrize(("every", "written_on"), [(1, []), (3, [3])])
def test_what_stands_still_is_memorised_as_often_as_was_said(every: int, written_on: list[int]) -> None:
    frames, seeds = np.full((5, 320, 320), 20, np.uint8), np.zeros((320, 320), np.uint8)
    frames[:, 140:160, 140:160], seeds[140:160, 140:160] = 180, 1
    frames[:, ::7, ::11] = 30
    result = propagate(frames, seeds, memory=MemoryConfig(memory_interval_frames=every))
    elements = [snapshot.sizes.working for snapshot in result.memory]
    assert [t for t in range(1, 5) if elements[t] > elements[t - 1]] == written_on
    assert all((result.labels[t] == 1).sum() == pytest.approx(400, rel=0.1) for t in range(5))
