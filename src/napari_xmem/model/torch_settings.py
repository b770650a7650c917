"""Torch as we want it while we compute: autocast is ours to choose, gradients are off, a forked process has one thread.

The default type and the default device belong to the whole process, so they are left as they are; every tensor made in
`engine`, `memory` and `model` names its own.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["inference_settings", "settle_after_fork"]

_forked = False


@contextmanager
def inference_settings() -> Iterator[None]:
    """Compute without gradients and without the caller's autocast; as a decorator or in a ``with``.

    Networks set autocast themselves where their precision asks for it.
    """
    settle_after_fork()
    with torch.inference_mode(), torch.autocast("cpu", enabled=False), torch.autocast(_accelerator(), enabled=False):
        yield


@cache
def _accelerator() -> str:
    """Return the name of the kind of device that is there beside the CPU; "cpu" where there is none."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def settle_after_fork() -> None:
    """Compute on one thread from now on if this process was forked since this module was loaded.

    Threads of OpenMP do not live on in a forked process, and torch would wait for them without end. Called wherever
    torch is entered; a process made by spawn, or one that was forked before torch was loaded, keeps its threads.
    """
    global _forked
    if _forked:
        torch.set_num_threads(1)
        _forked = False


def _note_fork() -> None:
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_note_fork)
