"""Options that several subcommands share, and how their texts become values."""

from __future__ import annotations

import argparse
import difflib
import math
import re
import textwrap
from typing import TYPE_CHECKING, Any

from napari_xmem.cli.terminal.threads import add_threads
from napari_xmem.config import MemoryConfig, PropagationConfig, Setting, settings_of
from napari_xmem.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "PAPER",
    "RUN_SETTINGS",
    "add_model_options",
    "add_save_every",
    "add_setting",
    "engine_options",
    "int_list",
    "memory_config",
    "memory_help",
    "run_settings",
]

_TRUE, _FALSE, _NONE = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}, {"none", "null"}
PAPER = "paper"


#: Settings of a run that are options of every subcommand that runs; frames are for each to ask in its own way.
RUN_SETTINGS = tuple(name for name in settings_of(PropagationConfig) if name not in ("start", "stop"))


def add_setting(
    parser: argparse.ArgumentParser | argparse._ArgumentGroup, name: str, metavar: str | None = None
) -> None:
    """Add the option of a setting of `PropagationConfig`, made from what the config says about it."""
    known = settings_of(PropagationConfig)[name]
    choices = [option.value for option in known.options] if known.closed else None
    parser.add_argument(
        known.flag,
        choices=choices,
        default=known.default,
        type=_gigabytes if known.unit == "GB" else known.kind if known.kind in (int, float) else str,
        metavar=None if choices else metavar or known.unit.upper() or None,
        help=_help(known),
    )


def _help(known: Setting) -> str:
    effect = known.effect.replace("Automatic:", "Default:").replace("None:", "Default:")
    values = " ".join(f"{option.value}: {option.help}" for option in known.options if known.closed and option.help)
    text = f"{known.help} {values} {effect}".strip().rstrip(".").replace("%", "%%")
    return text[:1].lower() + text[1:]


def add_save_every(parser: argparse._ActionsContainer) -> None:
    """Add --save-every."""
    parser.add_argument(
        "--save-every",
        type=_seconds,
        metavar="SECONDS",
        help="how often the memory is saved that a run goes on with after a stop (default: 60; it never takes more "
        "than a twentieth of the time)",
    )


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return number


def run_settings(args: argparse.Namespace) -> dict[str, Any]:
    """Return the settings of `PropagationConfig` that stand in the options.

    Raises
    ------
    ConfigError
        If a number is out of its range; the message names the option.
    """
    found = {}
    for name in RUN_SETTINGS:
        known = settings_of(PropagationConfig)[name]
        dest = known.flag.removeprefix("--").replace("-", "_")
        value = getattr(args, dest, known.default)
        if known.scale != 1 and value is not None:
            if not math.isfinite(value) or value * known.scale < 1:
                raise ConfigError(f"{known.flag} is {value:g}, expected {known.unit} above 0, for example 4.")
            value = round(value * known.scale)
        found[name] = value
    return found


def engine_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return the options that `iter_propagate` and `forecast` share."""
    return {**run_settings(args), "start": args.start, "stop": args.stop}


_OBJECTS = ("scope", "diameter_px", "max_displacement_px")
_MEMORY = ("memory_budget_bytes", "memory_device")


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add what chooses the model, its device, the scope and the memory's settings, in groups."""
    objects = parser.add_argument_group("objects")
    for name in _OBJECTS:
        add_setting(objects, name)
    model = parser.add_argument_group("model and machine")
    model.add_argument(
        "--model",
        default="bundled",
        help="bundled, xmem (the official weights) or a weights file (NAPARI_XMEM_MODEL)",
    )
    for name in RUN_SETTINGS:
        if name not in (*_OBJECTS, *_MEMORY, "direction"):  # each subcommand puts the direction where it belongs
            add_setting(model, name)
    add_threads(model)
    memory = parser.add_argument_group("memory")
    for name in _MEMORY:
        add_setting(memory, name)
    memory.add_argument(
        "--memory",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help=f"settings of the memory, for example top_k=20 eviction=age; '{PAPER}' first for those of "
        "the XMem paper; '--memory help' explains all",
    )


def memory_help() -> list[str]:
    """Return lines that explain the settings of the memory."""
    lines = [f"settings of the memory (--memory KEY=VALUE ...; '{PAPER}' first for those of the XMem paper)", ""]
    paper = MemoryConfig.paper().to_dict()
    for name, known in settings_of(MemoryConfig).items():
        default = (
            "none" if known.default is None else str(known.default).lower() if known.kind is bool else known.default
        )
        other = "" if paper[name] == known.default else f"; paper: {paper[name]}"
        lines.append(f"{name}   (default: {default}{other})")
        values = "".join(f" {option.value}: {option.help}" for option in known.options)
        lines += textwrap.wrap(
            f"{known.help}{values} {known.effect}", 92, initial_indent="    ", subsequent_indent="    "
        )
    return lines


_BYTES = {"": 1e9, "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30,
          "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "TIB": 2**40}  # fmt: skip


def _gigabytes(text: str) -> float:
    """Read 4, 4GB, 500MB or 3.5GiB as GB, for argparse."""
    found = re.fullmatch(r"\s*([-+]?[\d.]+(?:e[-+]?\d+)?|nan|[-+]?inf)\s*([A-Za-z]*)\s*", text, re.IGNORECASE)
    unit = found[2].upper() if found else "?"
    try:
        return float(found[1]) * _BYTES[unit] / 1e9 if found else float("?")
    except (ValueError, KeyError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no size such as 4GB, 500MB or 4 (GB)") from error


def memory_config(settings: Sequence[str]) -> MemoryConfig:
    """Read ``KEY=VALUE`` texts into a `MemoryConfig`.

    Raises
    ------
    ConfigError
        If a text has no "=", names no field (the right names are listed), or its value does not fit.
    """
    base = MemoryConfig.paper() if PAPER in settings else MemoryConfig()
    known = settings_of(MemoryConfig)
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
        changes[key] = _convert(known[key], text.strip())
    return base.replace(**changes)


def _convert(known: Setting, text: str) -> Any:
    if known.optional and text.lower() in _NONE:
        return None
    if known.kind is bool:
        if text.lower() in _TRUE | _FALSE:
            return text.lower() in _TRUE
        raise ConfigError(f"--memory {known.name}={text}: expected true or false.")
    try:
        return known.kind(text.replace("_", "") if known.kind is int else text)
    except ValueError as error:
        expected = {int: "a whole number", float: "a number"}.get(known.kind, "text")
        none = " or none" if known.optional else ""
        raise ConfigError(f"--memory {known.name}={text}: expected {expected}{none}.") from error


def int_list(text: str) -> list[int]:
    """Read "0,2" as [0, 2], for argparse."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of whole numbers such as 0,2") from error
