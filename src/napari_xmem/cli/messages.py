"""Lines on the terminal: errors, warnings, progress."""

from __future__ import annotations

import sys
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from napari_xmem.cli.streams import put

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["collected_warnings", "counted", "found_line", "frame_list", "progress", "say", "say_error"]


def say(text: str = "") -> None:
    """Write a line to stdout."""
    put("stdout", f"{text}\n")


def say_error(text: str, kind: str = "error") -> None:
    """Write one line to stderr."""
    put("stderr", f"napari-xmem: {kind}: {' '.join(text.split())}\n")


@contextmanager
def progress(total: int, description: str, quiet: bool, unit: str = "frame", done: int = 0) -> Iterator[Any]:
    """Show a progress bar where stderr is a terminal; its ``update()`` counts one `unit`, `done` are done before."""
    from tqdm import tqdm

    off = quiet or not sys.stderr.isatty()
    with tqdm(total=total, desc=description, unit=unit, disable=off, initial=done) as bar:
        yield bar


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
    # torch on weights that we refuse or accept by ourselves.
    warnings.filterwarnings("ignore", message="Detected pickle protocol")
    warnings.showwarning = show
    try:
        yield
    finally:
        if frames and not quiet:
            named = frame_list(t for t in frames if t is not None) or "some frames"
            say_error(f"NaN or infinite pixels on frames {named} were treated as dark background.", kind="warning")


def frame_list(frames: Iterable[int]) -> str:
    """Write frame numbers shortly: 1, 3-5, 9."""
    runs: list[list[int]] = []
    for t in sorted(frames):
        if runs and t == runs[-1][-1] + 1:
            runs[-1].append(t)
        else:
            runs.append([t])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def counted(number: int, thing: str) -> str:
    """Write a number of things: 1 frame, 2 frames."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def found_line(n_objects: int, where: str, seconds: float, n_lost: int) -> str:
    """Say how many objects were followed `where`, and how many of them were not found everywhere."""
    lost = f"; {n_lost} of them not found on every frame" if n_lost else ""
    return f"{counted(n_objects, 'object')} {where} in {seconds:.1f} s{lost}"
