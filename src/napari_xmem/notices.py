"""What the program warns of: it goes to whoever listens in this thread, else to Python's warnings.

Python keeps one list of filters and one ``showwarning`` for all threads. A thread that sets them for itself takes them
away from the others, and two such threads leave them set for good; so threads of the viewer listen here instead.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["listening", "once", "warn"]

_LISTENER: ContextVar[Callable[[Warning], None] | None] = ContextVar("napari-xmem-warnings", default=None)


def warn(message: str | Warning, *, stacklevel: int = 1) -> None:
    """Warn as ``warnings.warn`` does, unless someone listens in this thread.

    Parameters
    ----------
    message : str or Warning
        The text (a `UserWarning`), or the warning itself.
    stacklevel : int
        As of ``warnings.warn``: 1 names the caller's line, 2 that of its caller.
    """
    listener = _LISTENER.get()
    if listener is None:
        warnings.warn(message, stacklevel=stacklevel + 1)
    else:
        listener(message if isinstance(message, Warning) else UserWarning(message))


@contextmanager
def listening(listener: Callable[[Warning], None]) -> Iterator[None]:
    """Give what is warned of in this thread to `listener`, each time, and to nobody else."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


@contextmanager
def once(category: type[Warning]) -> Iterator[None]:
    """Let only the first warning of a category through; all others go where they went."""
    outer, said = _LISTENER.get(), False

    def pass_on(warning: Warning) -> None:
        nonlocal said
        if isinstance(warning, category):
            if said:
                return
            said = True
        if outer is None:
            warnings.warn(warning, stacklevel=3)
        else:
            outer(warning)

    with listening(pass_on):
        yield
