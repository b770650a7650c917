"""The loop: same weights whether or not it was interrupted."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from napari_xmem.model import load_model
from napari_xmem_training.config import TrainingConfig
from napari_xmem_training.loop import RunOptions, train
from napari_xmem_training.recipes import get_recipe
from napari_xmem_training.state import TrainingState

pytestmark = pytest.mark.train
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def recipe():
    """Two stages of three steps; the second freezes normalisation and has larger regions."""
    first = TrainingConfig(steps=3, batch=2, clip_frames=3, region_px=64, margin_px=8, ema=0.9, warmup_steps=2)
    second = replace(first, region_px=80, learning_rate_end=1e-4, freeze_norm=True, warmup_steps=0)
    return replace(get_recipe("tiny"), stages=(first, second))


def options(folder, **changes):
    return RunOptions(None, folder, CPU, **{"validate_every": 0, "workers": 0, **changes})


@pytest.fixture(scope="module")
def finished(recipe, tmp_path_factory):
    """The model of an uninterrupted run, and the figures of its steps."""
    rows = []
    path = train(recipe, options(tmp_path_factory.mktemp("run")), lambda step, figures: rows.append((step, figures)))
    return path, rows


def same_weights(one, other):
    a, b = (load_model(path, "cpu").state_dict() for path in (one, other))
    return all(torch.equal(a[name], b[name]) for name in a)


def test_a_recipe_trains_without_data(finished, recipe):
    path, rows = finished
    assert path.name == "tiny.safetensors"
    assert [step for step, _ in rows] == [1, 2, 3, 4, 5, 6]
    assert all(0 < figures["loss"] < 10 for _, figures in rows)


def test_stopped_at_every_step_and_resumed_it_gives_the_same_weights(finished, recipe, tmp_path):
    paths = [train(recipe, options(tmp_path, time_limit_s=0.0)) for _ in range(recipe.steps)]
    assert paths[:-1] == [None] * (recipe.steps - 1)
    assert same_weights(finished[0], paths[-1])


def test_a_crash_between_checkpoints_changes_nothing_in_the_end(finished, recipe, tmp_path):
    class CrashError(Exception):
        pass

    def crash(step, figures):
        if step == 5:
            raise CrashError

    train(recipe, options(tmp_path, time_limit_s=0.0))
    with pytest.raises(CrashError):
        train(recipe, options(tmp_path), crash)
    assert same_weights(finished[0], train(recipe, options(tmp_path)))


def test_another_seed_gives_other_weights(finished, recipe, tmp_path):
    path = train(replace(recipe, seed=5), options(tmp_path))
    assert not same_weights(finished[0], path)


def test_a_finished_run_is_not_trained_again(finished, recipe):
    steps = []
    path = train(recipe, options(finished[0].parent), lambda step, figures: steps.append(step))
    assert not steps
    assert path == finished[0]


def test_training_can_start_from_given_weights(finished, recipe, tmp_path):
    init = load_model(finished[0], "cpu")
    short = replace(recipe, stages=(replace(recipe.stages[0], steps=1, learning_rate=1e-9, learning_rate_end=1e-9),))
    path = train(short, options(tmp_path), init=init)
    start, end = init.state_dict(), load_model(path, "cpu").state_dict()
    kernels = [name for name in start if start[name].ndim == 4]
    assert kernels
    assert all(torch.allclose(start[name], end[name], atol=1e-3) for name in kernels)


def test_frozen_parts_stay_and_a_run_with_them_resumes_exactly(recipe, tmp_path):
    frozen = replace(recipe.stages[0], frozen="key_")
    late = replace(recipe, stages=(frozen, recipe.stages[1]))
    whole = train(late, options(tmp_path / "whole"))
    for _ in range(late.steps):
        parts = train(late, options(tmp_path / "parts", time_limit_s=0.0))
    assert same_weights(whole, parts)
    start = TrainingState.fresh(late, CPU).network.state_dict()
    kept = train(replace(late, stages=(replace(frozen, freeze_norm=True),)), options(tmp_path / "kept"))
    end = load_model(kept, "cpu").state_dict()
    changed = {name.split(".")[0] for name in start if not torch.equal(start[name].half().float(), end[name])}
    assert changed == {"value_encoder", "decoder"}


def test_a_run_goes_on_from_an_exported_average(finished, recipe, tmp_path):
    """From step 4 on: the clips and the schedule of that step, and a short rise of the learning rate."""
    steps = []
    init = load_model(finished[0], "cpu")
    state = TrainingState.fresh(recipe, CPU, init, 4)
    assert (state.step, state.began) == (4, 4)
    path = train(recipe, options(tmp_path), lambda step, figures: steps.append(step), init, 4)
    assert steps == [5, 6]
    assert not same_weights(path, finished[0])


@pytest.mark.slow
def test_worker_processes_change_nothing(finished, recipe, tmp_path):
    assert same_weights(finished[0], train(recipe, options(tmp_path, workers=2)))
