"""Who claims what an object claims, on paper; and such frames are kept in both scopes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import napari_xmem as nx
from napari_xmem.engine.identity.rivals import contests_of
from napari_xmem.engine.scopes.object_state import Observation
from napari_xmem.engine.scopes.region_masks import RegionMask
from napari_xmem.engine.scopes.regions import Region

SHAPE = (40, 60)
HERE = Region(10, 10, 20, 40)


def painted(i, *parts, region=HERE):
    """A mask with probabilities in rectangles (rows, columns) of the frame."""
    pixels = np.zeros(SHAPE, np.float32)
    for rows, columns, p in parts:
        pixels[rows, columns] = p
    return RegionMask(i, region, torch.from_numpy(pixels[region.slices].copy()))


def test_rivals_on_paper():
    """1 and 2 are squares of 10 px side by side, 1 also claims a strip of 2 and a spot of nobody's."""
    a, b = (slice(12, 22), slice(12, 22)), (slice(12, 22), slice(22, 32))
    one = painted(1, (*a, 0.9), (slice(12, 22), slice(22, 25), 0.4), (slice(14, 18), slice(40, 45), 0.3))
    two = painted(2, (*b, 0.8))
    three = painted(3, (*b, 1.0))  # it claims all of 2's place, but is not seen
    final = [painted(1, (*a, 0.9)), painted(2, (*b, 0.8)), painted(3)]
    seen = {
        1: Observation(100.0, 0.9, (12.0, 12.0, 22.0, 22.0)),
        2: Observation(100.0, 0.8, (12.0, 22.0, 22.0, 32.0)),
        3: Observation(0.0, 0.0, (0.0, 0.0, 0.0, 0.0)),
    }
    found = contests_of([one, two, three], final, seen, {1: 125.0}, {1, 2, 3}, SHAPE)
    diameter = np.sqrt(400 / np.pi)
    assert set(found) == {1, 2}
    assert found[1].share == pytest.approx(30 * 0.4 / 100)  # the strip, more than the spot of 20 * 0.3
    assert found[1].distance_diameters == pytest.approx(10 / diameter)
    assert (found[1].confidence, found[1].area_share) == (0.9, pytest.approx(0.8))
    assert found[2].share == pytest.approx(found[1].share)  # what two want is wanted by both
    assert found[2].area_share == 1.0

    alone = contests_of([one], final[:1], {1: seen[1]}, {}, {1}, SHAPE)[1]
    # nobody else is there: the strip but for 3 px around the mask (none is left of it), and the spot
    assert alone.share == pytest.approx(20 * 0.3 / 100)
    assert alone.distance_diameters == pytest.approx(np.hypot(1, 42.5 - 17) / diameter)


@pytest.mark.parametrize("scope", ["local", "global"])
def test_frames_on_which_look_alikes_touch_are_kept(scope):
    """Two like discs side by side, on 2 frames apart and on 2 touching: where they compete, frames are kept."""
    y, x = np.mgrid[:64, :96]
    gaps = [36, 29, 21, 21]
    truth = np.stack([np.where(np.hypot(y - 32, x - 48 + g / 2) < 10, 1, 0) for g in gaps])
    truth += np.stack([np.where(np.hypot(y - 32, x - 48 - g / 2) < 10, 2, 0) for g in gaps])
    noise = np.random.default_rng(0).normal(0, 8, truth.shape)
    movie = np.clip(40 + 120 * (truth > 0) + noise, 0, 255).astype(np.uint8)
    memory = nx.MemoryConfig(distractor_max_frames=2, distractor_interval_frames=1)
    model = nx.load_model("bundled", "cpu")
    result = nx.propagate(movie, {0: truth[0]}, model=model, memory=memory, scope=scope, divisions="keep")
    assert result.memory[-1].sizes.distractor > 0
    frames = {e.frame for snapshot in result.memory for e in snapshot.events if e.kind == "kept"}
    assert frames <= ({2, 3} if scope == "local" else {1, 2, 3})  # there each is alike to the other wherever it is
