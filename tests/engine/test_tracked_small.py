"""Objects too small to be seen once the frame is scaled down."""

from __future__ import annotations

import pytest
import torch

from engine.simple_movies import disc_movie, tiny_network
from napari_xmem.config import MemoryConfig, PropagationConfig
from napari_xmem.engine import prepare_run
from napari_xmem.engine.run_passes import open_scope
from napari_xmem.engine.scopes.object_state import Observation, TrackedObject
from napari_xmem.memory import MemoryBank

NOTHING = Observation(0.0, 0.0, (0.0, 0.0, 0.0, 0.0))


@pytest.mark.parametrize("area_px", [0.0, 400.0])
def test_nothing_is_not_there(area_px):
    tracked = TrackedObject(1, None, (70.0, 80.0), (1.0, 1.0), area_px)
    for n in range(1, 4):
        tracked.update(NOTHING, (1.0, 0.0), seeded=False)
        assert tracked.lost_frames == n
        assert tracked.centre_px == (70.0 + n, 80.0)


def test_an_object_without_area_is_found_once_it_has_some():
    tracked = TrackedObject(1, None, (70.0, 80.0), (1.0, 1.0), 0.0)
    tracked.update(NOTHING, (0.0, 0.0), seeded=False)
    tracked.update(Observation(6.0, 0.9, (69.0, 79.0, 71.0, 82.0)), (0.0, 0.0), seeded=False)
    assert tracked.lost_frames == 0 and tracked.centre_px == (70.0, 80.5)


def test_a_seed_of_one_pixel_that_scaling_removes_is_lost_and_not_sought_in_the_corner():
    frames, labels = disc_movie(4, 3, (192, 256), diameter=48)
    labels[0, 101, 141] = 9
    config = PropagationConfig(scope="local", device="cpu")
    run = prepare_run(frames, {0: labels[0]}, tiny_network(), config)
    assert run.recipe["scale"] < 0.5
    scope = open_scope(run)
    for t in range(3):
        scope.advance(frames[t], t, labels[0] if t == 0 else None)
        tracked = scope.objects[9]
        assert tracked.lost_frames == t + 1
        assert tracked.area_px == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [("extent_px", [{"a": 1}, 2.0]), ("centre_px", [1.0]), ("area_px", "large"), ("velocity_px", [float("nan"), 0.0])],
)
def test_a_damaged_state_is_refused_in_words(name, value):
    cpu, bank = torch.device("cpu"), MemoryBank(MemoryConfig(), key_dim=4, value_dim=4)
    state = TrackedObject(3, bank, (70.0, 80.0), (9.0, 8.0), 60.0).state_dict()
    assert TrackedObject.from_state_dict(state, cpu, cpu).extent_px == (9.0, 8.0)
    with pytest.raises(ValueError, match=f"{name} of an object is"):
        TrackedObject.from_state_dict(state | {name: value}, cpu, cpu)
