"""Batches on Dask: what is killed goes on elsewhere, and the results are those of a quiet run."""

from __future__ import annotations

import csv
import json
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import tifffile

from napari_xmem.cli import main
from napari_xmem.cli.batch.manifest import read_manifest
from napari_xmem.errors import InputError


def test_a_manifest_gives_each_movie_its_own_options(tmp_path):
    table = tmp_path / "night.csv"
    table.write_text(
        "movie,Seeds,name,seed_frame,--direction,channels,split parts,memory\n"
        'a.tif,s.npy,first,3,both,"0,2",yes,top_k=20 eviction=age\n'
        "\n"
        "/data/b.zarr:B/03/0,,,,,,,\n"
    )
    first, second = read_manifest(str(table))
    assert (first.movie, first.seeds, first.name) == (str(tmp_path / "a.tif"), str(tmp_path / "s.npy"), "first")
    assert first.options == {
        "seed_frame": 3,
        "direction": "both",
        "channels": [0, 2],
        "split_parts": True,
        "memory": ["top_k=20", "eviction=age"],
    }
    assert second.movie == "/data/b.zarr:B/03/0" and second.seeds == "" and second.options == {}
    for text, message in (
        ("seeds\nx.tif\n", "expected 'movie' among them"),
        ("movie,seedframe\na.tif,1\n", "did you mean seed-frame?"),
        ("movie,device\na.tif,cpu\n", "no option of a movie"),
        ("movie,seed_frame\na.tif,\nb.tif,two\n", "line 3: argument --seed-frame: invalid int value"),
        ("movie,direction\na.tif,sideways\n", "line 2: argument --direction: invalid choice"),
        ("movie,split_parts\na.tif,perhaps\n", "split-parts is 'perhaps', expected true or false"),
        ("movie,name\na.tif,../a\n", "no name for results"),
        ("movie\na.tif,b.tif\n", "line 2: 2 cells"),
        ("", "is empty"),
    ):
        table.write_text(text)
        with pytest.raises(InputError, match="night.csv") as caught:
            read_manifest(str(table))
        assert message in str(caught.value)


def test_a_process_that_stalls_or_grows_is_ended(tmp_path):
    from napari_xmem.cli.batch.cluster import movie_task

    order = {"name": "a", "gpus": [], "stalled_after_s": 0.5, "threads": 1, "arguments": {"record": None}}
    place = SimpleNamespace(environment=lambda gpus: None, memory_bytes=None, is_cancelled=lambda: False)
    told = movie_task._Process(order, place).run()
    assert told["state"] == "failed" and told["transient"] and "no frame was done in" in told["reason"]
    place.memory_bytes = 1.0
    told = movie_task._Process({**order, "stalled_after_s": 60.0}, place).run()
    assert told["transient"] and "more than the worker has" in told["reason"]


def kill_in_the_middle(results, killed):
    """Kill a worker that has a movie as soon as one has begun, and after that the process of a movie."""
    until = time.monotonic() + 120
    while time.monotonic() < until and not list(results.glob("*.unfinished/run.json")):
        time.sleep(0.01)
    while time.monotonic() < until and len(killed) < 2:
        for process in psutil.Process().children(recursive=True):
            try:
                if "movie_process" in " ".join(process.cmdline()):
                    victim = process if killed else process.parent()
                    victim.kill()
                    killed.append("movie" if killed else "worker")
                    break
            except psutil.Error:
                pass
        time.sleep(0.2)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="processes are found as on Unix")
@pytest.mark.filterwarnings("ignore")
def test_killed_workers_cost_nothing_but_time(files, tiny_model, tmp_path, capsys):
    folder = tmp_path / "movies"
    folder.mkdir()
    long = np.tile(files.arrays["movie"], (12, 1, 1))
    for name in "ab":
        tifffile.imwrite(folder / f"{name}.tif", long, metadata={"axes": "TYX"})
        tifffile.imwrite(folder / f"{name}_seeds.tif", files.arrays["seeds"][0])
    (folder / "c.tif").write_bytes(b"II*\0 and then nothing")
    tifffile.imwrite(folder / "c_seeds.tif", files.arrays["seeds"][0])
    (folder / "night.csv").write_text("movie,seed_frame\na.tif,0\nb.tif,2\nc.tif,\n")

    def batch(output, *extra):
        common = ["--model", tiny_model, "--device", "cpu", "--report", str(output.with_suffix(".csv"))]
        return main(["batch", str(folder / "night.csv"), "-o", str(output), *common, *extra])

    quiet, wild, killed = tmp_path / "quiet", tmp_path / "wild", []
    assert batch(quiet) == 1
    killer = threading.Thread(target=kill_in_the_middle, args=(wild, killed))
    killer.start()
    assert batch(wild, "--scheduler", "local:2", "--save-every", "0", "--retries", "4") == 1
    killer.join()
    assert killed == ["worker", "movie"]
    for name in "ab":
        alone, shared = (tifffile.imread(out / f"{name}_labels.tif") for out in (quiet, wild))
        assert np.array_equal(alone, shared) and alone.any()
    assert not list(wild.glob("*.unfinished")) and not list(wild.glob(".*"))
    with (tmp_path / "wild.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["state"] for row in rows[:2]} <= {"done", "done before"} and rows[2]["state"] == "failed"
    before = json.loads((tmp_path / "quiet.json").read_text())["movies"]
    for row, old in zip(rows[:2], before, strict=False):
        for fact in ("n_frames", "n_objects", "n_divisions", "mean_confidence", "version", "model", "weights"):
            assert row[fact] == str(old[fact])
        assert float(row["seconds"]) > 0 and int(row["peak_memory_bytes"]) > 10_000_000
    err = capsys.readouterr().err
    assert err.count("error: c.tif: ") == 2 and rows[2]["attempts"] == "1"
    assert batch(wild) == 1  # what is done is not done again, and is reported as it was
    again = json.loads((tmp_path / "wild.json").read_text())["movies"]
    assert [row["state"] for row in again] == ["done before", "done before", "failed"]
    assert again[0]["n_frames"] == 60 and again[0]["weights"] == before[0]["weights"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_worker_that_was_given_up_is_replaced():
    from napari_xmem.cli.batch.cluster.schedulers import open_cluster

    with open_cluster("local:1", device="cpu", threads=None) as cluster:
        local = cluster.client.cluster

        async def give_up():
            await local.workers.pop(0).close()

        assert cluster.client.submit(pow, 2, 5).result(timeout=100) == 32
        local.sync(give_up)
        assert cluster.client.submit(pow, 2, 6).result(timeout=100) == 64
