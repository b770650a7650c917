"""One process at a time writes an output."""

from __future__ import annotations

import errno
import json
import os
import platform
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_xmem.files.names import neighbour

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["OccupiedError", "output_lock"]

#: Locks lie here in the file on Windows, where what is locked cannot be read.
_LOCK_OFFSET = 1 << 30
_BUSY = {errno.EACCES, errno.EAGAIN, errno.EDEADLK}
_UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}
_ATTEMPTS = 50


class OccupiedError(OSError):
    """Another process is writing an output."""


@dataclass(slots=True)
class _Held:
    pid: int
    file: int
    users: int = 1


_held: dict[str, _Held] = {}
_guard = threading.RLock()


@contextmanager
def output_lock(path: str | os.PathLike[str]) -> Iterator[None]:
    """Hold an output, so that no other process writes it meanwhile.

    The lock is one of the operating system (flock), which ends with the process however it ends, on a hidden file
    beside `path` that says who holds it and goes away afterwards. Where the file system has no locks, a process of the
    same computer that is alive counts. A process may hold a path several times.

    Parameters
    ----------
    path : path-like
        A file or folder to be written; its folder exists.

    Raises
    ------
    OccupiedError
        If another process holds it; the message says which.
    OSError
        If the file of the lock cannot be made.
    """
    key = os.path.realpath(path)
    with _guard:
        held = _held.get(key)
        if held is not None and held.pid == os.getpid():
            held.users += 1
        else:  # not held, or by the process that this one was forked from
            held = _held[key] = _Held(os.getpid(), _acquire(Path(key)))
    try:
        yield
    finally:
        with _guard:
            held.users -= 1
            if not held.users and _held.get(key) is held:
                del _held[key]
                if held.pid == os.getpid():
                    _release(Path(key), held.file)


def _lock_path(path: Path) -> Path:
    return neighbour(path, ".lock", hidden=True)


def _acquire(path: Path) -> int:
    place = _lock_path(path)
    for _ in range(_ATTEMPTS):
        file = os.open(place, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
        try:
            locked = _try_to_lock(file)
            if locked is False or (locked is None and _is_alive(_read(file))):
                raise OccupiedError(errno.EBUSY, _who(path, _read(file)), str(path))
            if _is_still(place, file):
                _write(file)
                return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)  # its holder has just removed it: another file is to be locked
        time.sleep(0.01)
    raise OccupiedError(errno.EBUSY, _who(path, {}), str(path))


def _release(path: Path, file: int) -> None:
    place = _lock_path(path)
    if os.name == "nt":  # a file that is open cannot be removed there
        os.close(file)
        with suppress(OSError):
            place.unlink()
        return
    with suppress(OSError):
        if _is_still(place, file):
            place.unlink()
    os.close(file)


def _try_to_lock(file: int) -> bool | None:
    """Lock a file; False: another process has it; None: the file system has no locks."""
    try:
        if os.name == "nt":
            import msvcrt

            os.lseek(file, _LOCK_OFFSET, os.SEEK_SET)
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _BUSY:
            return False
        if error.errno in _UNSUPPORTED:
            return None
        raise
    return True


def _is_still(place: Path, file: int) -> bool:
    """Return True if the file that is open is the one of that name."""
    try:
        return os.path.samestat(os.fstat(file), place.stat())
    except FileNotFoundError:
        return False


def _write(file: int) -> None:
    facts = {"pid": os.getpid(), "computer": platform.node(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
    with suppress(OSError):  # the disk may be full; the lock holds all the same
        os.ftruncate(file, 0)
        os.lseek(file, 0, os.SEEK_SET)
        os.write(file, json.dumps(facts).encode())


def _read(file: int) -> dict[str, Any]:
    try:
        os.lseek(file, 0, os.SEEK_SET)
        facts = json.loads(os.read(file, 4096))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _is_alive(facts: dict[str, Any]) -> bool:
    pid = facts.get("pid")
    if facts.get("computer") != platform.node() or not isinstance(pid, int):
        return False
    import psutil

    return pid != os.getpid() and psutil.pid_exists(pid)


def _who(path: Path, facts: dict[str, Any]) -> str:
    who = f"process {facts['pid']}" if "pid" in facts else "another process"
    where = f" on {facts['computer']}" if facts.get("computer") not in (None, "", platform.node()) else ""
    since = f" since {facts['since']}" if "since" in facts else ""
    return f"{path.name} is being written by {who}{where}{since}; wait for it, end it, or choose another name"
