from __future__ import annotations

import csv
import json
import os

import numpy as np
import pytest
import tifffile

import napari_xmem as nx
from lineage_scenes import PARENTS, family
from napari_xmem.cli import main
from napari_xmem.cli.lineage_reader import read_lineage


def propagate(files, model, *extra):
    command = ["propagate", files.movie, "--seeds", files.seeds, "--output", files.output]
    return main([*command, "--model", model, "--device", "cpu", *extra])


@pytest.fixture
def tracked(tmp_path):
    """Write a truth with its lineage in every form, and labels without divisions."""
    labels = family()
    lineage = nx.Lineage.from_labels(labels, PARENTS)
    np.save(tmp_path / "truth.npy", labels)
    nx.write_tracks(tmp_path / "truth.csv", lineage)
    nx.write_tracks(tmp_path / "01_RES", (labels, lineage))
    rows = [[child, mother, lineage.first_frame[child]] for child, mother in PARENTS.items()]
    np.savez(tmp_path / "truth.npz", lineage=np.array(rows))
    return tmp_path


@pytest.mark.parametrize("tracks", ["cells.csv", "cells.geff", "01_RES"])
def test_propagate_writes_tracks_and_measurements(files, tiny_model, capsys, tracks):
    if tracks.endswith("geff"):
        pytest.importorskip("geff")
    path, table = files.results / tracks, files.results / "measures.csv"
    assert propagate(files, tiny_model, "--tracks", str(path), "--measure", str(table)) == 0
    out = capsys.readouterr().out
    assert f"wrote {path}" in out and f"wrote {table}" in out
    labels = np.asarray(nx.open_labels(files.output).data)
    expected = nx.Lineage.from_labels(labels)
    read = nx.read_tracks(path)
    if tracks != "01_RES":  # gaps are cut there
        assert read.lineage.detections == expected.detections
    else:
        assert np.array_equal(np.asarray(read.labels) > 0, labels > 0)
    if tracks.endswith("geff"):
        assert os.path.samefile(read.labels_path, files.output)
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    found = nx.measure(nx.open_movie(files.movie), labels, expected)
    assert [(int(r["object_id"]), int(r["frame"])) for r in rows] == list(
        zip(found["object_id"].tolist(), found["frame"].tolist(), strict=True)
    )
    assert [float(r["intensity_mean"]) for r in rows] == found["intensity_mean"].tolist()


def test_propagate_checks_names_before_it_starts(files, tiny_model, capsys):
    for option, name, message in (
        ("--tracks", "cells.xml", "expected NAME.geff"),
        ("--tracks", "no/cells.csv", "does not exist"),
        ("--measure", "cells.txt", "cannot write this kind of file"),
    ):
        assert propagate(files, tiny_model, option, str(files.results / name)) == 2
        assert message in capsys.readouterr().err
    same = str(files.results / "a.csv")
    assert propagate(files, tiny_model, "--tracks", same, "--measure", same) == 2
    assert "two outputs have one name" in capsys.readouterr().err
    assert os.listdir(files.results) == []


def test_existing_tracks_stay(files, tiny_model, capsys):
    path = files.results / "cells.csv"
    path.write_text("mine")
    assert propagate(files, tiny_model, "--tracks", str(path)) == 2
    assert "exists" in capsys.readouterr().err and path.read_text() == "mine"
    assert propagate(files, tiny_model, "--tracks", str(path), "--overwrite") == 0
    assert len(nx.read_tracks(path).lineage)


def test_volumes_have_tracks_too(files, tiny_model):
    movie = np.stack([files.arrays["movie"]] * 2, axis=1)
    seeds = np.stack([files.arrays["seeds"]] * 2, axis=1)
    tifffile.imwrite(files.results / "m.tif", movie, metadata={"axes": "TZYX"})
    tifffile.imwrite(files.results / "s.tif", seeds, metadata={"axes": "TZYX"})
    tracks, table, out = (str(files.results / name) for name in ("t.csv", "m.csv", "out.tif"))
    command = ["propagate", str(files.results / "m.tif"), "--seeds", str(files.results / "s.tif"), "-o", out]
    assert main([*command, "--model", tiny_model, "--device", "cpu", "--tracks", tracks, "--measure", table]) == 0
    assert nx.read_tracks(tracks).lineage.detections.ndim == 3
    with open(table, newline="") as file:
        assert "volume_px" in next(csv.reader(file))


def test_batch_has_tracks_per_movie(files, tiny_model, tmp_path):
    folder = tmp_path / "movies"
    folder.mkdir()
    for name in ("a", "b"):
        tifffile.imwrite(folder / f"{name}.tif", files.arrays["movie"], metadata={"axes": "TYX"})
        tifffile.imwrite(folder / f"{name}_seeds.tif", files.arrays["seeds"], metadata={"axes": "TYX"})
    options = ["--model", tiny_model, "--device", "cpu", "--tracks", "ctc", "--measure"]
    assert main(["batch", str(folder), "-o", str(files.results), *options]) == 0
    for name in ("a", "b"):
        assert (files.results / f"{name}_RES" / "res_track.txt").exists()
        assert (files.results / f"{name}_measures.csv").exists()


@pytest.mark.parametrize("tracks", ["truth.csv", "truth.npz", "01_RES", "01_RES/res_track.txt"])
def test_lineages_from_any_file(tracked, tracks):
    assert read_lineage(str(tracked / tracks)) == PARENTS


def test_evaluate_scores_tracks(tracked, capsys):
    pytest.importorskip("traccuracy")
    pytest.importorskip("ctc_metrics")
    truth, scores = str(tracked / "truth.npy"), tracked / "scores.json"
    both = ["--tracks", str(tracked / "truth.csv"), "--true-tracks", str(tracked / "truth.npz")]
    assert main(["evaluate", truth, truth, *both, "--json", str(scores)]) == 0
    out = capsys.readouterr().out
    assert "tolerance" in out and "TRA" in out
    found = json.loads(scores.read_text())["tracks"]
    assert found["tra"] == found["divisions"][0]["f1"] == 1 and found["n_true_divisions"] == 2
    # A folder of the challenge brings its lineage along; what has none divides nowhere.
    assert main(["evaluate", truth, str(tracked / "01_RES"), "--json", str(scores)]) == 0
    found = json.loads(scores.read_text())["tracks"]
    assert found["det"] == 1 and found["tra"] < 1 and found["divisions"][0]["recall"] == 0


def test_evaluate_without_lineages_is_as_it_was(tracked, capsys):
    truth, scores = str(tracked / "truth.npy"), tracked / "scores.json"
    assert main(["evaluate", truth, truth, "--json", str(scores)]) == 0
    assert "TRA" not in capsys.readouterr().out and "tracks" not in json.loads(scores.read_text())


def test_evaluate_refuses(tracked, capsys):
    pytest.importorskip("traccuracy")
    truth = str(tracked / "truth.npy")
    assert main(["evaluate", truth, truth, "--tracks", str(tracked / "truth.csv")]) == 2
    assert "name it with --true-tracks" in capsys.readouterr().err
    (tracked / "odd.csv").write_text("child,parent\n2,77\n")
    assert main(["evaluate", truth, truth, "--true-tracks", str(tracked / "odd.csv")]) == 2
    assert "lineage of TRUTH: object 77, the mother of 2, does not exist" in capsys.readouterr().err
