"""The network as it runs: folded, channels last, mixed precision."""

from __future__ import annotations

import pytest
import torch

from engine.simple_movies import tiny_network
from napari_xmem.errors import ConfigError
from napari_xmem.model import InferenceXMem, XMem, optimise
from napari_xmem.model.inference import choose_precision


def outputs(network: XMem, seed: int = 0) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    config = network.config
    image = torch.randn(2, config.image_channels, 64, 48)
    side = (64 // config.stride_px, 48 // config.stride_px)
    hidden = torch.randn(2, config.hidden_dim, *side)
    mask = torch.rand(2, 64, 48)
    with torch.no_grad():
        features = network.encode_key(image)
        value, deep = network.encode_value(image, mask, 1 - mask, network.value_context(features), hidden, deep=True)
        logits, normal = network.decode(network.decoder_context(features), value, hidden, update_hidden=True)
    found = {"key": features.key, "shrinkage": features.shrinkage, "selection": features.selection}
    return found | {"value": value, "deep": deep, "logits": logits, "normal": normal}


@pytest.mark.parametrize(
    "changes",
    [{}, {"normalisation": "group"}, {"key_block": "bottleneck", "stem_pool": True, "value_depths": (2, 1, 2)}],
)
def test_folded_network_is_equal(changes):
    network = tiny_network(3, **changes)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    fast = InferenceXMem(network)
    assert changes.get("normalisation") == "group" or not any(
        isinstance(m, torch.nn.BatchNorm2d) for m in fast.modules()
    )
    expected = outputs(network)
    for name, found in outputs(fast).items():
        torch.testing.assert_close(found, expected[name], rtol=1e-5, atol=1e-5 * float(expected[name].abs().max()))
    assert fast.fingerprint == network.fingerprint and fast.config == network.config
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_half_precision_is_near_and_keeps_what_must_be_exact_in_float32():
    network = tiny_network(3)
    expected = outputs(network)
    for name, found in outputs(InferenceXMem(network, torch.bfloat16)).items():
        assert found.dtype == torch.float32, name
        error = float((found - expected[name]).abs().max() / expected[name].abs().max())
        assert error < 0.05, (name, error)


def test_precision_by_name():
    cpu = torch.device("cpu")
    assert choose_precision(cpu, "float32") is torch.float32
    assert choose_precision(cpu, "bfloat16") is torch.bfloat16
    with pytest.raises(ConfigError, match="precision"):
        choose_precision(cpu, "double")  # type: ignore[arg-type]
    fast = optimise(tiny_network(), "bfloat16")
    assert fast.precision == "bfloat16" and optimise(fast, "float32") is fast


@pytest.mark.parametrize(
    ("amx", "avx512", "expected"),
    [(True, True, torch.bfloat16), (False, True, torch.bfloat16), (False, False, torch.float32)],
)
def test_precision_on_a_cpu_follows_its_instructions(monkeypatch, amx, avx512, expected):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512, raising=False)
    assert choose_precision(torch.device("cpu")) is expected


def test_precision_where_torch_cannot_tell_is_full(monkeypatch):
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported", raising=False)
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported", raising=False)
    assert choose_precision(torch.device("cpu")) is torch.float32
