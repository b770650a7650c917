"""Reading what anybody may have written: JSON that is nested endlessly, archives that swell."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import os

__all__ = ["check_archive", "parse_json"]


def parse_json(text: str | bytes) -> Any:
    """Read JSON.

    Raises
    ------
    ValueError
        Whatever is wrong with it: no JSON, no text, numbers with too many digits, nesting that is too deep.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("its JSON is nested too deeply") from error


def check_archive(path: str | os.PathLike[str], most_bytes: int) -> None:
    """Check that a zip archive, an npz file for example, takes no more room than expected when it is unpacked.

    Raises
    ------
    ValueError
        If it is larger, or its list of contents cannot be read.
    OSError
        If the file cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            total = sum(info.file_size for info in archive.infolist())
    except OSError:
        raise
    except Exception as error:  # BadZipFile, and struct's and unicode's errors in damaged lists
        raise ValueError(f"it is no whole zip archive ({error})") from error
    if total > most_bytes:
        sizes = f"{total / 1e6:.0f} MB when unpacked, expected at most {most_bytes / 1e6:.0f} MB"
        raise ValueError(f"it would take {sizes}")
