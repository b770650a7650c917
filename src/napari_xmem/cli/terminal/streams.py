"""Standard output and error that never end a run: closed, full, or left by whoever read them."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Literal, TextIO

from napari_xmem.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["flush_all", "has_log", "log", "logging_to", "open_closed_streams", "put", "trouble_of"]

Stream = Literal["stdout", "stderr"]
_trouble: dict[str, OSError] = {}
_logs: list[TextIO] = []


def open_closed_streams() -> None:
    """Open the null device where the caller closed stdin, stdout or stderr (``>&-``, services, pythonw).

    Otherwise the next file that is opened gets the number of the closed one, and what some library writes to "stderr"
    lands in the middle of it.
    """
    _trouble.clear()
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one
    for number, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w", encoding="utf-8", closefd=False))  # never closed, as Python's own


def put(name: Stream, text: str) -> None:
    """Write text; what cannot be written is lost, and nothing else is."""
    stream: TextIO = getattr(sys, name)
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
    except (OSError, ValueError) as error:
        _give_up(name, stream, error)
    except RuntimeError:  # a signal's handler speaks in the middle of another line
        return


@contextmanager
def logging_to(path: Path | None) -> Iterator[None]:
    """Write everything that is said to a file too, after what stands there, each line with the time.

    Raises
    ------
    OutputError
        If the file cannot be opened.
    """
    if path is None:
        yield
        return
    try:
        file = path.open("a", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise OutputError(f"--log {path} cannot be written: {error.strerror or error}.") from error
    _logs.append(file)
    try:
        yield
    finally:
        _logs.remove(file)
        with suppress(OSError):
            file.close()


def has_log() -> bool:
    """Return True if there is a log."""
    return bool(_logs)


def log(text: str) -> None:
    """Write lines to the log, if there is one; a log that is full ends nothing."""
    now = time.strftime("%Y-%m-%d %H:%M:%S")
    for file in _logs:
        with suppress(OSError, ValueError):
            file.writelines(f"{now} {line}\n" for line in text.splitlines())
            file.flush()


def flush_all() -> None:
    """Write out what libraries have left in the buffers, so that the interpreter has no complaint at its end."""
    for name in ("stdout", "stderr"):
        stream: TextIO = getattr(sys, name)
        try:
            stream.flush()
        except (OSError, ValueError) as error:
            _give_up(name, stream, error)


def trouble_of(name: Stream) -> OSError | None:
    """Return why text to a stream was lost; None: it was not, or its reader left because it had enough."""
    error = _trouble.get(name)
    return None if isinstance(error, BrokenPipeError) else error


def _give_up(name: str, stream: TextIO, error: Exception) -> None:
    """Send everything to come to the null device."""
    if isinstance(error, OSError):
        _trouble.setdefault(name, error)
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        with suppress(OSError):
            os.dup2(null, stream.fileno())
        os.close(null)
    except (OSError, ValueError):  # no file of the system behind it, or closed
        setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))
