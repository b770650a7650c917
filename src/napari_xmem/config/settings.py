"""What is known about a setting, said once beside the field that holds it.

A field of a frozen config is made with `setting`. Its metadata hold the name in forms, the help, the range and the
unit; `settings_of` gives them back with what the field itself says (name, type, default). The check on construction,
the forms of the viewer, the options of the command line and the tables of the manual are all made from that.
"""

from __future__ import annotations

import difflib
import functools
import math
import os
import reprlib
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from numbers import Integral, Number, Real
from types import NoneType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from napari_xmem.errors import ConfigError, UnknownNameError

__all__ = [
    "Option",
    "Setting",
    "build",
    "check_names",
    "check_settings",
    "described",
    "did_you_mean",
    "require",
    "setting",
    "settings_of",
    "shown",
]

C = TypeVar("C", bound=type)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Option:
    """One value of a setting that is a choice.

    Attributes
    ----------
    value : str
        What the field holds.
    label : str
        Name in forms.
    help : str
        What it means, in a sentence.
    """

    value: str
    label: str
    help: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One field of a config.

    Attributes
    ----------
    name : str
        The field.
    kind : type
        int, float, bool or str; object for values the config checks itself.
    default : Any
        Its default.
    label : str
        Short name in forms; empty: the field is in no form.
    help : str
        What it does: one sentence that ends with a full stop.
    effect : str
        What becomes better and worse with a larger value, or when it is on.
    symbol : str
        What the XMem paper calls it.
    group : str
        Heading under which forms and tables show it.
    unit : str
        What people enter it in.
    scale : float
        The field holds this many times what people enter: 1e9 for bytes entered in GB.
    low, high : float or None
        Least and greatest value.
    above : bool
        More than `low`, not `low` itself.
    offered : float
        Greatest value that forms offer where there is no `high`.
    step : float
        Step of the arrows in forms.
    none : str
        Word for None in forms.
    none_means : str or None
        What None means, said after "or None": "for all"; None: the field is never None.
    hint : str
        What to do about a value out of range.
    options : tuple of Option
        Values on offer.
    closed : bool
        True if only `options` are valid.
    registry : str
        Registry of `napari_xmem.memory` that holds the valid names: selection, potentiation or eviction.
    length : int
        Numbers in a tuple of numbers; 0: it is a single value.
    """

    name: str
    kind: type
    default: Any
    label: str = ""
    help: str = ""
    effect: str = ""
    symbol: str = ""
    group: str = ""
    unit: str = ""
    scale: float = 1
    low: float | None = None
    high: float | None = None
    above: bool = False
    offered: float = 1_000_000
    step: float = 1
    none: str = ""
    none_means: str | None = None
    hint: str = ""
    options: tuple[Option, ...] = ()
    closed: bool = False
    registry: str = ""
    length: int = 0

    @property
    def optional(self) -> bool:
        """True if None is a value."""
        return self.none_means is not None

    @property
    def tooltip(self) -> str:
        """Everything about it, for the mouse."""
        paper = f"In the XMem paper: {self.symbol}." if self.symbol else ""
        return "\n".join(line for line in (self.help, self.effect, paper, f"In scripts: {self.name}") if line)

    @property
    def flag(self) -> str:
        """Its option on the command line, such as ``--memory-budget`` for ``memory_budget_bytes``."""
        return "--" + self.name.removesuffix("_bytes").replace("_", "-")

    @property
    def bounds(self) -> str:
        """The range in words, such as "at least 1"; empty if there is none."""
        if self.high is not None:
            return f"{_plain(self.low or 0)} to {_plain(self.high)}"
        if self.low is None:
            return ""
        return f"{'more than' if self.above else 'at least'} {_plain(self.low)}"

    @property
    def values_text(self) -> str:
        """Valid values in words, for tables."""
        if self.options:
            return ", ".join([*(option.value for option in self.options), *([] if self.closed else ["..."])])
        if self.registry:
            return f"a {self.registry} policy"
        kind = {int: "whole number", float: "number", bool: "True or False", str: "text"}.get(self.kind, "")
        kind = f"{self.length} {kind}s" if self.length else kind
        text = ", ".join(part for part in (kind, self.bounds) if part)
        return f"{text}; None{f' {self.none_means}' if self.none_means else ''}" if self.optional else text

    def checked(self, value: Any) -> Any:
        """Return a value as the field holds it: numbers of numpy become plain ones.

        Raises
        ------
        ConfigError
            If it is of the wrong kind or out of range.
        """
        if value is None and self.optional:
            return None
        if self.closed:
            names = [repr(option.value) for option in self.options]
            require(
                isinstance(value, str) and value in {option.value for option in self.options},
                f"{self.name} is {shown(value)}, expected {', '.join(names[:-1])} or {names[-1]}.",
            )
            return value
        if self.kind is bool:
            require(
                type(value).__name__ in ("bool", "bool_"), f"{self.name} is {shown(value)}, expected True or False."
            )
            return bool(value)
        if self.kind is str:
            require(isinstance(value, str), f"{self.name} is {shown(value)}, expected a name, that is text.")
            return value
        if self.kind not in (int, float):
            return value
        if not self.length:
            return self._checked_number(value)
        several = isinstance(value, (tuple, list)) and len(value) == self.length
        require(several, f"{self.name} is {shown(value)}, expected {self.length} numbers, each {self.bounds}.")
        return tuple(self._checked_number(one) for one in value)

    def _checked_number(self, value: Any) -> int | float:
        none = (f", or None {self.none_means}" if self.none_means else ", or None") if self.optional else ""
        wanted = f"{self.bounds}{none}"
        if self.kind is int:
            right = isinstance(value, Integral) and not isinstance(value, bool)
            kind = "a whole number"
        else:
            right, kind = _is_finite(value), "a finite number"
        joint = ", " if self.bounds else ""
        require(right, f"{self.name} is {shown(value)}, expected {kind}{joint}{wanted}.")
        low_enough = self.high is None or value <= self.high
        high_enough = self.low is None or (value > self.low if self.above else value >= self.low)
        hint = f" {self.hint}" if self.hint else ""
        require(low_enough and high_enough, f"{self.name} is {shown(value)}, expected {wanted}.{hint}")
        return int(value) if isinstance(value, Integral) else float(value)


def setting(default: Any, *, label: str = "", help: str = "", **more: Any) -> Any:
    """Return a field of a frozen config with everything known about it.

    Parameters
    ----------
    default : Any
        Default of the field.
    label, help : str
        As for `Setting`.
    **more
        Further attributes of `Setting`.
    """
    return field(default=default, metadata={"setting": {"label": label, "help": help, **more}})


@cache
def settings_of(config: type) -> dict[str, Setting]:
    """Return what is known about the fields of a config that were made with `setting`, by name.

    Parameters
    ----------
    config : type
        A config: `MemoryConfig`, `PropagationConfig`, `ModelConfig` or `TrainingConfig`.
    """
    hints = get_type_hints(config)
    found = {}
    for item in fields(config):
        said = item.metadata.get("setting")
        if said is not None:
            hint = hints[item.name]
            kinds = [kind for kind in get_args(hint) if kind is not NoneType] or [hint]
            literal, several = get_origin(hint) is Literal, get_origin(hint) is tuple
            derived = {
                "kind": str if literal else kinds[0],
                "closed": literal,
                "length": len(kinds) if several else 0,
                "options": tuple(Option(value, value, "") for value in kinds) if literal else (),
            }
            found[item.name] = Setting(name=item.name, default=item.default, **{**derived, **said})
    return found


def check_settings(config: Any) -> None:
    """Check every setting of a config in place; for ``__post_init__``.

    Raises
    ------
    ConfigError
        If a value is of the wrong kind or out of range; the message says what was expected.
    """
    kind: Any = type(config)
    for name, known in settings_of(kind).items():
        object.__setattr__(config, name, known.checked(getattr(config, name)))


def described(config: C) -> C:
    """Add the settings of a config to its docstring, which otherwise would say everything a second time."""
    lines = []
    for known in settings_of(config).values():
        lines.append(f"{known.name} : {known.values_text}{f' ({known.unit})' if known.unit else ''}")
        paper = f" In the XMem paper: {known.symbol}." if known.symbol else ""
        text = f"{known.help} {known.effect}{paper}"
        lines += textwrap.wrap(" ".join(text.split()), 100, initial_indent="    ", subsequent_indent="    ")
    if config.__doc__ is not None:
        table = textwrap.indent("\n".join(["Attributes", "----------", *lines]), "    ")
        head, raises, rest = config.__doc__.rstrip().partition("\n\n    Raises\n")
        config.__doc__ = f"{head}\n\n{table}{raises}{rest}\n    "
    _answer_misspelt_fields(config)
    return config


def _answer_misspelt_fields(config: type) -> None:
    """Let the dataclass answer misspelt fields as `check_names` does."""
    made: Any = config.__init__  # type: ignore[misc]

    @functools.wraps(made)
    def make(self: Any, *args: Any, **values: Any) -> None:
        check_names(config, values)
        made(self, *args, **values)

    config.__init__ = make  # type: ignore[misc]


def require(condition: bool, message: str) -> None:
    """Raise `ConfigError` with the message unless the condition holds."""
    if not condition:
        raise ConfigError(message)


def check_names(cls: type, values: Mapping[str, Any]) -> None:
    """Raise `ConfigError`, which lists the right names, if the dataclass lacks a field for one of the values."""
    known = [f.name for f in fields(cls)]
    unknown = sorted(str(name) for name in set(values) - set(known))
    if unknown:
        raise UnknownNameError(
            f"{cls.__name__} has no field {', '.join(unknown)}{did_you_mean(unknown[0], known)}; "
            f"fields are {', '.join(known)}."
        )


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a question about the known name that is like a misspelt one, to be put behind it; empty without one."""
    alike = difflib.get_close_matches(name.lower(), list(known), 1, 0.6)
    return f" (did you mean {alike[0]}?)" if alike else ""


def build(cls: type[T], values: dict[str, Any]) -> T:
    """Make an object of the dataclass; unknown names, or what is no mapping of names, raise `ConfigError`."""
    require(isinstance(values, Mapping), f"{cls.__name__} is {shown(values)}, expected names and values.")
    check_names(cls, values)
    return cls(**values)


def _is_finite(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def shown(value: Any) -> str:
    """Return a value as text for a message: short, and arrays by their shapes."""
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        return f"an array of shape {shape}" if shape else reprlib.repr(value)
    if isinstance(value, type):
        return f"the class {value.__name__}"
    plain = value is None or isinstance(value, (Number, str, bytes, list, tuple, dict, set, frozenset, os.PathLike))
    return reprlib.repr(value) if plain else f"a {type(value).__name__}"


def _plain(number: float) -> str:
    return str(int(number)) if float(number).is_integer() else f"{number:g}"
