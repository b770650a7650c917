"""How far a run is: a bar on a terminal, a line per minute anywhere else."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from napari_xmem.cli.terminal.streams import has_log, log, put

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Progress", "followers", "progress"]

_LINE_EVERY_S = 60.0
#: Are told of every step: what is done by now, and all there is.
followers: list[Callable[[int, int], None]] = []


@contextmanager
def progress(total: int, description: str, quiet: bool, unit: str = "frame", done: int = 0) -> Iterator[Progress]:
    """Show progress on stderr; ``update()`` counts one `unit`, `done` are done before."""
    on_terminal = not quiet and sys.stderr.isatty()
    shown = Progress(total, description, unit, done, lines=not quiet and not on_terminal)
    if not on_terminal:
        yield shown
        return
    from tqdm import tqdm

    with tqdm(total=total, desc=description, unit=unit, initial=done, file=_Safe()) as bar:
        shown.bar = bar
        yield shown


class Progress:
    """Counts what is done; says so in a line when a minute has gone by.

    Parameters
    ----------
    total, done : int
        All there is, and what was done before.
    description, unit : str
        What goes on, and what is counted.
    lines : bool
        Write lines to stderr; they go to the log in any case.
    every_s : float
        Seconds between two lines.
    """

    def __init__(
        self, total: int, description: str, unit: str, done: int, *, lines: bool, every_s: float = _LINE_EVERY_S
    ) -> None:
        self.bar: Any = None
        self._total, self._description, self._unit, self._done = total, description, unit, done
        self._lines, self._every_s = lines, every_s
        self._begun = self._said = time.monotonic()
        self._n_before = done

    def update(self) -> None:
        """Count one more."""
        self._done += 1
        for follower in followers:
            follower(self._done, self._total)
        if self.bar is not None:
            self.bar.update()
        now = time.monotonic()
        if now - self._said >= self._every_s and self._done < self._total:
            self._said = now
            line = self.line(now - self._begun)
            if self._lines:
                put("stderr", f"{line}\n")
            if has_log():
                log(line)

    def line(self, seconds: float) -> str:
        """Say how far it is after some seconds."""
        each = seconds / max(1, self._done - self._n_before)
        left = each * (self._total - self._done)
        share = 100 * self._done // max(1, self._total)
        return (
            f"{self._description}: {self._unit} {self._done} of {self._total} ({share} %), {each:.2g} s each, "
            f"about {_duration(left)} left"
        )


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


class _Safe:
    """stderr for tqdm, which does not expect that a terminal goes away."""

    encoding = "utf-8"

    def write(self, text: str) -> None:
        put("stderr", text)

    def flush(self) -> None:
        """`put` has flushed."""

    def isatty(self) -> bool:
        return sys.stderr.isatty()

    def fileno(self) -> int:
        return sys.stderr.fileno()
