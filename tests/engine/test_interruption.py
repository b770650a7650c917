"""A frame can be given up between two layers of the network."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_xmem.engine.interruption import FrameInterrupted, interruptible, make_interruptible


def test_a_network_lets_go_before_each_layer_when_asked():
    network = nn.Sequential(nn.Conv2d(1, 1, 1), nn.Sequential(nn.ReLU(), nn.Conv2d(1, 1, 1)))
    image, before = torch.ones(1, 1, 2, 2), []
    expected = network(image)
    for _ in range(2):
        make_interruptible(network)

    def third():
        before.append(len(before) + 1)
        return before[-1] == 3

    with interruptible(third), pytest.raises(FrameInterrupted):
        network(image)
    assert before == [1, 2, 3], "three layers, one look before each"
    assert torch.equal(network(image), expected), "nobody asked: nothing changes"
