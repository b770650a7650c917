"""One process at a time writes an output, and the lock leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from napari_xmem.errors import OutputError
from napari_xmem.files import OccupiedError, neighbour, output_lock
from napari_xmem.io import LabelWriter

HOLD = """
import sys
from napari_xmem.files import output_lock
with output_lock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Give a process that holds tmp_path/out.tif until its stdin is closed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "out.tif")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"held\n" or process.stdout.readline() == b"held\r\n"
    yield process
    process.kill()
    process.communicate()


def test_another_process_is_named_and_nothing_is_left_when_it_ends(tmp_path, holder):
    with pytest.raises(OccupiedError, match=rf"out.tif is being written by process {holder.pid} since 20"):
        output_lock(tmp_path / "out.tif").__enter__()
    with pytest.raises(OutputError, match=f"process {holder.pid}"):
        LabelWriter(tmp_path / "out.tif", (1, 4, 4))
    with output_lock(tmp_path / "other.tif"):
        pass
    holder.communicate(timeout=60)
    assert os.listdir(tmp_path) == []
    with output_lock(tmp_path / "out.tif"):
        assert os.listdir(tmp_path) == [".out.tif.lock"]
    assert os.listdir(tmp_path) == []


def test_a_lock_ends_with_its_process(tmp_path, holder):
    holder.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    holder.wait()
    assert os.listdir(tmp_path) == [".out.tif.lock"]
    with LabelWriter(tmp_path / "out.tif", (1, 4, 4)) as writer:
        writer.write(0, np.ones((4, 4), np.uint16))
    assert os.listdir(tmp_path) == ["out.tif"]


def test_a_process_may_hold_an_output_several_times(tmp_path):
    with output_lock(tmp_path / "a"):
        with output_lock(tmp_path / "a"):
            pass
        assert os.listdir(tmp_path) == [".a.lock"]
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_is_another_one(tmp_path):
    with output_lock(tmp_path / "a"):
        child = os.fork()
        if not child:
            try:
                output_lock(tmp_path / "a").__enter__()
            except OccupiedError:
                os._exit(7)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


@pytest.mark.parametrize("name", ["a.tif", "é" * 125 + ".tif", "x" * 251 + ".tif"])
def test_neighbours_fit_the_file_system_and_are_as_many_as_their_paths(tmp_path, name):
    near = neighbour(tmp_path / name, ".unfinished", hidden=True)
    near.touch()
    assert near.name.startswith(".") and near.name.endswith(".unfinished") and near.parent == tmp_path
    assert near == neighbour(tmp_path / name, ".unfinished", hidden=True)
    assert near != neighbour(tmp_path / f"{name[:-5]}q.tif", ".unfinished", hidden=True)
    assert neighbour("a.tif", ".unfinished").name == "a.tif.unfinished"


@pytest.mark.parametrize("suffix", [".tif", ".npy", ".zarr"])
def test_labels_of_the_longest_name(tmp_path, suffix):
    path = tmp_path / ("n" * (255 - len(suffix)) + suffix)
    with LabelWriter(path, (2, 4, 4)) as writer:
        writer.write(0, np.ones((4, 4), np.uint16))
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    with pytest.raises(OutputError, match="File name too long"):
        LabelWriter(tmp_path / ("n" * 300 + suffix), (2, 4, 4))


def test_a_writer_that_is_left_alone_warns_and_leaves_nothing(tmp_path):
    writer = LabelWriter(tmp_path / "a.zarr", (2, 4, 4))
    with pytest.warns(ResourceWarning, match=r"a.zarr was never finished: close\(\) its writer"):
        del writer
    assert os.listdir(tmp_path) == []
