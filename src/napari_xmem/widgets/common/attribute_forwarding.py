"""Scripted access to the parts that a dock is made of."""

from __future__ import annotations

from functools import wraps
from inspect import isfunction
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["forwards"]

C = TypeVar("C", bound=type)


def forwards(part: str, kind: type) -> Callable[[C], C]:
    """Return a decorator that gives a class the public properties and methods of a part it owns.

    With ``@forwards("controls", PropagateControls)``, ``widget.direction`` is ``widget.controls.direction``: a script
    needs to know the widget only. What the class defines itself is left alone.

    Parameters
    ----------
    part : str
        Attribute that holds the part.
    kind : type
        Class of the part.
    """

    def decorate(cls: C) -> C:
        for name, member in vars(kind).items():
            if name.startswith("_") or name in vars(cls):
                continue
            if isinstance(member, property):
                setattr(cls, name, _forwarded_property(part, name, member))
            elif isfunction(member):  # no signals
                setattr(cls, name, _forwarded_method(part, name, member))
        return cls

    return decorate


def _forwarded_property(part: str, name: str, member: property) -> property:
    def read(self: Any) -> Any:
        return getattr(getattr(self, part), name)

    def write(self: Any, value: Any) -> None:
        setattr(getattr(self, part), name, value)

    return property(read, write if member.fset is not None else None, doc=member.__doc__)


def _forwarded_method(part: str, name: str, member: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(member)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(getattr(self, part), name)(*args, **kwargs)

    return call
