"""Still images: what is measured, what may be followed, which split is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_xmem.errors import InputError
from napari_xmem_training.clips.store import StillStore, describe

if TYPE_CHECKING:
    from pathlib import Path


def test_objects_are_measured() -> None:
    labels = np.zeros((60, 80), np.uint16)
    rows, columns = np.mgrid[:60, :80]
    labels[np.hypot(rows - 30, columns - 40) < 12] = 3
    labels[:10, :8] = 7
    labels[50:52, 70:72] = 9
    image = np.where(labels > 0, 200, 20).astype(np.uint8)
    still = describe(image, labels, "bbbc038_fluo")
    assert still.ids.tolist() == [3, 7, 9]
    assert still.diameters[0] == pytest.approx(24, abs=0.5)
    assert still.centres[0] == pytest.approx([30, 40], abs=0.6)
    assert still.whole.tolist() == [True, False, True]
    assert still.ragged[0] < 1.3
    # 7 is cut by the border, 9 is a speck.
    assert still.targets().tolist() == [0]


def test_normalised_by_the_whole_image() -> None:
    image = np.tile(np.arange(100, dtype=np.uint8), (100, 1))
    still = describe(image, np.zeros((100, 100), np.uint16), "x")
    part = still.normalised(slice(0, 10), slice(40, 60))
    assert part.dtype == np.float32
    assert part.min() == pytest.approx(0.4, abs=0.03)
    assert part.max() == pytest.approx(0.6, abs=0.03)


def test_rough_masks_are_not_followed() -> None:
    comb = np.zeros((60, 60), np.uint16)
    comb[10:50:4, 10:50] = 1
    comb[10:50, 28:32] = 1
    image = np.where(comb, 30, 220).astype(np.uint8)
    assert describe(image, comb, "bbbc038_other").targets().size == 0
    assert describe(image, comb, "usiigaci_phase").targets().size == 1


def test_splits_are_apart(data_dir: Path) -> None:
    rng = np.random.default_rng(0)
    seen = {
        split: {StillStore(data_dir, split).pick(rng, "fluo").image.tobytes() for _ in range(20)}
        for split in ("train", "val")
    }
    assert len(seen["val"]) == 1
    assert not seen["train"] & seen["val"]


def test_small_cache_gives_the_same_images(data_dir: Path) -> None:
    small, large = StillStore(data_dir, cache_bytes=1), StillStore(data_dir)
    for k in range(12):
        a = small.pick(np.random.default_rng(k), "phase")
        assert np.array_equal(a.image, large.pick(np.random.default_rng(k), "phase").image)


def test_missing_images_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"bbbc038_fluo\.npz"):
        StillStore(tmp_path)
