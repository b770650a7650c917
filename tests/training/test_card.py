"""Model cards in the header of a model's file."""

from __future__ import annotations

import torch

from napari_xmem.model import XMem, load_model, save_model
from napari_xmem.model.checkpoint import model_card
from napari_xmem_training.card import rewrite_card, training_card
from napari_xmem_training.recipes import get_recipe


def test_the_card_says_what_made_the_model(tmp_path):
    recipe = get_recipe("tiny")
    (tmp_path / "bbbc038_fluo.npz").touch()
    history = [{"step": 10, "loss": 1.0}, {"step": 20, "loss": 0.5, "val": 0.6, "val/shapes/things": 0.6}]
    card = training_card(recipe, tmp_path, "cpu", 7200.0, history)
    assert set(card["data"]) == {"bbbc038_fluo", "simulated"}
    assert all(entry["licence"] for entry in card["data"].values())
    assert card["recipe"]["steps"] == recipe.steps
    assert card["compute"]["hours"] == 2.0
    assert card["validation"] == {"step": 20, "val": 0.6, "val/shapes/things": 0.6}


def test_rewriting_the_card_keeps_weights_and_other_entries(tmp_path):
    torch.manual_seed(0)
    path = save_model(XMem(get_recipe("tiny").model), tmp_path / "m.safetensors", card={"model": "tiny", "a": 1})
    before = load_model(path, "cpu").fingerprint
    assert rewrite_card(path, {"scores": {"J": 0.5}, "a": 2}) == {"model": "tiny", "a": 2, "scores": {"J": 0.5}}
    assert model_card(path)["scores"] == {"J": 0.5}
    assert load_model(path, "cpu").fingerprint == before
