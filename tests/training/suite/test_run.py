"""The suite from the command line, with an untrained network."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from engine.division.dividing_movies import apart, dividing_movie
from napari_xmem.cli import main
from napari_xmem.model import XMem, load_model, save_model
from napari_xmem_training.recipes import get_recipe
from napari_xmem_training.suite.movie import SuiteMovie
from napari_xmem_training.suite.run import follow
from napari_xmem_training.suite.score import score_movie


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    return save_model(XMem(get_recipe("tiny").model), tmp_path_factory.mktemp("model") / "tiny.safetensors")


def test_a_kind_of_the_suite_is_scored_with_baselines(weights, tmp_path, capsys):
    out = tmp_path / "suite.json"
    words = ["evaluate", "--suite", "--kinds", "natural", "--model", str(weights), "--json", str(out)]
    assert main([*words, "--device", "cpu"]) == 0
    table = capsys.readouterr().out
    assert "natural" in table
    for method in ("model", "copy", "flow", "flow+ws"):
        assert method in table
    report = json.loads(out.read_text())
    assert len(report["movies"]) == 4 * 4
    assert len(report["checksums"]) == 4
    assert report["about"]["model"] == "tiny"
    by_method = {k["method"]: k["jaccard"]["1"] for k in report["kinds"]}
    assert by_method["copy"] > 0.5


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "needs PRED and TRUTH, or --suite"),
        (["--suite", "--kinds", "nukes"], "no kind 'nukes'"),
        (["--suite", "--kinds", "c2c12"], "needs dev_c2c12_phase.npz"),
        (["--suite", "a.npy", "b.npy"], "leave out PRED and TRUTH"),
        (["--suite", "--data", "nowhere"], "is no folder"),
        (["--suite", "--json", "nowhere/out.json"], "there is no folder"),
        (["--suite", "--model", "nothing.safetensors", "--kinds", "return"], "no weights file"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(words, says, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["evaluate", *words]) == 2
    captured = capsys.readouterr()
    assert says in captured.err
    assert captured.err.count("\n") == 1


def test_daughters_count_as_the_cell_that_was_painted():
    frames, bodies = dividing_movie(apart(6, 3))
    truth = bodies.copy()
    truth[np.isin(bodies, (3, 4))] = 1
    movie = SuiteMovie("nuclei", "nuclei-1", frames, truth, (1, 2))
    labels = follow(movie, load_model("bundled", "cpu"), scope="local")
    assert set(np.unique(labels)) == {0, 1, 2}
    columns = score_movie(movie, labels, "model", 0.0).columns
    assert columns[max(columns)].mean > 0.8
