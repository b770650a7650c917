"""The errors a user can meet. None derives from ``RuntimeError`` (see docs/architecture.md)."""

from __future__ import annotations

__all__ = [
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
    "XMemError",
    "is_out_of_memory",
]


class XMemError(Exception):
    """Base of every error that napari-xmem raises on purpose.

    The message says what was received, what was expected and what to do.
    """


class ConfigError(XMemError, ValueError):
    """A setting is unknown, out of range, or contradicts another."""


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


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether a device or the host refused memory; torch has an error of its own for that on CUDA only."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and ("out of memory" in text or "can't allocate memory" in text)
