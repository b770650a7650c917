"""Nuclei that come back with a look of long before."""

from __future__ import annotations

import numpy as np
import pytest

from napari_xmem.errors import ConfigError
from napari_xmem.simulate.kinds.recall import RECALLS, recall_nuclei, recall_timing


def centre(labels, object_id):
    return np.argwhere(labels == object_id).mean(0)


def brightness(movie, t, object_id):
    return float(movie.image[t][movie.labels[t] == object_id].mean())


@pytest.mark.parametrize("scenario", RECALLS)
def test_all_leave_and_come_back_between_the_old_places(scenario):
    movie, timing = recall_nuclei(np.random.default_rng(3), scenario), recall_timing(scenario)
    seen = [set(np.unique(frame)) - {0} for frame in movie.labels]
    assert len(seen) == timing.frames
    assert all(ids == {1, 2} for ids in (*seen[: timing.leave], *seen[timing.back :]))
    assert not any(seen[timing.leave : timing.back])
    old = [centre(movie.labels[timing.leave - 1], i) for i in (1, 2)]
    new = [centre(movie.labels[timing.back], i) for i in (1, 2)]
    for place in new:
        near, far = sorted(float(np.linalg.norm(place - other)) for other in old)
        assert far < 1.35 * near


@pytest.mark.parametrize("scenario", RECALLS)
def test_the_look_at_return_is_that_of_the_middle(scenario):
    movie, timing = recall_nuclei(np.random.default_rng(4), scenario), recall_timing(scenario)
    middle = 30
    changes = [i for i in (1, 2) if abs(np.log(brightness(movie, middle, i) / brightness(movie, 0, i))) > 0.7]
    assert len(changes) == 1
    for i in (1, 2):
        at = {t: brightness(movie, t, i) for t in (0, middle, timing.leave - 1, timing.back + 2)}
        assert at[timing.leave - 1] == pytest.approx(at[0], rel=0.2)
        assert at[timing.back + 2] == pytest.approx(at[middle], rel=0.2)


def test_the_same_seed_gives_the_same_movie():
    one, other = (recall_nuclei(np.random.default_rng(5), "cycle") for _ in range(2))
    assert (one.image == other.image).all()
    assert one.image.dtype == np.uint16
    assert not (one.image[0] == recall_nuclei(np.random.default_rng(6), "cycle").image[0]).all()


def test_unknown_scenarios_are_refused():
    with pytest.raises(ConfigError, match="pulse, cycle"):
        recall_nuclei(np.random.default_rng(0), "storm")  # type: ignore[arg-type]
