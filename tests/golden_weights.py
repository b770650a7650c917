"""Deterministic weights, as the goldens' README defines them."""

from __future__ import annotations

import hashlib
import importlib.util
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_xmem.model import XMem

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType


def load_recipe(shared: Path) -> ModuleType:
    """Import ``recipe.py`` of the goldens (it is not part of the project)."""
    spec = importlib.util.spec_from_file_location("golden_recipe", shared / "goldens" / "recipe.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError(shared / "goldens" / "recipe.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def golden_network(shared: Path, seed: int, random_bn: bool, expected_sha256: str) -> XMem:
    """Return the official network with the goldens' random weights, checked by hash."""
    network = XMem()
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    weights = load_recipe(shared).fill_state_dict(shapes, seed, random_bn)
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(np.ascontiguousarray(weights[name]).tobytes())
    if digest.hexdigest() != expected_sha256:
        raise ValueError("numpy's random stream or the list of parameters differs from the goldens'")
    network.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in weights.items()})
    return network.eval().requires_grad_(False)
