"""Aggregation over regions gives the numbers of the whole-frame formula."""

from __future__ import annotations

import torch

from napari_xmem.engine.scopes.aggregation import aggregate_regions, others_in
from napari_xmem.engine.scopes.region_masks import RegionMask, compose_dense
from napari_xmem.engine.scopes.regions import Region
from napari_xmem.model import soft_aggregate

SHAPE = (24, 32)


def masks_of(regions: list[Region]) -> list[RegionMask]:
    torch.manual_seed(1)
    return [RegionMask(i + 1, r, torch.rand(r.height, r.width)) for i, r in enumerate(regions)]


def test_equals_dense_formula() -> None:
    masks = masks_of([Region(0, 0, 16, 16), Region(8, 8, 16, 16), Region(0, 16, 24, 16)])
    own = torch.zeros(3, *SHAPE)
    for row, mask in enumerate(masks):
        own[(row, *mask.region.slices)] = mask.probability
    expected = soft_aggregate(own)
    dense = compose_dense(aggregate_regions(masks, set(), SHAPE), SHAPE)
    torch.testing.assert_close(dense[1:], expected[1:] * (own > 0), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(dense[0], expected[0], atol=1e-5, rtol=1e-4)


def test_predictions_give_way_to_seeds() -> None:
    seed = RegionMask(1, Region(0, 0, 16, 16), torch.ones(16, 16))
    prediction = RegionMask(2, Region(8, 0, 16, 16), torch.full((16, 16), 0.9))
    out = aggregate_regions([seed, prediction], {1}, SHAPE)
    assert float(out[0].probability.min()) > 0.99
    assert float(out[1].probability[:8].max()) < 1e-3
    assert float(out[1].probability[8:].min()) > 0.9


def test_others_is_total_minus_own() -> None:
    masks = masks_of([Region(0, 0, 16, 16), Region(8, 8, 16, 16)])
    total = others_in(masks, SHAPE)
    others = total[masks[0].region.slices] - masks[0].probability
    expected = torch.zeros(16, 16)
    expected[8:, 8:] = masks[1].probability[:8, :8]
    torch.testing.assert_close(others, expected)


def test_nothing_to_aggregate() -> None:
    assert aggregate_regions([], set(), SHAPE) == []
