"""Output that cannot be written ends no run; a closed terminal stops it as a scheduler does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
import tifffile

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")


def shell(files, model, redirect, *more):
    """Run propagate in a shell, with what is done to its streams after it."""
    command = f'"$0" -m napari_xmem propagate "$1" --seeds "$2" -o "$3" --model "$4" --device cpu {" ".join(more)}'
    arguments = [sys.executable, files.movie, files.seeds, files.output, model]
    script = f"set -o pipefail; {command} {redirect}"
    return subprocess.run(["bash", "-c", script, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("redirect", ["| true", "| head -1", ">&-", "2>&-", ">&- 2>&- <&-", "2>&1 | true"])
def test_the_result_is_written_whoever_listens(files, tiny_model, redirect):
    done = shell(files, tiny_model, redirect)
    assert done.returncode == 0, done
    assert not any(word in done.stderr for word in ("Traceback", "Exception", "Warning")), done.stderr
    assert os.listdir(files.results) == ["labels.tif"]
    assert tifffile.imread(files.output).shape == (5, 48, 64)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("redirect", ["> /dev/full", "2> /dev/full", "> /dev/full 2>&1"])
def test_a_full_log_disk_ends_nothing(files, tiny_model, redirect):
    done = shell(files, tiny_model, redirect, "--log", "/dev/full")
    assert done.returncode == 0 and "Traceback" not in done.stderr, done
    assert os.listdir(files.results) == ["labels.tif"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_an_answer_that_is_lost_is_no_success(files):
    command = [sys.executable, "-m", "napari_xmem", "evaluate", files.truth, files.truth]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "napari-xmem: error: the output could not be written: No space left on device.\n"


def test_a_batch_does_all_movies_after_its_reader_has_gone(files, tiny_model, tmp_path):
    for name in ("a", "b"):
        os.link(files.movie, files.folder / f"{name}.tif")
        os.link(files.seeds, files.folder / f"{name}_seeds.tif")
    script = '"$0" -m napari_xmem batch "$1" -o "$2" --model "$3" --device cpu | true; exit ${PIPESTATUS[0]}'
    names = [sys.executable, str(files.folder), str(tmp_path / "out"), tiny_model]
    done = subprocess.run(["bash", "-c", script, *names], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stderr == ""
    assert sorted(os.listdir(tmp_path / "out")) == ["a_labels.tif", "b_labels.tif"]


SLOW = """
import signal, sys, threading, time
from napari_xmem.cli import main
from napari_xmem.imaging import FrameSource
read = FrameSource.read
def slow(self, t):
    if t == 3 and threading.current_thread() is not threading.main_thread():  # read ahead, in the middle of the run
        print("frame 3", file=sys.stderr, flush=True)
        time.sleep(0.5)
    return read(self, t)
FrameSource.read = slow
signal.signal(signal.SIGHUP, signal.SIG_IGN if {ignore} else signal.SIG_DFL)  # tests too may run under nohup
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("ignored", [False, True])
def test_a_closed_terminal_keeps_what_is_done(files, tiny_model, ignored):
    arguments = ["propagate", files.movie, "--seeds", files.seeds, "-o", files.output, "--model", tiny_model]
    code = SLOW.replace("{ignore}", str(ignored))
    run = subprocess.Popen([sys.executable, "-c", code, *arguments], stderr=subprocess.PIPE, text=True)
    while "frame 3" not in run.stderr.readline():
        pass
    run.send_signal(signal.SIGHUP)
    err = run.communicate()[1]
    if ignored:  # nohup
        assert run.returncode == 0 and os.listdir(files.results) == ["labels.tif"]
        return
    assert run.returncode == 128 + signal.SIGHUP, err
    assert "stopping after this frame" in err and "--resume" in err
    assert os.listdir(files.results) == ["labels.tif.unfinished"]
    again = subprocess.run(
        [sys.executable, "-m", "napari_xmem", *arguments, "--resume"], capture_output=True, text=True, check=False
    )
    assert again.returncode == 0 and "going on after" in again.stdout
    assert os.listdir(files.results) == ["labels.tif"]


def test_a_second_run_of_the_same_output_is_refused_at_the_start(files, tiny_model):
    arguments = ["propagate", files.movie, "--seeds", files.seeds, "-o", files.output, "--model", tiny_model]
    code = SLOW.replace("{ignore}", "False").replace("sleep(0.5)", "sleep(60)")
    first = subprocess.Popen([sys.executable, "-c", code, *arguments], stderr=subprocess.PIPE, text=True)
    while "frame 3" not in first.stderr.readline():
        pass
    before = {path.name for path in files.results.rglob("*")}
    for more in ([], ["--resume"], ["--overwrite"], ["--dry-run"]):
        second = subprocess.run(
            [sys.executable, "-m", "napari_xmem", *arguments, *more], capture_output=True, text=True, check=False
        )
        assert second.returncode == 2
        assert f"is being written by process {first.pid} since" in second.stderr and second.stderr.count("\n") == 1
    assert before <= {path.name for path in files.results.rglob("*")}
    first.kill()
    first.communicate()
