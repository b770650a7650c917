"""Colours of a result: neighbours differ, for every kind of colour vision."""

from __future__ import annotations

import numpy as np
import pytest
from napari.utils.colormaps import DirectLabelColormap
from skimage.color import deltaE_ciede2000, rgb2lab

from napari_xmem.widgets.layers.label_colours import PALETTE, choose_colours, give_colours, own_colormap

#: Machado, Oliveira and Fernandes 2009, severity 1: what is seen of linear RGB.
VISIONS = {
    "normal": np.eye(3),
    "protan": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deutan": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritan": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


@pytest.mark.parametrize("vision", VISIONS)
def test_colours_are_told_apart(vision):
    rgb = PALETTE[:, :3].astype(float)
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ VISIONS[vision].T, 0, 1)
    lab = rgb2lab(np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055))
    distances = [deltaE_ciede2000(lab[i], lab[j]) for i in range(len(lab)) for j in range(i)]
    assert min(distances) > 8, f"two colours look alike to {vision} eyes: {min(distances):.1f}"


def test_the_six_nearest_neighbours_have_other_colours():
    """On a hexagonal grid every object has six neighbours, and there are seven colours."""
    rows, columns = np.mgrid[:12, :12]
    centres = np.stack([rows * 17.3, columns * 20 + (rows % 2) * 10], -1).reshape(-1, 2).astype(float)
    order = np.random.default_rng(0).permutation(len(centres))
    chosen = choose_colours(centres[order], {})
    assert sorted(chosen) == list(range(len(centres)))
    distance = np.hypot(*(centres[order][:, None] - centres[order][None]).transpose(2, 0, 1))
    same = np.array([[chosen[i] == chosen[j] for j in chosen] for i in chosen]) & ~np.eye(len(centres), dtype=bool)
    touching = (distance > 0) & (distance < 21)
    assert (same & touching).sum() <= 0.03 * touching.sum(), "painting in any order leaves hardly a pair alike"
    assert choose_colours(centres[:3], {0: 4, 1: 2}) == {2: 0}, "colours that are held stay"


def test_a_layer_gets_colours_as_objects_come():
    from napari.layers import Labels

    first, second = np.zeros((2, 30, 40), np.uint16)
    first[5:10, 5:10], first[5:10, 12:17] = 3, 8
    second[:] = first
    second[15:20, 8:13] = 4464
    layer = Labels(np.stack([first, second]), colormap=own_colormap())
    give_colours(layer, first)
    before = {i: layer.get_color(i) for i in (3, 8)}
    assert not np.allclose(before[3], before[8])
    give_colours(layer, second)
    new = layer.get_color(4464)
    assert all(np.allclose(layer.get_color(i), before[i]) for i in before), "a colour stays with its object"
    assert not np.allclose(new, before[3]) and not np.allclose(new, before[8])
    chosen = Labels(first)
    mine = chosen.colormap
    give_colours(chosen, first)
    assert chosen.colormap is mine, "colours that the user chose stay"


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32])
def test_colours_are_those_that_napari_computes(dtype):
    from napari.layers import Labels

    layer = Labels(np.zeros((30, 40), dtype), colormap=own_colormap())
    labels = np.zeros((30, 40), dtype)
    labels[::3, ::4] = np.arange(100).reshape(10, 10)
    give_colours(layer, labels)
    theirs = DirectLabelColormap(color_dict=dict(layer.colormap.color_dict))
    assert type(layer.colormap) is not DirectLabelColormap
    np.testing.assert_array_equal(layer.colormap.map(labels), theirs.map(labels))
    shown = labels == 7
    for colormap in (layer.colormap, theirs):
        colormap.selection, colormap.use_selection = 7, True
    np.testing.assert_array_equal(layer.colormap.map(labels), theirs.map(labels))
    assert (layer.colormap.map(labels)[~shown, 3] == 0).all()
