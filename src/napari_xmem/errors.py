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
