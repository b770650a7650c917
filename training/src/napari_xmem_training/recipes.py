"""Training recipes: the model, the stages and the seed, by name."""

from __future__ import annotations

from dataclasses import dataclass, replace

from napari_xmem.config import ModelConfig
from napari_xmem.errors import ConfigError
from napari_xmem_training.config import TrainingConfig

__all__ = ["RECIPES", "Recipe", "get_recipe"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that determines a trained model besides the data.

    Attributes
    ----------
    name : str
        Name of recipe and model.
    model : ModelConfig
        The network.
    stages : tuple of TrainingConfig
        Trained one after the other.
    seed : int
        Seed of the first weights, the clips and their order.
    parent : str
        Model whose weights it starts from (`napari_xmem_training.warm_start`); empty: from random ones.
    """

    name: str
    model: ModelConfig
    stages: tuple[TrainingConfig, ...]
    seed: int = 0
    parent: str = ""

    @property
    def steps(self) -> int:
        """Optimiser steps of all stages."""
        return sum(stage.steps for stage in self.stages)

    def stage_at(self, step: int) -> tuple[int, TrainingConfig, int]:
        """Return index, stage and step within the stage of the overall `step` (0-based, at most ``steps - 1``)."""
        for index, stage in enumerate(self.stages):
            if step < stage.steps:
                return index, stage, step
            step -= stage.steps
        raise ConfigError(f"Recipe {self.name!r} has {self.steps} steps; there is no step {step + self.steps}.")


_CELLS_SMALL = ModelConfig(
    name="cells-small",
    image_channels=4,
    key_block="basic",
    stem_width=24,
    stem_pool=False,
    key_widths=(24, 64, 128),
    key_depths=(1, 2, 2),
    value_widths=(16, 32, 64),
    value_depths=(1, 1, 1),
    key_dim=48,
    value_dim=128,
    hidden_dim=48,
    decoder_widths=(64, 32),
    intensity="percentile",
    contrast_px=21,
    locality_px=36.0,
    nominal_diameter_px=56.0,
)

_CELLS = replace(
    _CELLS_SMALL,
    name="cells",
    decoder_widths=(64, 24),
    factored=2,
    factored_key=3,
    narrow_skips=True,
    state_dim=32,
    locality_px=27.0,
    nominal_diameter_px=48.0,
)
"""A quarter of the arithmetic of cells-small, and a head that judges states; it starts from cells-small.

It is trained on objects of 42 px and used at 48: measured on the suite, that pays for its cost.
"""

_TINY = ModelConfig(
    name="tiny",
    image_channels=4,
    key_block="basic",
    stem_width=8,
    stem_pool=False,
    key_widths=(8, 16, 16),
    key_depths=(1, 1, 1),
    value_widths=(8, 8, 16),
    value_depths=(1, 1, 1),
    key_dim=8,
    value_dim=24,
    hidden_dim=8,
    decoder_widths=(16, 8),
    intensity="percentile",
    contrast_px=21,
    nominal_diameter_px=42.0,
)

_LATE = TrainingConfig(seed_noise=0.1, annotator_bias=0.4, mixture="movies")
"""What the late stages share: the seed says where borders are, and hard kinds are drawn more often."""

_LAST = replace(_LATE, region_px=160, diameter_px=56.0, diameter_spread=0.35, freeze_norm=True)
"""What the last stages share: objects of the size that the model wants, and large regions."""

_WARM = TrainingConfig(
    batch=4,
    clip_frames=5,
    region_px=112,
    diameter_px=42.0,
    diameter_spread=0.3,
    seed_noise=0.1,
    annotator_bias=0.4,
    freeze_norm=True,
    mixture="events",
    learning_rate=6e-4,
    learning_rate_end=6e-4,
)
"""What the stages of a network that begins with trained weights share."""

RECIPES: dict[str, Recipe] = {
    "cells-small": Recipe(
        "cells-small",
        _CELLS_SMALL,
        (
            TrainingConfig(
                steps=650,
                batch=8,
                clip_frames=3,
                region_px=96,
                warmup_steps=150,
                others_compete=True,
                places=False,
            ),
            TrainingConfig(steps=376, batch=8, clip_frames=4, region_px=128, others_compete=True, places=False),
            TrainingConfig(steps=1199, batch=8, clip_frames=4, region_px=128, places=False),
            TrainingConfig(steps=700, batch=8, clip_frames=4, region_px=128),
            TrainingConfig(
                steps=900,
                batch=6,
                clip_frames=5,
                region_px=160,
                diameter_spread=0.35,
                learning_rate_end=2e-5,
                freeze_norm=True,
            ),
            replace(
                _LATE,
                steps=1031,
                batch=6,
                clip_frames=5,
                region_px=128,
                learning_rate=8e-4,
                learning_rate_end=6.5e-4,
                warmup_steps=50,
            ),
            replace(
                _LATE,
                steps=950,
                batch=6,
                clip_frames=5,
                region_px=128,
                diameter_px=52.0,
                learning_rate=6.5e-4,
                learning_rate_end=5e-4,
            ),
            replace(
                _LATE,
                steps=1650,
                batch=4,
                clip_frames=8,
                region_px=144,
                diameter_px=54.0,
                diameter_spread=0.28,
                learning_rate=5e-4,
                learning_rate_end=1e-4,
                freeze_norm=True,
            ),
            replace(_LAST, steps=700, batch=4, clip_frames=6, learning_rate=1e-4, learning_rate_end=1e-5),
            replace(
                _LAST,
                steps=2300,
                batch=4,
                clip_frames=7,
                learning_rate=4e-4,
                learning_rate_end=5e-5,
                warmup_steps=50,
            ),
            replace(_LAST, steps=600, batch=6, clip_frames=6, learning_rate=5e-5, learning_rate_end=5e-6),
        ),
    ),
    "cells": Recipe(
        "cells",
        _CELLS,
        (
            replace(_WARM, steps=250, clip_frames=3, warmup_steps=40, learning_rate=1e-3, frozen="key_"),
            replace(_WARM, steps=2610),
            replace(
                _WARM,
                steps=1400,
                clip_frames=8,
                region_px=128,
                learning_rate=5e-4,
                learning_rate_end=1e-5,
                mixture="crowds",
            ),
            replace(
                _WARM,
                steps=3300,
                clip_frames=8,
                region_px=128,
                learning_rate=5e-4,
                learning_rate_end=1e-5,
                warmup_steps=30,
                mixture="lasting",
            ),
            replace(
                _WARM,
                steps=2200,
                clip_frames=8,
                region_px=136,
                diameter_px=48.0,
                learning_rate=4.5e-4,
                learning_rate_end=1e-5,
                warmup_steps=30,
                mixture="buds",
            ),
        ),
        parent="cells-small",
    ),
    "tiny": Recipe("tiny", _TINY, (TrainingConfig(steps=20, batch=2, clip_frames=3, region_px=64, ema=0.9),)),
}


def get_recipe(name: str) -> Recipe:
    """Return a recipe by name; `ConfigError` lists the names."""
    if name not in RECIPES:
        raise ConfigError(f"There is no recipe {name!r}; recipes are {', '.join(RECIPES)}.")
    return RECIPES[name]
