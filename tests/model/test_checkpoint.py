"""Weights in and out: official layouts, our files, and files that are neither."""

from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import save_file

from napari_xmem.config import ModelConfig
from napari_xmem.errors import CheckpointError, DeviceError
from napari_xmem.model import XMem, infer_config, load_model, resolve_device, save_model

if TYPE_CHECKING:
    from pathlib import Path

SMALL = ModelConfig(
    name="small",
    key_block="bottleneck",
    stem_width=4,
    key_widths=(4, 4, 8),
    key_depths=(1, 2, 1),
    value_widths=(4, 4, 8),
    value_depths=(1, 1, 2),
    key_dim=6,
    value_dim=12,
    hidden_dim=5,
    decoder_widths=(10, 7),
)


def network(**changes: object) -> XMem:
    torch.manual_seed(3)
    return XMem(ModelConfig.from_dict({**SMALL.to_dict(), **changes})).eval()


def same(a: XMem, b: XMem) -> bool:
    first, second = a.state_dict(), b.state_dict()
    return set(first) == set(second) and all(torch.equal(first[n], second[n]) for n in first)


def test_official_size() -> None:
    official = XMem()
    assert len(official.state_dict()) == 412
    assert sum(p.numel() for p in official.parameters()) == 62_185_224
    assert infer_config(official.state_dict()) == ModelConfig()


@pytest.mark.parametrize("hidden_dim", [5, 0])
def test_dimensions_are_read_from_the_file(tmp_path: Path, hidden_dim: int) -> None:
    saved = network(hidden_dim=hidden_dim)
    torch.save(saved.state_dict(), tmp_path / "XMem.pth")
    loaded = load_model(tmp_path / "XMem.pth", device="cpu")
    assert same(saved, loaded)
    assert loaded.config.hidden_dim == hidden_dim
    assert loaded.config.value_dim == 12
    assert not loaded.training


def test_training_checkpoint_and_module_prefix(tmp_path: Path) -> None:
    saved = network()
    state = {f"module.{name}": tensor for name, tensor in saved.state_dict().items()}
    torch.save({"it": 7, "network": state, "optimizer": {}, "scheduler": {}}, tmp_path / "checkpoint.pth")
    assert same(saved, load_model(tmp_path / "checkpoint.pth", device="cpu"))


def test_single_object_checkpoint_gains_a_silent_channel(tmp_path: Path) -> None:
    saved = network()
    state = dict(saved.state_dict())
    state["value_encoder.conv1.weight"] = state["value_encoder.conv1.weight"][:, :4].clone()
    torch.save(state, tmp_path / "s0.pth")
    weight = load_model(tmp_path / "s0.pth", device="cpu").value_encoder.conv1.weight
    assert weight.shape[1] == 5
    assert torch.equal(weight[:, :4], state["value_encoder.conv1.weight"])
    assert not weight[:, 4].any()


def test_our_file_keeps_config_and_card(tmp_path: Path) -> None:
    from napari_xmem.model.checkpoint import model_card

    saved = network(name="mine", intensity="percentile", nominal_diameter_px=33.0)
    path = save_model(saved, tmp_path / "mine.safetensors", half=False, card={"data": "CC0"})
    loaded = load_model(path, device="cpu")
    assert loaded.config == saved.config
    assert same(saved, loaded)
    assert loaded.fingerprint == saved.fingerprint
    assert model_card(path) == {"data": "CC0"}
    half = load_model(save_model(saved, tmp_path / "half.safetensors"), device="cpu")
    assert half.fingerprint != saved.fingerprint
    assert next(half.parameters()).dtype == torch.float32


def test_bundled_model_loads() -> None:
    bundled = load_model("bundled", device="cpu")
    assert bundled.config.nominal_diameter_px > 0
    assert load_model("cells-small", device="cpu").fingerprint == bundled.fingerprint


class Bomb:
    """Unpickling this would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, (f"open({str(self.path)!r}, 'w').write('boom')",))


def test_code_in_a_pickle_is_never_run(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    torch.save({"weights": Bomb(mark)}, tmp_path / "evil.pth")
    with pytest.raises(CheckpointError, match="can run code"):
        load_model(tmp_path / "evil.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Bomb(mark)))
    with pytest.raises(CheckpointError):
        load_model(tmp_path / "plain.pth")
    assert not mark.exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"no weights at all", b"\x00" * 4096])
def test_files_that_are_no_weights(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"broken{suffix}"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="broken"):
        load_model(path)


def test_a_saved_web_page_is_not_called_dangerous(tmp_path: Path) -> None:
    (tmp_path / "XMem.pth").write_bytes(b"<html>not found</html>")
    with pytest.raises(CheckpointError, match="web page"):
        load_model(tmp_path / "XMem.pth")


@pytest.mark.parametrize("half", [".pth", ".safetensors"])
def test_truncated_files(tmp_path: Path, half: str) -> None:
    path = tmp_path / f"cut{half}"
    if half == ".pth":
        torch.save(network().state_dict(), path)
    else:
        save_model(network(), path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(CheckpointError, match="cut"):
        load_model(path)


def test_other_networks_are_named(tmp_path: Path) -> None:
    state = dict(network().state_dict())
    missing = {n: t for n, t in state.items() if n != "decoder.pred.weight"}
    torch.save(missing, tmp_path / "missing.pth")
    with pytest.raises(CheckpointError, match=r"missing: decoder\.pred\.weight"):
        load_model(tmp_path / "missing.pth")
    torch.save({**state, "extra.bias": torch.zeros(1)}, tmp_path / "extra.pth")
    with pytest.raises(CheckpointError, match=r"unexpected: extra\.bias"):
        load_model(tmp_path / "extra.pth")
    torch.save({**state, "decoder.up_8_4.skip_conv.weight": torch.zeros(1, 2, 3, 3)}, tmp_path / "shape.pth")
    with pytest.raises(CheckpointError, match=r"skip_conv\.weight is \(1, 2, 3, 3\), expected"):
        load_model(tmp_path / "shape.pth")
    torch.save([1, 2, 3], tmp_path / "list.pth")
    with pytest.raises(CheckpointError, match="no state dict"):
        load_model(tmp_path / "list.pth")


def test_missing_file_says_what_there_is() -> None:
    with pytest.raises(CheckpointError, match="bundled"):
        load_model("nowhere.pth")


def test_devices() -> None:
    assert resolve_device("cpu").type == "cpu"
    assert resolve_device("auto").type in {"cpu", "cuda", "mps"}
    with pytest.raises(DeviceError, match="Available here"):
        resolve_device("cuda:99")
    with pytest.raises(DeviceError, match="no device name"):
        resolve_device("abacus")


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ('{"name": "x", "attention_heads": 3}', "no field attention_heads"),
        ('{"key_dim": -3}', "key_dim is -3"),
        ('{"key_dim": "many"}', "not supported between"),
        ("[1]", "this version cannot build"),
        ("{nope", "this version cannot build"),
    ],
)
def test_settings_of_another_version_are_explained(tmp_path: Path, config: str, said: str) -> None:
    save_file(network().state_dict(), tmp_path / "new.safetensors", metadata={"config": config})
    with pytest.raises(CheckpointError, match=r"newer napari-xmem\? Update") as caught:
        load_model(tmp_path / "new.safetensors", device="cpu")
    assert said in str(caught.value) and "cut short" not in str(caught.value)


def test_settings_of_an_older_version_take_the_defaults(tmp_path: Path) -> None:
    saved = network()
    config = saved.config.to_dict()
    del config["locality_px"]
    save_file(saved.state_dict(), tmp_path / "old.safetensors", metadata={"config": json.dumps(config)})
    loaded = load_model(tmp_path / "old.safetensors", device="cpu")
    assert same(saved, loaded) and loaded.config == saved.config
