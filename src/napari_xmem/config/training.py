"""Settings of a stage of training."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from napari_xmem.config.checks import require

__all__ = ["TrainingConfig"]


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """One stage of a training recipe: same recipe, seed and data give the same model.

    Attributes
    ----------
    steps : int
        Optimiser steps of this stage.
    batch : int
        Clips per step.
    clip_frames : int
        Frames per clip.
    region_px : int
        Side of the region an object is followed in; a multiple of the key stride.
    margin_px : int
        Image context around the region that only the key encoder sees.
    learning_rate, learning_rate_end : float
        AdamW's rate at the start and the end of the stage, linear in between.
    weight_decay, gradient_clip : float
        AdamW's weight decay, limit of the gradient's norm.
    warmup_steps : int
        Linear warm-up at the start of the stage.
    ema : float
        Decay of the weight average that is shipped.
    freeze_norm : bool
        Use the running statistics of batch normalisation instead of the batch's.
    diameter_px : float
        Usual diameter of the targets.
    diameter_spread : float
        Spread of target diameters around the usual one (standard deviation of the logarithm).
    places : bool
        Use the model's prior on places (`ModelConfig.locality_px`).
    others_compete : bool
        Let the true masks of known neighbours compete with the prediction. False: neighbours are only told to the value
        encoder, and the object has to be told from them by itself.
    seed_noise : float
        Share of seeds that are grown or shrunk by a pixel while the target stays: hands are not exact.
    annotator_bias : float
        Share of clips in which seed and targets alike are grown or shrunk by the same one to three pixels: where the
        annotator draws a border is for the seed to say.
    mixture : str
        Which clips are drawn how often: a name in `napari_xmem_training.clips.MIXTURES`.
    """

    steps: int = 10_000
    batch: int = 8
    clip_frames: int = 5
    region_px: int = 128
    margin_px: int = 16
    learning_rate: float = 1e-3
    learning_rate_end: float = 1e-3
    weight_decay: float = 0.02
    gradient_clip: float = 1.0
    warmup_steps: int = 0
    ema: float = 0.998
    freeze_norm: bool = False
    diameter_px: float = 42.0
    diameter_spread: float = 0.22
    places: bool = True
    others_compete: bool = False
    seed_noise: float = 0.34
    annotator_bias: float = 0.0
    mixture: str = "broad"

    def __post_init__(self) -> None:
        for name in ("seed_noise", "annotator_bias"):
            require(0 <= getattr(self, name) <= 1, f"{name} is {getattr(self, name)}, expected 0 to 1.")
        for name in ("steps", "batch", "region_px", "learning_rate"):
            require(getattr(self, name) > 0, f"{name} is {getattr(self, name)}, expected more than 0.")
        require(self.clip_frames >= 2, f"clip_frames is {self.clip_frames}, expected at least 2.")
        require(0 <= self.ema < 1, f"ema is {self.ema}, expected 0 to less than 1.")

    @property
    def window_px(self) -> int:
        """Side of the image window: the region and the context on both sides."""
        return self.region_px + 2 * self.margin_px

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON-able values."""
        return asdict(self)
