"""``napari-xmem train`` as a user runs it."""

from __future__ import annotations

import pytest
import torch

from napari_xmem.cli import main
from napari_xmem.model import XMem, load_model, save_model
from napari_xmem.model.checkpoint import model_card
from napari_xmem_training.recipes import get_recipe


def run(*words):
    return main(["train", *(str(w) for w in words)])


def test_list_names_the_recipes(capsys):
    assert run("--list") == 0
    out = capsys.readouterr().out
    assert "cells-small" in out
    assert "tiny" in out
    assert "million parameters" in out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "name of a recipe"),
        (["huge"], "no recipe 'huge'"),
        (["tiny", "--time-limit", "0"], "--time-limit is 0"),
        (["tiny", "--time-limit", "soon"], "invalid float value"),
        (["tiny", "--workers", "-1"], "--workers is -1"),
        (["tiny", "--validate-every", "-1"], "--validate-every is -1"),
        (["tiny", "--threads", "0"], "--threads is 0"),
        (["tiny", "--data", "nowhere"], "is no folder"),
        (["tiny", "--data", "."], "No training images"),
        (["tiny", "--device", "toaster"], "no device name"),
        (["tiny", "--init", "nothing.safetensors"], "no weights file"),
        (["tiny", "--output", "taken/run"], "cannot be made a folder"),
        (["tiny", "--what"], "there is no option --what"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(words, says, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").write_text("a file")
    assert run(*words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert says in captured.err


def test_initial_weights_of_another_shape_are_refused(tmp_path, capsys):
    path = save_model(XMem(get_recipe("tiny").model), tmp_path / "tiny.safetensors")
    assert run("cells-small", "--init", path, "--output", tmp_path / "run") == 2
    assert "another shape" in capsys.readouterr().err


@pytest.mark.train
def test_stop_and_go_on_until_the_model_is_there(tmp_path, capsys):
    words = ["tiny", "--output", tmp_path, "--workers", 0, "--validate-every", 0]
    assert run(*words, "--time-limit", 0.01) == 0
    assert "stopped at step 1 of 20" in capsys.readouterr().out
    assert (tmp_path / "state.json").is_file()
    assert run(*words) == 0
    out = capsys.readouterr().out
    assert "going on at step 1 of 20" in out
    assert "step 20 of 20" in out
    assert (tmp_path / "loss.png").is_file()
    card = model_card(tmp_path / "tiny.safetensors")
    assert card["recipe"]["name"] == "tiny"
    assert card["data"]["simulated"]["licence"]
    network = load_model(tmp_path / "tiny.safetensors", "cpu")
    assert all(torch.isfinite(t).all() for t in network.state_dict().values())


@pytest.mark.train
def test_an_exported_run_goes_on_elsewhere(tmp_path, capsys):
    words = ["tiny", "--workers", 0, "--validate-every", 0, "--time-limit", 0.01]
    assert run(*words, "--output", tmp_path / "here") == 0
    assert run("tiny", "--output", tmp_path / "here", "--export", tmp_path / "kept.safetensors") == 0
    assert model_card(tmp_path / "kept.safetensors") == {"recipe": {"name": "tiny"}, "step": 1}
    assert run(*words, "--output", tmp_path / "there", "--init", tmp_path / "kept.safetensors") == 0
    assert "stopped at step 2 of 20" in capsys.readouterr().out


def test_there_must_be_a_run_to_export(tmp_path, capsys):
    assert run("tiny", "--output", tmp_path, "--export", tmp_path / "kept.safetensors") == 2
    assert "holds no run" in capsys.readouterr().err


@pytest.mark.train
def test_a_folder_with_another_recipes_run_is_refused(tmp_path, capsys):
    words = ["--output", tmp_path, "--workers", 0, "--validate-every", 0, "--time-limit", 0.01, "--quiet"]
    assert run("tiny", *words) == 0
    assert run("cells-small", *words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "holds no run of this recipe" in captured.err
    assert captured.err.count("\n") == 1
