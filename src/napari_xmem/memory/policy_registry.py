"""Policies by name: one registry per kind, so that a wrong name can list the right ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from napari_xmem.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_xmem.config import MemoryConfig

__all__ = ["Registry"]

P = TypeVar("P")


class Registry(Generic[P]):
    """Builders of one kind of policy.

    Parameters
    ----------
    field : str
        Field of `MemoryConfig` that names the policy.
    """

    def __init__(self, field: str) -> None:
        self.field = field
        self._builders: dict[str, Callable[[MemoryConfig], P]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Registered names, in order of registration."""
        return tuple(self._builders)

    def register(self, name: str, build: Callable[[MemoryConfig], P]) -> None:
        """Make a policy known; a name can be taken once only."""
        if name in self._builders:
            raise ConfigError(f"{self.field} {name!r} is registered already; choose another name.")
        self._builders[name] = build

    def build(self, config: MemoryConfig) -> P:
        """Return the policy that ``config`` names; `ConfigError` lists the right names."""
        name = getattr(config, self.field)
        if name not in self._builders:
            raise ConfigError(f"{self.field} is {name!r}, expected one of {', '.join(map(repr, self.names))}.")
        return self._builders[name](config)
