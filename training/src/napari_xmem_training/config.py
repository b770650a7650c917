"""Settings of a stage of training."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from napari_xmem.config.settings import check_settings, described, require, setting

__all__ = ["TrainingConfig"]


@described
@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """One stage of a training recipe: same recipe, seed and data give the same model."""

    steps: int = setting(10_000, help="Optimiser steps of this stage.", low=1)
    batch: int = setting(8, help="Clips per step.", low=1)
    clip_frames: int = setting(5, help="Frames per clip.", low=2)
    region_px: int = setting(
        128, help="Side of the region an object is followed in; a multiple of the key stride.", unit="px", low=1
    )
    margin_px: int = setting(
        16, help="Image context around the region that only the key encoder sees.", unit="px", low=0
    )
    learning_rate: float = setting(1e-3, help="AdamW's rate at the start of the stage.", low=0, above=True)
    learning_rate_end: float = setting(1e-3, help="AdamW's rate at its end; linear in between.", low=0)
    weight_decay: float = setting(0.02, help="AdamW's weight decay.", low=0)
    gradient_clip: float = setting(1.0, help="Limit of the gradient's norm.", low=0, above=True)
    warmup_steps: int = setting(0, help="Linear warm-up at the start of the stage.", low=0)
    ema: float = setting(0.998, help="Decay of the weight average that is shipped; less than 1.", low=0, high=1)
    freeze_norm: bool = setting(False, help="Use the running statistics of batch normalisation instead of the batch's.")
    diameter_px: float = setting(42.0, help="Usual diameter of the targets.", unit="px", low=0, above=True)
    diameter_spread: float = setting(
        0.22,
        help="Spread of target diameters around the usual one (standard deviation of the logarithm).",
        low=0,
    )
    places: bool = setting(True, help="Use the model's prior on places (`ModelConfig.locality_px`).")
    others_compete: bool = setting(
        False,
        help="Let the true masks of known neighbours compete with the prediction.",
        effect="Off: neighbours are only told to the value encoder, and the object has to be told from them by itself.",
    )
    seed_noise: float = setting(
        0.34,
        help="Share of seeds that are grown or shrunk by a pixel while the target stays: hands are not exact.",
        low=0, high=1,
    )  # fmt: skip
    annotator_bias: float = setting(
        0.0,
        help="Share of clips in which seed and targets alike are grown or shrunk by the same one to three pixels: "
        "where the annotator draws a border is for the seed to say.",
        low=0, high=1,
    )  # fmt: skip
    mixture: str = setting(
        "broad",
        help="Which clips are drawn how often: a name in `napari_xmem_training.clips.MIXTURES`.",
    )
    frozen: str = setting(
        "",
        help="Parts of the network that stay as they are in this stage: beginnings of names of parameters, with spaces "
        "between them.",
    )
    state_loss: float = setting(
        0.1,
        help="Weight of the loss of the head that judges states; without effect on a network that has none.",
        low=0,
    )

    def __post_init__(self) -> None:
        check_settings(self)
        require(self.ema < 1, f"ema is {self.ema}, expected 0 to less than 1.")

    @property
    def window_px(self) -> int:
        """Side of the image window: the region and the context on both sides."""
        return self.region_px + 2 * self.margin_px

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON-able values."""
        return asdict(self)
