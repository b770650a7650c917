"""Every layer against tensors recorded from the official network.

Run in float64, so that what is measured is the rounding of the recording alone, whatever the processor here.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from golden_weights import golden_network, load_recipe
from napari_xmem.model import soft_aggregate

if TYPE_CHECKING:
    from pathlib import Path


def similarity_formula(key: np.ndarray, shrinkage: np.ndarray, query: np.ndarray, selection: np.ndarray) -> np.ndarray:
    """Equation 3 of the paper, written out: ``-s_m / sqrt(C) * sum_c e_cq (k_cm - k_cq)^2``."""
    distance = (selection[:, None, :] * (key[:, :, None] - query[:, None, :]) ** 2).sum(0)
    return -shrinkage[:, None] / np.sqrt(len(key)) * distance


@pytest.mark.parametrize("name", ["layers", "layers_bn"])
def test_layers_match_official(shared_dir: Path, name: str) -> None:
    golden = np.load(shared_dir / "goldens" / f"{name}.npz")
    meta = json.loads(str(golden["meta"]))
    network = golden_network(shared_dir, meta["weight_seed"], meta["random_bn"], meta["weights_sha256"]).double()
    normalise = load_recipe(shared_dir).normalise
    first, third = (torch.from_numpy(normalise(golden["video"][t]))[None].double() for t in (0, 2))

    def check(key: str, actual: torch.Tensor | np.ndarray) -> None:
        expected = golden[key]
        actual = np.asarray(actual, dtype=np.float64).reshape(expected.shape)
        error = np.abs(actual - expected).max() / max(float(expected.std()), 1e-6)
        assert error < 1e-4, f"{key}: {error:.2e} of its standard deviation"

    features = network.encode_key(first)
    check("f16_ch0_31", features.feat_s16[0, :32])
    check("f8_ch0_7", features.feat_s8[0, :8])
    check("f4_ch0_3", features.feat_s4[0, :4])
    check("key0", features.key)
    check("shrinkage0", features.shrinkage)
    check("selection0", features.selection)

    masks = torch.from_numpy(golden["masks"]).double()
    others = masks.sum(0) - masks
    hidden_in = torch.from_numpy(golden["hidden_in"]).double()
    value, hidden = network.encode_value(first, masks, others, network.value_context(features), hidden_in, deep=True)
    check("value0_ch0_63", value[:, :64])
    check("value0_mean", value.mean((2, 3)))
    assert hidden is not None
    check("hidden_after_deep", hidden)

    query = network.encode_key(third)
    check("key2", query.key)
    similarity = similarity_formula(
        *(
            t.numpy()
            for t in (
                features.key[0].flatten(1),
                features.shrinkage.flatten(),
                query.key[0].flatten(1),
                query.selection[0].flatten(1),
            )
        )
    )
    check("similarity", similarity)
    affinity = torch.from_numpy(golden["affinity"]).double()
    readout = (value.flatten(2) @ affinity).reshape(value.shape)
    check("readout_ch0_63", readout[:, :64])
    logits, hidden = network.decode(network.decoder_context(query), readout, hidden, update_hidden=True)
    check("decoder_logits_full_res", logits)
    assert hidden is not None
    check("hidden_after_decoder", hidden)
    recorded = torch.from_numpy(golden["decoder_logits_full_res"])  # its own error would be amplified by the sigmoid
    check("prob_with_bg", soft_aggregate(recorded.sigmoid()))
