"""What annotators do to masks."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage

from napari_xmem_training.annotators import annotator_bias, seed_noise


def test_seed_noise_moves_outlines_by_a_pixel_and_keeps_small_seeds():
    target = torch.zeros(200, 24, 24)
    target[:100, 8:16, 8:16] = 1
    target[100:, 8:12, 8:12] = 1
    noisy = seed_noise(target, torch.Generator().manual_seed(0))
    areas = noisy.flatten(1).sum(1)
    assert set(areas[:100].tolist()) == {36.0, 64.0, 96.0}
    assert set(areas[100:].tolist()) == {16.0, 32.0}, "a seed that would shrink to nearly nothing is left alone"
    share = float((areas[:100] != 64).float().mean())
    assert 0.2 < share < 0.5


def _discs(radius_px: float, frames: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """A disc that moves a pixel per frame and a neighbour that touches its window's edge."""
    y, x = np.mgrid[:64, :64]
    target = np.stack([(y - 30) ** 2 + (x - 24 - t) ** 2 < radius_px**2 for t in range(frames)])
    others = np.stack([(y - 30) ** 2 + (x - 52) ** 2 < 100] * frames) & ~target
    return torch.from_numpy(target[None]).float(), torch.from_numpy(others[None]).float()


def test_no_share_leaves_masks_alone():
    target, others = _discs(12)
    kept, beside = annotator_bias(target, others, torch.Generator().manual_seed(0), 0.0)
    assert torch.equal(kept, target) and torch.equal(beside, others)


def test_borders_move_alike_on_all_frames():
    target, others = _discs(12)
    seen = set()
    for seed in range(24):
        moved, beside = annotator_bias(target, others, torch.Generator().manual_seed(seed), 1.0)
        assert not (moved * beside).any()
        assert set(moved.unique().tolist()) <= {0.0, 1.0}
        distances = []
        for before, after in zip(target[0].numpy() > 0, moved[0].numpy() > 0, strict=True):
            outside = ndimage.distance_transform_edt(~before)
            inside = ndimage.distance_transform_edt(before)
            if after.sum() > before.sum():
                assert (after | ~before).all()
                distances.append(round(outside[after].max()))
            else:
                assert not (after & ~before).any()
                distances.append(-round(inside[before & ~after].max()))
        assert len(set(distances)) == 1
        seen.add(distances[0])
    assert seen == {-3, -2, -1, 1, 2, 3}


def test_small_targets_are_not_shrunk_away():
    target, others = _discs(5)
    for seed in range(24):
        moved, _ = annotator_bias(target, others, torch.Generator().manual_seed(seed), 1.0)
        assert moved[0, 0].sum() >= 0.4 * target[0, 0].sum()
