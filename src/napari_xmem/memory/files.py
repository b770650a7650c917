"""A bank on disk: one safetensors file whose header holds the rest as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from napari_xmem.config import MemoryConfig
from napari_xmem.errors import ConfigError, MemoryBankError, OutputError
from napari_xmem.files import whole_file
from napari_xmem.memory.snapshot import MemoryEvent, MemoryTotals
from napari_xmem.memory.state import BankState
from napari_xmem.memory.store import Column, ElementTable

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

__all__ = ["FORMAT", "load_state", "save_state"]

#: Name and version of the format, in the header.
FORMAT = "napari-xmem memory 1"


def save_state(state: BankState, path: str | os.PathLike[str], fingerprint: str) -> None:
    """Write a bank; whole or not at all.

    Parameters
    ----------
    state : BankState
        The bank.
    path : path-like
        File to write; replaced if it exists.
    fingerprint : str
        Of the model whose keys and values these are.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    header = {
        "config": state.config.to_dict(),
        "key_dim": state.key_dim,
        "value_dim": state.value_dim,
        "object_ids": list(state.object_ids),
        "with_selection": state.with_selection,
        "next_block": state.next_block,
        "frame": state.frame,
        "events": [asdict(event) for event in state.events],
        "totals": asdict(state.totals),
    }
    metadata = {"format": FORMAT, "fingerprint": fingerprint, "bank": json.dumps(header)}
    try:
        with whole_file(path) as partial:
            save_file(_tensors(state), partial, metadata=metadata)
    except (OSError, SafetensorError) as error:
        raise OutputError(f"Memory cannot be written to {path}: {error}. Choose another place.") from error


def load_state(path: str | os.PathLike[str], fingerprint: str | None, device: torch.device) -> BankState:
    """Read a bank that `save_state` wrote.

    Parameters
    ----------
    path : path-like
        The file.
    fingerprint : str or None
        Of the model that will use the bank; None: not checked.
    device : torch.device
        Where the bank shall live.

    Raises
    ------
    MemoryBankError
        If the file is missing, damaged, no memory, or of another model.
    """
    try:
        with safe_open(str(path), framework="pt", device=str(device)) as file:
            metadata = file.metadata() or {}
            _check_header(path, metadata, fingerprint)
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        return _rebuild(json.loads(metadata["bank"]), tensors, device)
    except (OSError, SafetensorError) as error:
        raise MemoryBankError(
            f"{path} cannot be read as memory: {error}. Expected a file written by save()."
        ) from error
    except (KeyError, TypeError, json.JSONDecodeError, ConfigError) as error:
        raise MemoryBankError(f"{path} is damaged or was written by another version: {error!r}.") from error


def _check_header(path: str | os.PathLike[str], metadata: Mapping[str, str], fingerprint: str | None) -> None:
    found = metadata.get("format")
    if found != FORMAT:
        raise MemoryBankError(f"{path} holds {found or 'no memory'}, expected {FORMAT!r}: a file written by save().")
    other = metadata.get("fingerprint", "")
    if fingerprint is not None and other != fingerprint:
        raise MemoryBankError(
            f"{path} was made with another model (fingerprint {other!r}, this model has {fingerprint!r}). "
            "Load the model it was made with, or build the memory anew."
        )


def _tensors(state: BankState) -> dict[str, Tensor]:
    table = state.table
    if table is None:
        return {}
    tensors = {f"column.{name}": table[name] for name in table.column_names if name != "rows"}
    for object_id in table.object_ids:
        tensors[f"values.{object_id}"] = table.values(object_id)
        tensors[f"valid.{object_id}"] = table.valid(object_id)
    return {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}


def _rebuild(header: Mapping[str, Any], tensors: Mapping[str, Tensor], device: torch.device) -> BankState:
    state = BankState(MemoryConfig.from_dict(header["config"]), header["key_dim"], header["value_dim"])
    state.with_selection, state.next_block, state.frame = (
        header["with_selection"],
        header["next_block"],
        header["frame"],
    )
    state.events = tuple(MemoryEvent.from_dict(event) for event in header["events"])
    state.totals = MemoryTotals(**header["totals"])
    if tensors:
        ids = [int(object_id) for object_id in header["object_ids"]]
        value_dtype = tensors[f"values.{ids[0]}"].dtype if ids else torch.float32
        table = ElementTable(state.key_dim, state.value_dim, device, value_dtype)
        columns: dict[Column, Tensor] = {
            name: tensors[f"column.{name}"] for name in table.column_names if name != "rows"
        }
        values = {object_id: tensors[f"values.{object_id}"] for object_id in ids}
        table.restore(columns, values, {object_id: tensors[f"valid.{object_id}"] for object_id in ids})
        state.table = table
    state.refresh()
    return state
