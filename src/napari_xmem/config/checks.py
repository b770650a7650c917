"""What the settings share: checking values, and building from plain values."""

from __future__ import annotations

import math
from dataclasses import fields
from numbers import Integral, Real
from typing import Any, TypeVar

from napari_xmem.errors import ConfigError

__all__ = ["build", "check_names", "check_number", "check_switch", "check_text", "check_whole", "require"]

C = TypeVar("C")


def require(condition: bool, message: str) -> None:
    """Raise `ConfigError` with the message unless the condition holds."""
    if not condition:
        raise ConfigError(message)


def check_names(cls: type, values: dict[str, Any]) -> None:
    """Raise `ConfigError`, which lists the right names, if the dataclass lacks a field for one of the values."""
    known = [f.name for f in fields(cls)]
    unknown = sorted(set(values) - set(known))
    require(not unknown, f"{cls.__name__} has no field {', '.join(unknown)}; fields are {', '.join(known)}.")


def check_whole(owner: object, name: str, low: int | None = None, none: str = "") -> None:
    """Raise `ConfigError` unless a field holds a whole number; numpy's become plain ones, True and False are none.

    Parameters
    ----------
    owner : dataclass
        Whose field.
    name : str
        The field.
    low : int, optional
        Least value.
    none : str
        What None means, such as ", or None for all"; empty: None is refused.
    """
    value = getattr(owner, name)
    if value is None and none:
        return
    wanted = f"{'' if low is None else f'at least {low}'}{none}"
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    kind = "a whole number" + (", " if wanted and not wanted.startswith(",") else "")
    require(whole, f"{name} is {value!r}, expected {kind}{wanted}.")
    require(low is None or value >= low, f"{name} is {value}, expected {wanted}.")
    object.__setattr__(owner, name, int(value))


def check_number(
    owner: object, name: str, low: float = 0.0, high: float | None = None, *, above: bool = False, none: str = ""
) -> None:
    """Raise `ConfigError` unless a field holds a finite number in a range; numpy's become plain ones.

    Parameters
    ----------
    owner : dataclass
        Whose field.
    name : str
        The field.
    low, high : float
        Least and greatest value.
    above : bool
        More than `low`, not `low` itself.
    none : str
        What None means, such as ", or None to choose"; empty: None is refused.
    """
    value = getattr(owner, name)
    if value is None and none:
        return
    wanted = f"more than {low:g}{none}" if above else f"at least {low:g}{none}"
    if high is not None:
        wanted = f"{low:g} to {high:g}{none}"
    require(_is_finite(value), f"{name} is {value!r}, expected a finite number, {wanted}.")
    inside = (value > low if above else value >= low) and (high is None or value <= high)
    require(inside, f"{name} is {value}, expected {wanted}.")
    object.__setattr__(owner, name, int(value) if isinstance(value, Integral) else float(value))


def _is_finite(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def check_switch(owner: object, name: str) -> None:
    """Raise `ConfigError` unless a field holds True or False; numpy's become plain ones."""
    value = getattr(owner, name)
    require(type(value).__name__ in ("bool", "bool_"), f"{name} is {value!r}, expected True or False.")
    object.__setattr__(owner, name, bool(value))


def check_text(owner: object, name: str) -> None:
    """Raise `ConfigError` unless a field holds a name."""
    value = getattr(owner, name)
    require(isinstance(value, str), f"{name} is {value!r}, expected a name, that is text.")


def build(cls: type[C], values: dict[str, Any]) -> C:
    """Make an object of the dataclass; unknown names raise `ConfigError`."""
    check_names(cls, values)
    return cls(**values)
