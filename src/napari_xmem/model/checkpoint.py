"""Weights in and out: official checkpoints, our safetensors, and errors that say what is wrong with a file."""

from __future__ import annotations

import json
import os
import pickle
import warnings
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from napari_xmem.config import ModelConfig
from napari_xmem.errors import CheckpointError, ConfigError
from napari_xmem.files import whole_file
from napari_xmem.model.device import resolve_device
from napari_xmem.model.xmem import XMem

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["BUNDLED_MODELS", "bundled_path", "infer_config", "load_model", "model_card", "save_model"]

BUNDLED_MODELS = {"bundled": "cells-small.safetensors", "cells-small": "cells-small.safetensors"}
XMEM_URL = "https://github.com/hkchengrex/XMem/releases/download/v1.0/XMem.pth"
_MAX_NAMES = 6


def bundled_path(name: str = "bundled") -> Path:
    """Return the file of a model that ships with the package."""
    return Path(str(resources.files("napari_xmem.model") / "weights" / BUNDLED_MODELS[name]))


def load_model(model: str | Path = "bundled", device: str | torch.device = "auto") -> XMem:
    """Load a network, ready for inference.

    Parameters
    ----------
    model : str or Path
        "bundled" (our own small model), "xmem" (the official weights, downloaded once and kept in the user's cache),
        or the path of a ``.pth`` (official ``XMem.pth``, ``XMem-s012.pth``, ``XMem-no-sensory.pth``, a single-object
        or a training checkpoint) or ``.safetensors`` file. Dimensions are read from the file.
    device : str or torch.device
        See `resolve_device`.

    Returns
    -------
    XMem
        In eval mode, on `device`, float32.

    Raises
    ------
    CheckpointError
        If the file is missing, is no weights file, or holds another network.
    DeviceError
        If the device does not exist here.

    Notes
    -----
    Files are read as plain tensors (``weights_only=True`` or safetensors): no code in a file is ever run.
    """
    target = resolve_device(device)
    path = _locate(model)
    if path.suffix == ".safetensors":
        state, config = _read_safetensors(path)
    else:
        state = _read_pth(path)
        config = None
    state = _extend_single_object(state)
    network = XMem(config or infer_config(state, source=str(path)))
    _check_state(network, state, path)
    network.load_state_dict(
        {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    )
    network.requires_grad_(False)
    return network.eval().to(target)


def save_model(network: XMem, path: str | Path, *, half: bool = True, card: Mapping[str, Any] | None = None) -> Path:
    """Write weights as safetensors, with the settings and a model card in the header.

    Parameters
    ----------
    network : XMem
        The network.
    path : str or Path
        Target; an existing file is replaced only when the new one is complete.
    half : bool
        Store float16 (half the size). `load_model` always computes in float32.
    card : mapping, optional
        JSON-able facts about the model: data, licences, recipe, scores.

    Returns
    -------
    Path
        The file.
    """
    path = Path(path)
    state = {
        name: (tensor.half() if half and tensor.is_floating_point() else tensor).detach().cpu().contiguous()
        for name, tensor in network.state_dict().items()
    }
    metadata = {
        "format": "napari-xmem",
        "config": json.dumps(network.config.to_dict()),
        "card": json.dumps(dict(card or {})),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as partial:
        save_file(state, partial, metadata=metadata)
    return path


def model_card(path: str | Path) -> dict[str, Any]:
    """Return the model card in a safetensors file's header.

    Parameters
    ----------
    path : str or Path
        A file written by `save_model`; any other safetensors file has no card.

    Returns
    -------
    dict
        Facts about the model; empty where there are none.

    Raises
    ------
    CheckpointError
        If the file is no readable safetensors file.
    """
    try:
        with safe_open(Path(path), framework="pt") as file:
            card: dict[str, Any] = json.loads((file.metadata() or {}).get("card", "{}"))
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is no readable safetensors file: {error}.") from error
    return card


def infer_config(state: Mapping[str, Tensor], source: str = "the state dict") -> ModelConfig:
    """Read the dimensions of a network of the official layout from its tensors.

    Parameters
    ----------
    state : mapping of str to Tensor
        Parameters by their official names.
    source : str
        What to call them in a message.

    Returns
    -------
    ModelConfig
        Shape of the network.

    Raises
    ------
    CheckpointError
        If tensors needed to tell are missing.
    """

    def shape(name: str) -> tuple[int, ...]:
        if name not in state:
            raise CheckpointError(_not_xmem(source, missing=[name], unexpected=[]))
        return tuple(state[name].shape)

    def depth(stage: str) -> int:
        return 1 + max((int(n[len(stage) + 1 :].split(".")[0]) for n in state if n.startswith(stage + ".")), default=-1)

    bottleneck = "key_encoder.res2.0.conv3.weight" in state
    key_stages = ("key_encoder.res2", "key_encoder.layer2", "key_encoder.layer3")
    value_stages = tuple(f"value_encoder.layer{i}" for i in (1, 2, 3))
    hidden = state.get("decoder.hidden_update.transform.weight")
    try:
        return ModelConfig(
            image_channels=shape("key_encoder.conv1.weight")[1],
            key_block="bottleneck" if bottleneck else "basic",
            stem_width=shape("key_encoder.conv1.weight")[0],
            key_widths=tuple(shape(f"{s}.0.conv1.weight")[0] for s in key_stages),  # type: ignore[arg-type]
            key_depths=tuple(depth(s) for s in key_stages),  # type: ignore[arg-type]
            value_widths=tuple(shape(f"{s}.0.conv1.weight")[0] for s in value_stages),  # type: ignore[arg-type]
            value_depths=tuple(depth(s) for s in value_stages),  # type: ignore[arg-type]
            key_dim=shape("key_proj.key_proj.weight")[0],
            value_dim=shape("value_encoder.fuser.block2.conv2.weight")[0],
            hidden_dim=0 if hidden is None else hidden.shape[0] // 3,
            decoder_widths=(shape("decoder.up_16_8.out_conv.conv2.weight")[0], shape("decoder.pred.weight")[1]),
        )
    except (ConfigError, IndexError, ValueError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{source} holds no network of the XMem family: {error}") from error


def _locate(model: str | Path) -> Path:
    if str(model) in BUNDLED_MODELS:
        return bundled_path(str(model))
    if str(model) == "xmem":
        return _download_official()
    if not isinstance(model, (str, os.PathLike)):
        raise CheckpointError(
            f"model is a {type(model).__name__}, expected 'bundled', 'xmem', a path, or a network from load_model."
        )
    path = Path(model).expanduser()
    if not path.is_file():
        names = ", ".join(repr(n) for n in (*BUNDLED_MODELS, "xmem"))
        raise CheckpointError(
            f"There is no weights file {path}. Expected one of {names}, or the path of a .pth or .safetensors file."
        )
    return path


def _download_official() -> Path:
    import pooch  # only needed here

    try:
        return Path(pooch.retrieve(XMEM_URL, known_hash=None, fname="XMem.pth", path=pooch.os_cache("napari-xmem")))
    except Exception as error:
        raise CheckpointError(
            f"The official weights could not be downloaded ({error}). "
            f"Fetch {XMEM_URL} by hand and pass the file's path."
        ) from error


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], ModelConfig | None]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} is no readable safetensors file: {error}. Was the download cut short?"
        ) from error
    return state, _described_config(path, metadata)


def _described_config(path: Path, metadata: Mapping[str, str]) -> ModelConfig | None:
    """Read the settings in a safetensors file's header; None where there are none."""
    if "config" not in metadata:
        return None
    try:
        return ModelConfig.from_dict(json.loads(metadata["config"]))
    except (ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{path} describes a network that this version cannot build ({str(error).rstrip('.')}). Was it made by a "
            "newer napari-xmem? Update, or choose another file."
        ) from error


def _read_pth(path: Path) -> dict[str, Tensor]:
    _check_start(path)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Detected pickle protocol")
            content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} holds more than plain tensors and was not opened, since such a file can run code. "
            "Expected a state dict like the official XMem.pth."
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, AttributeError, IndexError, TypeError) as error:
        raise CheckpointError(
            f"{path} is no PyTorch weights file ({type(error).__name__}: {error}). Was the download cut short?"
        ) from error
    if isinstance(content, dict) and isinstance(content.get("network"), dict):
        content = content["network"]  # a training checkpoint
    if not isinstance(content, dict) or not content or not all(isinstance(v, Tensor) for v in content.values()):
        raise CheckpointError(
            f"{path} is a PyTorch file but no state dict. "
            "Expected parameter names and tensors like the official XMem.pth."
        )
    return {str(name).removeprefix("module."): tensor for name, tensor in content.items()}


def _check_start(path: Path) -> None:
    """Raise `CheckpointError` unless a file begins as torch.save's zip archives or pickles do."""
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}).") from error
    if not start.startswith((b"PK\x03\x04", b"\x80")):
        raise CheckpointError(
            f"{path} is no PyTorch weights file. Was a web page saved in its place? Download it again."
        )


def _extend_single_object(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Give a single-object value encoder the channel for other objects, as zeros: the same output."""
    name = "value_encoder.conv1.weight"
    image = state.get("key_encoder.conv1.weight")
    weight = state.get(name)
    if image is None or weight is None or weight.ndim != 4 or weight.shape[1] != image.shape[1] + 1:
        return state
    zeros = torch.zeros_like(weight[:, :1])
    return {**state, name: torch.cat([weight, zeros], 1)}


def _check_state(network: XMem, state: Mapping[str, Tensor], path: Path) -> None:
    expected = network.state_dict()
    missing = sorted(set(expected) - set(state))
    unexpected = sorted(set(state) - set(expected))
    if missing or unexpected:
        raise CheckpointError(_not_xmem(str(path), missing, unexpected))
    wrong = [n for n in expected if expected[n].shape != state[n].shape]
    if wrong:
        shown = "; ".join(
            f"{n} is {tuple(state[n].shape)}, expected {tuple(expected[n].shape)}" for n in wrong[:_MAX_NAMES]
        )
        raise CheckpointError(
            f"{path} holds tensors of other shapes: {shown}{_more(wrong)}. Is it a network of the XMem family?"
        )


def _not_xmem(source: str, missing: list[str], unexpected: list[str]) -> str:
    parts = [
        f"{label}: {', '.join(names[:_MAX_NAMES])}{_more(names)}"
        for label, names in (("missing", missing), ("unexpected", unexpected))
        if names
    ]
    return (
        f"{source} does not hold a network of the XMem family ({'; '.join(parts)}). "
        "Use the official XMem.pth or a model made by 'napari-xmem train'."
    )


def _more(names: list[str]) -> str:
    return f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
