"""A folder of images as a movie, in natural order (frame2 before frame10)."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from napari_xmem.errors import InputError
from napari_xmem.io.lazy import Opened
from napari_xmem.io.tiff import read_image

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["open_folder"]

_SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp")


def open_folder(path: Path, key: str = "") -> Opened:
    """Open the images of a folder, one frame per file; where several kinds lie there, the most frequent one.

    Raises
    ------
    InputError
        If there are no images, or the first one is no single 2D image.
    """
    files = [f for f in path.iterdir() if f.suffix.lower() in _SUFFIXES and not f.name.startswith(".")]
    if not files:
        raise InputError(f"{path} holds no images ({', '.join(_SUFFIXES)}).")
    kind = Counter(f.suffix.lower() for f in files).most_common(1)[0][0]
    array = _Files(sorted((f for f in files if f.suffix.lower() == kind), key=_natural))
    return Opened(array, "TYX" if len(array.shape) == 3 else "TYXC")


def _natural(path: Path) -> list[tuple[int, int, str]]:
    parts = re.split(r"(\d+)", path.name)
    return [(0, int(part), "") if part.isdigit() else (1, 0, part.lower()) for part in parts if part]


def _read(path: Path) -> NDArray[Any]:
    """Read one image as (Y, X) or (Y, X, C), without an opacity channel."""
    if path.suffix.lower() in (".tif", ".tiff"):
        frame = np.squeeze(read_image(path))
    else:
        try:
            with Image.open(path) as image:
                frame = np.asarray(image.convert("RGB") if image.mode in ("P", "CMYK", "YCbCr") else image)
        except (OSError, ValueError, SyntaxError) as error:
            raise InputError(f"{path} cannot be read as an image ({error}).") from error
    if frame.ndim == 3 and frame.shape[-1] in (2, 4):
        frame = frame[..., :-1]
        frame = frame[..., 0] if frame.shape[-1] == 1 else frame
    if frame.ndim not in (2, 3) or (frame.ndim == 3 and frame.shape[-1] != 3):
        raise InputError(f"{path} has shape {frame.shape}, expected one 2D image, grey or RGB, per file.")
    return frame


class _Files:
    """Image files as an array (T, Y, X[, C]) indexed by (t, ...)."""

    def __init__(self, files: list[Path]) -> None:
        first = _read(files[0])
        self._files, self._frame_shape = files, first.shape
        self.shape = (len(files), *first.shape)
        self.dtype = first.dtype

    def __getitem__(self, index: tuple[Any, ...]) -> NDArray[Any]:
        file = self._files[index[0]]
        frame = _read(file)
        if frame.shape != self._frame_shape:
            raise InputError(f"{file} has shape {frame.shape}, the first image of the folder {self._frame_shape}.")
        return frame[tuple(index[1:])]
