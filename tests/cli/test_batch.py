"""Many movies: one that fails does not stop the others."""

from __future__ import annotations

import os

import numpy as np
import pytest
import tifffile

from napari_xmem.cli import main


@pytest.fixture
def folder(files, tmp_path):
    """A folder with two good movies, one damaged movie and one without seeds."""
    movies = tmp_path / "movies"
    movies.mkdir()
    movie, truth = files.arrays["movie"], files.arrays["truth"]
    for name in ("a", "c.ome"):
        tifffile.imwrite(movies / f"{name}.tif", movie, metadata={"axes": "TYX"})
    np.save(movies / "a_seeds.npy", files.arrays["seeds"])
    tifffile.imwrite(movies / "c_seeds.tif", truth[0])
    (movies / "b.tif").write_bytes((movies / "a.tif").read_bytes()[:9000])
    tifffile.imwrite(movies / "b_seeds.tif", truth[0])
    np.save(movies / "d.npy", movie)
    return movies


def batch(folder, model, *extra, output):
    return main(["batch", str(folder), "-o", str(output), "--model", model, "--device", "cpu", *extra])


def test_the_others_go_on(folder, tiny_model, tmp_path, capsys):
    out = tmp_path / "new" / "results"
    assert batch(folder, tiny_model, "--scores", "--overview", output=out) == 1
    captured = capsys.readouterr()
    assert "4 movies in" in captured.out and "2 done, 1 without seeds, 1 failed" in captured.out
    assert "failed: b.tif\nwithout seeds: d.npy" in captured.out
    assert "error: b.tif: " in captured.err and "d.npy" not in captured.err
    kinds = ("labels.tif", "overview.png", "scores.csv")
    assert sorted(os.listdir(out)) == sorted(f"{name}_{kind}" for name in "ac" for kind in kinds)
    made = (out / "a_labels.tif").stat().st_mtime_ns

    tifffile.imwrite(folder / "b.tif", tifffile.imread(folder / "a.tif"), metadata={"axes": "TYX"})
    assert batch(folder, tiny_model, output=out) == 0
    assert "1 done, 2 done before, 1 without seeds" in capsys.readouterr().out
    assert (out / "a_labels.tif").stat().st_mtime_ns == made
    assert batch(folder, tiny_model, "--overwrite", "--quiet", output=out) == 0
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err == ""
    assert (out / "a_labels.tif").stat().st_mtime_ns != made


def test_what_is_wrong_with_all_is_said_first(folder, tiny_model, tmp_path, capsys):
    out = tmp_path / "results"
    empty = tmp_path / "empty"
    empty.mkdir()
    for command, message in (
        ((empty, tiny_model), "no movies"),
        ((tmp_path / "none", tiny_model), "does not exist"),
        ((folder, "no.pth"), "no.pth"),
        ((folder, tiny_model, "--memory", "topk=3"), "Did you mean top_k?"),
        ((folder, tiny_model, "--memory", "eviction=fifo"), "eviction is 'fifo', expected one of"),
        ((folder, tiny_model, "--memory-budget", "inf"), "--memory-budget is inf"),
    ):
        assert batch(*command, output=out) == 2
        err = capsys.readouterr().err
        assert err.count("\n") == 1 and message in err
    (tmp_path / "file").write_text("")
    assert batch(folder, tiny_model, output=tmp_path / "file") == 2
    assert "cannot be made" in capsys.readouterr().err


def test_the_seed_frame_is_for_single_images_only(folder, tiny_model, tmp_path, capsys):
    for name in ("b.tif", "d.npy"):
        (folder / name).unlink()
    assert batch(folder, tiny_model, "--seed-frame", "1", "--dry-run", output=tmp_path / "out") == 0
    out = capsys.readouterr().out
    assert "2 objects on frame 0," in out and "2 objects on frame 1," in out


def test_same_names_are_refused(folder, tiny_model, tmp_path, capsys):
    other = tmp_path / "other"
    other.mkdir()
    for path in folder.glob("a*"):
        (other / path.name).write_bytes(path.read_bytes())
    assert main(["batch", str(folder), str(other), "-o", str(tmp_path / "out"), "--model", tiny_model]) == 2
    assert "a_labels.tif" in capsys.readouterr().err


def test_dry_run(folder, tiny_model, tmp_path, capsys):
    (folder / "day_2").mkdir()
    for name in ("a.tif", "a_seeds.npy"):
        (folder / "day_2" / name).write_bytes((folder / name).read_bytes())
    before = sorted(tmp_path.rglob("*"))
    out = tmp_path / "new" / "results"
    assert batch(folder, tiny_model, "--dry-run", output=out) == 1  # one movie is damaged, one has no seeds
    captured = capsys.readouterr()
    assert captured.out.count("nothing was written") == 2 and str(out / "a_labels.tif") in captured.out
    assert "2 done, 1 without seeds, 1 failed" in captured.out
    assert f"1 movie with seeds in {folder / 'day_2'} not done" in captured.err
    assert batch(folder, tiny_model, "--dry-run", output=folder / "b.tif" / "results") == 2
    assert "b.tif is a file" in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before
