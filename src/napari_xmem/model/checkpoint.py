"""Weights in and out: official checkpoints, our safetensors, and errors that say what is wrong with a file."""

from __future__ import annotations

import json
import logging
import os
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from napari_xmem.config import ModelConfig
from napari_xmem.config.arguments import checked_arguments
from napari_xmem.config.settings import did_you_mean
from napari_xmem.errors import CheckpointError, ConfigError
from napari_xmem.files import atomic_write, parse_json
from napari_xmem.model.device import resolve_device
from napari_xmem.model.torch_settings import settle_after_fork
from napari_xmem.model.weights_file import (
    as_float32,
    check_plain,
    read_pth,
    read_safetensors,
    safetensors_metadata,
)
from napari_xmem.model.xmem import XMem
from napari_xmem.notices import warn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["BUNDLED_MODELS", "bundled_path", "infer_config", "load_model", "model_card", "save_model"]

BUNDLED_MODELS = {
    "bundled": "cells.safetensors",
    "cells": "cells.safetensors",
}
XMEM_URL = "https://github.com/hkchengrex/XMem/releases/download/v1.0/XMem.pth"
#: Its size.
XMEM_BYTES = 249_000_000
#: Letters of a foreign message that are quoted.
_MOST_LETTERS = 120
_MAX_NAMES = 6


def bundled_path(name: str = "bundled") -> Path:
    """Return the file of a model that ships with the package."""
    return Path(str(resources.files("napari_xmem.model") / "weights" / BUNDLED_MODELS[name]))


@checked_arguments
def load_model(model: str | Path = "bundled", device: str | torch.device = "auto") -> XMem:
    """Load a network, ready for inference.

    Parameters
    ----------
    model : str or Path
        "bundled" (our own small model, "cells" by name), "xmem" (the official weights, downloaded once and kept in the
        user's cache), or the path of a ``.pth`` (official ``XMem.pth``, ``XMem-s012.pth``, ``XMem-no-sensory.pth``, a
        single-object or a training checkpoint) or ``.safetensors`` file. Dimensions are read from the file.
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
    settle_after_fork()
    target = resolve_device(device)
    path = _locate(model)
    config = None
    if path.suffix == ".safetensors":
        state, metadata = read_safetensors(path)
        config = _described_config(path, metadata)
    else:
        state = read_pth(path)
    check_plain(state, path)
    state = _extend_single_object(state)
    # On "meta" a network of any size takes no memory: what the file says is compared before anything is made.
    with torch.device("meta"):
        network = XMem(config or infer_config(state, source=str(path)))
    _check_state(network, state, path)
    network.load_state_dict(as_float32(state, path), assign=True)
    network.requires_grad_(False)
    return network.eval().to(target)


@checked_arguments
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
    with atomic_write(path) as partial:
        save_file(state, partial, metadata=metadata)
    return path


@checked_arguments
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
        card = parse_json(safetensors_metadata(Path(path)).get("card", "{}"))
    except ValueError as error:
        raise CheckpointError(f"{path} has a model card that cannot be read: {error}.") from error
    if not isinstance(card, dict):
        raise CheckpointError(f"{path} has a model card that is no table of facts.")
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
        blocks = (n[len(stage) + 1 :].split(".")[0] for n in state if n.startswith(stage + "."))
        return 1 + max((int(block) for block in blocks if block.isdecimal() and len(block) < 9), default=-1)

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
    except CheckpointError:
        raise
    except (ConfigError, IndexError, ValueError) as error:
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
    try:
        there = path.is_file()
    except OSError:  # a name too long
        there = False
    if not there:
        known = (*BUNDLED_MODELS, "xmem")
        names, guess = ", ".join(map(repr, known)), did_you_mean(str(model), known)
        raise CheckpointError(
            f"There is no weights file {str(path)[:300]}{guess}. Expected one of {names}, or the path of a .pth or "
            ".safetensors file."
        )
    return path


def _download_official() -> Path:
    """Return the official weights, downloaded once; what was downloaded must not have changed when it is used again."""
    import pooch  # only needed here

    folder = Path(pooch.os_cache("napari-xmem"))
    file, note = folder / "XMem.pth", folder / "XMem.pth.sha256"
    known = note.read_text(encoding="ascii").strip() if file.exists() and note.exists() else None
    if known is not None and pooch.file_hash(file) != known:
        raise CheckpointError(
            f"{file} has changed since it was downloaded (its sha256 is no longer {known}). Delete it and "
            f"{note.name} beside it, and it will be downloaded again."
        )
    if known is not None:
        return file
    warn(
        f"The official weights ({XMEM_BYTES / 1e6:.0f} MB) are not on this computer yet: downloading them once, to "
        f"{file}.",
        stacklevel=3,
    )
    try:
        with _without_words_of(pooch.get_logger()):
            path = Path(pooch.retrieve(XMEM_URL, known_hash=None, fname=file.name, path=folder))
        digest = pooch.file_hash(path)
        note.write_text(digest + "\n", encoding="ascii")
    except Exception as error:
        raise CheckpointError(
            f"The official weights could not be downloaded ({_why_not_downloaded(error)}). Is this computer "
            f"online? Or fetch {XMEM_URL} by hand and give the file as the model (in the viewer: Model > File...)."
        ) from error
    warn(
        "The official weights were downloaded but not verified: their authors publish no checksum. Their sha256 is "
        f"{digest}.",
        stacklevel=3,
    )
    return path


@contextmanager
def _without_words_of(logger: logging.Logger) -> Iterator[None]:
    """Let a logger say warnings only: what it would tell has been told."""
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def _why_not_downloaded(error: Exception) -> str:
    """Say in a few words why a download failed; what went wrong in full stays attached as the cause."""
    text = " ".join(str(error).split())
    for sign, words in (
        ("NameResolution", "the name of the server is not known here"),
        ("timed out", "the server did not answer in time"),
        ("refused", "the server refused the connection"),
        ("certificate", "the server's certificate was not accepted"),
        ("No space left", "there is no room on the disk"),
    ):
        if sign.lower() in text.lower():
            return words
    return text if len(text) <= _MOST_LETTERS else f"{text[:_MOST_LETTERS]} ..."


def _described_config(path: Path, metadata: Mapping[str, str]) -> ModelConfig | None:
    """Read the settings in a safetensors file's header; None where there are none."""
    if "config" not in metadata:
        return None
    try:
        return ModelConfig.from_dict(parse_json(metadata["config"]))
    except ValueError as error:
        raise CheckpointError(
            f"{path} describes a network that this version cannot build ({str(error).rstrip('.')}). Was it made by a "
            "newer napari-xmem? Update, or choose another file."
        ) from error


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
    odd = [n for n, t in expected.items() if n in state and t.is_floating_point() != state[n].is_floating_point()]
    if odd:
        raise CheckpointError(
            f"{path}: {odd[0]} is {str(state[odd[0]].dtype).removeprefix('torch.')}{_more(odd)}, expected floats of 16 "
            "to 64 bits. Choose the weights before they were quantised or converted."
        )
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
