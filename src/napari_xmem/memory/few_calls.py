"""Whether few calls matter more than what each of them computes."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

__all__ = ["as_on_accelerator", "wants_few_calls"]

_ASKED: ContextVar[bool] = ContextVar("as_on_accelerator", default=False)


def wants_few_calls(device: torch.device) -> bool:
    """Return True for an accelerator, which waits for every call; a CPU rather keeps to what its caches hold."""
    return device.type != "cpu" or _ASKED.get()


@contextmanager
def as_on_accelerator() -> Iterator[None]:
    """Let a CPU share out its work as an accelerator would: to count calls, and to test what an accelerator does."""
    token = _ASKED.set(True)
    try:
        yield
    finally:
        _ASKED.reset(token)
