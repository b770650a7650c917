"""TIFF files that are cut off: noticed when they are opened, and what of them is whole."""

from __future__ import annotations

import logging
import re
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from napari_xmem.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["FILE_NAME", "check_complete", "listening", "noticing_damage", "whole_frames"]

FILE_NAME = re.compile(r'FileName="([^"]*)"')
#: How Python shows an object, in the messages of tifffile.
_OBJECT = re.compile(r"<tifffile\.[^>]*>:?\s*")
_DAMAGE = ("failed to read", "invalid page offset", "corrupted file", "invalid value offset")


@contextmanager
def noticing_damage(path: Path) -> Iterator[None]:
    """Turn what tifffile only logs about a cut-off file into an `InputError`, and keep its log quiet."""
    with listening() as seen:
        try:
            yield
        except (InputError, MemoryError):
            raise
        except Exception as error:
            detail = seen[0] if seen else f"{type(error).__name__}: {error}"
            raise InputError(
                f"{path} cannot be read as TIFF, it may be damaged or cut off ({detail}).{_offer(path)}"
            ) from error
    if seen:
        raise InputError(f"{path} is damaged or cut off ({seen[0]}); copy or export it again.{_offer(path)}")


def check_complete(path: Path, pages: list[Any], series: Any) -> None:
    """Raise `InputError` if pages of a series lie in other files that are missing, or behind the end of this one."""
    text = f"{path} is damaged or cut off: "
    if any(page is None for page in pages):
        names = set(FILE_NAME.findall(getattr(series.parent, "ome_metadata", None) or "")) if series.parent else set()
        absent = sorted(name for name in names if not (path.parent / name).exists())
        if absent:
            raise InputError(
                f"{path} is one of {len(names)} files of a movie, of which {', '.join(absent[:6])} are missing or have "
                "other names. Bring them back; or give the folder, whose images are then read file by file."
            )
        raise InputError(f"{text}its metadata name pages that are missing.{_offer(path)}")
    size = path.stat().st_size
    if series.dataoffset is not None:
        end = series.dataoffset + int(np.prod(series.shape)) * series.dtype.itemsize
    elif pages[-1].parent.filehandle.path == pages[0].parent.filehandle.path:
        end = _end_of(pages[-1])
    else:
        end = 0
    if end > size:
        raise InputError(f"{text}{end} bytes are needed, it has {size}.{_offer(path)}")


def whole_frames(path: Path, tiff: tifffile.TiffFile) -> tuple[list[Any], tuple[int, ...], str | None, int | None]:
    """Find the frames of a file that are whole, up to the first that is not.

    Returns
    -------
    pages : list
        Whole pages, the planes of the frames; empty where pixels lie in one piece.
    shape : tuple of int
        Shape of the whole frames, the first axis shortened.
    axes : str or None
        One letter per axis, as the file says.
    offset : int or None
        Where pixels begin that lie in one piece.
    """
    size = path.stat().st_size
    series: Any = None
    with suppress(Exception):  # a file that is cut off within its metadata has no series
        series = tiff.series[0]
    shape = () if series is None else tuple(series.shape)
    axes = series.axes if series is not None and len(set(series.axes)) == len(series.axes) else None
    if series is not None and series.dataoffset is not None and len(shape) > 2:
        frame_bytes = int(np.prod(shape[1:])) * series.dtype.itemsize
        n_frames = min(shape[0], (size - series.dataoffset) // frame_bytes)
        return [], (n_frames, *shape[1:]), axes, series.dataoffset
    stack = _imagej_stack(tiff)
    if stack is not None:
        shape, axes, page = stack
        frame_bytes = int(np.prod(shape[1:])) * page.dtype.itemsize
        n_frames = min(shape[0], (size - page.dataoffsets[0]) // frame_bytes)
        return [], (n_frames, *shape[1:]), axes, page.dataoffsets[0]
    pages: list[Any] = []
    with suppress(Exception):  # the chain of pages ends where the file does
        for page in tiff.pages:
            whole = page.aspage()
            if _end_of(whole) > size or (pages and whole.shape != pages[0].shape):
                break
            pages.append(whole)
    if not pages:
        return [], (0,), None, None
    inside = tuple(pages[0].shape)
    if len(shape) <= len(inside) or shape[-len(inside) :] != inside:
        return pages, (len(pages), *inside), None, None
    per_frame = int(np.prod(shape[1 : len(shape) - len(inside)]))
    n_frames = len(pages) // per_frame
    return pages[: n_frames * per_frame], (n_frames, *shape[1:]), axes, None


def _imagej_stack(tiff: tifffile.TiffFile) -> tuple[tuple[int, ...], str, Any] | None:
    """Return shape, axes and only page of a stack that ImageJ wrote in one piece; None if a file is none."""
    known = tiff.imagej_metadata or {}
    page = tiff.pages[0].aspage()
    n_images = int(known.get("images", 1))
    if n_images < 2 or page.compression != tifffile.COMPRESSION.NONE or len(page.shape) != 2:
        return None
    sizes = {axis: int(known.get(name, 1)) for axis, name in (("T", "frames"), ("Z", "slices"), ("C", "channels"))}
    named = {axis: n for axis, n in sizes.items() if n > 1}
    if int(np.prod(list(named.values()))) != n_images:
        named = {"I": n_images}
    return (*named.values(), *page.shape), "".join(named) + "YX", page


def _offer(path: Path) -> str:
    """Say how to take the whole frames of a file that is cut off; empty where there are less than two."""
    try:
        with listening(), tifffile.TiffFile(path) as tiff:
            n_frames = whole_frames(path, tiff)[1][0]
    except Exception:  # nothing of it can be read
        return ""
    return f" Its first {n_frames} frames are whole; {path.name}:whole takes these." if n_frames > 1 else ""


def _end_of(page: Any) -> int:
    """Return where the pixels of a page end, in bytes from the file's beginning."""
    return max((a + b for a, b in zip(page.dataoffsets, page.databytecounts, strict=True)), default=0)


@contextmanager
def listening() -> Iterator[list[str]]:
    """Collect what tifffile logs about damage, in place of its log."""
    seen: list[str] = []

    class Listener(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            message = record.getMessage()
            damaged = any(word in message for word in _DAMAGE)
            if damaged:
                seen.append(_OBJECT.sub("", message))
            return not damaged

    logger, listener = logging.getLogger("tifffile"), Listener()
    logger.addFilter(listener)
    try:
        yield seen
    finally:
        logger.removeFilter(listener)
