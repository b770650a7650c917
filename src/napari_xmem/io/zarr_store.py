"""Zarr arrays of versions 2 and 3, alone or inside OME-Zarr images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import zarr

from napari_xmem.errors import InputError
from napari_xmem.io.lazy import Opened

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["open_zarr"]


def open_zarr(path: Path, key: str = "") -> Opened:
    """Open an array of a zarr store: `key`, or level 0 of an OME-Zarr image, or the only array with 3 or more axes.

    Raises
    ------
    InputError
        If the store cannot be read, or has no such array or several.
    """
    try:
        node: Any = zarr.open(str(path), mode="r")
    except Exception as error:  # several kinds, from a missing file to broken JSON
        detail = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputError(f"{path} cannot be read as zarr ({detail}); is it complete?") from error
    if key:
        try:
            node = node[key]
        except (KeyError, IndexError, ValueError) as error:
            raise InputError(f"{path} has no array {key!r}; it holds {', '.join(_arrays(node)) or 'none'}.") from error
    if isinstance(node, zarr.Array):
        return Opened(node, _axes_of(node))
    image = _multiscale(node)
    if image is not None:
        return _level_zero(path, node, image)
    names = [name for name in _arrays(node) if node[name].ndim >= 3]
    if len(names) != 1:
        raise InputError(
            f"{path} is a group with {len(names)} movies ({', '.join(names) or 'none'}); "
            f"choose one as {path.name}:NAME."
        )
    return Opened(node[names[0]], _axes_of(node[names[0]]))


def _arrays(node: Any) -> list[str]:
    return sorted(name for name, _ in node.arrays()) if isinstance(node, zarr.Group) else []


def _axes_of(array: Any) -> str | None:
    """Read axis names from version 3 dimension names or the attribute that xarray writes into version 2."""
    names = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS")
    if not names or any(not name for name in names):
        return None
    return "".join(str(name)[0] for name in names).upper()


def _multiscale(group: Any) -> Mapping[str, Any] | None:
    """Return the first multiscale image of OME-Zarr 0.4 (top level) or 0.5 (under "ome")."""
    attributes = dict(group.attrs)
    found = attributes.get("multiscales") or attributes.get("ome", {}).get("multiscales")
    return found[0] if found else None


def _level_zero(path: Path, group: Any, image: Mapping[str, Any]) -> Opened:
    try:
        level = image["datasets"][0]
        array = group[level["path"]]
    except (KeyError, IndexError, TypeError) as error:
        raise InputError(f"{path}: its OME-Zarr metadata name a level that is not there ({error}).") from error
    listed = [axis if isinstance(axis, dict) else {"name": axis} for axis in image.get("axes", [])]
    axes = "".join(str(axis["name"])[0] for axis in listed).upper() or None
    for transform in level.get("coordinateTransformations", []):
        if transform.get("type") == "scale" and axes and {"Y", "X"} <= set(axes):
            y, x = axes.index("Y"), axes.index("X")
            scale = (float(transform["scale"][y]), float(transform["scale"][x]))
            z_step = float(transform["scale"][axes.index("Z")]) if "Z" in axes else None
            return Opened(array, axes, scale, listed[x].get("unit"), z_step)
    return Opened(array, axes)
