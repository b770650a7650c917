"""A small movie with known truth, and networks to follow it with."""

from __future__ import annotations

from importlib import resources

import numpy as np
import pytest
import torch

from napari_xmem.config import MemoryConfig, PropagationConfig
from napari_xmem.session import TrackingSession


def discs(frames=10, size=64, centres=((16, 16), (16, 46), (46, 16)), radius=7, speed=1):
    """Bright discs that move to the right, each with its own grey: movie (T, Y, X) and truth."""
    y, x = np.mgrid[:size, :size]
    movie, truth = np.zeros((frames, size, size), np.float32), np.zeros((frames, size, size), np.uint16)
    for t in range(frames):
        for i, (cy, cx) in enumerate(centres, start=1):
            inside = (y - cy) ** 2 + (x - cx - speed * t) ** 2 <= radius**2
            movie[t][inside], truth[t][inside] = 0.4 + 0.15 * i, i
    movie += np.random.default_rng(0).normal(0, 0.02, movie.shape).astype(np.float32)
    return movie, truth


@pytest.fixture(scope="session")
def tiny():
    """A network with random weights: quick, and good enough where masks do not matter."""
    from napari_xmem.model import XMem
    from napari_xmem_training.recipes import get_recipe

    torch.manual_seed(0)
    return XMem(get_recipe("tiny").model).eval()


@pytest.fixture(scope="session")
def bundled():
    """The trained network that ships with the package."""
    from napari_xmem.model import load_model

    folder = resources.files("napari_xmem.model") / "weights"
    if not folder.is_dir() or not any(item.name.endswith(".safetensors") for item in folder.iterdir()):
        pytest.skip("no bundled weights in this build")
    return load_model("bundled", "cpu")


@pytest.fixture(scope="session")
def movie():
    return discs()


@pytest.fixture
def make_session(tiny, movie):
    def make(seeds=None, **options):
        frames, truth = movie
        # Whole frames are memorised however bad the masks; at scale 1 it is quick.
        settings = {"scope": "global", "diameter_px": 42.0} | options.pop("settings", {})
        model = options.pop("model", tiny)
        memory = options.pop(
            "memory", MemoryConfig(memory_interval_frames=2, working_min_frames=1, working_max_frames=6)
        )
        config = PropagationConfig(memory=memory, device="cpu", **settings)
        return TrackingSession(frames, {0: truth[0]} if seeds is None else seeds, model=model, config=config, **options)

    return make
