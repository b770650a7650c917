"""Outputs never take the place of what is not theirs, whatever their names."""

from __future__ import annotations

import os

import numpy as np
import pytest
import zarr

from napari_xmem.cli import main
from napari_xmem.files import neighbour
from napari_xmem.io import open_labels


def propagate(files, model, *more, **changes):
    names = {"movie": files.movie, "seeds": files.seeds, "output": files.output, **changes}
    command = ["propagate", str(names["movie"]), "--seeds", str(names["seeds"]), "-o", str(names["output"])]
    return main([*command, "--model", model, "--device", "cpu", *more])


@pytest.mark.parametrize("name", ["notes.zarr", "notes.tif", "notes.npy"])
def test_a_folder_is_not_replaced_even_with_overwrite(files, tiny_model, capsys, name):
    folder = files.results / name
    folder.mkdir()
    (folder / "precious.txt").write_text("mine")
    assert propagate(files, tiny_model, "--overwrite", output=folder) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and str(folder) in err
    assert (folder / "precious.txt").read_text() == "mine" and os.listdir(files.results) == [name]


@pytest.mark.parametrize(("option", "name"), [("--scores", "s.csv"), ("--overview", "o.png")])
def test_the_same_for_scores_and_overview(files, tiny_model, capsys, option, name):
    (files.results / name / "inside").mkdir(parents=True)
    assert propagate(files, tiny_model, "--overwrite", option, str(files.results / name)) == 2
    assert "is a folder" in capsys.readouterr().err and os.listdir(files.results) == [name]


@pytest.mark.parametrize("option", ["-o", "--scores", "--measure", "--overview"])
@pytest.mark.parametrize("place", [".", "/", ""])
def test_the_folder_at_hand_is_no_output(files, tiny_model, capsys, monkeypatch, option, place):
    """Its path has no name that a lock or an unfinished run could be called after."""
    monkeypatch.chdir(files.results)
    command = ["propagate", str(files.movie), "--seeds", str(files.seeds), "-o", "labels.tif", "--model", tiny_model]
    assert main([*command, option, place]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and (f"{place} is a folder" if place else f"an empty text is given for {option}") in err
    assert os.listdir(files.results) == []


@pytest.mark.parametrize("command", [["models", ""], ["batch", "movies", "--output="], ["demo", ""]])
def test_an_empty_text_is_not_the_folder_at_hand(capsys, monkeypatch, tmp_path, command):
    monkeypatch.chdir(tmp_path)
    assert main(command) == 2
    assert "an empty text is given" in capsys.readouterr().err and os.listdir(tmp_path) == []


def test_a_store_that_holds_the_movie_is_not_replaced(files, tiny_model, capsys):
    store = files.folder / "store.zarr"
    group = zarr.open_group(str(store), mode="w")
    group.create_array("raw", data=files.arrays["movie"], chunks=(1, 48, 64), dimension_names=("t", "y", "x"))
    for movie in (f"{store}:raw", store / "raw"):
        assert propagate(files, tiny_model, "--overwrite", movie=movie, output=store) == 2
        err = capsys.readouterr().err
        assert "is a group that holds raw, which are no labels of one movie: it is not replaced" in err
    np.testing.assert_array_equal(zarr.open_group(str(store), mode="r")["raw"][:], files.arrays["movie"])


@pytest.mark.parametrize("suffix", [".tif", ".npy", ".zarr"])
def test_names_as_long_as_the_file_system_allows(files, tiny_model, capsys, suffix):
    output = files.results / ("ö" * ((255 - len(suffix)) // 2) + suffix)
    assert propagate(files, tiny_model, output=output) == 0
    assert os.listdir(files.results) == [output.name]
    assert open_labels(output).shape == (5, 48, 64)
    capsys.readouterr()
    assert propagate(files, tiny_model, output=files.results / ("x" * 300 + suffix)) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "File name too long" in err
    assert propagate(files, tiny_model, movie=files.folder / ("x" * 300 + ".tif"), output=files.results / "a.tif") == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_long_name_is_taken_up_as_well(files, tiny_model, capsys):
    output = files.results / ("n" * 251 + ".tif")
    unfinished = neighbour(output, ".unfinished")
    unfinished.mkdir()
    (unfinished / "run.json").write_text("{}")
    assert propagate(files, tiny_model, output=output) == 2
    assert "interrupted run" in capsys.readouterr().err
    assert propagate(files, tiny_model, "--overwrite", output=output) == 0
    assert os.listdir(files.results) == [output.name]


def test_resume_where_nothing_is_left_to_do_says_so(files, tiny_model, capsys):
    assert propagate(files, tiny_model, "--resume") == 0
    made = os.stat(files.output).st_mtime_ns
    capsys.readouterr()
    assert propagate(files, tiny_model, "--resume") == 0
    assert "nothing is left to do" in capsys.readouterr().out and os.stat(files.output).st_mtime_ns == made
    assert propagate(files, tiny_model, "--resume", "--scores", str(files.results / "s.csv")) == 2
    assert "exists" in capsys.readouterr().err


def test_what_others_have_put_into_the_folder_of_a_run_stays(files, tiny_model):
    unfinished = files.results / "labels.tif.unfinished"
    unfinished.mkdir()
    (unfinished / "notes.txt").write_text("mine")
    assert propagate(files, tiny_model) == 0
    assert (unfinished / "notes.txt").read_text() == "mine" and os.listdir(unfinished) == ["notes.txt"]
