"""A movie, seeds and a tiny untrained network on disk."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import tifffile


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """Path of a network small enough to run in milliseconds; it has learnt nothing."""
    import torch

    from napari_xmem.config import ModelConfig
    from napari_xmem.model import XMem, save_model

    torch.manual_seed(0)
    config = ModelConfig(
        name="tiny",
        image_channels=4,
        key_block="basic",
        stem_width=4,
        stem_pool=False,
        key_widths=(4, 8, 8),
        key_depths=(1, 1, 1),
        value_widths=(4, 8, 8),
        value_depths=(1, 1, 1),
        normalisation="group",
        key_dim=8,
        value_dim=8,
        hidden_dim=4,
        decoder_widths=(8, 8),
        intensity="percentile",
        contrast_px=9,
        nominal_diameter_px=16,
    )
    return str(save_model(XMem(config), tmp_path_factory.mktemp("model") / "tiny.safetensors"))


@pytest.fixture
def files(tmp_path):
    """Give a movie of two drifting discs, seeds of its first frame, the truth, and names for outputs."""
    yy, xx = np.mgrid[:48, :64]
    truth = np.zeros((5, 48, 64), np.uint16)
    for t in range(5):
        truth[t][(yy - 16) ** 2 + (xx - 14 - 2 * t) ** 2 < 64] = 3
        truth[t][(yy - 32) ** 2 + (xx - 44 + t) ** 2 < 49] = 9
    movie = (truth > 0) * 800 + np.random.default_rng(0).integers(90, 110, truth.shape)
    seeds = truth.copy()
    seeds[1:] = 0
    folder = tmp_path / "data"
    folder.mkdir()
    arrays = {"movie": movie.astype(np.uint16), "seeds": seeds, "truth": truth}
    for name, array in arrays.items():
        tifffile.imwrite(folder / f"{name}.tif", array, metadata={"axes": "TYX"})
    results = tmp_path / "results"
    results.mkdir()
    paths = {name: str(folder / f"{name}.tif") for name in arrays}
    return SimpleNamespace(**paths, folder=folder, results=results, output=str(results / "labels.tif"), arrays=arrays)
