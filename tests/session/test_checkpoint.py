"""A run that was stopped goes on where it was, with the results it would have had."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from napari_xmem.config import MemoryConfig, PropagationConfig
from napari_xmem.engine import iter_run, prepare_run
from napari_xmem.engine.frame_order import is_yielded, yielded_frames
from napari_xmem.errors import OutputError, SessionError
from napari_xmem.session.checkpoint import RunCheckpoint
from session.conftest import discs

MEMORY = MemoryConfig(memory_interval_frames=2, working_min_frames=1, working_max_frames=3, num_prototypes=8)


@pytest.fixture(params=["local", "global"])
def prepared(request):
    """Give a function that prepares a run of touching discs."""
    network = request.getfixturevalue("bundled" if request.param == "local" else "tiny")
    frames, truth = discs(centres=((16, 16), (16, 31), (46, 16)))  # the first two touch
    config = PropagationConfig(memory=MEMORY, device="cpu", scope=request.param)

    def prepare(seeds=None, **changes):
        return prepare_run(frames, {0: truth[0]} if seeds is None else seeds, network, replace(config, **changes))

    prepare.truth = truth
    return prepare


def keep(checkpoint, run, results, n):
    """Do `n` frames of a run and stop as if the power had failed."""
    running = iter_run(run, watch=checkpoint.watch)
    for result in islice(running, n):
        checkpoint.keep(result)
        results.append(result)
    running.close()


def same(found, expected):
    assert [r.frame for r in found] == [r.frame for r in expected]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.labels, other.labels)
        np.testing.assert_array_equal(one.confidence, other.confidence)
        np.testing.assert_array_equal(one.area_px, other.area_px)
        assert one.object_ids == other.object_ids and one.seeded == other.seeded


@pytest.mark.parametrize("direction", ["forward", "both"])
def test_stopped_twice_it_gives_the_same(prepared, tmp_path, direction):
    seeds = {4: prepared.truth[4]} if direction == "both" else None
    expected = list(iter_run(prepared(seeds, direction=direction)))
    output = tmp_path / "labels.tif"
    begun = RunCheckpoint(output, save_after_s=0)
    run = prepared(seeds, direction=direction)
    run, _ = begun.begin(run)
    keep(begun, run, [], 3)
    for stop in (4, 99):
        again = RunCheckpoint(output, save_after_s=0)
        rest, kept = again.resume(prepared(seeds, direction=direction))
        results = list(kept)
        keep(again, rest, results, stop)
    same(results, expected)
    again.remove()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("worked", [3, 6, 7, 10])
def test_both_ways_from_several_seeds_it_gives_the_same(prepared, tmp_path, worked):
    first, late = np.where(prepared.truth[2] == 3, 0, prepared.truth[2]), prepared.truth[6]
    seeds = {2: first, 6: late}  # object 3 is found on frames 2 to 5 on the way back only
    expected = list(iter_run(prepared(seeds, direction="both")))
    assert any(3 in r.object_ids for r in expected if 3 <= r.frame < 6)
    output = tmp_path / "labels.tif"
    begun = RunCheckpoint(output)
    run, _ = begun.begin(prepared(seeds, direction="both"))

    def watch(follower, frame):
        begun.watch(follower, frame)
        if begun.n_worked == worked and begun.is_whole:
            begun.save_memory()
            raise KeyboardInterrupt

    with suppress(KeyboardInterrupt):
        for result in iter_run(run, watch=watch):
            begun.keep(result)
            if begun.n_worked == worked and begun.is_whole:
                begun.save_memory()
                break
    assert begun.n_worked == worked
    again = RunCheckpoint(output, save_after_s=0)
    rest, kept = again.resume(prepared(seeds, direction="both"))
    assert again.n_worked == worked
    results = list(kept)
    keep(again, rest, results, 99)
    same(results, expected)
    again.forget_memory()
    assert not [name for name in os.listdir(again.folder) if not name.startswith(("frame-", "run.json"))]


def test_without_a_saved_memory_it_starts_again(prepared, tmp_path):
    checkpoint = RunCheckpoint(tmp_path / "labels.tif")
    run = prepared()
    checkpoint.begin(run)
    keep(checkpoint, run, [], 3)
    assert checkpoint.n_frames == 3
    rest, kept = RunCheckpoint(tmp_path / "labels.tif").resume(prepared())
    assert kept == [] and rest.passes == run.passes


def test_memory_is_not_saved_while_a_frame_is_missing(prepared, tmp_path):
    checkpoint = RunCheckpoint(tmp_path / "labels.tif", save_after_s=1e9)
    run = prepared()
    checkpoint.begin(run)
    running = iter_run(run, watch=checkpoint.watch)
    checkpoint.keep(next(running))
    next(running)  # a frame that could not be written
    checkpoint.save_memory()
    assert not list(checkpoint.folder.glob("memory-*"))
    running.close()


def test_a_memory_that_cannot_be_saved_stops_nothing(prepared, tmp_path, monkeypatch):
    def no_room(*_, **__):
        raise OutputError("No space left.")

    monkeypatch.setattr("napari_xmem.session.checkpoint.save_memory", no_room)
    checkpoint = RunCheckpoint(tmp_path / "labels.tif", save_after_s=0)
    run = prepared()
    checkpoint.begin(run)
    with pytest.warns(UserWarning, match="No space left. The run goes on"):
        keep(checkpoint, run, [], 3)
    assert checkpoint.n_frames == 3


def test_another_run_is_refused(prepared, tmp_path):
    checkpoint = RunCheckpoint(tmp_path / "labels.tif", save_after_s=0)
    run = prepared()
    checkpoint.begin(run)
    keep(checkpoint, run, [], 2)
    other = RunCheckpoint(tmp_path / "labels.tif")
    with pytest.raises(SessionError, match=r"top_k 30, now it is 5.*--overwrite"):
        other.resume(prepared(memory=MEMORY.replace(top_k=5)))
    with pytest.raises(SessionError, match="seeds"):
        other.resume(prepared({0: prepared.truth[1]}))
    (checkpoint.folder / "run.json").write_text("{")
    with pytest.raises(SessionError, match=r"damaged.*--overwrite"):
        other.resume(prepared())
    other.begin(run)
    assert not other.exists


def test_another_device_goes_on_and_says_so(prepared, tmp_path, request):
    begun = prepared(precision="bfloat16")  # as "auto" is on a GPU
    begun = replace(begun, recipe={**begun.recipe, "device": "cuda:0"}, config=replace(begun.config, precision="auto"))
    checkpoint, done = RunCheckpoint(tmp_path / "labels.tif", save_after_s=0), []
    checkpoint.begin(begun)
    keep(checkpoint, begun, done, 3)
    here = prepared()
    with pytest.warns(UserWarning, match=r"begun on cuda:0 and goes on on cpu"):
        rest, held = RunCheckpoint(tmp_path / "labels.tif").resume(here)
    assert held
    same(held, done[: len(held)])
    found = [*held, *iter_run(rest)]
    assert [r.frame for r in found] == list(range(len(here.source)))
    if request.node.callspec.params["prepared"] == "local":  # the other network is not trained
        assert all((r.labels == prepared.truth[r.frame]).mean() > 0.9 for r in found)


def test_what_cannot_be_written_is_said(prepared, tmp_path):
    checkpoint = RunCheckpoint(tmp_path / "labels.tif")
    (tmp_path / "labels.tif.unfinished").write_text("in the way")
    run = prepared()
    checkpoint._run = run
    with pytest.raises(OutputError, match="another place"):
        checkpoint.keep(next(iter(iter_run(run, watch=checkpoint.watch))))


def test_yielded_frames(prepared):
    truth = prepared.truth
    both = prepared({4: truth[4]}, direction="both")
    assert yielded_frames(both.passes, 3) == [4, 5, 6]
    assert yielded_frames(both.passes, 8) == [4, 5, 6, 7, 8, 9, 3]
    assert [n for n in range(1, 12) if not is_yielded(both.passes, n)] == [7]
    held = prepared({2: truth[2], 6: truth[6]}, direction="both")
    assert yielded_frames(held.passes, 6) == [1]
    assert [n for n in range(1, 16) if not is_yielded(held.passes, n)] == [1, 2, 3, 4, 5]


def test_memory_is_saved_on_the_way_back_too(prepared, tmp_path):
    checkpoint = RunCheckpoint(tmp_path / "labels.tif", save_after_s=0)
    run, _ = checkpoint.begin(prepared({0: prepared.truth[0], 6: prepared.truth[6]}, direction="both"))
    running = iter_run(run, watch=checkpoint.watch)
    checkpoint.keep(next(running))  # the first result comes after the whole way back
    running.close()
    again = RunCheckpoint(tmp_path / "labels.tif")
    again.resume(prepared({0: prepared.truth[0], 6: prepared.truth[6]}, direction="both"))
    assert 0 < again.n_worked <= 8
