"""The key encoder in tiles equals the key encoder."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.simple_movies import tiny_config, tiny_network
from napari_xmem.config import ModelConfig
from napari_xmem.engine.scopes.regions import Region
from napari_xmem.engine.scopes.tiling import encode_frame, plan_tiles
from napari_xmem.model import InferenceXMem, can_tile, receptive_halo_px

SHAPES = [
    {},
    {"key_depths": (2, 1, 3)},
    {"key_block": "bottleneck", "stem_pool": True, "key_depths": (1, 2, 2)},
]


def tensors(encoded):
    decoding = encoded.decoding
    return {
        "key": (encoded.key, 1),
        "shrinkage": (encoded.shrinkage, 1),
        "selection": (encoded.selection, 1),
        "conv": (decoding.fusion.conv, 1),
        "shortcut": (decoding.fusion.shortcut, 1),
        "skip_s8": (decoding.skip_s8, 2),
        "skip_s4": (decoding.skip_s4, 4),
        "value": (encoded.encoding.fusion.conv, 1),
    }


@pytest.mark.parametrize("step_px", [1, 64])
@pytest.mark.parametrize("changes", SHAPES)
@torch.no_grad()
def test_tiles_equal_the_whole_frame(changes, step_px):
    network = InferenceXMem(tiny_network(1, **changes))
    stride = network.config.stride_px
    image = torch.randn(1, 4, 31 * stride, 37 * stride)
    whole = encode_frame(network, image, [Region(0, 0, *image.shape[-2:])], memorise=True)
    regions = [Region(0, 0, 64, 64), Region(10 * stride, 20 * stride, 64, 96), Region(27 * stride, 0, 64, 64)]
    tiles = plan_tiles(regions, tuple(image.shape[-2:]), receptive_halo_px(network.config), 160 * 160)
    assert len(tiles) >= 2
    sizes, encode = [], network.encode_key
    network.encode_key = lambda window: sizes.append(window.shape[-2:]) or encode(window)
    parts = encode_frame(network, image, tiles, memorise=True, step_px=step_px)
    limits = tuple(image.shape[-2:])
    assert all(n % step_px == 0 or n == limit for size in sizes for n, limit in zip(size, limits, strict=True))
    for name, (expected, scale) in tensors(whole).items():
        found = tensors(parts)[name][0]
        assert found.shape == expected.shape
        step = stride // scale
        for region in regions:
            rows, columns = (slice(s.start // step, s.stop // step) for s in region.slices)
            torch.testing.assert_close(
                found[..., rows, columns], expected[..., rows, columns], rtol=1e-5, atol=1e-5, msg=name
            )


@pytest.mark.parametrize("changes", SHAPES)
def test_halo_is_as_wide_as_the_encoder_sees_and_not_much_wider(changes):
    network = tiny_network(1, **changes).double()
    stride, halo = network.config.stride_px, receptive_halo_px(network.config)
    image = torch.randn(1, 4, 2 * halo + 7 * stride, stride * 2, dtype=torch.float64, requires_grad=True)
    features = network.encode_key(image)
    decoding, encoding = network.decoder_context(features), network.value_context(features)
    row = halo // stride
    seen = torch.zeros(image.shape[2], dtype=torch.bool)
    rows = slice(halo, halo + stride)
    for tensor, scale in (
        (features.key, 1), (features.selection, 1), (decoding.fusion.conv, 1), (encoding.fusion.shortcut, 1),
        (decoding.skip_s8, 2), (decoding.skip_s4, 4),
    ):  # fmt: skip
        part = tensor[:, :, row * scale : (row + 1) * scale]
        (gradient,) = torch.autograd.grad(part.sin().sum(), image, retain_graph=True)
        seen |= (gradient != 0).any(0).any(0).any(1)
    touched = seen.nonzero()[:, 0]
    reach = max(rows.start - int(touched.min()), int(touched.max()) + 1 - rows.stop)
    assert reach <= halo < reach + 2 * stride


def test_official_halo():
    assert receptive_halo_px(ModelConfig()) == 160
    assert can_tile(tiny_config()) and not can_tile(tiny_config(normalisation="group"))


def test_plan_covers_regions_without_overlap_and_skips_empty_parts():
    rng = np.random.default_rng(0)
    shape = (2048, 1536)
    for n in (1, 5, 40):
        regions = [
            Region(int(y) * 8, int(x) * 8, 128, 96)
            for y, x in zip(rng.integers(0, 240, n), rng.integers(0, 180, n), strict=True)
        ]
        tiles = plan_tiles(regions, shape, 64, 600_000)
        covered = np.zeros(shape, int)
        for tile in tiles:
            assert tile.y % 32 == 0 and tile.x % 32 == 0
            assert tile.y + tile.height <= shape[0] and tile.x + tile.width <= shape[1]
            assert (tile.height + 128) * (tile.width + 128) <= 1.1 * 600_000 or min(tile.shape) <= 128
            covered[tile.slices] += 1
        assert covered.max() == 1
        assert all(covered[region.slices].all() for region in regions)
    one = plan_tiles([Region(8, 8, 128, 96)], shape, 64)
    assert len(one) == 1 and one[0].height * one[0].width <= 160 * 128
    assert plan_tiles([], shape, 64) == []


def test_two_far_objects_are_two_small_tiles_and_a_crowd_is_one():
    far = plan_tiles([Region(0, 0, 96, 96), Region(1900, 1900, 96, 96)], (2048, 2048), 64)
    assert len(far) == 2 and sum(t.height * t.width for t in far) < 40_000
    crowd = plan_tiles([Region(64 * i, 64 * j, 96, 96) for i in range(10) for j in range(10)], (704, 704), 64)
    assert crowd == [Region(0, 0, 672, 672)]
