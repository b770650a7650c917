"""The errors a user can meet. None derives from ``RuntimeError`` (see docs/architecture.md)."""

from __future__ import annotations

from typing import Any

__all__ = [
    "ArgumentError",
    "CheckpointError",
    "ConfigError",
    "DeviceError",
    "InputError",
    "MemoryBankError",
    "OutOfMemoryError",
    "OutputError",
    "PropagationError",
    "SeedError",
    "SessionError",
    "UnknownNameError",
    "XMemError",
    "is_out_of_memory",
]


class XMemError(Exception):
    """Base of every error that napari-xmem raises on purpose.

    The message says what was received, what was expected and what to do.

    Attributes
    ----------
    partial : PropagationResult or None
        What was finished before the error, where `napari_xmem.propagate` had begun: ``partial.scores.frames`` lists
        the frames that are done, ``partial.labels`` is 0 on all others. None: nothing had begun. Other exceptions that
        end `propagate`, such as KeyboardInterrupt, have it as well.
    """

    partial: Any = None


class ConfigError(XMemError, ValueError):
    """A setting is unknown, out of range, or contradicts another."""


class ArgumentError(ConfigError, TypeError):
    """An argument is missing or of another kind than the function takes; a ``TypeError`` as well."""


class UnknownNameError(ArgumentError):
    """An argument or a setting has no such name; the message says which have."""


class InputError(XMemError, ValueError):
    """A movie cannot be used: wrong axes, unreadable file, too few frames."""


class SeedError(InputError):
    """Seeds cannot be used: empty, wrong shape, negative, not whole numbers."""


class OutputError(XMemError, OSError):
    """A result cannot be written: it exists, the disk is full, no permission."""


class CheckpointError(XMemError, ValueError):
    """A weights file is missing, is no weights file, or holds another network."""


class DeviceError(XMemError, ValueError):
    """The requested compute device does not exist here."""


class OutOfMemoryError(XMemError, MemoryError):
    """The device has no room left, even for one object at a time."""


class MemoryBankError(XMemError, ValueError):
    """A memory bank cannot be used: other model, damaged file, unknown frame or object."""


class PropagationError(XMemError):
    """Propagation failed for a reason that is not the user's input."""


class SessionError(XMemError, ValueError):
    """A session cannot do this now: it is running, a frame is locked, there is nothing to undo."""


#: What torch, CUDA's libraries, Metal and the host's allocators say when there is no room.
_NO_ROOM = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "alloc_failed",
    "failed to allocate",
    "cannot allocate memory",
    "unable to allocate",
    "std::bad_alloc",
    "invalid buffer size",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Return True if a device or the host refused memory; torch has an error of its own for that on CUDA only.

    MPS, cuBLAS, cuDNN and the host's allocators raise a plain ``RuntimeError``, which is known by its words.
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in text for words in _NO_ROOM)
