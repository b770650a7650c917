"""The suite from the command line, with an untrained network."""

from __future__ import annotations

import json

import pytest
import torch

from napari_xmem.cli import main
from napari_xmem.model import XMem, save_model
from napari_xmem_training.recipes import get_recipe


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
