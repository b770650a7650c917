"""Frames are read ahead in a thread that never outlives its iterator."""

from __future__ import annotations

import gc
import threading
import time

import numpy as np
import psutil
import pytest

import napari_xmem as nx
from engine.simple_movies import disc_movie, tiny_network
from napari_xmem.engine.read_ahead import ReadAhead
from napari_xmem.errors import InputError
from napari_xmem.imaging import FrameSource


class Watched:
    """A movie that notes which frames are read, when, and by which thread."""

    def __init__(self, frames, delay=0.0, broken=None):
        self.frames, self.delay, self.broken = frames, delay, broken
        self.shape, self.dtype, self.ndim = frames.shape, frames.dtype, frames.ndim
        self.reads, self.threads = [], set()

    def __getitem__(self, index):
        t = index[0] if isinstance(index, tuple) else index
        time.sleep(self.delay)
        if t == self.broken:
            raise OSError("disk on fire")
        self.reads.append(t)
        self.threads.add(threading.current_thread().name)
        return self.frames[index]


def readers():
    return [t for t in threading.enumerate() if t.name.startswith("napari-xmem-reader")]


def wait_until(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    assert condition()


def test_one_frame_ahead_in_any_order_and_no_more():
    movie = Watched(np.arange(10 * 16 * 16).reshape(10, 16, 16))
    with ReadAhead(FrameSource(movie), [7, 5, 3, 1]) as reader:
        frames = iter(reader)
        number, pixels = next(frames)
        assert number == 7 and np.array_equal(pixels, movie.frames[7])
        wait_until(lambda: movie.reads == [7, 5])
        time.sleep(0.05)
        assert movie.reads == [7, 5]
        assert [n for n, _ in frames] == [5, 3, 1]
    assert movie.reads == [7, 5, 3, 1] and not readers()


def test_an_error_of_reading_comes_at_its_frame():
    movie = Watched(np.zeros((6, 16, 16)), broken=3)
    got = []
    with pytest.raises(InputError, match="frame 3 cannot be read"), ReadAhead(FrameSource(movie), range(6)) as reader:
        for number, _ in reader:
            got.append(number)
    assert got == [0, 1, 2] and not readers()


@pytest.mark.parametrize("how", ["close", "delete", "finish", "error"])
def test_propagation_leaves_no_thread(how):
    frames, labels = disc_movie(2, 6, (48, 64))
    movie = Watched(frames)

    def progress(done, total):
        if how == "error" and done == 3:
            raise KeyError("stop")

    results = nx.iter_propagate(movie, {0: labels[0]}, model=tiny_network(), progress=progress)
    next(results)
    assert len(readers()) == 1
    next(results)
    if how == "close":
        results.close()
    elif how == "delete":
        del results
        gc.collect()
    elif how == "error":
        with pytest.raises(KeyError):
            next(results)
    else:
        list(results)
    wait_until(lambda: not readers())
    assert how == "finish" or max(movie.reads) <= 5


def test_all_reads_of_a_run_but_the_first_look_are_in_the_background():
    frames, labels = disc_movie(2, 6, (48, 64))
    movie = Watched(frames)
    expected = nx.propagate(frames, {0: labels[0]}, model=tiny_network()).labels
    results = nx.iter_propagate(movie, {0: labels[0]}, model=tiny_network())
    movie.reads.clear()
    movie.threads.clear()
    found = np.stack([r.labels for r in results])
    assert movie.reads == list(range(6)) and len(movie.threads) == 1
    assert next(iter(movie.threads)).startswith("napari-xmem-reader")
    np.testing.assert_array_equal(found, expected)


@pytest.mark.slow
@pytest.mark.parametrize("scope", ["local", "global"])
def test_memory_is_flat_over_a_long_movie(scope):
    base, labels = disc_movie(2, 4, (32, 48), diameter=10)

    class Endless:
        shape, dtype, ndim = (1200, 32, 48), base.dtype, 3

        def __getitem__(self, index):
            return base[index[0] % 4][index[1:]]

    memory = nx.MemoryConfig(
        memory_interval_frames=1, working_min_frames=2, working_max_frames=4, num_prototypes=8,
        long_term_max_elements=64,
    )  # fmt: skip
    process, resident = psutil.Process(), []
    for result in nx.iter_propagate(Endless(), {0: labels[0]}, model=tiny_network(), scope=scope, memory=memory):
        if result.frame % 100 == 99:
            gc.collect()
            resident.append(process.memory_info().rss)
    assert resident[-1] < 1.1 * resident[3]
