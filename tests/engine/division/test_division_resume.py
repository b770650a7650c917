"""A run that is stopped while a division is pending goes on with the same results."""

from __future__ import annotations

import numpy as np
import pytest

import napari_xmem as nx
from engine.division.dividing_movies import apart, dividing_movie
from napari_xmem.config import PropagationConfig
from napari_xmem.engine import iter_run, prepare_run
from napari_xmem.engine.state_file import load_memory, rest_of_run, save_memory
from napari_xmem.session.checkpoint import RunCheckpoint

DIVIDES_AT = 2


@pytest.fixture(scope="module")
def run():
    frames, labels = dividing_movie(apart(6, DIVIDES_AT))
    network = nx.load_model("bundled", device="cpu")
    return prepare_run(frames, {0: labels[0]}, network, PropagationConfig(device="cpu", scope="local"))


@pytest.fixture(scope="module")
def whole(run, tmp_path_factory):
    """Results of the whole run, and memory after each frame."""
    folder = tmp_path_factory.mktemp("states")

    def keep(scope, frame):
        save_memory(scope, folder / f"{frame}.xmem", fingerprint=run.network.fingerprint)

    return list(iter_run(run, watch=keep)), folder


def same(a, b):
    assert a.frame == b.frame and a.object_ids == b.object_ids
    assert np.array_equal(a.labels, b.labels) and np.array_equal(a.confidence, b.confidence)
    assert (a.births, a.ends, a.events) == (b.births, b.ends, b.events)


@pytest.mark.parametrize("stopped_after", [1, DIVIDES_AT, DIVIDES_AT + 1, DIVIDES_AT + 2])
def test_the_rest_is_as_without_the_stop(run, whole, stopped_after):
    results, folder = whole
    memory = load_memory(folder / f"{stopped_after}.xmem")
    rest = list(iter_run(rest_of_run(run, stopped_after + 1, memory)))
    assert rest[0].frame == min((*memory.waiting_frames, stopped_after + 1))
    for mine, other in zip(rest, results[rest[0].frame :], strict=True):
        same(mine, other)


def test_a_trial_is_pending_in_one_of_them(whole):
    assert DIVIDES_AT in load_memory(whole[1] / f"{DIVIDES_AT}.xmem").waiting_frames


@pytest.mark.parametrize("n_kept", [2, 3])
def test_a_checkpoint_goes_on_where_it_was_stopped(run, whole, tmp_path, n_kept):
    checkpoint = RunCheckpoint(tmp_path / "out.tif", save_after_s=0)
    part, _ = checkpoint.begin(run)
    for n, result in enumerate(iter_run(part, watch=checkpoint.watch), start=1):
        checkpoint.keep(result)
        if n == n_kept:
            break
    again = RunCheckpoint(tmp_path / "out.tif")
    rest, kept = again.resume(run)
    results = [*kept, *iter_run(rest)]
    for mine, other in zip(results, whole[0], strict=True):
        same(mine, other)
