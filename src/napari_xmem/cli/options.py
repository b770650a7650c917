"""Options that several subcommands share, and how their texts become values."""

from __future__ import annotations

import argparse
import difflib
import math
from typing import TYPE_CHECKING, Any

from napari_xmem.config import MemoryConfig, PropagationConfig, Setting, settings_of
from napari_xmem.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["RUN_SETTINGS", "add_model_options", "add_quiet", "add_setting", "int_list", "memory_config", "run_settings"]

_TRUE, _FALSE, _NONE = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}, {"none", "null", ""}
PAPER = "paper"


def add_quiet(parser: argparse.ArgumentParser) -> None:
    """Add --quiet."""
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors")


#: Settings of a run that are options of every subcommand that runs.
RUN_SETTINGS = (
    "direction", "device", "scope", "diameter_px", "max_displacement_px", "precision", "memory_budget_bytes",
    "memory_device",
)  # fmt: skip


def add_setting(parser: argparse.ArgumentParser, name: str, metavar: str | None = None) -> None:
    """Add the option of a setting of `PropagationConfig`, made from what the config says about it."""
    known = settings_of(PropagationConfig)[name]
    choices = [option.value for option in known.options] if known.closed else None
    parser.add_argument(
        known.flag,
        choices=choices,
        default=known.default,
        type=known.kind if known.kind in (int, float) else str,
        metavar=None if choices else metavar or known.unit.upper() or None,
        help=_help(known),
    )


def _help(known: Setting) -> str:
    effect = known.effect.replace("Automatic:", "Default:").replace("None:", "Default:")
    values = " ".join(f"{option.value}: {option.help}" for option in known.options if known.closed and option.help)
    text = f"{known.help} {values} {effect}".strip().rstrip(".").replace("%", "%%")
    return text[:1].lower() + text[1:]


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


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add what chooses the model, its device, the scope and the memory's settings."""
    parser.add_argument("--model", default="bundled", help="bundled, xmem (the official weights) or a weights file")
    for name in RUN_SETTINGS:
        if name != "direction":  # each subcommand puts it where it belongs
            add_setting(parser, name)
    parser.add_argument(
        "--memory",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help=f"settings of the memory, for example top_k=20 eviction=age; '{PAPER}' first for those of "
        f"the XMem paper. Keys: {', '.join(settings_of(MemoryConfig))}",
    )


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
