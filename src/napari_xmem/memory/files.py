"""States on disk: one safetensors file, whose header holds all that is no tensor as JSON."""

from __future__ import annotations

import json
import reprlib
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from napari_xmem.errors import MemoryBankError, OutputError
from napari_xmem.files import atomic_write, parse_json

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

__all__ = ["check_fingerprint", "damaged", "load_state", "save_state"]

#: Key of the stand-in for a tensor in the JSON.
_TENSOR = "$tensor"


def save_state(path: str | os.PathLike[str], state: Mapping[str, Any], form: str, fingerprint: str) -> None:
    """Write a state; whole or not at all.

    Parameters
    ----------
    path : path-like
        File to write; replaced if it exists.
    state : mapping
        Nested dicts, lists and tuples of plain values and tensors, as `state_dict` methods return them.
    form : str
        Name and version of what it is, for the header.
    fingerprint : str
        Of the model whose keys and values these are.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    tensors: dict[str, Tensor] = {}
    plain = json.dumps(_without_tensors(state, "", tensors))
    metadata = {"format": form, "fingerprint": fingerprint, "state": plain}
    try:
        with atomic_write(path) as partial:
            save_file(_unshared(tensors), partial, metadata=metadata)
    except (OSError, SafetensorError) as error:
        raise OutputError(f"Memory cannot be written to {path}: {error}. Choose another place.") from error


def load_state(path: str | os.PathLike[str], form: str) -> tuple[dict[str, Any], str]:
    """Read a state that `save_state` wrote, its tensors on the CPU; tuples come back as lists.

    Parameters
    ----------
    path : path-like
        The file.
    form : str
        What it has to be.

    Returns
    -------
    state : dict
        As it was saved.
    fingerprint : str
        Of the model it was made with.

    Raises
    ------
    MemoryBankError
        If the file is missing, damaged, or something else.
    """
    try:
        # Older versions make tensors on the caller's default device, whatever they are asked for.
        with torch.device("cpu"), safe_open(str(path), framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            found = metadata.get("format")
            if found != form:
                raise MemoryBankError(
                    f"{path} holds {found or 'no memory'}, expected {form!r}: a file written by save()."
                )
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        state = _with_tensors(parse_json(metadata["state"]), tensors)
        if not isinstance(state, dict):
            raise ValueError("its state is no table")
    except MemoryBankError:
        raise
    except (OSError, SafetensorError) as error:
        raise MemoryBankError(f"{path} cannot be read as memory: {error}. Choose a file saved as memory.") from error
    except Exception as error:  # whatever torch says of types it does not know
        raise damaged(path, error) from error
    return state, metadata.get("fingerprint", "")


def damaged(path: str | os.PathLike[str], error: BaseException) -> MemoryBankError:
    """Return the error for a file whose content makes no memory."""
    detail = reprlib.repr(f"{type(error).__name__}: {error}")
    return MemoryBankError(f"{path} is damaged or was written by another version: {detail}.")


def check_fingerprint(path: str | os.PathLike[str], found: str, wanted: str | None) -> None:
    """Raise `MemoryBankError` unless a memory was made with the model that is to use it; None: any will do."""
    if wanted is not None and found != wanted:
        raise MemoryBankError(
            f"{path} was made with another model (fingerprint {found!r}, this model has {wanted!r}). "
            "Load the model it was made with, or build the memory again."
        )


def _without_tensors(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """Return a value with a stand-in for every tensor, which goes to `tensors` under its path."""
    if isinstance(value, Tensor):
        tensors[name] = value
        return {_TENSOR: name}
    if isinstance(value, dict):
        return {key: _without_tensors(item, f"{name}.{key}".lstrip("."), tensors) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_tensors(item, f"{name}.{place}", tensors) for place, item in enumerate(value)]
    return value


def _with_tensors(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    """Put the tensors back where their stand-ins are."""
    if isinstance(value, dict):
        if set(value) == {_TENSOR}:
            return tensors[value[_TENSOR]]
        return {key: _with_tensors(item, tensors) for key, item in value.items()}
    return [_with_tensors(item, tensors) for item in value] if isinstance(value, list) else value


def _unshared(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Bring tensors to the CPU, none on the storage of another."""
    out: dict[str, Tensor] = {}
    used: set[int] = set()
    for name, tensor in tensors.items():
        plain = tensor.detach().cpu().contiguous()
        storage = plain.untyped_storage().data_ptr()
        out[name] = plain.clone() if storage in used else plain
        used.add(storage)
    return out
