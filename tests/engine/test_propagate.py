"""Runs over whole movies: which frames are done, what is yielded, what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from napari_xmem import MemoryConfig, PropagationConfig, iter_propagate, propagate
from napari_xmem.engine import prepare_run
from napari_xmem.engine.run_passes import open_scope
from napari_xmem.errors import ArgumentError, ConfigError, DeviceError, InputError, SeedError
from napari_xmem.imaging import NonFinitePixelsWarning
from napari_xmem.model import XMem

T, Y, X = 6, 48, 56
NO_WEIGHTS = dict.fromkeys(("mix_usage", "mix_age", "mix_relevance", "mix_contribution"), 0)


@pytest.fixture
def movie() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 4000, (T, Y, X)).astype(np.uint16)


def seed(*ids: int) -> np.ndarray:
    labels = np.zeros((Y, X), np.int64)
    for k, object_id in enumerate(ids):
        labels[4 + 12 * (k % 3) : 14 + 12 * (k % 3), 4 + 14 * (k // 3) : 16 + 14 * (k // 3)] = object_id
    return labels


def frames_of(movie: np.ndarray, seeds: Any, network: XMem, **options: Any) -> list[int]:
    return [r.frame for r in iter_propagate(movie, seeds, model=network, **options)]


@pytest.mark.parametrize("scope", ["global", "local"])
def test_forward(movie: np.ndarray, tiny_network: XMem, scope: str) -> None:
    result = propagate(movie, {1: seed(3, 7)}, model=tiny_network, scope=scope)
    assert result.labels.shape == movie.shape
    assert result.labels.dtype == np.uint16
    np.testing.assert_array_equal(result.labels[1], seed(3, 7))
    assert not result.labels[0].any()
    assert set(np.unique(result.labels)) <= {0, 3, 7}
    assert result.scores.frames.tolist() == [1, 2, 3, 4, 5]
    assert result.scores.object_ids.tolist() == [3, 7]
    assert result.scores.confidence[0].tolist() == [1, 1]
    for row, frame in enumerate(result.scores.frames):
        for column, object_id in enumerate((3, 7)):
            assert result.scores.area_px[row, column] == (result.labels[frame] == object_id).sum()
    assert result.scope == scope
    assert len(result.memory) == 5


@pytest.mark.parametrize("scope", ["global", "local"])
def test_same_twice(movie: np.ndarray, tiny_network: XMem, scope: str) -> None:
    runs = [propagate(movie, {0: seed(1, 2)}, model=tiny_network, scope=scope).labels for _ in range(2)]
    np.testing.assert_array_equal(*runs)


def test_directions(movie: np.ndarray, tiny_network: XMem) -> None:
    assert frames_of(movie, {3: seed(1)}, tiny_network) == [3, 4, 5]
    assert frames_of(movie, {3: seed(1)}, tiny_network, direction="backward") == [3, 2, 1, 0]
    assert frames_of(movie, {3: seed(1)}, tiny_network, direction="both") == [3, 4, 5, 2, 1, 0]
    assert frames_of(movie, {2: seed(1)}, tiny_network, stop=4) == [2, 3]
    assert frames_of(movie, seed(1), tiny_network, start=4) == [4, 5]
    assert frames_of(movie, seed(1), tiny_network, direction="backward") == [5, 4, 3, 2, 1, 0]
    assert frames_of(movie, seed(1), tiny_network, start=2, direction="backward") == [2, 1, 0]
    assert frames_of(movie, {0: seed(1)}, tiny_network, direction="both") == list(range(T))


def test_both_ways_with_late_objects(movie: np.ndarray, tiny_network: XMem) -> None:
    """An object first painted on frame 4 is followed back to frame 0 too; each frame is yielded once."""
    seeds = {2: seed(1), 4: np.where(seed(0, 0, 0, 9) == 9, 9, 0)}
    results = list(iter_propagate(movie, seeds, model=tiny_network, direction="both"))
    assert sorted(r.frame for r in results) == list(range(T))
    assert all({1, 9} == set(r.object_ids) for r in results)


def test_late_and_repeated_seeds(movie: np.ndarray, tiny_network: XMem) -> None:
    stack = np.zeros(movie.shape, np.int32)
    stack[0], stack[2], stack[4] = seed(1, 2), seed(0, 0, 5), seed(1)
    for scope in ("global", "local"):
        results = {r.frame: r for r in iter_propagate(movie, stack, model=tiny_network, scope=scope)}
        assert results[1].object_ids == (1, 2)
        assert results[3].object_ids == (1, 2, 5)
        assert [r.seeded for r in results.values()] == [True, False, True, False, True, False]
        assert (results[2].labels[seed(0, 0, 5) == 5] == 5).all()
        np.testing.assert_array_equal(results[4].labels == 1, seed(1) == 1)


def test_large_ids(movie: np.ndarray, tiny_network: XMem) -> None:
    ids = (65_536, 2**31 - 1)
    result = propagate(movie[:3], {0: seed(*ids)}, model=tiny_network)
    assert result.labels.dtype == np.int32
    np.testing.assert_array_equal(result.labels[0], seed(*ids))
    assert set(np.unique(result.labels)) <= {0, *ids}


@pytest.mark.parametrize("scope", ["global", "local"])
def test_many_objects(tiny_network: XMem, scope: str) -> None:
    labels = np.kron(np.arange(1, 301).reshape(15, 20), np.ones((6, 6), np.int64))
    labels[::6] = 0
    movie = np.random.default_rng(1).random((2, *labels.shape), dtype=np.float32)
    result = propagate(movie, labels, model=tiny_network, scope=scope)
    assert len(result.scores.object_ids) == 300
    np.testing.assert_array_equal(result.labels[0], labels)


@pytest.mark.parametrize("shape", [(5, 7), (20, 90), (31, 33), (64, 64)])
@pytest.mark.parametrize("scope", ["global", "local"])
def test_small_and_odd_frames(tiny_network: XMem, shape: tuple[int, int], scope: str) -> None:
    labels = np.zeros(shape, np.int64)
    labels[1:4, 2:5] = 1
    movie = np.random.default_rng(2).random((3, *shape))
    assert propagate(movie, labels, model=tiny_network, scope=scope).labels.shape == (3, *shape)


def test_nan_pixels_are_named_once_per_run(tiny_network: XMem, movie: np.ndarray) -> None:
    broken = movie.astype(np.float32)
    broken[2, 5, 5], broken[4, 0, 0] = np.nan, np.inf
    with pytest.warns(UserWarning) as caught:
        result = propagate(broken, {0: seed(1)}, model=tiny_network)
    (said,) = [w.message for w in caught if isinstance(w.message, NonFinitePixelsWarning)]
    assert "frame 2 holds 1 NaN" in str(said) and (said.frame, said.count) == (2, 1)
    with pytest.warns(NonFinitePixelsWarning) as caught:
        list(iter_propagate(broken, {0: seed(1)}, model=tiny_network))
    assert [w.message.frame for w in caught if isinstance(w.message, NonFinitePixelsWarning)] == [2, 4]
    assert np.isfinite(result.scores.confidence).all()


def test_constant_movie(tiny_network: XMem) -> None:
    with pytest.warns(UserWarning, match="one value everywhere"):
        result = propagate(np.full((3, Y, X), 7, np.uint8), {0: seed(1)}, model=tiny_network)
    assert result.labels.shape == (3, Y, X)


def test_three_channels(tiny_network: XMem) -> None:
    movie = np.random.default_rng(0).integers(0, 255, (3, Y, X, 3)).astype(np.uint8)
    assert propagate(movie, {0: seed(1)}, model=tiny_network).labels.shape == (3, Y, X)


def test_progress_and_stopping(movie: np.ndarray, tiny_network: XMem) -> None:
    seen: list[tuple[int, int]] = []
    results = iter_propagate(movie, {0: seed(1)}, model=tiny_network, progress=lambda *done: seen.append(done))
    next(results), next(results)
    results.close()  # type: ignore[attr-defined]
    assert seen == [(1, 6), (2, 6)]


@pytest.mark.parametrize(("length", "share"), [(8, 1.0), (18, 1.0), (24, np.pi**0.5 / 2), (40, 0.8)])
def test_narrow_objects_are_shown_larger(tiny_network: XMem, length: int, share: float) -> None:
    """A rectangle a by b has a width of 2 a / sqrt(3) by its moments, and a diameter of 2 sqrt(a b / pi)."""
    frames = np.zeros((2, 64, 64), np.float32)
    seeds = np.zeros((64, 64), np.int64)
    seeds[20:28, 10 : 10 + length] = 4
    frames[:, seeds > 0] = 1
    recipe = propagate(frames, seeds, model=tiny_network, scope="local").recipe
    measured = 2 * (8 * length / np.pi) ** 0.5
    assert recipe["seed_diameter_px"] == pytest.approx(measured, abs=0.01)
    assert recipe["diameter_px"] == pytest.approx(share * measured)
    told = propagate(frames, seeds, model=tiny_network, scope="local", diameter_px=measured)
    assert told.recipe["diameter_px"] == measured and told.recipe["scale"] <= recipe["scale"]


@pytest.mark.parametrize(
    ("n", "settings", "times"),
    [(4, {}, 1.0), (5, {}, 4 / 3), (50, {}, 4 / 3), (51, {}, 1.0), (5, {"entries": "find"}, 1.0)],
)
def test_objects_that_are_not_many_are_shown_in_more_detail(
    tiny_network: XMem, n: int, settings: dict[str, Any], times: float
) -> None:
    """Squares of 6 px: what they measure, times the scale, is so many times the nominal diameter."""
    seeds = np.zeros((100, 100), np.int64)
    for i in range(n):
        y, x = 2 + 12 * (i // 8), 2 + 12 * (i % 8)
        seeds[y : y + 6, x : x + 6] = i + 1
    frames = np.stack([seeds > 0] * 2).astype(np.float32)
    nominal = 24.0
    network = XMem(replace(tiny_network.config, nominal_diameter_px=nominal)).eval()
    run = prepare_run(frames, seeds, network, PropagationConfig(scope="local", **settings))
    geometry = run.prepare.geometry
    assert run.recipe["seed_diameter_px"] * geometry.scale == pytest.approx(times * nominal, rel=0.01)
    assert geometry.detail == pytest.approx(times)
    reach = open_scope(run).search.margin_px  # type: ignore[attr-defined]
    assert reach == pytest.approx(times * max(32, 0.8 * nominal))
    again = prepare_run(frames, seeds, network, replace(run.config, diameter_px=run.recipe["diameter_px"]))
    assert again.prepare.geometry == geometry


def test_recipe_says_it_all(movie: np.ndarray, tiny_network: XMem) -> None:
    result = propagate(movie, {0: seed(1)}, model=tiny_network, memory=MemoryConfig(top_k=5))
    assert result.recipe["memory"]["top_k"] == 5
    assert result.recipe["model"] == "tiny"
    assert result.scope_reason.startswith(("local:", "global:"))


@pytest.mark.parametrize(
    ("seeds", "options", "error", "words"),
    [
        ({0: np.zeros((Y, X), int)}, {}, SeedError, "empty"),
        ({0: np.ones((Y, X + 1), int)}, {}, SeedError, "48, 56"),
        ({0: -np.ones((Y, X), int)}, {}, SeedError, "-1"),
        ({0: np.full((Y, X), 0.5)}, {}, SeedError, "float"),
        ({9: np.ones((Y, X), int)}, {}, SeedError, "9"),
        ({1: np.ones((Y, X), int)}, {"start": 3}, SeedError, "range"),
        ({1: np.ones((Y, X), int)}, {"start": 4, "stop": 2}, ConfigError, "start"),
        ({0: np.ones((Y, X), int)}, {"scope": "wide"}, ConfigError, "wide"),
        ({0: np.ones((Y, X), int)}, {"direction": "up"}, ConfigError, "up"),
        ({0: np.ones((Y, X), int)}, {"diameter_px": -3}, ConfigError, "-3"),
        (
            {0: np.ones((Y, X), int)},
            {"memory": {"top_k": 3}},
            ConfigError,
            "memory is {'top_k': 3}, expected a MemoryConfig",
        ),
        ({0: np.ones((Y, X), int)}, {"memory": MemoryConfig(eviction="mix", **NO_WEIGHTS)}, ConfigError, "mix_"),
        ({0: np.ones((Y, X), int)}, {"max_displacement_px": "5"}, ConfigError, "max_displacement_px is '5'"),
    ],
)
def test_bad_input_is_refused_at_once(
    movie: np.ndarray, tiny_network: XMem, seeds: Any, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        iter_propagate(movie, seeds, model=tiny_network, **options)


def test_one_frame_is_no_movie(tiny_network: XMem) -> None:
    with pytest.raises(InputError):
        iter_propagate(np.zeros((1, Y, X)), seed(1), model=tiny_network)
    with pytest.raises(InputError):
        iter_propagate(np.zeros((Y, X)), seed(1), model=tiny_network)


def test_what_is_no_model_is_refused(movie: np.ndarray) -> None:
    with pytest.raises(ArgumentError, match="model is 3, expected text, a path or"):
        iter_propagate(movie, seed(1), model=3)


def test_missing_device(movie: np.ndarray) -> None:
    with pytest.raises(DeviceError, match="cuda:7"):
        iter_propagate(movie, seed(1), device="cuda:7")


def test_unknown_option_is_named(movie: np.ndarray, tiny_network: XMem) -> None:
    with pytest.raises(TypeError, match="colour"):
        propagate(movie, seed(1), model=tiny_network, colour=3)
