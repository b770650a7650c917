"""Methods of a part that its owner has as well."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["of_part"]

P = ParamSpec("P")
R = TypeVar("R")


def of_part(part: str, method: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Any, P], R]:
    """Return a method that calls that of a part, with its signature and its docstring.

    Parameters
    ----------
    part : str
        Attribute of the owner that holds the part.
    method : callable
        Method of the part's class.
    """

    @wraps(method)
    def call(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return method(getattr(self, part), *args, **kwargs)

    return call
