"""A folder beside an output in which it is made, until it is whole and gets its name."""

from __future__ import annotations

import os
import platform
import re
import shutil
import tempfile
import warnings
import weakref
from contextlib import ExitStack
from pathlib import Path

import psutil

from napari_xmem.errors import OutputError
from napari_xmem.files import neighbour, output_lock
from napari_xmem.io.replace_check import check_replaceable

__all__ = ["StagingFolder"]

#: Letters that the names of these folders have after the output's own: computer, process, something random.
_TAIL = "." * 48
_TAIL_PATTERN = re.compile(r"\.(?P<computer>\w{0,16})-(?P<pid>\d{1,10})\.[^.]+\.partial")
_REPLACED = "replaced"
_live: set[str] = set()


class StagingFolder:
    """Where an output is made; only this process writes the output as long as it exists.

    A folder that is neither published nor discarded goes away with its owner, or with the process. What a process that
    was killed left for the same output is removed, or, where it was killed while it replaced a folder, put back.

    Parameters
    ----------
    target : Path
        The output, a file or a folder.

    Attributes
    ----------
    place : Path
        Where to make it; nothing is there yet.

    Raises
    ------
    OccupiedError
        If another process is writing `target`.
    OSError
        If the folder cannot be made.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        with ExitStack() as stack:
            stack.enter_context(output_lock(target))
            _clear_abandoned(target)
            prefix = f"{_stem(target)}.{_computer()}-{os.getpid()}."
            self._folder = Path(tempfile.mkdtemp(prefix=prefix, suffix=".partial", dir=target.parent))
            _live.add(self._folder.name)
            kept = stack.pop_all()
        self._end = weakref.finalize(self, _end, self._folder, kept, os.getpid())
        self._warn = weakref.finalize(self, _warn, target, os.getpid())
        self.place = self._folder / f"output{target.suffix.lower()}"

    def publish(self, overwrite: bool) -> None:
        """Give the output its name.

        Raises
        ------
        OutputError
            If something has appeared there that may not be replaced; the staged output stays until `discard`.
        OSError
            If it cannot be renamed.
        """
        if self.target.exists():
            if not overwrite:
                raise OutputError(f"{self.target} has appeared meanwhile; choose another name or allow overwriting.")
            check_replaceable(self.target)
        if self.place.is_file():
            self.place.replace(self.target)
            return
        old = self._folder / _REPLACED
        if self.target.exists():
            self.target.rename(old)
        try:
            self.place.rename(self.target)
        except OSError:
            if old.exists():
                old.rename(self.target)
            raise

    def discard(self) -> None:
        """Remove the folder with what is left in it, and let other processes write the output."""
        self._warn.detach()
        self._end()


def _end(folder: Path, locks: ExitStack, pid: int) -> None:
    if pid != os.getpid():  # the end of a process that was forked
        return
    _live.discard(folder.name)
    shutil.rmtree(folder, ignore_errors=True)
    locks.close()


def _warn(target: Path, pid: int) -> None:
    if pid == os.getpid():
        warnings.warn(
            f"{target} was never finished: close() its writer, or use it in a 'with' block.",
            ResourceWarning,
            stacklevel=2,
        )


def _stem(target: Path) -> str:
    return neighbour(target, _TAIL, hidden=True).name.removesuffix(_TAIL)


def _computer() -> str:
    return "".join(letter for letter in platform.node() if letter.isalnum())[:16]


def _clear_abandoned(target: Path) -> None:
    """Remove the folders for `target` of processes that were killed."""
    stem = _stem(target)
    for folder in list(target.parent.iterdir()):
        tail = _TAIL_PATTERN.fullmatch(folder.name.removeprefix(stem))
        if not folder.name.startswith(stem) or tail is None or _is_live(folder, tail["computer"], int(tail["pid"])):
            continue
        old = folder / _REPLACED
        if old.exists() and not target.exists():  # killed between the two steps of replacing a folder
            old.rename(target)
        shutil.rmtree(folder, ignore_errors=True)


def _is_live(folder: Path, computer: str, pid: int) -> bool:
    if computer != _computer():
        return True  # locks may not reach other computers: better a leftover than another's work
    return folder.name in _live if pid == os.getpid() else psutil.pid_exists(pid)
