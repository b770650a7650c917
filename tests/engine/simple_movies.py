"""Small movies of discs and a tiny untrained network, shared by the engine's tests."""

from __future__ import annotations

import numpy as np
import torch

from napari_xmem.config import ModelConfig
from napari_xmem.model import XMem

__all__ = ["disc_movie", "tiny_config", "tiny_network"]


def tiny_config(**changes: object) -> ModelConfig:
    """Return the shape of a network that runs in milliseconds."""
    values: dict[str, object] = {
        "name": "tiny",
        "image_channels": 4,
        "key_block": "basic",
        "stem_width": 4,
        "stem_pool": False,
        "key_widths": (4, 8, 8),
        "key_depths": (1, 1, 1),
        "value_widths": (4, 8, 8),
        "value_depths": (1, 1, 1),
        "key_dim": 8,
        "value_dim": 8,
        "hidden_dim": 4,
        "decoder_widths": (8, 8),
        "intensity": "percentile",
        "contrast_px": 9,
        "nominal_diameter_px": 16.0,
    }
    return ModelConfig(**{**values, **changes})  # type: ignore[arg-type]


def tiny_network(seed: int = 0, **changes: object) -> XMem:
    """Return an untrained network with lively batch statistics, in eval mode."""
    torch.manual_seed(seed)
    network = XMem(tiny_config(**changes))
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.2)
    return network.eval().requires_grad_(False)


def disc_movie(
    n_objects: int = 6, n_frames: int = 5, shape: tuple[int, int] = (96, 128), diameter: int = 14, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return frames (T, Y, X) float32 and labels (T, Y, X) int32 of discs on a lattice, drifting to the right."""
    rng = np.random.default_rng(seed)
    columns = int(np.ceil(np.sqrt(n_objects * shape[1] / shape[0])))
    rows = -(-n_objects // columns)
    yy, xx = np.mgrid[: shape[0], : shape[1]]
    labels = np.zeros((n_frames, *shape), np.int32)
    for t in range(n_frames):
        for i in range(n_objects):
            y = (i // columns + 0.5) * shape[0] / rows
            x = (i % columns + 0.5) * shape[1] / columns + t
            labels[t][(yy - y) ** 2 + (xx - x) ** 2 < (diameter / 2) ** 2] = i + 1
    frames = (labels > 0) * 5.0 + rng.normal(0, 0.5, labels.shape)
    return frames.astype(np.float32), labels
