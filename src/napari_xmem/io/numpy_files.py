"""npy and npz files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_xmem.errors import InputError
from napari_xmem.io.lazy import Opened

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["open_npy", "open_npz"]


def open_npy(path: Path, key: str = "") -> Opened:
    """Map an npy file into memory; pickled objects are refused.

    Raises
    ------
    InputError
        If it holds pickled objects, as segmentation programs save them.
    """
    if _is_pickled(path):
        raise InputError(
            f"{path} holds a pickled Python object, such as the *_seg.npy that Cellpose writes, and was not opened, "
            "since pickles can run code. Export the masks as TIFF or PNG there and give these."
        )
    return Opened(np.load(path, mmap_mode="r", allow_pickle=False))


def open_npz(path: Path, key: str = "") -> Opened:
    """Read array `key` of an npz file, or the first one with three or more axes (else the first with two).

    Raises
    ------
    InputError
        If there is no such array.
    """
    with np.load(path, allow_pickle=False) as archive:
        names = list(archive.files)
        if key:
            if key not in names:
                raise InputError(f"{path} has no array {key!r}; it holds {', '.join(names) or 'nothing'}.")
            return Opened(archive[key])
        flat = None
        for name in names:
            array = archive[name]
            if array.ndim >= 3:
                return Opened(array)
            flat = array if flat is None and array.ndim == 2 else flat
    if flat is None:
        raise InputError(f"{path} holds no array with two or more axes, only: {', '.join(names) or 'nothing'}.")
    return Opened(flat)


def _is_pickled(path: Path) -> bool:
    """Return True if the header of an npy file names a dtype with objects in it."""
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        return bool(reader(file)[2].hasobject)
