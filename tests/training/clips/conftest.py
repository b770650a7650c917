"""Small still images with known objects: bright and dark discs on an uneven ground."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from pathlib import Path

NAMES = {"bbbc038_fluo": 1.0, "bbbc038_other": -1.0, "usiigaci_phase": 1.0}


def disc_image(rng: np.random.Generator, contrast: float, size: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Discs of 20 to 32 px, apart from each other, and their labels."""
    rows, columns = np.mgrid[:size, :size]
    image = np.full((size, size), 60.0 if contrast > 0 else 190.0) + 4 * np.sin(rows / 15)
    labels = np.zeros((size, size), np.uint16)
    label = 0
    for y in range(25, size, 48):
        for x in range(25, size, 48):
            radius = rng.uniform(10, 16)
            place = np.hypot(rows - y - rng.uniform(-5, 5), columns - x - rng.uniform(-5, 5)) < radius
            label += 1
            labels[place] = label
            image[place] += contrast * rng.uniform(90, 120)
    image += rng.normal(0, 1, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8), labels


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with three collections of three training images and one validation image."""
    folder = tmp_path_factory.mktemp("stills")
    rng = np.random.default_rng(5)
    for name, contrast in NAMES.items():
        arrays: dict[str, np.ndarray] = {"n": np.array(4), "split": np.array(["train", "train", "train", "val"])}
        for k in range(4):
            arrays[f"img_{k:04d}"], arrays[f"lab_{k:04d}"] = disc_image(rng, contrast)
        np.savez_compressed(folder / f"{name}.npz", **arrays)
    return folder
