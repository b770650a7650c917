"""The same labels from every thread, whatever other libraries did to the number of threads."""

from __future__ import annotations

import ctypes
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.simple_movies import disc_movie, tiny_network
from napari_xmem.engine import propagate
from napari_xmem.engine.device_resources import agree_on_threads


@pytest.fixture
def openmp():
    """OpenMP as torch has loaded it; after the test threads are as before."""
    before = torch.get_num_threads()
    found = sorted(Path(torch.__file__).parent.glob("lib*/lib?omp*.so*"))
    if not found:
        pytest.skip("this build of torch brings no OpenMP of its own")
    yield ctypes.CDLL(str(found[0]))
    torch.set_num_threads(before)


def in_a_new_thread(call):
    found = []
    thread = threading.Thread(target=lambda: found.append(call()))
    thread.start()
    thread.join()
    return found[0]


def test_a_thread_that_was_changed_behind_torch_agrees_again(openmp):
    torch.set_num_threads(2)
    openmp.omp_set_num_threads(1)  # as numba does for the thread that calls it
    if torch.get_num_threads() != 1:
        pytest.skip("this is not the OpenMP that torch uses")
    assert in_a_new_thread(torch.get_num_threads) == 2
    assert agree_on_threads() == 2 and torch.get_num_threads() == 2
    torch.set_num_threads(1)  # by the user: this counts
    assert agree_on_threads() == 1 and torch.get_num_threads() == 1


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_labels_are_the_same_from_every_thread(openmp, precision):
    torch.set_num_threads(2)
    frames, labels = disc_movie(2, 4, (48, 64), diameter=12)
    network = tiny_network()

    def run():
        return propagate(frames, labels[0], model=network, device="cpu", precision=precision, diameter_px=11.5)

    worker = in_a_new_thread(run)
    openmp.omp_set_num_threads(1)
    here = run()
    np.testing.assert_array_equal(here.labels, worker.labels)
    np.testing.assert_array_equal(here.scores.confidence, worker.scores.confidence)
    assert here.recipe == worker.recipe and here.recipe["threads"] == 2
