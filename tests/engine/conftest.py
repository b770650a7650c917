"""A small untrained network: right shapes and reproducible numbers, no tracking ability."""

from __future__ import annotations

import pytest
import torch

from napari_xmem.config import ModelConfig
from napari_xmem.model import XMem


def tiny_config(**changes: object) -> ModelConfig:
    values: dict[str, object] = {
        "name": "tiny",
        "image_channels": 3,
        "key_block": "basic",
        "stem_width": 8,
        "stem_pool": False,
        "key_widths": (8, 8, 8),
        "key_depths": (1, 1, 1),
        "value_widths": (8, 8, 8),
        "value_depths": (1, 1, 1),
        "key_dim": 8,
        "value_dim": 20,
        "hidden_dim": 8,
        "decoder_widths": (8, 8),
        "intensity": "percentile",
    }
    return ModelConfig.from_dict({**values, **changes})


@pytest.fixture
def tiny_network() -> XMem:
    torch.manual_seed(0)
    return XMem(tiny_config()).eval().requires_grad_(False)
