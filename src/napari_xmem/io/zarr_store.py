"""Zarr arrays of versions 2 and 3: alone, in groups, and as OME-Zarr images of any nesting."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import zarr

from napari_xmem.errors import InputError
from napari_xmem.io import ngff
from napari_xmem.io.lazy import Opened
from napari_xmem.io.zarr_safety import check_zarr_array

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["image_names", "open_zarr"]

#: Groups are searched this deep: plates have rows, columns and fields.
_DEEPEST = 5
_MOST_NAMES, _MOST_NODES = 8, 1000
_SECONDS = {"nanosecond": 1e-9, "microsecond": 1e-6, "millisecond": 1e-3, "second": 1.0, "minute": 60.0, "hour": 3600.0}


def open_zarr(path: Path | str, key: str = "") -> Opened:
    """Open an array of a zarr store, without reading any chunk.

    Parameters
    ----------
    path : Path or str
        The store's folder, or its address (https://..., s3://...), where fsspec is installed.
    key : str
        Path of an array, or of a group, inside; empty: the only image there is. Images are level 0 of OME-Zarr images
        (also inside the groups that bioformats2raw makes) and arrays with three or more axes; where there are none of
        these, arrays with two.

    Raises
    ------
    InputError
        If the store cannot be read, has no such array or several, or the array holds no numbers.
    """
    node = _root(path)
    if key:
        try:
            node = node[key]
        except Exception as error:
            names = _listed([name for name, _ in _images(node)])
            raise InputError(f"{path} has no array {key!r}; it holds {names}.") from error
    opened = _chosen(path, node)
    check_zarr_array(opened.array, str(path) + (f":{key}" if key else ""))
    return opened


def image_names(path: Path | str) -> list[str]:
    """Return the paths of the images that a store holds, fields of the wells of a plate for example; "" is itself.

    Raises
    ------
    InputError
        If the store cannot be read.
    """
    return [name for name, _ in _movies(_root(path))]


def _root(path: Path | str) -> Any:
    try:
        return zarr.open(str(path), mode="r")
    except ImportError as error:
        raise InputError(
            f'{path} is an address, and what reads it is not installed ({error}): pip install "napari-xmem[remote]".'
        ) from error
    except Exception as error:  # several kinds, from a missing file to broken JSON
        detail = f"{type(error).__name__}: {error}".splitlines()[0][:300]
        raise InputError(f"{path} cannot be read as zarr ({detail}); is it complete?") from error


def _movies(node: Any) -> list[tuple[str, Any]]:
    """Return images with three or more axes, or where there are none those with two."""
    found = list(_images(node))
    names: list[tuple[str, Any]] = []
    for n_axes in (3, 2):
        names = [(name, inner) for name, inner in found if isinstance(inner, zarr.Group) or inner.ndim >= n_axes]
        if names:
            break
    return names


def _chosen(path: Path | str, node: Any) -> Opened:
    if isinstance(node, zarr.Array):
        return Opened(node, _axes_of(node))
    names = _movies(node)
    if len(names) != 1:
        shown = _listed([name for name, _ in names])
        own = str(path).rstrip("/").rsplit("/", 1)[-1]
        example = f"{own}:{names[0][0]}" if names else f"{own}:NAME"
        raise InputError(f"{path} is a group with {len(names)} movies ({shown}); choose one, for example {example}.")
    _, inner = names[0]
    return Opened(inner, _axes_of(inner)) if isinstance(inner, zarr.Array) else _level_zero(path, inner)


def _images(node: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Yield the images of a group with their paths: OME-Zarr images as groups, single arrays as arrays."""
    if isinstance(node, zarr.Array):
        yield name, node
        return
    if _multiscale(node) is not None:
        yield name, node
        return
    if depth >= _DEEPEST:
        return
    for child, inner in _children(node):
        yield from _images(inner, f"{name}/{child}".lstrip("/"), depth + 1)


def _children(node: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a group holds: what its metadata list, which needs no listing of files, or all there is."""
    listed = ngff.child_paths(dict(node.attrs))
    if listed is None:
        yield from sorted(node.members(), key=lambda pair: _natural(pair[0]))[:_MOST_NODES]
        return
    for child in listed[:_MOST_NODES]:
        try:
            inner = node[child]
        except KeyError:  # a well that was never written
            continue
        yield child, inner


def _natural(name: str) -> tuple[bool, int, str]:
    return (not name.isdigit(), int(name) if name.isdigit() and len(name) < 19 else 0, name)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(name or "itself" for name in names[:_MOST_NAMES]) + more or "none"


def _axes_of(array: Any) -> str | None:
    """Read axis names from version 3 dimension names or the attribute that xarray writes into version 2."""
    names = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS")
    if not isinstance(names, (list, tuple)) or any(not name for name in names):
        return None
    return "".join(str(name)[0] for name in names).upper() or None


def _multiscale(group: Any) -> Mapping[str, Any] | None:
    """Return the first multiscale image of OME-Zarr 0.4 (top level) or 0.5 (under "ome")."""
    return ngff.multiscale_of(dict(group.attrs))


def _level_zero(path: Path | str, group: Any) -> Opened:
    image = _multiscale(group) or {}
    try:
        level = image["datasets"][0]
        array = group[str(level["path"])]
        if not isinstance(array, zarr.Array):
            raise KeyError(level["path"])
    except Exception as error:
        raise InputError(f"{path}: its OME-Zarr metadata name a level that is not there ({error}).") from error
    opened = Opened(array, _axes_of(array))
    try:
        listed = [axis if isinstance(axis, dict) else {"name": axis} for axis in image.get("axes", [])]
        axes = "".join(str(axis["name"])[0] for axis in listed).upper() or opened.axes
        opened = replace(opened, axes=axes)
        sizes = ngff.level_scale(image, level)
        if sizes is not None and axes and {"Y", "X"} <= set(axes):
            y, x = axes.index("Y"), axes.index("X")
            z_step = sizes[axes.index("Z")] if "Z" in axes else None
            interval = _seconds(listed, sizes, axes.find("T"))
            unit = listed[x].get("unit")
            return replace(opened, scale=(sizes[y], sizes[x]), unit=unit, z_step=z_step, frame_interval_s=interval)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        pass  # axes or a pixel size that make no sense are none
    return opened


def _seconds(axes: list[dict[str, Any]], scale: Any, time: int) -> float | None:
    """Return the seconds of a step along the axis of time, where its unit is known."""
    seconds = _SECONDS.get(str(axes[time].get("unit"))) if time >= 0 else None
    return float(scale[time]) * seconds if seconds else None
