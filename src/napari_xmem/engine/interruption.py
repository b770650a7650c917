"""Stopping inside a frame: with hundreds of objects one can take seconds."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["FrameInterrupted", "interruptible", "stop_if_asked"]

_THREAD = threading.local()


class FrameInterrupted(Exception):
    """The frame at hand was given up; the scope is not to be advanced any more."""


@contextmanager
def interruptible(asked: Callable[[], bool]) -> Iterator[None]:
    """Let frames that this thread computes meanwhile be given up.

    Parameters
    ----------
    asked : callable
        Called from time to time; True gives the frame up.
    """
    before = getattr(_THREAD, "asked", None)
    _THREAD.asked = asked
    try:
        yield
    finally:
        _THREAD.asked = before


def stop_if_asked() -> None:
    """Raise `FrameInterrupted` if somebody asked for it; called before each tile and each batch of regions."""
    asked = getattr(_THREAD, "asked", None)
    if asked is not None and asked():
        raise FrameInterrupted
