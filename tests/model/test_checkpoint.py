"""Weights in and out: official layouts, our files, and files that are neither."""

from __future__ import annotations

import functools
import json
import pickle
import re
import threading
import zipfile
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from napari_xmem import propagate
from napari_xmem.config import ModelConfig
from napari_xmem.errors import CheckpointError, DeviceError
from napari_xmem.model import XMem, infer_config, load_model, resolve_device, save_model
from napari_xmem.model.checkpoint import bundled_path, model_card

if TYPE_CHECKING:
    from collections.abc import Callable
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
    assert load_model("cells", device="cpu").fingerprint == bundled.fingerprint
    assert model_card(bundled_path())["recipe"]
    with pytest.raises(CheckpointError, match=r"bundeld \(did you mean bundled\?\)"):
        load_model("bundeld", device="cpu")


def test_the_bundled_model_follows_a_disc() -> None:
    bundled = load_model("bundled", device="cpu")
    assert sum(p.numel() for p in bundled.parameters()) < 1.2e6
    y, x = np.mgrid[:64, :96]
    truth = np.stack([np.hypot(y - 30, x - 20 - 4 * t) < 9 for t in range(6)]).astype(np.uint8)
    noise = np.random.default_rng(0).normal(0, 8, truth.shape)
    labels = propagate((60 + 120 * truth + noise).clip(0, 255).astype(np.uint8), {0: truth[0]}, model=bundled).labels
    assert (labels[-1] & truth[-1]).sum() / (labels[-1] | truth[-1]).sum() > 0.85


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
        ('{"key_dim": "many"}', "key_dim is 'many', expected a whole number"),
        ("[1]", "expected names and values"),
        ("{nope", "this version cannot build"),
        ('{"key_depths": [1000000000, 1, 1]}', "key_depths is 1000000000, expected 1 to 128"),
        ('{"key_widths": [[1], 2, 3]}', "key_widths is [1], expected a whole number"),
        ('{"key_widths": 3}', "key_widths is 3, expected 3 numbers"),
        ('{"decoder_widths": [1, 2, 3]}', "decoder_widths is [1, 2, 3], expected 2 numbers"),
        ('{"value_dim": 1e400}', "value_dim is inf, expected a whole number"),
        ('{"hidden_dim": true}', "hidden_dim is True, expected a whole number"),
        ('{"image_channels": null}', "image_channels is None"),
        ('{"contrast_px": 1000000000}', "contrast_px is 1000000000"),
        ('{"locality_px": NaN}', "locality_px is nan, expected a finite number"),
        ('{"nominal_diameter_px": "3"}', "expected a finite number"),
        ('{"stem_pool": 1}', "expected True or False"),
        ('{"key_block": ["basic"]}', "key_block is ['basic']"),
        ('{"name": {"a": 1}}', "that is text"),
        ("[" * 100_000, "nested too deeply"),
        ('{"key_dim": ' + "[" * 900 + "]" * 900 + "}", "key_dim is [["),
        ('{"key_dim": ' + "9" * 5000 + "}", "this version cannot build"),
    ],
    ids=lambda value: value[:30],
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


@pytest.mark.parametrize("name", ["key_depths", "key_widths", "decoder_widths"])
def test_a_network_larger_than_its_file_is_never_built(tmp_path: Path, name: str) -> None:
    """The largest that is allowed would take gigabytes; what the file holds is compared before that."""
    config = network().config.to_dict()
    config[name] = [128 if name == "key_depths" else 8192] * len(config[name])
    save_file(network().state_dict(), tmp_path / "big.safetensors", metadata={"config": json.dumps(config)})
    with pytest.raises(CheckpointError, match=r"missing:|unexpected:|other shapes"):
        load_model(tmp_path / "big.safetensors", device="cpu")


def test_a_block_number_of_a_billion_is_no_depth(tmp_path: Path) -> None:
    for deep in ("key_encoder.layer2.999999999.conv1.weight", "key_encoder.layer2.12345678.conv1.weight"):
        torch.save({**network().state_dict(), deep: torch.zeros(1)}, tmp_path / "deep.pth")
        with pytest.raises(CheckpointError, match=r"deep.pth"):
            load_model(tmp_path / "deep.pth", device="cpu")


def _changed(
    change: Callable[[torch.Tensor], torch.Tensor], name: str = "decoder.pred.weight"
) -> dict[str, torch.Tensor]:
    state = dict(network().state_dict())
    state[name] = change(state[name])
    return state


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t * float("nan"), "NaN or infinite"),
        (lambda t: t + float("inf"), "NaN or infinite"),
        (lambda t: t.double() + 1e300, "NaN or infinite"),
        (lambda t: t.to(torch.complex64), "complex64, expected floats"),
        (lambda t: t > 0, "bool, expected floats"),
        (lambda t: (t * 9).to(torch.int8), "int8, expected floats"),
        (lambda t: t.to(torch.float8_e4m3fn), "float8_e4m3fn, expected floats"),
        (lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8), "quantised, expected floats"),
        (lambda t: t.to_sparse(), "no plain tensor"),
        (lambda t: t[:1, :1, :1, :1].expand(2**20, 2**20, 3, 3), "a part only"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_weights_that_are_no_weights(tmp_path: Path, change: Callable[[torch.Tensor], torch.Tensor], said: str) -> None:
    torch.save(_changed(change), tmp_path / "odd.pth")
    with pytest.raises(CheckpointError, match=said):
        load_model(tmp_path / "odd.pth", device="cpu")


def test_variances_below_zero_are_refused(tmp_path: Path) -> None:
    torch.save(_changed(lambda t: t - 2, "key_encoder.bn1.running_var"), tmp_path / "odd.pth")
    with pytest.raises(CheckpointError, match="variances below 0"):
        load_model(tmp_path / "odd.pth", device="cpu")


def test_archives_that_swell_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(50_000_000))
    with pytest.raises(CheckpointError, match="when unpacked"):
        load_model(tmp_path / "bomb.pth", device="cpu")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_float_types_are_taken(tmp_path: Path, dtype: torch.dtype) -> None:
    state = {n: t.to(dtype) if t.is_floating_point() else t for n, t in network().state_dict().items()}
    torch.save(state, tmp_path / "half.pth")
    loaded = load_model(tmp_path / "half.pth", device="cpu")
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    assert all(torch.equal(t.float(), loaded.state_dict()[n].float()) for n, t in state.items())


def test_what_was_downloaded_must_not_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from napari_xmem.model import checkpoint

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    torch.save(network().state_dict(), tmp_path / "official.pth")
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(checkpoint, "XMEM_URL", f"http://127.0.0.1:{server.server_port}/official.pth")
        with pytest.warns(UserWarning) as told:
            load_model("xmem", device="cpu")
        server.shutdown()
    before, after = (str(warning.message) for warning in told)
    assert re.search(rf"249 MB.*once, to {tmp_path}.*XMem\.pth\.$", before)
    assert re.search(r"not verified.*sha256 is [0-9a-f]{64}", after)
    assert "Downloading" not in capfd.readouterr().err
    assert same(network(), load_model("xmem", device="cpu"))  # from the cache, without a word
    kept = next((tmp_path / "cache").rglob("XMem.pth"))
    torch.save(network(name="other", key_dim=4).state_dict(), kept)
    with pytest.raises(CheckpointError, match=r"has changed since it was downloaded"):
        load_model("xmem", device="cpu")


def test_cards_that_cannot_be_read(tmp_path: Path) -> None:

    for card in ("[" * 100_000, "[1]", "{nope"):
        save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors", metadata={"card": card})
        with pytest.raises(CheckpointError, match="model card"):
            model_card(tmp_path / "a.safetensors")
