"""What is finished survives whatever stops a run, and a run that broke off does not look done."""

from __future__ import annotations

import numpy as np
import pytest

from napari_xmem.engine import iter_propagate, propagate
from napari_xmem.engine.volume_runs import count_results
from napari_xmem.engine.volumes import iter_volumes, propagate_volumes
from napari_xmem.errors import PropagationError

Y, X = 48, 56


def seed(object_id: int) -> np.ndarray:
    labels = np.zeros((Y, X), np.int64)
    labels[10:22, 12:26] = object_id
    return labels


@pytest.fixture
def movie() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 1000, (6, Y, X)).astype(np.uint16)


def raising(at: int, error: BaseException):
    def progress(done: int, total: int) -> None:
        if done == at:
            raise error

    return progress


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ZeroDivisionError("mine"), SystemExit(3)])
def test_an_exception_in_progress_carries_the_frames_that_are_done(movie, tiny_network, error):
    whole = propagate(movie, {0: seed(1)}, model=tiny_network)
    with pytest.raises(type(error)) as caught:
        propagate(movie, {0: seed(1)}, model=tiny_network, progress=raising(3, error))
    partial = caught.value.partial
    assert list(partial.scores.frames) == [0, 1, 2]
    np.testing.assert_array_equal(partial.labels[:3], whole.labels[:3])
    assert not partial.labels[3:].any()
    assert "3 of 6 frames" in caught.value.__notes__[0] and "partial" in caught.value.__notes__[0]


def test_progress_is_called_after_each_frame(movie, tiny_network):
    seen = []
    propagate(movie, {0: seed(1)}, model=tiny_network, progress=lambda *done: seen.append(done))
    assert seen == [(n, 6) for n in range(1, 7)]


def test_an_interrupted_iterator_does_not_end_as_if_done(movie, tiny_network):
    stopped = []

    def once(done: int, total: int) -> None:
        if done == 3 and not stopped:
            stopped.append(done)
            raise KeyboardInterrupt

    results = iter_propagate(movie, {0: seed(1)}, model=tiny_network, progress=once)
    next(results), next(results)
    with pytest.raises(KeyboardInterrupt):
        next(results)
    for _ in range(2):
        with pytest.raises(PropagationError, match="stopped by KeyboardInterrupt after 2 of 6 frames"):
            next(results)


def test_an_iterator_that_was_closed_or_is_done_just_ends(movie, tiny_network):
    results = iter_propagate(movie, {0: seed(1)}, model=tiny_network)
    assert iter(results) is results
    assert len(list(results)) == 6 and list(results) == []
    closed = iter_propagate(movie, {0: seed(1)}, model=tiny_network)
    next(closed)
    closed.close()
    assert list(closed) == []


def volumes(n_frames: int = 4) -> tuple[np.ndarray, np.ndarray]:
    frames = np.random.default_rng(0).integers(90, 110, (n_frames, 3, Y, X)).astype(np.uint16)
    seeds = np.zeros((n_frames, 3, Y, X), np.uint16)
    seeds[1, 1] = seed(1)
    seeds[2, 2] = seed(1)
    frames[:, 1:] += (seeds.max(0)[1:] * 500).astype(np.uint16)
    return frames, seeds


def test_volumes_keep_what_is_done_as_well(tiny_network):
    frames, seeds = volumes()
    whole = propagate_volumes(frames, seeds, model=tiny_network)
    with pytest.raises(KeyboardInterrupt) as caught:
        propagate_volumes(frames, seeds, model=tiny_network, progress=raising(2, KeyboardInterrupt()))
    partial = caught.value.partial
    np.testing.assert_array_equal(partial.labels[1:3, 1], whole.labels[1:3, 1])
    assert not partial.labels[:, 2].any() and partial.planes == (1,)


@pytest.mark.parametrize("direction", ["forward", "backward", "both"])
@pytest.mark.parametrize(("start", "stop"), [(None, None), (0, 3), (1, 4), (1, None)])
def test_planes_are_counted_that_run(tiny_network, direction, start, stop):
    frames, seeds = volumes()
    given = {t: seeds[t] for t in (1, 2)}
    options = {"direction": direction, "start": start, "stop": stop}
    n_results = sum(1 for _ in iter_volumes(frames, given, model=tiny_network, **options))
    lowest = 1 if direction == "forward" else start
    assert count_results(given, 4, lowest, stop, direction) == n_results
    seen = []
    propagate_volumes(frames, given, model=tiny_network, progress=lambda *done: seen.append(done), **options)
    assert seen[-1] == (n_results, n_results)
