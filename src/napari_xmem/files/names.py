"""Names of files that stand beside another one, short enough for the file system."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

__all__ = ["neighbour"]

#: What file systems allow where they do not say, in bytes.
_LONGEST_NAME = 255
_MARK_LETTERS = 10


def neighbour(path: str | os.PathLike[str], suffix: str, *, hidden: bool = False) -> Path:
    """Return the file beside `path` whose name is that of `path` with `suffix` after it.

    Where that is longer than the file system allows, the end of the name makes room for a mark of ten letters that
    depends on the whole name: the same path always gives the same neighbour, and two paths give two.

    Parameters
    ----------
    path : path-like
        A file or folder; it need not exist.
    suffix : str
        What to add, such as ".unfinished".
    hidden : bool
        Begin the name with a dot.

    Returns
    -------
    Path
        In the same folder.
    """
    target = Path(path)
    if not target.name:  # "." and what is as good as that
        target = Path(os.path.abspath(target))
    start = "." if hidden else ""
    longest = _longest_name(target.parent)
    full = f"{start}{target.name}{suffix}"
    if len(os.fsencode(full)) <= longest:
        return target.parent / full
    mark = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:_MARK_LETTERS]
    room = longest - len(os.fsencode(f"{start}~{mark}{suffix}"))
    kept = target.name
    while kept and len(os.fsencode(kept)) > room:
        kept = kept[:-1]
    return target.parent / f"{start}{kept}~{mark}{suffix}"


def _longest_name(folder: Path) -> int:
    try:
        return os.pathconf(folder, "PC_NAME_MAX")
    except (AttributeError, OSError, ValueError):  # Windows; a folder that is not there; a system that does not say
        return _LONGEST_NAME
