"""Files that appear when they are whole."""

from __future__ import annotations

import errno
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from napari_xmem.files.names import neighbour

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

__all__ = ["atomic_write", "remove_partial"]


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a file to write to that takes the place of `path` when it is whole; nothing stays of it after an error.

    It gets the permissions of any new file (the umask), whoever writes it: safetensors makes files that nobody but
    their owner may read.

    Parameters
    ----------
    path : str or path
        The file; what stands there is replaced.

    Yields
    ------
    Path
        An empty file beside it; it may be replaced by another.

    Raises
    ------
    OSError
        If the file cannot be made, or a folder stands at `path`.
    """
    target = Path(path)
    if not target.name or target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "it is a folder", str(target))
    partial = _partial(target)
    try:
        partial.unlink(missing_ok=True)
        partial.touch()
        ordinary = stat.S_IMODE(partial.stat().st_mode)
        yield partial
        partial.chmod(ordinary)
        partial.replace(target)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise


def remove_partial(path: str | os.PathLike[str]) -> None:
    """Remove what a process that was killed inside `atomic_write` left beside `path`."""
    with suppress(OSError):
        _partial(Path(path)).unlink()


def _partial(target: Path) -> Path:
    return neighbour(target, ".partial")
