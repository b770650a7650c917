"""Checkpoints: small, whole, exact, and no danger to other files."""

from __future__ import annotations

import pytest
import torch

from napari_xmem.errors import CheckpointError
from napari_xmem_training.recipes import RECIPES, get_recipe
from napari_xmem_training.state import TrainingState

CPU = torch.device("cpu")
MIB = 1 << 20


def stepped(recipe, steps=1):
    """A state after some optimiser steps on made-up gradients."""
    state = TrainingState.fresh(recipe, CPU)
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        for parameter in state.network.parameters():
            parameter.grad = 0.1 * torch.randn(parameter.shape, generator=generator)
        state.optimiser.step()
        state.step += 1
        state.update_average(0.9)
    return state


@pytest.mark.parametrize("name", list(RECIPES))
def test_every_checkpoint_file_is_under_sixteen_mebibytes(name, tmp_path):
    stepped(get_recipe(name)).save(tmp_path)
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert len(sizes) == 5
    assert max(sizes.values()) < 16 * MIB, sizes


def test_restoring_gives_back_weights_average_and_optimiser(tmp_path):
    recipe = get_recipe("tiny")
    before = stepped(recipe, 3)
    before.history.append({"step": 3, "loss": 1.5})
    before.seconds = 12.5
    before.save(tmp_path)
    after = TrainingState.fresh(recipe, CPU)
    assert after.restore(tmp_path)
    assert (after.step, after.seconds, after.history) == (3, 12.5, [{"step": 3, "loss": 1.5}])
    for one, other in ((before.network, after.network), (before.average, after.average)):
        for name, tensor in one.state_dict().items():
            assert torch.equal(tensor, other.state_dict()[name]), name
    for p, q in zip(before.network.parameters(), after.network.parameters(), strict=True):
        for key in ("step", "exp_avg", "exp_avg_sq"):
            assert torch.equal(before.optimiser.state[p][key], after.optimiser.state[q][key])


def test_an_interrupted_save_leaves_the_previous_checkpoint_whole(tmp_path):
    recipe = get_recipe("tiny")
    stepped(recipe, 1).save(tmp_path)
    # Killed while the next one was written: some parts are there, cut short, and state.json still names the old step.
    (tmp_path / "weights.2.safetensors").write_bytes(b"cut short")
    (tmp_path / "state.json.partial").write_text("{")
    state = TrainingState.fresh(recipe, CPU)
    assert state.restore(tmp_path)
    assert state.step == 1


def test_saving_removes_old_checkpoints_and_nothing_else(tmp_path):
    mine = tmp_path / "my-model.safetensors"
    mine.write_bytes(b"precious")
    state = stepped(get_recipe("tiny"), 1)
    state.save(tmp_path)
    state.step = 2
    state.save(tmp_path)
    assert mine.read_bytes() == b"precious"
    assert {p.name for p in tmp_path.glob("weights.*")} == {"weights.2.safetensors"}


def test_a_run_of_another_recipe_is_refused_in_a_line(tmp_path):
    stepped(get_recipe("tiny")).save(tmp_path)
    with pytest.raises(CheckpointError, match=r"holds no run of this recipe.*Choose another --output") as raised:
        TrainingState.fresh(get_recipe("cells-small"), CPU).restore(tmp_path)
    assert len(str(raised.value)) < 500


def test_an_empty_folder_is_a_fresh_start(tmp_path):
    assert not TrainingState.fresh(get_recipe("tiny"), CPU).restore(tmp_path)


def test_the_average_follows_quickly_at_first_and_slowly_later():
    state = TrainingState.fresh(get_recipe("tiny"), CPU)
    with torch.no_grad():
        for parameter in state.network.parameters():
            parameter.fill_(1.0)
        for parameter in state.average.parameters():
            parameter.fill_(0.0)
    state.step = 0
    state.update_average(0.998)
    assert next(state.average.parameters()).flatten()[0].item() == pytest.approx(0.9)
    state.step = 100_000
    value = next(state.average.parameters()).flatten()[0].item()
    state.update_average(0.998)
    moved = next(state.average.parameters()).flatten()[0].item() - value
    assert moved == pytest.approx(0.002 * (1 - value), rel=1e-3)


def test_a_damaged_checkpoint_is_refused_in_a_line(tmp_path):
    recipe = get_recipe("tiny")
    stepped(recipe).save(tmp_path)
    weights = tmp_path / "weights.1.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="holds no run of this recipe"):
        TrainingState.fresh(recipe, CPU).restore(tmp_path)
    (tmp_path / "state.json").write_text("{")
    with pytest.raises(CheckpointError, match="holds no run of this recipe"):
        TrainingState.fresh(recipe, CPU).restore(tmp_path)
