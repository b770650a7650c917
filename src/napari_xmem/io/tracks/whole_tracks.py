"""Files and folders of tracks appear when they are whole."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from napari_xmem.errors import OutputError
from napari_xmem.files import neighbour

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["whole_output"]


@contextmanager
def whole_output(path: Path, overwrite: bool) -> Iterator[Path]:
    """Give a place to make a file or folder that takes the place of `path` when it is whole.

    Parameters
    ----------
    path : Path
        What is to be made; its folder exists.
    overwrite : bool
        What stands there is replaced, in one step or not at all.

    Yields
    ------
    Path
        A name of that kind, in a hidden folder beside it; nothing stands there.

    Raises
    ------
    OutputError
        If it cannot be made.
    """
    try:
        end = f".{os.getpid()}.{'x' * 8}.partial"  # as long as what mkdtemp makes of it
        prefix = neighbour(path, end, hidden=True).name.removesuffix("x" * 8 + ".partial")
        room = Path(tempfile.mkdtemp(prefix=prefix, suffix=".partial", dir=path.parent))
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}.") from error
    try:
        made = room / path.name
        yield made
        if path.exists() and not overwrite:
            raise OutputError(f"{path} has appeared meanwhile; choose another name or allow overwriting.")
        _replace(made, path, room / "replaced")
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written: {error.strerror or error}. Nothing half-written is left there; make room or "
            "choose another place."
        ) from error
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _replace(made: Path, path: Path, old: Path) -> None:
    if made.is_file() and not path.is_dir():
        made.replace(path)
        return
    if path.exists():
        path.rename(old)
    try:
        made.rename(path)
    except OSError:
        if old.exists():
            old.rename(path)
        raise
