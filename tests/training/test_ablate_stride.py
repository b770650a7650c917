"""scripts/ablate_stride.py: networks that differ in their strides only, trained alike, resumable."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from napari_xmem.model import load_model
from napari_xmem_training.config import TrainingConfig
from napari_xmem_training.recipes import get_recipe
from napari_xmem_training.suite import suite_movies
from napari_xmem_training.suite.ablations import few_objects

SCRIPT = Path(__file__).parents[2] / "scripts" / "ablate_stride.py"


@pytest.fixture(scope="module")
def script():
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("ablate_stride", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="module")
def small():
    """Two steps of the smallest network."""
    stage = TrainingConfig(steps=1, batch=2, clip_frames=2, region_px=64, margin_px=8)
    model = replace(get_recipe("tiny").model, locality_px=36.0)
    return replace(get_recipe("tiny"), model=model, stages=(stage, stage))


def test_the_recipes_differ_in_their_strides_only(script):
    ours, official = script.stride_recipe(False), script.stride_recipe(True)
    assert ours.model.strides == (2, 4, 8)
    assert official.model.strides == (4, 8, 16)
    assert (ours.stages, ours.seed) == (official.stages, official.seed)
    one, other = asdict(ours.model), asdict(official.model)
    assert {name for name in one if one[name] != other[name]} == {"name", "stem_pool"}
    bundled = asdict(get_recipe("cells-small").model)
    assert {name for name in one if one[name] != bundled[name]} == {"name"}


@pytest.mark.parametrize("steps", [4, 30, 400])
def test_as_many_steps_as_asked_for_in_regions_that_fit_both(script, steps):
    recipe = script.stride_recipe(True, steps)
    assert recipe.steps == steps
    for stage in recipe.stages:
        assert stage.region_px % recipe.model.stride_px == stage.margin_px % recipe.model.stride_px == 0
        assert stage.learning_rate_end < stage.learning_rate


@pytest.mark.train
def test_a_training_out_of_time_goes_on_and_is_not_repeated(script, small, tmp_path):
    assert script.trained(small, None, tmp_path, 0.0) is None
    path, seconds = script.trained(small, None, tmp_path, None)
    assert set(json.loads((tmp_path / "tiny" / "cpu_seconds.json").read_text())) == {"1", "2"}
    assert seconds > 0
    assert script.trained(small, None, tmp_path, None) == (path, seconds)

    network, scaled = load_model(path, "cpu"), script.at_scale(path, 2.0)
    assert scaled.config == replace(network.config, nominal_diameter_px=84.0, locality_px=72.0)
    assert all(torch.equal(value, scaled.state_dict()[name]) for name, value in network.state_dict().items())
    movie = next(iter(suite_movies(None, ["return"])))
    movie = few_objects(replace(movie, frames=movie.frames[:3], truth=movie.truth[:3]), 1)
    spent, (jaccard,) = script.follow(scaled, [movie])
    assert spent > 0
    assert 0 <= jaccard <= 1


def test_a_row_is_a_line_with_the_mean_of_its_kinds(script):
    rows = [script.Row("(2, 4, 8)", 400, 300.4, 20.6, (0.5, 0.7)), script.Row("(4, 8, 16)", 400, 100, 10, (0.2, 0.1))]
    lines = script.table(rows, ["yeast", "rods"]).splitlines()
    assert lines[2] == "| (2, 4, 8) | 400 | 300 | 21 | 0.50 | 0.70 | 0.600 |"
    assert lines[3].endswith("| 0.150 |")
    assert len({line.count("|") for line in lines}) == 1
