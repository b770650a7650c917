"""Lines on the terminal: errors, warnings, progress."""

from __future__ import annotations

import signal
import sys
import threading
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "StopRequest",
    "cleaning_up_when_terminated",
    "collected_warnings",
    "found_line",
    "frame_list",
    "progress",
    "say",
    "say_error",
    "stopping_gently",
]


def say(text: str = "") -> None:
    """Write a line to stdout."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def say_error(text: str, kind: str = "error") -> None:
    """Write one line to stderr."""
    sys.stderr.write(f"napari-xmem: {kind}: {' '.join(text.split())}\n")
    sys.stderr.flush()


@contextmanager
def progress(total: int, description: str, quiet: bool, unit: str = "frame", done: int = 0) -> Iterator[Any]:
    """Show a progress bar where stderr is a terminal; its ``update()`` counts one `unit`, `done` are done before."""
    from tqdm import tqdm

    off = quiet or not sys.stderr.isatty()
    with tqdm(total=total, desc=description, unit=unit, disable=off, initial=done) as bar:
        yield bar


class StopRequest:
    """What the user or the system has asked for while a frame was at hand."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def obey(self) -> None:
        """Raise what the signal stands for, if there was one."""
        if self.signal == signal.SIGINT:
            raise KeyboardInterrupt
        if self.signal is not None:
            raise SystemExit(128 + self.signal)


@contextmanager
def stopping_gently() -> Iterator[StopRequest]:
    """Let the frame at hand be finished when asked to stop (Ctrl-C, SIGTERM); asked twice, stop at once."""
    request = StopRequest()

    def ask(number: int, frame: object) -> None:
        if request.signal is not None:
            request.signal = number
            request.obey()
        request.signal = number
        say_error("stopping after this frame; once more to stop at once.", kind="note")

    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def cleaning_up_when_terminated() -> Iterator[None]:
    """Leave by an exception when asked to terminate, as cluster schedulers do, so that writers tidy up."""

    def leave(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


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


def found_line(n_objects: int, where: str, seconds: float, n_lost: int) -> str:
    """Say how many objects were followed `where`, and how many of them were not found everywhere."""
    lost = f"; {n_lost} of them not found on every frame" if n_lost else ""
    objects = "1 object" if n_objects == 1 else f"{n_objects} objects"
    return f"{objects} {where} in {seconds:.1f} s{lost}"
