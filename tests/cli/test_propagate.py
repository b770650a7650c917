from __future__ import annotations

import csv
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tifffile
import torch
import zarr

from napari_xmem.cli import main
from napari_xmem.io import open_labels

NO_WEIGHTS = ("mix_usage=0", "mix_age=0", "mix_relevance=0", "mix_contribution=0")


def propagate(files, model, *extra, **changes):
    options = {"movie": files.movie, "seeds": files.seeds, "output": files.output, **changes}
    command = ["propagate", options["movie"], "--seeds", options["seeds"], "--output", options["output"]]
    return main([*command, "--model", model, "--device", "cpu", *extra])


def refused(code, capsys, message, files):
    """Exit code 2, one line on stderr that says `message`, and nothing left behind."""
    err = capsys.readouterr().err
    assert code == 2, err
    assert err.count("\n") == 1 and err.startswith("napari-xmem: error: "), err
    assert message in err
    assert os.listdir(files.results) == []


@pytest.mark.parametrize("name", ["labels.tif", "labels.npy", "labels.zarr"])
def test_the_whole_way(files, tiny_model, capsys, name):
    output = str(files.results / name)
    overview, scores = str(files.results / "overview.png"), str(files.results / "scores.csv")
    code = propagate(files, tiny_model, "--overview", overview, "--scores", scores, output=output)
    captured = capsys.readouterr()
    assert code == 0, captured.err
    assert "2 objects on 5 frames" in captured.out and output in captured.out
    labels = open_labels(output)
    assert labels.shape == (5, 48, 64) and labels.dtype == np.uint16
    np.testing.assert_array_equal(labels.data[0], files.arrays["truth"][0])
    assert set(np.unique(np.asarray(labels.data))) <= {0, 3, 9}
    with open(scores, newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(int(row["frame"]), int(row["object"])) for row in rows} == {(t, i) for t in range(5) for i in (3, 9)}
    for row in rows:
        assert int(row["area_px"]) == (np.asarray(labels.data)[int(row["frame"])] == int(row["object"])).sum()
    assert sorted(os.listdir(files.results)) == sorted([name, "overview.png", "scores.csv"])


def test_it_gives_what_python_gives(files, tiny_model):
    import napari_xmem

    assert propagate(files, tiny_model, "--memory", "top_k=5", "memory_interval_frames=2", "--scope", "global") == 0
    memory = napari_xmem.MemoryConfig(top_k=5, memory_interval_frames=2)
    result = napari_xmem.propagate(
        files.arrays["movie"], files.arrays["seeds"], model=tiny_model, memory=memory, device="cpu", scope="global"
    )
    np.testing.assert_array_equal(tifffile.imread(files.output), result.labels)


def test_backward_and_both(files, tiny_model):
    seed = str(files.folder / "one.npy")
    np.save(seed, files.arrays["truth"][4])
    assert propagate(files, tiny_model, "--direction", "backward", seeds=seed) == 0
    np.testing.assert_array_equal(tifffile.imread(files.output)[4], files.arrays["truth"][4])
    options = ("--direction", "both", "--seed-frame", "2", "--overwrite")
    assert propagate(files, tiny_model, *options, seeds=seed) == 0
    np.testing.assert_array_equal(tifffile.imread(files.output)[2], files.arrays["truth"][4])


def test_a_range_of_frames_leaves_the_others_empty(files, tiny_model, capsys):
    seed = str(files.folder / "one.tif")
    tifffile.imwrite(seed, files.arrays["truth"][1])
    assert propagate(files, tiny_model, "--start", "1", "--stop", "4", seeds=seed) == 0
    assert "on 3 frames" in capsys.readouterr().out
    labels = tifffile.imread(files.output)
    np.testing.assert_array_equal(labels[1], files.arrays["truth"][1])
    assert not labels[0].any() and not labels[4].any()


def test_quiet_says_nothing(files, tiny_model, capsys):
    assert propagate(files, tiny_model, "--quiet") == 0
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err == ""


def test_dry_run_checks_and_writes_nothing(files, tiny_model, capsys):
    assert propagate(files, tiny_model, "--dry-run") == 0
    out = capsys.readouterr().out
    assert "5 frames of 48 x 64 px" in out and "2 objects on frame 0," in out and "nothing was written" in out
    assert "local: " in out and "per frame" in out
    assert os.listdir(files.results) == []
    refused(propagate(files, "no.pth", "--dry-run"), capsys, "no.pth", files)


def test_axes_and_channels(files, tiny_model, capsys):
    movie = str(files.folder / "movie.npy")
    np.save(movie, np.stack([files.arrays["movie"], files.arrays["movie"] // 2], axis=1))
    refused(propagate(files, tiny_model, movie=movie), capsys, "--axes TCYX", files)
    assert propagate(files, tiny_model, "--axes", "TCYX", "--channels", "1", movie=movie) == 0
    assert tifffile.imread(files.output).shape == (5, 48, 64)


def test_large_ids_and_their_dtype(files, tiny_model):
    big = str(files.folder / "big.npy")
    seeds = files.arrays["seeds"].astype(np.int64)
    seeds[seeds == 9] = 2**31 - 1
    np.save(big, seeds)
    assert propagate(files, tiny_model, seeds=big) == 0
    labels = tifffile.imread(files.output)
    assert labels.dtype == np.int32 and labels[0].max() == 2**31 - 1


def test_nan_pixels_are_named_in_one_line(files, tiny_model, capsys):
    movie = str(files.folder / "movie.npy")
    pixels = files.arrays["movie"].astype(np.float32)
    pixels[[1, 2, 4], :4] = np.nan
    np.save(movie, pixels)
    assert propagate(files, tiny_model, movie=movie) == 0
    err = capsys.readouterr().err
    assert "NaN or infinite pixels on frames 1-2, 4 were treated as dark background" in err
    assert err.count("\n") == 1


def test_constant_frames(files, tiny_model):
    movie = str(files.folder / "movie.npy")
    np.save(movie, np.full((5, 48, 64), 7, np.uint8))
    assert propagate(files, tiny_model, movie=movie) == 0


def test_existing_output(files, tiny_model, capsys):
    (files.results / "labels.tif").write_text("mine")
    assert propagate(files, tiny_model) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert (files.results / "labels.tif").read_text() == "mine"
    assert propagate(files, tiny_model, "--overwrite") == 0
    assert tifffile.imread(files.output).shape == (5, 48, 64)


BAD_SEEDS = {
    "empty": (np.zeros((5, 48, 64), np.uint16), "empty"),
    "shape": (np.ones((48, 60), np.uint16), "(48, 60)"),
    "float": (np.full((48, 64), 0.5), "float64"),
    "negative": (np.full((48, 64), -1), "-1"),
    "too large": (np.full((48, 64), 2**31), "2147483648"),
}


@pytest.mark.parametrize("case", BAD_SEEDS)
def test_bad_seeds(files, tiny_model, capsys, case):
    array, message = BAD_SEEDS[case]
    seeds = str(files.folder / "bad.npy")
    np.save(seeds, array)
    refused(propagate(files, tiny_model, seeds=seeds), capsys, message, files)


BAD_MOVIES = {
    "one frame": (np.ones((1, 48, 64), np.uint8), "1 frame, expected at least 2"),
    "2D": (np.ones((48, 64), np.uint8), "single 2D image"),
    "complex": (np.ones((5, 48, 64), complex), "complex128"),
}


@pytest.mark.parametrize("case", BAD_MOVIES)
def test_bad_movies(files, tiny_model, capsys, case):
    array, message = BAD_MOVIES[case]
    movie = str(files.folder / "bad.npy")
    np.save(movie, array)
    refused(propagate(files, tiny_model, movie=movie), capsys, message, files)


def test_truncated_tiff(files, tiny_model, capsys):
    movie = files.folder / "cut.tif"
    movie.write_bytes((files.folder / "movie.tif").read_bytes()[:9000])
    refused(propagate(files, tiny_model, movie=str(movie)), capsys, "cut.tif", files)


def test_unreadable_zarr(files, tiny_model, capsys):
    movie = files.folder / "bad.zarr"
    movie.mkdir()
    (movie / "zarr.json").write_text("{")
    refused(propagate(files, tiny_model, movie=str(movie)), capsys, "bad.zarr", files)


def test_damage_in_the_middle_keeps_what_is_done(files, tiny_model, capsys):
    movie = files.folder / "movie.zarr"
    zarr.create_array(str(movie), data=np.tile(files.arrays["movie"], (8, 1, 1)), chunks=(1, 48, 64))
    seeds = str(files.folder / "seed.npy")
    np.save(seeds, files.arrays["seeds"][0])
    chunk = movie / "c" / "4" / "0" / "0"  # not one of the frames on which intensities are measured
    good = chunk.read_bytes()
    chunk.write_bytes(good[:20])
    overview, scores = str(files.results / "o.png"), str(files.results / "s.csv")
    names = {"movie": str(movie), "seeds": seeds}
    options = ("--overview", overview, "--scores", scores)
    assert propagate(files, tiny_model, *options, **names) == 2
    err = capsys.readouterr().err
    assert "frame 4 cannot be read" in err and "4 finished frames are kept in" in err and "--resume" in err
    assert os.listdir(files.results) == ["labels.tif.unfinished"]
    assert propagate(files, tiny_model, *options, **names) == 2
    assert "add --resume to go on with it, or --overwrite" in capsys.readouterr().err
    chunk.write_bytes(good)
    assert propagate(files, tiny_model, *options, "--resume", **names) == 0
    assert "going on after 4 finished frames" in capsys.readouterr().out
    assert sorted(os.listdir(files.results)) == ["labels.tif", "o.png", "s.csv"]
    again = str(files.results / "again.tif")
    assert propagate(files, tiny_model, **names, output=again) == 0
    np.testing.assert_array_equal(tifffile.imread(files.output), tifffile.imread(again))
    with open(scores, newline="") as file:
        assert {int(row["frame"]) for row in csv.DictReader(file)} == set(range(40))


def test_stopped_on_the_way_back_it_goes_on_and_says_so(files, tiny_model, capsys):
    movie = files.folder / "movie.zarr"
    zarr.create_array(str(movie), data=np.tile(files.arrays["movie"], (8, 1, 1)), chunks=(1, 48, 64))
    painted = np.zeros((40, 48, 64), np.uint16)
    painted[[0, 8]] = files.arrays["seeds"][0]
    seeds = str(files.folder / "seed.npy")
    np.save(seeds, painted)
    chunk = movie / "c" / "4" / "0" / "0"  # not one of the frames on which intensities are measured
    good = chunk.read_bytes()
    chunk.write_bytes(good[:20])
    names = {"movie": str(movie), "seeds": seeds}
    assert propagate(files, tiny_model, "--direction", "both", **names) == 2
    assert "what was done is kept in" in capsys.readouterr().err
    chunk.write_bytes(good)
    unfinished = files.results / "labels.tif.unfinished"
    shutil.copytree(unfinished, files.folder / "copy")
    assert propagate(files, tiny_model, "--direction", "both", "--resume", **names) == 0
    assert "going on after 4 frames of the way back" in capsys.readouterr().out
    found = tifffile.imread(files.output)

    shutil.copytree(files.folder / "copy", unfinished)
    next(unfinished.glob("memory-*")).unlink()
    assert propagate(files, tiny_model, "--direction", "both", "--resume", "--overwrite", **names) == 0
    assert "starting again from the first frame" in capsys.readouterr().out
    np.testing.assert_array_equal(tifffile.imread(files.output), found)


def test_damage_that_is_seen_before_the_start_leaves_nothing(files, tiny_model, capsys):
    movie = files.folder / "movie.zarr"
    zarr.create_array(str(movie), data=files.arrays["movie"], chunks=(1, 48, 64))
    (movie / "c" / "3" / "0" / "0").write_bytes(b"nothing")
    refused(propagate(files, tiny_model, movie=str(movie)), capsys, "frame 3 cannot be read", files)


class Evil:
    def __reduce__(self):
        return (os.mkdir, ("was-run",))


def test_bad_weights(files, tiny_model, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.pth").write_text("no weights at all")
    (tmp_path / "text.safetensors").write_text("no weights at all")
    (tmp_path / "evil.pth").write_bytes(pickle.dumps({"key_encoder.conv1.weight": Evil()}))
    torch.save({"layer.weight": torch.zeros(3, 3)}, tmp_path / "other.pth")
    for name in ("text.pth", "text.safetensors", "evil.pth", "other.pth", "missing.pth"):
        refused(propagate(files, str(tmp_path / name)), capsys, name, files)
    assert not (tmp_path / "was-run").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_where_there_is_none(files, tiny_model, capsys):
    refused(propagate(files, tiny_model, "--device", "cuda"), capsys, "cuda", files)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (("--memory", "topk=3"), "Did you mean top_k? Keys are memory_interval_frames"),
        (("--memory", "top_k"), "expected KEY=VALUE"),
        (("--memory", "top_k=many"), "expected a whole number or none"),
        (("--memory", "long_term=maybe"), "expected true or false"),
        (("--memory", "novelty_weight=3"), "expected 0 to 1"),
        (("--memory", "eviction=fifo"), "eviction is 'fifo', expected one of 'usage'"),
        (("--memory", "eviction=fifo", "--dry-run"), "eviction is 'fifo', expected one of 'usage'"),
        (
            (
                "--memory",
                "eviction=mix",
                "mix_usage=0",
                "mix_age=0",
                "mix_relevance=0",
                "mix_contribution=0",
                "--dry-run",
            ),
            "All mix_* weights are 0",
        ),
        (("--memory", "half_life_frames=inf"), "half_life_frames is inf, expected a finite number"),
        (("--memory-budget", "nan"), "--memory-budget is nan, expected GB above 0"),
        (("--memory-budget", "inf", "--dry-run"), "--memory-budget is inf, expected GB above 0"),
        (("--memory-budget", "0"), "--memory-budget is 0, expected GB above 0"),
        (("--diameter-px", "inf"), "diameter_px is inf, expected a finite number"),
        (("--diameter-px", "nan", "--dry-run"), "diameter_px is nan, expected a finite number"),
        (("--seed-frame", "99"), "--seed-frame 99 is for seeds of a single frame"),
        (("--seed-frame", "0", "--dry-run"), "has shape (5, 48, 64): a stack"),
        (("--start", "3", "--stop", "2"), "expected --start below --stop"),
        (("--stop", "9"), "--stop at most 5"),
        (("--start", "2"), "outside frames 2 to 4"),
        (("--diameter-px", "-4"), "diameter_px is -4"),
        (("--axes", "TCYX"), "one letter per axis"),
        (("--channels", "4"), "numbers from 0 to 0"),
        (("--channels", "x"), "no list of whole numbers"),
        (("--direction", "sideways"), "sideways"),
        (("--overview", "picture.jpg"), ".png"),
        (("--nonsense",), "--help"),
    ],
)
def test_bad_options(files, tiny_model, capsys, extra, message):
    refused(propagate(files, tiny_model, *extra), capsys, message, files)


@pytest.mark.parametrize("extra", [(), ("--dry-run",)])
def test_the_movie_in_place_of_seeds(files, tiny_model, capsys, extra):
    noisy = np.random.default_rng(0).poisson(900, (5, 48, 64)).astype(np.uint16)
    tifffile.imwrite(files.movie, noisy, metadata={"axes": "TYX"})
    code = propagate(files, tiny_model, *extra, seeds=files.movie)
    refused(code, capsys, "Was the movie given in place of its seeds?", files)


def test_outputs_never_replace_inputs(files, tiny_model, capsys):
    code = propagate(files, tiny_model, "--overwrite", output=files.movie)
    refused(code, capsys, "also an input", files)


def test_missing_files_and_folders(files, tiny_model, capsys):
    refused(propagate(files, tiny_model, movie="no.tif"), capsys, "no.tif does not exist", files)
    refused(propagate(files, tiny_model, seeds="no.tif"), capsys, "no.tif does not exist", files)
    refused(propagate(files, tiny_model, output=str(files.results / "no" / "a.tif")), capsys, "make it first", files)
    refused(propagate(files, tiny_model, output=str(files.results / "a.mp4")), capsys, ".tif", files)


def start_long_run(files, model):
    """Start a run of 2,000 frames in a process of its own and wait until it has done some."""
    movie = str(files.folder / "long.npy")
    np.save(movie, np.tile(files.arrays["movie"], (400, 1, 1)))
    seeds = str(files.folder / "seeds.npy")
    np.save(seeds, files.arrays["seeds"][0])
    command = ["propagate", movie, "--seeds", seeds, "--output", files.output, "--model", model, "--device", "cpu"]
    process = subprocess.Popen([sys.executable, "-m", "napari_xmem", *command], stderr=subprocess.PIPE, text=True)
    while process.poll() is None and len(list(files.results.glob("*.unfinished/frame-*"))) < 3:
        time.sleep(0.02)
    return process, command


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped_from_outside_keeps_what_is_done(files, tiny_model, number):
    process, _ = start_long_run(files, tiny_model)
    process.send_signal(number)
    err = process.communicate(timeout=60)[1]
    assert process.returncode == {signal.SIGTERM: 143, signal.SIGINT: 130}[number], err
    assert "Traceback" not in err
    assert "stopping after this frame" in err and "run the same command with --resume" in err
    assert os.listdir(files.results) == ["labels.tif.unfinished"]
    assert len(list(files.results.glob("*.unfinished/memory-*.xmem"))) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_killed_without_warning_it_can_be_done_again(files, tiny_model, capsys):
    process, command = start_long_run(files, tiny_model)
    process.kill()
    process.communicate(timeout=60)
    assert [name for name in os.listdir(files.results) if not name.startswith(".")] == ["labels.tif.unfinished"]
    assert main(command) == 2
    assert "--resume" in capsys.readouterr().err
    np.save(files.folder / "long.npy", files.arrays["movie"])
    assert main([*command, "--resume"]) == 2  # another movie
    assert "unfinished run with movie" in capsys.readouterr().err
    assert main([*command, "--overwrite"]) == 0
    assert os.listdir(files.results) == ["labels.tif"]  # nothing of the killed run is left


@pytest.mark.parametrize("shape", [(20, 27), (33, 47), (31, 100)])
def test_small_and_odd_frames(files, tiny_model, shape):
    movie, seeds = str(files.folder / "m.npy"), str(files.folder / "s.npy")
    np.save(movie, files.arrays["movie"][:, : shape[0], : shape[1]] if max(shape) < 64 else np.zeros((5, *shape), "u1"))
    labels = np.zeros(shape, np.uint8)
    labels[5:15, 5:15] = 1
    np.save(seeds, labels)
    for scope in ("global", "local"):
        assert propagate(files, tiny_model, "--scope", scope, "--overwrite", movie=movie, seeds=seeds) == 0
        assert tifffile.imread(files.output).shape == (5, *shape)
