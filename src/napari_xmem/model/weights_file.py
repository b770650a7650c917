"""Tensors out of weights files that anybody may have made: no code is run, and nothing is larger than the file."""

from __future__ import annotations

import pickle
import warnings
import zipfile
from typing import TYPE_CHECKING, Any

import torch
from safetensors import safe_open
from torch import Tensor

from napari_xmem.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["as_float32", "check_plain", "read_pth", "read_safetensors", "safetensors_metadata"]

#: Types of weights that are taken; others hold codes of numbers (quantised) or no real numbers.
_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_WHOLE = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
#: A zip archive's content is at most this many times as large as its file: weights hardly compress.
_MOST_EXPANSION = 4
_LONGEST_DETAIL = 300


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read all tensors of a safetensors file, and the texts of its header.

    Raises
    ------
    CheckpointError
        If the file is no readable safetensors file.
    """
    try:
        # Older versions make tensors on the caller's default device, whatever they are asked for.
        with torch.device("cpu"), safe_open(path, framework="pt", device="cpu") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})
    except Exception as error:  # SafetensorError, OSError, and torch's for types it does not know
        raise CheckpointError(_unreadable(path, error)) from error


def safetensors_metadata(path: Path) -> dict[str, str]:
    """Read the texts in the header of a safetensors file; `CheckpointError` as `read_safetensors`."""
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return dict(file.metadata() or {})
    except Exception as error:
        raise CheckpointError(_unreadable(path, error)) from error


def read_pth(path: Path) -> dict[str, Tensor]:
    """Read the state dict in a file of torch.save, or in a training checkpoint under "network".

    Raises
    ------
    CheckpointError
        If the file is none, holds more than plain tensors, or claims to hold more than it can.
    """
    _check_start(path)
    try:
        # torch on what is refused or accepted below. Set for good: a thread that sets filters for a while takes them
        # away from the others.
        warnings.filterwarnings("ignore", message="Detected pickle protocol|TypedStorage is deprecated")
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} holds more than plain tensors and was not opened, since such a file can run code. "
            "Expected a state dict like the official XMem.pth."
        ) from error
    except Exception as error:  # damaged files make torch's reader fail in any way
        raise CheckpointError(
            f"{path} is no PyTorch weights file ({_words(error)}). Was the download cut short?"
        ) from error
    if isinstance(content, dict) and isinstance(content.get("network"), dict):
        content = content["network"]  # a training checkpoint
    if not isinstance(content, dict) or not content or not all(isinstance(v, Tensor) for v in content.values()):
        raise CheckpointError(
            f"{path} is a PyTorch file but no state dict. "
            "Expected parameter names and tensors like the official XMem.pth."
        )
    return {str(name).removeprefix("module."): tensor.detach() for name, tensor in content.items()}


def check_plain(state: Mapping[str, Tensor], path: Path) -> None:
    """Raise `CheckpointError` unless tensors are dense numbers in memory, and no more than the file can hold."""
    for name, tensor in state.items():
        if tensor.is_quantized or tensor.dtype not in _FLOATS + _WHOLE:
            kind = "quantised" if tensor.is_quantized else str(tensor.dtype).removeprefix("torch.")
            raise CheckpointError(
                f"{path}: {name} is {kind}, expected floats of 16 to 64 bits. Choose the weights before they were "
                "quantised or converted."
            )
        if tensor.layout != torch.strided or tensor.device.type != "cpu":
            raise CheckpointError(f"{path}: {name} is no plain tensor ({tensor.layout}, {tensor.device}).")
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise CheckpointError(
                f"{path}: {name} has shape {tuple(tensor.shape)}, of which the file holds a part only."
            )
    total = sum(tensor.numel() * tensor.element_size() for tensor in state.values())
    if total > _MOST_EXPANSION * path.stat().st_size + 1_000_000:
        raise CheckpointError(f"{path} claims to hold {total / 1e6:.0f} MB of weights, more than its size allows.")


def as_float32(state: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Return tensors of their own, floats as float32; `CheckpointError` if one is NaN or infinite, or is then."""
    converted = {}
    for name, tensor in state.items():
        own = tensor.to(torch.float32 if tensor.is_floating_point() else tensor.dtype, copy=True)
        converted[name] = own.contiguous()
        if own.is_floating_point() and not bool(torch.isfinite(own).all()):
            raise CheckpointError(
                f"{path}: {name} holds NaN or infinite weights. Was its training stopped by an error? Choose an "
                "earlier checkpoint."
            )
        if name.endswith("running_var") and bool((own < 0).any()):
            raise CheckpointError(f"{path}: {name} holds variances below 0; the file is damaged.")
    return converted


def _check_start(path: Path) -> None:
    """Raise `CheckpointError` unless a file begins as torch.save's zip archives or pickles do, and is no zip bomb."""
    try:
        with path.open("rb") as file:
            start = file.read(4)
        size = path.stat().st_size
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}).") from error
    if not start.startswith((b"PK\x03\x04", b"\x80")):
        raise CheckpointError(
            f"{path} is no PyTorch weights file. Was a web page saved in its place? Download it again."
        )
    if start.startswith(b"PK"):
        try:
            with zipfile.ZipFile(path) as archive:
                content = sum(info.file_size for info in archive.infolist())
        except Exception as error:
            raise CheckpointError(
                f"{path} is no PyTorch weights file ({_words(error)}). Was the download cut short?"
            ) from error
        if content > _MOST_EXPANSION * size:
            raise CheckpointError(f"{path} would take {content / 1e6:.0f} MB when unpacked, far more than its size.")


def _unreadable(path: Path, error: Exception) -> str:
    return f"{path} is no readable safetensors file: {_words(error)}. Was the download cut short?"


def _words(error: BaseException) -> str:
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text if len(text) <= _LONGEST_DETAIL else text[: _LONGEST_DETAIL - 1] + "…"
