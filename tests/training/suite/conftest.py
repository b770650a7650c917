"""Small still images, as for the tests of the clips."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    """Folder with three collections of one validation image each, discs on an uneven ground."""
    folder = tmp_path_factory.mktemp("stills")
    rng = np.random.default_rng(5)
    for name, contrast in {"bbbc038_fluo": 1.0, "bbbc038_other": -1.0, "usiigaci_phase": 1.0}.items():
        rows, columns = np.mgrid[:260, :260]
        image = np.full((260, 260), 60.0 if contrast > 0 else 190.0) + 4 * np.sin(rows / 15)
        labels = np.zeros((260, 260), np.uint16)
        for label, (y, x) in enumerate(np.ndindex(5, 5), 1):
            inside = np.hypot(rows - 30 - 48 * y, columns - 30 - 48 * x) < rng.uniform(12, 16)
            labels[inside] = label
            image[inside] += contrast * rng.uniform(90, 120)
        image += rng.normal(0, 1, image.shape)
        np.savez(
            folder / f"{name}.npz", n=1, split=["val"], img_0000=np.clip(image, 0, 255).astype(np.uint8),
            lab_0000=labels,
        )  # fmt: skip
    return folder
