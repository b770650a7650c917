"""A network that starts from another computes nearly what the other does."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from napari_xmem.model import XMem, load_model
from napari_xmem_training.recipes import get_recipe
from napari_xmem_training.warm_start import inherit, parent_weights


@pytest.fixture(scope="module")
def parent() -> XMem:
    return load_model(parent_weights("cells-small"), "cpu")


def error(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Squared error over variance."""
    return float((found - expected).square().sum() / (expected - expected.mean((0, 2, 3), keepdim=True)).square().sum())


@pytest.fixture(scope="module")
def image() -> torch.Tensor:
    torch.manual_seed(0)
    coarse = torch.nn.functional.interpolate(torch.rand(2, 4, 12, 12), size=96, mode="bicubic")
    return coarse + 0.05 * torch.randn(2, 4, 96, 96)


def test_the_same_shape_is_a_copy(parent: XMem) -> None:
    assert parent.fingerprint == "816b74f7ea79c287", "a name for all time"
    again = inherit(parent, parent.config)
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in parent.state_dict().items())


@torch.inference_mode()
def test_with_nine_kernels_keys_and_values_are_the_same(parent: XMem, image: torch.Tensor) -> None:
    """Nine kernels per channel give any convolution; only the 1x1 shortcuts of the fusion blocks lose something."""
    child = inherit(parent, replace(parent.config, factored=9, factored_key=9)).eval()
    old, new = parent.encode_key(image), child.encode_key(image)
    for name in ("key", "shrinkage", "selection", "feat_s16", "feat_s8", "feat_s4"):
        torch.testing.assert_close(getattr(new, name), getattr(old, name), atol=1e-3, rtol=1e-3)
    contexts = [net.value_context(features).fusion.conv for net, features in ((parent, old), (child, new))]
    torch.testing.assert_close(*contexts, atol=1e-3, rtol=1e-3)


@torch.inference_mode()
def test_keys_of_the_recipe_are_near_those_of_its_parent(parent: XMem, image: torch.Tensor) -> None:
    child = inherit(parent, get_recipe("cells").model).eval()
    old, new = parent.encode_key(image), child.encode_key(image)
    assert error(new.key, old.key) < 0.2
    assert error(new.feat_s16, old.feat_s16) < 0.2
    fresh = XMem(get_recipe("cells").model).eval().encode_key(image)
    assert error(fresh.key, old.key) > 0.9


def test_narrow_upsampling_begins_as_the_wide_shortcut(parent: XMem) -> None:
    """On flat features, away from the border, a narrow block puts out channels of the wide block's shortcut path."""
    child = inherit(parent, replace(parent.config, narrow_skips=True))
    wide, narrow = parent.decoder.up_16_8, child.decoder.up_16_8
    g = torch.randn(1, parent.config.value_dim, 1, 1).expand(-1, -1, 6, 6)
    x = torch.randn(1, parent.config.key_channels[1], 1, 1).expand(-1, -1, 12, 12)
    with torch.inference_mode():
        up = torch.nn.functional.interpolate(g, scale_factor=2.0) + wide.skip_conv(x)
        expected = wide.out_conv.downsample(up)[..., 5:7, 5:7]
        found = narrow(g, narrow.skip_conv(x))[..., 5:7, 5:7]
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)
