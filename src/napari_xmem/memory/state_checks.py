"""Whether a bank's state that was read from a file makes a bank: every count, shape, type and value."""

from __future__ import annotations

import reprlib
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from napari_xmem.memory.store import ElementTable, Store

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["check_bank_state"]

#: No network has more channels, and no label is larger.
_MOST_CHANNELS, _LARGEST_ID = 8192, 2**31 - 1
_LATEST = 2**40
_VALUE_TYPES = (torch.float32, torch.float16, torch.bfloat16)


def check_bank_state(state: Any) -> None:
    """Raise ValueError unless `BankState.from_state_dict` makes a bank of a state that works."""
    names = ("config", "key_dim", "value_dim", "with_selection", "next_block", "frame", "events", "totals", "table")
    _require(isinstance(state, dict) and set(names) <= set(state), "it lacks a part of a memory")
    for name in ("key_dim", "value_dim"):
        _whole(name, state[name], 1, _MOST_CHANNELS)
    _whole("next_block", state["next_block"], 0, _LATEST)
    _whole("frame", state["frame"], -1, _LATEST)
    _require(type(state["with_selection"]) is bool, "with_selection is neither true nor false")
    _require(isinstance(state["events"], (list, tuple)), "its events are no list")
    _require(all(isinstance(event, dict) for event in state["events"]), "an event is no table")
    _require(isinstance(state["totals"], dict), "its totals are no table")
    for name, count in state["totals"].items():
        _whole(name, count, 0, _LATEST)
    resolved = state.get("resolved", ())
    _require(isinstance(resolved, (list, tuple)), "its frames of look-alikes are no list")
    for one in resolved:
        _require(isinstance(one, (list, tuple)) and len(one) == 3, "a frame of look-alikes is not three numbers")
        _whole("a frame of look-alikes", one[0], 0, _LATEST)
        _whole("a frame of look-alikes", one[1], -1, _LATEST)
        right = type(one[2]) is float and 0 < one[2] < float("inf")
        _require(right, f"the worth of a frame of look-alikes is {reprlib.repr(one[2])}")
    if state["table"] is not None:
        _check_table(state["table"], state["key_dim"], state["value_dim"])


def _check_table(table: Any, key_dim: int, value_dim: int) -> None:
    _require(isinstance(table, dict) and isinstance(table.get("columns"), dict), "it has no columns")
    ids, values, valid = (table.get(name) for name in ("object_ids", "values", "valid"))
    for part in (ids, values, valid):
        _require(isinstance(part, (list, tuple)), "its objects are no list")
    for i in ids:
        _whole("an object", i, 1, _LARGEST_ID)
    _require(len(set(ids)) == len(ids) == len(values) == len(valid), "an object is listed twice or not at all")
    columns: Mapping[str, Any] = table["columns"]
    _require(isinstance(columns.get("life"), Tensor) and columns["life"].ndim == 1, "its elements have no life")
    n = len(columns["life"])
    value_type = values[0].dtype if ids and isinstance(values[0], Tensor) else torch.float32
    _require(value_type in _VALUE_TYPES, f"values are {value_type}")
    empty = ElementTable(key_dim, value_dim, torch.device("cpu"), value_type)
    for name in empty.column_names:
        if name != "rows":
            _check_tensor(name, columns.get(name), (n, *empty[name].shape[1:]), empty[name].dtype)
    for i, rows, held in zip(ids, values, valid, strict=True):
        _check_tensor(f"values of {i}", rows, (n, value_dim), value_type)
        _check_tensor(f"elements of {i}", held, (n,), torch.bool)
    _require(n == 0 or int(columns["store"].max()) <= max(Store), "an element lies in a store that does not exist")
    _require(n == 0 or bool((columns["life"] > 0).all()), "an element has no life")


def _check_tensor(name: str, tensor: Any, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    _require(isinstance(tensor, Tensor), f"{name} is missing")
    right = tuple(tensor.shape) == shape and tensor.dtype == dtype
    _require(right, f"{name} has shape {tuple(tensor.shape)} and type {tensor.dtype}, expected {shape} and {dtype}")
    finite = name == "position" or not tensor.is_floating_point() or bool(torch.isfinite(tensor).all())
    _require(finite, f"{name} holds NaN or infinite numbers")


def _whole(name: str, value: Any, low: int, high: int) -> None:
    right = type(value) is int and low <= value <= high
    _require(right, f"{name} is {reprlib.repr(value)}, expected a whole number from {low} to {high}")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)
