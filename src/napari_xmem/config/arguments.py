"""Checks of what is passed to public functions: names, and the kinds of values that their annotations name.

Annotations are read as the text that they are, so that nothing is imported for a check. A setting of a run is checked
as in `PropagationConfig`; where an annotation names what is not known here, the function sees to it itself.
"""

from __future__ import annotations

import functools
import inspect
import math
import operator
import os
from collections.abc import Callable, Iterable, Mapping, Sized
from numbers import Real
from typing import Any, TypeVar, cast

import numpy as np

from napari_xmem.config.propagation import PropagationConfig
from napari_xmem.config.settings import did_you_mean, settings_of, shown
from napari_xmem.errors import ArgumentError, UnknownNameError

__all__ = ["checked_arguments", "checked_methods"]

C = TypeVar("C", bound=type)
F = TypeVar("F", bound=Callable[..., Any])
#: Of one value: gives it back as the function takes it, or `_NotThis`.
Take = Callable[[Any], Any]


class _NotThis(Exception):
    """The value is of another kind."""


def checked_arguments(function: F, title: str = "") -> F:
    """Let a function answer misspelt, missing and wrong arguments in words of ours, before it begins.

    Parameters
    ----------
    function : callable
        What is asked.
    title : str
        Its name in messages; empty: its own.

    Raises
    ------
    UnknownNameError
        By the function, if it has no argument of that name; the message says which it has.
    ArgumentError
        By the function, if an argument is missing or of another kind than its annotation says.
    """
    parameters = inspect.signature(function).parameters
    ours = [name for name in parameters if name not in ("self", "cls")]
    positional = [p.name for p in parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    required = [p.name for p in parameters.values() if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    title = (title or function.__qualname__).removesuffix(".__init__")
    checks = {p.name: _check_of(p.name, str(p.annotation)) for p in parameters.values() if p.kind is not p.VAR_KEYWORD}

    @functools.wraps(function)
    def checked(*args: Any, **options: Any) -> Any:
        for name in options:
            if name not in checks and not takes_any:
                raise UnknownNameError(
                    f"{title}() has no argument {name}{did_you_mean(name, ours)}; arguments are {', '.join(ours)}."
                )
        if len(args) > len(positional):
            raise ArgumentError(
                f"{title}() is given {len(args)} arguments without names, expected at most {len(positional)} "
                f"({', '.join(name for name in positional if name in ours)}); name the others."
            )
        missing = [name for name in required if name not in positional[: len(args)] and name not in options]
        if missing:
            raise ArgumentError(f"{title}() is called without {' and '.join(missing)}.")
        given = [checks[name](value) for name, value in zip(positional, args, strict=False)]
        named = {name: checks[name](value) if name in checks else value for name, value in options.items()}
        return function(*given, **named)

    return cast("F", checked)


def checked_methods(kind: C) -> C:
    """Do as `checked_arguments` for everything public that a class can be asked, and for making one."""
    for name, member in list(vars(kind).items()):
        if name.startswith("_") and name != "__init__":
            continue
        if isinstance(member, (classmethod, staticmethod)):
            setattr(kind, name, type(member)(checked_arguments(member.__func__, f"{kind.__name__}.{name}")))
        elif inspect.isfunction(member):
            setattr(kind, name, checked_arguments(member, f"{kind.__name__}.{name}"))
    return kind


def _check_of(name: str, annotation: str) -> Take:
    """Return the check of an argument; it gives back the value as the function takes it."""
    setting = settings_of(PropagationConfig).get(name)
    same = setting is not None and PropagationConfig.__annotations__[name] == annotation
    if setting is not None and same and (setting.closed or setting.kind in (bool, int, float, str)):
        return setting.checked
    if name == "device":
        return _device
    kinds = [_kind(part) for part in _parts(annotation)]
    if None in kinds:
        return lambda value: value
    known = [kind for kind in kinds if kind is not None]
    words = [word for word, _ in known]
    expected = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"

    def check(value: Any) -> Any:
        for _, take in known:
            try:
                return take(value)
            except _NotThis:
                continue
        raise ArgumentError(f"{name} is {shown(value)}, expected {expected}.{_hint(value, expected)}")

    return check


def _hint(value: Any, expected: str) -> str:
    """Say what to do about a value that is often given in place of what is expected."""
    if "array" in expected and np.ma.is_masked(value):
        return " Some pixels are masked: say what they are, such as with .filled(0)."
    if "array" in expected and isinstance(value, (str, os.PathLike)):
        return " Open a file first: open_movie(path).data, open_labels(path).data."
    if "array" in expected and not hasattr(value, "shape") and hasattr(getattr(value, "data", None), "shape"):
        return " Pass its pixels: .data."
    if "array" in expected and hasattr(getattr(value, "labels", None), "shape"):
        return " Pass its labels: .labels."
    return ""


def _parts(annotation: str) -> list[str]:
    """Split a union at its bars, brackets kept whole."""
    parts, depth = [""], 0
    for letter in annotation:
        depth += (letter == "[") - (letter == "]")
        if letter == "|" and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def _kind(part: str) -> tuple[str, Take] | None:
    """Return what a part of an annotation expects, in words, and how it is taken; None: not known here."""
    if part.startswith("NDArray["):
        return "an array of numbers", _array
    if part.startswith("Literal['"):
        text = part[len("Literal['") : -len("']")]
        return repr(text), lambda value: _if(isinstance(value, str) and value == text, value)
    return _KINDS.get(part)


def _if(right: bool, value: Any) -> Any:
    if not right:
        raise _NotThis
    return value


def _whole(value: Any) -> int:
    _if(type(value).__name__ not in ("bool", "bool_"), value)
    try:
        return operator.index(value)
    except (TypeError, ValueError, RuntimeError):  # RuntimeError: of a tensor
        raise _NotThis from None


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, Real):
        return _whole(value)
    try:
        return _if(math.isfinite(value), value)
    except OverflowError:
        raise _NotThis from None


def _path(value: Any) -> Any:
    _if(isinstance(value, (str, os.PathLike)), value)
    return _if("\0" not in str(value), value)


def _text(value: Any) -> Any:
    return _if(isinstance(value, str), value)


def _device(value: Any) -> str:
    """Take the name of a device, or a ``torch.device``."""
    if value is None or isinstance(value, str) or type(value).__name__ == "device":
        return "auto" if value is None else str(value)
    raise ArgumentError(f"device is {shown(value)}, expected 'auto', 'cpu', 'cuda', 'cuda:N' or 'mps'.")


def _array(value: Any) -> Any:
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        kind = getattr(value.dtype, "kind", "f")
        _if(not np.ma.is_masked(value), value)
        return _if(isinstance(kind, str) and kind in "biuf", value)
    _if(isinstance(value, (list, tuple)), value)
    try:
        return _array(np.asarray(value))
    except ValueError:
        raise _NotThis from None


def _several(each: Take, length: int | None = None) -> Take:
    def take(value: Any) -> tuple[Any, ...]:
        _if(isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping)), value)
        _if(getattr(value, "ndim", 1) == 1, value)
        _if(length is None or (isinstance(value, Sized) and len(value) == length), value)
        return tuple(each(one) for one in value)

    return take


def _mapping(key: Take, each: Take) -> Take:
    def take(value: Any) -> Any:
        _if(isinstance(value, Mapping), value)
        return {key(k): each(v) for k, v in value.items()}

    return take


def _anything(value: Any) -> Any:
    return value


def _named(name: str) -> Take:
    """Take objects of a class, known by its name since it cannot be imported from here."""

    def take(value: Any) -> Any:
        return _if(any(base.__name__ == name for base in type(value).__mro__), value)

    return take


def _dtype(value: Any) -> np.dtype[Any]:
    try:
        return np.dtype(value)
    except (TypeError, ValueError):
        raise _NotThis from None


_CLASSES = (
    "Agreement",
    "EventToCheck",
    "Lineage",
    "MemoryConfig",
    "PropagationConfig",
    "PropagationResult",
    "StoredMemory",
    "Tensor",
    "XMem",
)
_KINDS: dict[str, tuple[str, Take]] = {
    "None": ("None", lambda value: _if(value is None, value)),
    "bool": ("True or False", lambda value: bool(_if(type(value).__name__ in ("bool", "bool_"), value))),
    "int": ("a whole number", _whole),
    "float": ("a finite number", _number),
    "str": ("text", _text),
    "Path": ("a path", _path),
    "os.PathLike[str]": ("a path", _path),
    "range": ("a range", lambda value: _if(isinstance(value, range), value)),
    "DTypeLike": ("a dtype", _dtype),
    "Read": ("a function", lambda value: _if(callable(value), value)),
    "Write": ("a function", lambda value: _if(callable(value), value)),
    "tuple[float, float]": ("two finite numbers", _several(_number, 2)),
    "tuple[slice, slice]": ("two slices", _several(lambda value: _if(isinstance(value, slice), value), 2)),
    "Mapping[int, int]": ("a mapping of whole numbers to whole numbers", _mapping(_whole, _whole)),
    "Mapping[int, float]": ("a mapping of whole numbers to numbers", _mapping(_whole, _number)),
    "Mapping[int, NDArray[Any]]": ("a mapping {frame: labels}", _mapping(_whole, _array)),
    "Mapping[str, Any]": ("a mapping of names to values", _mapping(_text, _anything)),
    "dict[str, Any]": ("a mapping of names to values", _mapping(_text, _anything)),
    **{
        f"{several}[{one}{end}]": (f"several {words}", _several(each))
        for several, end in (("Sequence", ""), ("Iterable", ""), ("Collection", ""), ("tuple", ", ..."), ("list", ""))
        for one, words, each in (("int", "whole numbers", _whole), ("float", "finite numbers", _number))
    },
    **{name: (f"{'an' if name[0] in 'AE' else 'a'} {name}", _named(name)) for name in _CLASSES},
    "Iterable[Event]": ("several events", _several(_named("Event"))),
}
