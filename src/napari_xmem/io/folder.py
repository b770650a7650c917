"""A folder of images as a movie, in natural order (frame2 before frame10), and single images as labels."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from napari_xmem.errors import InputError
from napari_xmem.io.lazy import Opened
from napari_xmem.io.series import choose_series, frame_numbers, warn_of_gaps
from napari_xmem.io.tiff import open_tiff, read_image, spans_files
from napari_xmem.notices import warn

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["IMAGE_SUFFIXES", "open_folder", "open_image"]

IMAGE_SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp")
_TIFF = (".tif", ".tiff")


def open_folder(path: Path, key: str = "", *, pattern: str = "", labels: bool = False) -> Opened:
    """Open the images of a folder, one frame per file; of several kinds the most frequent, with a word.

    Parameters
    ----------
    path : Path
        The folder.
    key : str
        Not used.
    pattern : str
        With ``*``, chooses some of the files.
    labels : bool
        Of pictures with a palette take the indices, which are the labels; missing numbers are no gaps then.

    Raises
    ------
    InputError
        If there are no images, they are several series or as many of one kind as of another, or the first one is no
        single 2D image.
    """
    files = [f for f in path.iterdir() if f.suffix.lower() in IMAGE_SUFFIXES and not f.name.startswith(".")]
    if pattern:
        files = [f for f in files if f.match(pattern)]
    if not files:
        raise InputError(f"{path / pattern} holds no images ({', '.join(IMAGE_SUFFIXES)}).")
    kind = _one_kind(path, files)
    ordered = choose_series([f for f in files if f.suffix.lower() == kind], pattern)
    if kind in _TIFF and len(ordered) > 1 and spans_files(ordered[0]):
        with suppress(InputError):  # parts of it are missing or have other names: each file by itself
            opened = open_tiff(ordered[0])
            if len(opened.array.shape) > 2:
                return opened
    array = _Files(ordered, labels)
    if not labels:
        warn_of_gaps(ordered)
    return Opened(array, "TYX" if len(array.shape) == 3 else "TYXC", frames=frame_numbers(ordered))


def _one_kind(folder: Path, files: Sequence[Path]) -> str:
    """Return the ending of the images to read, where there are several the most frequent one."""
    (kind, most), *others = Counter(sorted(f.suffix.lower() for f in files)).most_common()
    if others:
        counts = ", ".join(f"{n} {ending}" for ending, n in others)
        if others[0][1] == most:
            raise InputError(f"{folder} holds {most} {kind} and {counts}; choose, for example '{folder / '*'}{kind}'.")
        warn(f"{folder} holds {counts} besides {most} {kind}; only the {kind} are read.", stacklevel=4)
    return kind


def open_image(path: Path, key: str = "", *, labels: bool = False) -> Opened:
    """Open one picture, such as a PNG of labels; as `open_folder` else."""
    image = _read(path, labels)
    return Opened(image, "YX" if image.ndim == 2 else "YXC", frames=frame_numbers([path]))


def _read(path: Path, labels: bool = False) -> NDArray[Any]:
    """Read one image as (Y, X) or (Y, X, C), without an opacity channel."""
    if path.suffix.lower() in _TIFF:
        frame = np.squeeze(read_image(path))
    else:
        try:
            with Image.open(path) as image:
                converted = image.mode in ("CMYK", "YCbCr") or (image.mode == "P" and not labels)
                frame = np.asarray(image.convert("RGB") if converted else image)
        except MemoryError:
            raise
        except Exception as error:  # pillow's plugins have many
            raise InputError(f"{path} cannot be read as an image ({type(error).__name__}: {error}).") from error
    if frame.ndim == 3 and frame.shape[-1] in (2, 4):
        frame = frame[..., :-1]
        frame = frame[..., 0] if frame.shape[-1] == 1 else frame
    if frame.ndim not in (2, 3) or (frame.ndim == 3 and frame.shape[-1] != 3):
        raise InputError(
            f"{path} is a stack by itself, of shape {frame.shape}: of a folder, or with a *, each file is one frame, a "
            f"2D image, grey or RGB. To open the stack give its own name, {path}."
        )
    return frame


class _Files:
    """Image files as an array (T, Y, X[, C]) indexed by (t, ...)."""

    def __init__(self, files: Sequence[Path], labels: bool) -> None:
        first = _read(files[0], labels)
        self._files, self._frame_shape, self._labels = files, first.shape, labels
        self.shape = (len(files), *first.shape)
        self.dtype = first.dtype

    def __getitem__(self, index: tuple[Any, ...]) -> NDArray[Any]:
        file = self._files[index[0]]
        frame = _read(file, self._labels)
        if frame.shape != self._frame_shape:
            raise InputError(f"{file} has shape {frame.shape}, the first image of the folder {self._frame_shape}.")
        return frame[tuple(index[1:])]
