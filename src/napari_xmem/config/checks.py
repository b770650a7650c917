"""What the settings share: checking values, and building from plain values."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar

from napari_xmem.errors import ConfigError

__all__ = ["build", "check_names", "require"]

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


def build(cls: type[C], values: dict[str, Any]) -> C:
    """Make an object of the dataclass; unknown names raise `ConfigError`."""
    check_names(cls, values)
    return cls(**values)
