"""Recipes and their stages."""

from __future__ import annotations

import pytest

from napari_xmem.errors import ConfigError
from napari_xmem.model import XMem
from napari_xmem_training.recipes import RECIPES, get_recipe


def test_every_step_belongs_to_one_stage():
    for recipe in RECIPES.values():
        places = [recipe.stage_at(step) for step in range(recipe.steps)]
        counts = [sum(index == n for index, _, _ in places) for n in range(len(recipe.stages))]
        assert counts == [stage.steps for stage in recipe.stages]
        starts = [within for index, _, within in places if within == 0]
        assert len(starts) == len(recipe.stages)


def test_there_is_no_step_after_the_last():
    recipe = get_recipe("tiny")
    with pytest.raises(ConfigError, match="20 steps; there is no step 20"):
        recipe.stage_at(recipe.steps)


def test_an_unknown_recipe_is_answered_with_the_names():
    with pytest.raises(ConfigError, match=r"'cels-small'.*cells-small, cells, tiny"):
        get_recipe("cels-small")


def test_what_ships_stays_below_fifteen_megabytes_in_half_precision():
    for name in RECIPES:
        network = XMem(get_recipe(name).model)
        assert sum(t.numel() for t in network.state_dict().values()) * 2 < 15e6


def test_windows_fit_the_key_grid():
    for recipe in RECIPES.values():
        stride = recipe.model.stride_px
        for stage in recipe.stages:
            assert stage.region_px % stride == 0
            assert stage.window_px % stride == 0
