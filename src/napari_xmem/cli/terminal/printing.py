"""Lines on the terminal: errors, warnings, progress."""

from __future__ import annotations

import re
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from napari_xmem.cli.terminal.streams import log, put
from napari_xmem.words import counted, number_list

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "collected_warnings",
    "found_line",
    "in_words_of_the_shell",
    "keeping_stdout",
    "say",
    "say_error",
]


def say(text: str = "") -> None:
    """Write a line to stdout, unless that is kept for something else."""
    log(text)
    if not _kept:
        put("stdout", f"{text}\n")


@contextmanager
def keeping_stdout(keep: bool) -> Iterator[None]:
    """Keep stdout for JSON: what is said goes to the log only."""
    _kept.extend([True] * keep)
    try:
        yield
    finally:
        _kept.clear()


def say_error(text: str, kind: str = "error") -> None:
    """Write one line to stderr, with options as they are called in a shell."""
    line = f"{kind}: {in_words_of_the_shell(' '.join(text.split()))}"
    log(line)
    put("stderr", f"napari-xmem: {line}\n")


_kept: list[bool] = []
#: What messages call things in Python, and what they are called in a shell.
_SHELL_WORDS = (
    (
        re.compile(r"memory_budget_bytes is (\d+)(?:, expected at least (\d+), or None to choose)?"),
        lambda m: (
            f"--memory-budget is {int(m[1]) / 1e9:g} GB" + (f", expected {int(m[2]) / 1e9:g} or more" if m[2] else "")
        ),
    ),
    (re.compile(r"nx\.forecast\(\.\.\.\)\.least_budget_bytes says"), "--dry-run says"),
    (re.compile(r"channels=\[[\d, ]+\] or (--channels)"), r"\1"),
    (re.compile(r"(--axes \w+) \(axes='\w+'\)"), r"\1"),
    (re.compile(r"(--\w[\w-]*) \((?:axes)=\)"), r"\1"),
    (re.compile(r"\b\w+= \((--\w[\w-]*)\)"), r"\1"),
    (re.compile(r"\(overwrite=True, (--overwrite)\)"), r"(\1)"),
    (re.compile(r"pass numpy\.moveaxis\([^)]*\), or (?=axes=)"), "give "),
    (re.compile(r"(axes=\"\w+\"), or pass numpy\.moveaxis\([^)]*\)"), r"\1"),
    (re.compile(r"\baxes=\"(\w+)\""), r"--axes \1"),
    (re.compile(r"\bchannels=\[([\d, ]+)\]"), lambda m: f"--channels {m[1].replace(' ', '')}"),
    (re.compile(r"(for .*?volumes \(T, Z, Y, X\)|Is it depth,) use propagate_volumes"), r"\1 give --axes TZYX"),
    (re.compile(r"\b(device|model|scope|direction|precision|memory_device)='([\w./:]+)'"), None),
    (re.compile(r"\b(start|stop|diameter_px|max_displacement_px)=(\d+)"), None),
)


def in_words_of_the_shell(text: str) -> str:
    """Write options as people give them in a shell: ``--device auto`` for ``device='auto'``."""
    for pattern, words in _SHELL_WORDS:
        text = pattern.sub(_as_option if words is None else words, text)
    return text


def _as_option(found: re.Match[str]) -> str:
    return f"--{found[1].replace('_', '-')} {found[2]}"


@contextmanager
def collected_warnings(quiet: bool = False) -> Iterator[None]:
    """Print warnings as single lines; those about NaN or infinite pixels as one line that names the frames."""
    from napari_xmem.imaging.normalise import NonFinitePixelsWarning

    frames: dict[int | None, int] = {}
    seen: set[str] = set()

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if isinstance(message, NonFinitePixelsWarning):
            frames[message.frame] = message.count
        elif str(message) not in seen and not quiet:
            seen.add(str(message))
            say_error(str(message), kind="warning")

    warnings.simplefilter("default")
    warnings.simplefilter("always", NonFinitePixelsWarning)
    warnings.simplefilter("ignore", DeprecationWarning)
    warnings.simplefilter("ignore", PendingDeprecationWarning)
    warnings.showwarning = show
    try:
        yield
    finally:
        if frames and not quiet:
            named = number_list(t for t in frames if t is not None) or "some frames"
            say_error(f"NaN or infinite pixels on frames {named} were treated as dark background.", kind="warning")


def found_line(n_objects: int, where: str, seconds: float, n_lost: int) -> str:
    """Say how many objects were followed `where`, and how many of them were not found everywhere."""
    lost = f"; {n_lost} of them not found on every frame" if n_lost else ""
    return f"{counted(n_objects, 'object')} {where} in {seconds:.1f} s{lost}"
