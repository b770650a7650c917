"""Options that several subcommands share, and how their texts become values."""

from __future__ import annotations

import argparse
import difflib
from dataclasses import fields
from types import NoneType
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from napari_xmem.config import MemoryConfig, MemoryDevice, Precision
from napari_xmem.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["add_model_options", "add_quiet", "int_list", "memory_config"]

_TRUE, _FALSE, _NONE = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}, {"none", "null", ""}
PAPER = "paper"


def add_quiet(parser: argparse.ArgumentParser) -> None:
    """Add --quiet."""
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors")


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add what chooses the model, its device, the scope and the memory's settings."""
    parser.add_argument("--model", default="bundled", help="bundled, xmem (the official weights) or a weights file")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument(
        "--scope",
        choices=("auto", "local", "global"),
        default="auto",
        help="follow each object in a "
        "region of its own (local) or match whole frames (global); default: by size and number",
    )
    parser.add_argument(
        "--diameter-px",
        type=float,
        metavar="PX",
        help="typical diameter of the objects in pixels; default: the median of the seeds",
    )
    parser.add_argument(
        "--max-displacement-px",
        type=float,
        metavar="PX",
        help="how far an object may move between two frames in pixels; default: from the diameter",
    )
    parser.add_argument(
        "--precision",
        choices=get_args(Precision),
        default="auto",
        help="type in which convolutions compute; default: bfloat16 in the local scope where it is faster",
    )
    parser.add_argument(
        "--memory-budget",
        type=float,
        metavar="GB",
        help="memory that tensors may take at a time, in GB; default: a share of what is free; --dry-run says whether "
        "it can be kept",
    )
    parser.add_argument(
        "--memory-device",
        choices=get_args(MemoryDevice),
        default="auto",
        help="where memory is kept: on the device, in the host's memory, or (auto) on the device where it fits",
    )
    parser.add_argument(
        "--memory",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help=f"settings of the memory, for example top_k=20 eviction=age; '{PAPER}' first for those of "
        f"the XMem paper. Keys: {', '.join(f.name for f in fields(MemoryConfig))}",
    )


def memory_config(settings: Sequence[str]) -> MemoryConfig:
    """Read ``KEY=VALUE`` texts into a `MemoryConfig`.

    Raises
    ------
    ConfigError
        If a text has no "=", names no field (the right names are listed), or its value does not fit.
    """
    base = MemoryConfig.paper() if PAPER in settings else MemoryConfig()
    hints = get_type_hints(MemoryConfig)
    known = [f.name for f in fields(MemoryConfig)]
    changes: dict[str, Any] = {}
    for setting in settings:
        if setting == PAPER:
            continue
        key, equals, text = setting.partition("=")
        key = key.strip().replace("-", "_")
        if not equals:
            raise ConfigError(f"--memory {setting}: expected KEY=VALUE, for example top_k=20.")
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            guess = f" Did you mean {near[0]}?" if near else ""
            raise ConfigError(f"--memory has no key {key!r}.{guess} Keys are {', '.join(known)}.")
        changes[key] = _convert(key, text.strip(), hints[key])
    return base.replace(**changes)


def _convert(key: str, text: str, hint: Any) -> Any:
    kinds = get_args(hint) or (hint,)
    if NoneType in kinds and text.lower() in _NONE:
        return None
    kind = next(k for k in kinds if k is not NoneType)
    if kind is bool:
        if text.lower() in _TRUE | _FALSE:
            return text.lower() in _TRUE
        raise ConfigError(f"--memory {key}={text}: expected true or false.")
    try:
        return kind(text.replace("_", "") if kind is int else text)
    except ValueError as error:
        expected = {"int": "a whole number", "float": "a number"}.get(kind.__name__, kind.__name__)
        none = " or none" if NoneType in kinds else ""
        raise ConfigError(f"--memory {key}={text}: expected {expected}{none}.") from error


def int_list(text: str) -> list[int]:
    """Read "0,2" as [0, 2], for argparse."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of whole numbers such as 0,2") from error
