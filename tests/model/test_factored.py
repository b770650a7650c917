"""Factored convolutions, narrow skips, the head for states: the same function as what they stand for, and cheaper."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from napari_xmem import propagate
from napari_xmem.config import ModelConfig
from napari_xmem.errors import ConfigError
from napari_xmem.model import STATES, XMem, load_model, optimise, save_model
from napari_xmem.model.blocks import ChannelSpatialGate
from napari_xmem.model.factored import FactoredConv2d

SMALL = ModelConfig(
    name="small",
    image_channels=4,
    key_block="basic",
    stem_width=8,
    stem_pool=False,
    key_widths=(8, 16, 16),
    key_depths=(1, 2, 2),
    value_widths=(8, 8, 16),
    value_depths=(1, 1, 1),
    key_dim=8,
    value_dim=24,
    hidden_dim=8,
    decoder_widths=(16, 8),
    intensity="percentile",
    contrast_px=21,
    nominal_diameter_px=42.0,
)
CHEAP = replace(SMALL, name="cheap", factored=2, factored_key=3, narrow_skips=True, state_dim=12)


def network(config: ModelConfig = CHEAP) -> XMem:
    torch.manual_seed(3)
    made = XMem(config)
    for module in made.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 2.0)
    return made.eval().requires_grad_(False)


@pytest.mark.parametrize(("out_channels", "in_channels"), [(12, 5), (7, 9)])
def test_nine_kernels_are_any_convolution(out_channels: int, in_channels: int) -> None:
    weight, bias = torch.randn(out_channels, in_channels, 3, 3), torch.randn(out_channels)
    x = torch.randn(2, in_channels, 8, 11)
    factored = FactoredConv2d.like(weight, bias, 9)
    torch.testing.assert_close(factored(x), F.conv2d(x, weight, bias, padding=1), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("bias", [True, False])
def test_a_factored_convolution_is_a_whole_one(bias: bool) -> None:
    factored = FactoredConv2d(5, 7, 3, bias=bias).requires_grad_(False)
    x = torch.randn(2, 5, 8, 11)
    torch.testing.assert_close(factored.whole()(x), factored(x), atol=1e-5, rtol=1e-5)


def test_fewer_kernels_are_the_nearest_of_their_rank() -> None:
    """The error of the weights is what the singular values left out say."""
    weight = torch.randn(10, 4, 3, 3)
    factored = FactoredConv2d.like(weight, None, 2)
    unit = torch.eye(9).reshape(9, 1, 3, 3)
    for channel in range(4):
        x = torch.zeros(9, 4, 3, 3)
        x[:, channel] = unit[:, 0]
        got = factored(x)[:, :, 1, 1]
        left_out = torch.linalg.svdvals(weight[:, channel].flatten(1))[2:].square().sum()
        error = (got - weight[:, channel].flatten(1).T).square().sum()
        torch.testing.assert_close(error, left_out, atol=1e-4, rtol=1e-3)


def test_settings_hold_what_a_model_uses() -> None:
    """A field that a model does not use is not in its settings: its name for all time is a hash of them."""
    assert not {"factored", "factored_key", "narrow_skips", "state_dim"} & set(SMALL.to_dict())
    assert ModelConfig.from_dict(CHEAP.to_dict()) == CHEAP


def test_checkpoint_keeps_the_shape(tmp_path) -> None:
    made = network()
    again = load_model(save_model(made, tmp_path / "cheap.safetensors", half=False), "cpu")
    assert again.config == CHEAP
    assert again.fingerprint == made.fingerprint


@pytest.mark.parametrize("few_calls", [False, True])
def test_inference_is_the_same_function(few_calls: bool) -> None:
    """Folded normalisation, in-place steps, merged kernels: `optimise` changes nothing but speed."""
    plain = network()
    fast = optimise(plain, "float32", few_calls=few_calls)
    assert few_calls != any(isinstance(module, FactoredConv2d) for module in fast.modules())
    image = torch.rand(1, 4, 64, 64)
    masks = torch.rand(3, 64, 64)
    hidden = torch.randn(3, 8, 8, 8)
    outputs = []
    for net in (plain, fast):
        with torch.inference_mode():
            features = net.encode_key(image)
            value, deep = net.encode_value(image, masks, masks, net.value_context(features), hidden, deep=True)
            judged = net.judge(net.decoder_context(features), value, hidden, update_hidden=True)
            decoded = net.decode(net.decoder_context(features), value, hidden, update_hidden=True)
        torch.testing.assert_close(decoded, judged[:2])
        outputs.append([features.key, features.selection, value, deep, *judged])
    for a, b in zip(*outputs, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def test_the_gate_is_that_of_the_paper() -> None:
    """Woo et al. 2018, equations 2 and 3: what mean and maximum say of channels goes through one network each."""
    gate, g = ChannelSpatialGate(32).requires_grad_(False), torch.randn(3, 32, 6, 5)
    channel, spatial = gate.ChannelGate.mlp, gate.SpatialGate.spatial.conv
    refined = g * (channel(g.mean((2, 3))) + channel(g.amax((2, 3)))).sigmoid()[..., None, None]
    both = torch.stack([refined.amax(1), refined.mean(1)], 1)
    torch.testing.assert_close(gate(g), refined * spatial(both).sigmoid(), atol=1e-6, rtol=1e-6)


def test_states_have_one_logit_each_and_a_network_without_the_head_says_none() -> None:
    image, masks, hidden = torch.rand(1, 4, 64, 64), torch.rand(2, 64, 64), torch.zeros(2, 8, 8, 8)
    for net, expected in ((network(), (2, len(STATES))), (network(SMALL), None)):
        with torch.inference_mode():
            features = net.encode_key(image)
            value, _ = net.encode_value(image, masks, masks, net.value_context(features), hidden, deep=False)
            state = net.judge(net.decoder_context(features), value, hidden, update_hidden=False)[2]
        assert (None if state is None else tuple(state.shape)) == expected


def test_features_at_fine_strides_are_narrow() -> None:
    """Skips carry the width of what they are added to, a fraction of the whole convolutions' width."""
    image = torch.rand(1, 4, 64, 64)
    wide, narrow = (net.decoder_context(net.encode_key(image)) for net in (network(SMALL), network()))
    assert wide.skip_s4.shape[1] == 16 and wide.skip_s8.shape[1] == 24
    assert narrow.skip_s4.shape[1] == 8 and narrow.skip_s8.shape[1] == 16


def test_the_engine_follows_with_it() -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 255, (3, 96, 96)).astype(np.uint8)
    seeds = np.zeros((96, 96), np.uint16)
    seeds[20:50, 20:50], seeds[55:85, 55:80] = 1, 2
    labels = propagate(frames, seeds, model=network(), device="cpu").labels
    assert labels.shape == frames.shape
    assert set(np.unique(labels)) <= {0, 1, 2}


@pytest.mark.parametrize("field", ["factored", "factored_key", "state_dim"])
def test_negative_numbers_are_refused(field: str) -> None:
    with pytest.raises(ConfigError, match=field):
        replace(SMALL, **{field: -1})
