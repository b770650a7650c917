"""Stopping inside a frame: with hundreds of objects one can take seconds."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import nn

__all__ = ["FrameInterrupted", "interruptible", "make_interruptible", "stop_if_asked"]

_THREAD = threading.local()


class FrameInterrupted(Exception):
    """The frame at hand was given up; the scope is not to be advanced any more."""


@contextmanager
def interruptible(asked: Callable[[], bool]) -> Iterator[None]:
    """Let frames that this thread computes meanwhile be given up.

    Parameters
    ----------
    asked : callable
        Called from time to time; True gives the frame up. It may wait as long as it likes.
    """
    before = getattr(_THREAD, "asked", None)
    _THREAD.asked = asked
    try:
        yield
    finally:
        _THREAD.asked = before


def stop_if_asked() -> None:
    """Raise `FrameInterrupted` if somebody asked for it; called before each tile, batch of regions and layer."""
    asked = getattr(_THREAD, "asked", None)
    if asked is not None and asked():
        raise FrameInterrupted


def make_interruptible(network: nn.Module) -> None:
    """Look before every layer of a network whether somebody asked; done twice, it is done once."""
    for layer in network.modules():
        if next(layer.children(), None) is None and _before_layer not in layer._forward_pre_hooks.values():
            layer.register_forward_pre_hook(_before_layer)


def _before_layer(*_: Any) -> None:
    stop_if_asked()
