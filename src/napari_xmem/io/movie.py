"""Open movies and labels: one entrance for every file format."""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.config.arguments import checked_arguments
from napari_xmem.errors import InputError, OutOfMemoryError, XMemError
from napari_xmem.imaging.axes import ORDERS_TEXT, AxisPlan
from napari_xmem.imaging.reading import read_part
from napari_xmem.io.folder import IMAGE_SUFFIXES, open_folder, open_image
from napari_xmem.io.lazy import LazyFrames, LazyVolumes, Opened
from napari_xmem.io.numpy_files import open_npy, open_npz
from napari_xmem.io.ome_companion import is_companion, open_companion
from napari_xmem.io.tiff import WHOLE_KEY, is_tiff, open_tiff
from napari_xmem.io.zarr_store import open_zarr

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["READABLE", "Movie", "open_labels", "open_movie"]

READABLE = ".tif, .tiff, .npy, .npz, .zarr or a folder of images"
_LOSSY = (".jpg", ".jpeg")


@dataclass(frozen=True, slots=True)
class Movie:
    """A movie, or labels, opened but not read.

    Attributes
    ----------
    data : array_like
        (T, Y, X) or (T, Y, X, C); labels may also be one frame (Y, X). Indexing reads only the frames asked for.
        Movies of volumes, where asked for: (T, Z, Y, X) or (T, Z, Y, X, C).
    axes : str
        Order of `data`: "TYX", "TYXC", "TZYX", "TZYXC" or "YX".
    path : str
        Where it came from.
    scale : tuple of 2 float or None
        Height and width of a pixel in `unit`, where the file says.
    unit : str or None
        Unit of `scale`, for example "um".
    z_step : float or None
        Distance of two planes in `unit`, where the file says.
    frames : tuple of int or None
        Labels: the frames they belong to, where names of files or the given axes say so.
    frame_interval_s : float or None
        Seconds from one frame to the next, where the file says.
    """

    data: Any
    axes: str
    path: str
    scale: tuple[float, float] | None = None
    unit: str | None = None
    z_step: float | None = None
    frames: tuple[int, ...] | None = None
    frame_interval_s: float | None = None

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.shape))
        size = "" if self.scale is None else f", pixels of {self.scale[0]:g} x {self.scale[1]:g}"
        unit = f" {self.unit}" if self.scale is not None and self.unit else ""
        return f"Movie({self.path!r}, {self.axes} {shape} {self.dtype}{size}{unit})"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of `data`."""
        return tuple(self.data.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of `data`."""
        return np.dtype(self.data.dtype)


@checked_arguments
def open_movie(path: str | Path, axes: str | None = None, *, volumes: bool = False) -> Movie:
    """Open a movie without reading its pixels (compressed npz is the exception).

    Parameters
    ----------
    path : str or Path
        TIFF (ImageJ, OME, plain), npy, npz, zarr (versions 2 and 3, OME-Zarr level 0; also by its address, https://...
        or s3://..., where fsspec is installed) or a folder of images in natural order. ``file.npz:name`` and
        ``store.zarr:path`` choose an array inside, ``file.tif:1`` a series, and
        ``file.tif:whole`` the frames that are whole of a file that is cut off.
    axes : str, optional
        Order of the axes in the file, such as "TCYX"; needed where the file doesn't say and the shape leaves a choice.
    volumes : bool
        Take movies of volumes too, as (T, Z, Y, X) or (T, Z, Y, X, C), read plane by plane.

    Returns
    -------
    Movie
        Its ``data`` is (T, Y, X) or (T, Y, X, C) and reads only the frames that are asked for.

    Raises
    ------
    InputError
        If the file is missing, damaged or of an unknown kind, or its order of axes cannot be told.
    """
    return _opened_movie(_open(path), path, axes, volumes=volumes)


def _opened_movie(opened: Opened, path: str | Path, axes: str | None, *, volumes: bool) -> Movie:
    shape = tuple(int(n) for n in opened.array.shape)
    order = axes or opened.axes or _guess(shape, path)
    try:
        if volumes and _holds_volumes(shape, order):
            return _volumes(opened, shape, order.upper(), path)
        plan = AxisPlan.from_axes(shape, order)
    except InputError as error:
        raise InputError(f"{path}: {error}{'' if axes else _other_axes(shape, order.upper())}") from error
    return _movie(opened, plan, path)


@checked_arguments
def open_labels(path: str | Path, axes: str | None = None, *, volumes: bool = False) -> Movie:
    """Open labels: like `open_movie`, but without channels, and a single frame (Y, X) is allowed.

    Parameters
    ----------
    path : str or Path
        A file as for `open_movie`; a single image of labels may be a TIFF or npy file.
    axes : str, optional
        Order of the axes in the file, such as "TYX".
    volumes : bool
        Take labels of volumes too, as (T, Z, Y, X); that order is taken where the file doesn't say.

    Returns
    -------
    Movie
        Its ``data`` is (T, Y, X) or (Y, X).

    Raises
    ------
    InputError
        As `open_movie`, or if there are channels.
    """
    opened = _open(path, labels=True)
    shape = tuple(int(n) for n in opened.array.shape)
    named = (axes or opened.axes or "?" * len(shape)).upper()
    squeezed = tuple(slice(None) if letter in "YX" else 0 for letter in named)
    if len(shape) == 2:
        return Movie(
            read_part(opened.array, (slice(None), slice(None)), str(path)), "YX", str(path), opened.scale, opened.unit
        )
    if {"Y", "X"} <= set(named) and all(n == 1 for n, a in zip(shape, named, strict=False) if a not in "YX"):
        image = read_part(opened.array, squeezed, str(path))
        return Movie(image, "YX", str(path), opened.scale, opened.unit, frames=opened.frames)
    if volumes and len(shape) == 4 and not opened.axes:
        axes = axes or "TZYX"
    if not axes and len(shape) == 3 and opened.axes and not set(opened.axes) & set("TZQIRP") and shape[-1] > 4:
        raise InputError(
            f"{path} holds {shape[0]} images that its file calls channels ({opened.axes}), which labels do not have. "
            f"If they are the labels of frames 0 to {shape[0] - 1}, say so: --seeds-axes TYX (axes='TYX')."
        )
    if shape[-1:] in ((3,), (4,)) and "C" in (axes or opened.axes or "").upper().replace("S", "C") and len(shape) == 3:
        raise InputError(f"{path}: labels have {shape[-1]} channels, expected none: (T, Y, X) or (Y, X) integers.")
    movie = _opened_movie(opened, path, axes, volumes=volumes)
    if axes and movie.frames is None and "T" in movie.axes:
        movie = replace(movie, frames=tuple(range(movie.shape[0])))
    if "C" in movie.axes:
        raise InputError(
            f"{path}: labels have {movie.shape[-1]} channels, expected none: (T, Y, X) or (Y, X) integers."
        )
    return movie


def _other_axes(shape: tuple[int, ...], axes: str) -> str:
    """Say how to name the axes of a file where its own make no movie; three or four frames are called colours often."""
    frames = re.sub("[CS]", "T", axes)
    several = math.prod(n for n, letter in zip(shape, axes, strict=False) if letter in "CS")
    if len(shape) == len(axes) == len(set(frames)) and not set(axes) & set("TZQIRP") and several > 1:
        return f" If its {several} channels are frames, say so: --axes {frames} (axes='{frames}')."
    return " If the file's own axes are wrong, give the right ones with axes= (--axes)."


def _holds_volumes(shape: tuple[int, ...], axes: str) -> bool:
    sizes = dict(zip(axes.upper(), shape, strict=False))
    return sizes.get("T", 1) > 1 and sizes.get("Z", 1) > 1


def _volumes(opened: Opened, shape: tuple[int, ...], axes: str, path: str | Path) -> Movie:
    depth = axes.index("Z")
    try:
        plan = AxisPlan.from_axes(tuple(1 if axis == depth else n for axis, n in enumerate(shape)), axes)
    except InputError:
        plan = AxisPlan.from_axes(shape, axes)  # fails in the same way, and names the true shape
    array = LazyVolumes(opened.array, plan, depth, str(path))
    axes = "TZYX" + "C" * (array.ndim - 4)
    interval = opened.frame_interval_s
    return Movie(array, axes, str(path), opened.scale, opened.unit, opened.z_step, frame_interval_s=interval)


def _movie(opened: Opened, plan: AxisPlan, path: str | Path) -> Movie:
    array: NDArray[Any] | LazyFrames
    if isinstance(opened.array, np.ndarray):
        array = plan.order_array(opened.array)
    else:
        array = LazyFrames(opened.array, plan, str(path))
    axes = "TYX" if plan.channel is None else "TYXC"
    return Movie(
        array,
        axes,
        str(path),
        opened.scale,
        opened.unit,
        frames=opened.frames,
        frame_interval_s=opened.frame_interval_s,
    )


def _open(path: str | Path, *, labels: bool = False) -> Opened:
    if not isinstance(path, (str, os.PathLike)):
        raise InputError(f"path is a {type(path).__name__}, expected the path of a file; arrays are used as they are.")
    text = os.path.expanduser(os.fspath(path))
    name, _, key = text.rpartition(":") if _has_key(text) else (text, "", "")
    if "://" in text:
        return _open_address(text, name, key)
    file, pattern = Path(name), ""
    try:
        if not file.exists() and any(letter in file.name for letter in "*?["):
            file, pattern = file.parent, file.name
        if not file.exists():
            raise InputError(f"{file} does not exist.")
        if pattern:
            return open_folder(file, pattern=pattern, labels=labels)
        return _opener(file, labels)(file, key)
    except (XMemError, MemoryError) as error:
        if isinstance(error, XMemError):
            raise
        raise OutOfMemoryError(f"{file} does not fit into memory ({error}).") from error
    except OSError as error:
        raise InputError(f"{str(file)[:300]} cannot be read ({error.strerror or error}).") from error
    except Exception as error:  # each format's library has its own
        detail = f"{type(error).__name__}: {error}"
        raise InputError(f"{file} cannot be read ({detail}); is it complete and of the kind its name says?") from error


def _open_address(text: str, name: str, key: str) -> Opened:
    """Open a zarr store by its address; chunks are fetched when frames are read."""
    if not name.rstrip("/").lower().endswith(".zarr"):
        raise InputError(
            f"{text} is an address; expected a file on this computer, or the address of a .zarr. Download it first."
        )
    try:
        return open_zarr(name.rstrip("/"), key)
    except XMemError:
        raise
    except Exception as error:  # each kind of store has its own
        raise InputError(f"{text} cannot be read ({type(error).__name__}: {error}).") from error


def _opener(file: Path, labels: bool) -> Callable[[Path, str], Opened]:
    suffix = file.suffix.lower()
    if file.is_dir():
        is_store = suffix == ".zarr" or any((file / name).exists() for name in (".zarray", ".zgroup", "zarr.json"))
        return open_zarr if is_store else partial(open_folder, labels=labels)
    openers: dict[str, Callable[[Path, str], Opened]] = {
        ".tif": open_tiff,
        ".tiff": open_tiff,
        ".npy": open_npy,
        ".npz": open_npz,
    }
    if suffix in openers:
        return openers[suffix]
    if is_companion(file):
        return open_companion
    if suffix == ".zarr":
        raise InputError(f"{file} is a file, but a zarr store is a folder.")
    if suffix in IMAGE_SUFFIXES:
        if suffix in _LOSSY and labels:
            raise InputError(f"{file} is a JPEG, which changes the numbers of labels; save them as PNG or TIFF.")
        return partial(open_image, labels=labels)
    if is_tiff(file):
        return open_tiff
    raise InputError(
        f"{file} is of an unknown kind; expected {READABLE}. Save it as TIFF, with ImageJ/Fiji for example."
    )


def _has_key(text: str) -> bool:
    head, colon, key = text.rpartition(":")
    suffix = Path(head).suffix.lower()
    if suffix in (".tif", ".tiff"):
        return key.isdecimal() or key == WHOLE_KEY
    return bool(colon and key) and suffix in (".npz", ".zarr")


def _guess(shape: tuple[int, ...], path: str | Path) -> str:
    """Name the axes of an array that comes without names, where only one order makes sense."""
    if len(shape) == 2:
        raise InputError(
            f"{path}: shape {shape} is a single 2D image; a movie (T, Y, X) of at least 2 frames is needed."
        )
    if len(shape) > 3 and shape[-1] > 4 and sum(n > 1 for n in shape[:-2]) <= 1:
        long = next((axis for axis, n in enumerate(shape[:-2]) if n > 1), 0)
        unused = iter("CZQIRP")  # readers of microscope files give all five axes
        return "".join("T" if axis == long else next(unused) for axis in range(len(shape) - 2)) + "YX"
    if len(shape) == 3 and shape[-1] > 4:
        return "TYX"
    if len(shape) == 3:
        raise InputError(
            f"{path}: shape {shape} looks like one colour image rather than a movie; "
            "if it is a movie of very narrow frames, say so with --axes TYX (axes='TYX')."
        )
    small = [axis for axis, size in enumerate(shape) if size <= 4]
    hint = ""
    if len(shape) == 4 and len(small) == 1:
        probable = {0: "CTYX", 1: "TCYX", 3: "TYXC"}.get(small[0])
        hint = f" Probably --axes {probable}." if probable else ""
    raise InputError(
        f"{path}: the order of its axes, shape {shape}, cannot be told; name it with --axes (axes=): "
        f"{ORDERS_TEXT}.{hint}"
    )
