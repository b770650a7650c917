"""Fast 3x3 convolutions are convolutions."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from engine.simple_movies import tiny_network
from model.test_inference import outputs
from napari_xmem.model import InferenceXMem, inference
from napari_xmem.model.winograd import WinogradConv2d, use_winograd, winograd_pays


@pytest.mark.parametrize(
    ("count", "channels", "out", "height", "width"),
    [(1, 5, 7, 4, 4), (2, 128, 130, 9, 13), (1, 130, 128, 67, 259), (17, 8, 8, 16, 16), (3, 8, 4, 1, 2)],
)
@torch.no_grad()
def test_equals_the_convolution(count, channels, out, height, width):
    torch.manual_seed(0)
    conv = nn.Conv2d(channels, out, 3, padding=1, bias=count > 1)
    x = torch.randn(count, channels, height, width)
    expected, found = conv(x), WinogradConv2d(conv)(x)
    assert found.shape == expected.shape
    assert found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found, expected, rtol=0, atol=3e-5 * float(expected.abs().max()))


def test_only_wide_plain_convolutions_are_replaced():
    module = nn.Sequential(
        nn.Conv2d(128, 128, 3, padding=1), nn.Conv2d(128, 64, 3, padding=1), nn.Conv2d(128, 128, 1),
        nn.Conv2d(128, 128, 3, stride=2, padding=1), nn.Conv2d(128, 128, 3),
    )  # fmt: skip
    assert [isinstance(part, WinogradConv2d) for part in use_winograd(module)] == [True, False, False, False, False]


def test_wide_network_is_equal(monkeypatch):
    monkeypatch.setattr(inference, "winograd_pays", lambda: True)
    network = tiny_network(3, value_dim=128, decoder_widths=(128, 128), key_widths=(8, 16, 128))
    fast = InferenceXMem(network)
    assert sum(isinstance(part, WinogradConv2d) for part in fast.modules()) >= 8
    assert not any(isinstance(p, WinogradConv2d) for p in InferenceXMem(network, torch.bfloat16).modules())
    expected = outputs(network)
    for name, found in outputs(fast).items():
        torch.testing.assert_close(found, expected[name], rtol=0, atol=5e-5 * float(expected[name].abs().max()))


def test_the_choice_does_not_depend_on_the_load():
    assert winograd_pays() is torch.backends.mkl.is_available()
