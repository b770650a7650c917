"""Labels as OME-Zarr: a store of their own, or in the group ``labels`` of the image that they lie on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr

from napari_xmem.files import atomic_write, parse_json
from napari_xmem.io import ngff

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["NgffBackend", "NgffImage", "image_around"]

#: Frames that are larger get smaller levels besides, by which viewers show them at once.
_LARGE_PX = 1024
_CHUNK_PX = 2048
_NO_COLOURS_ABOVE = 100_000


@dataclass(frozen=True, slots=True)
class NgffImage:
    """The image that labels are written into.

    Attributes
    ----------
    folder : Path
        Its group.
    zarr_format : int
        2 (NGFF 0.4) or 3 (0.5).
    factors : tuple of int
        How much smaller each of its levels is.
    """

    folder: Path
    zarr_format: int
    factors: tuple[int, ...]

    def register(self, name: str) -> None:
        """List labels in the group ``labels``, which is made where it is not there."""
        group = self.folder / "labels"
        about = group / ("zarr.json" if self.zarr_format == 3 else ".zattrs")
        content: dict[str, Any] = parse_json(about.read_text(encoding="utf-8")) if about.is_file() else {}
        if self.zarr_format == 3:
            content = {"zarr_format": 3, "node_type": "group", "attributes": {}, **content}
            ome = content["attributes"].setdefault("ome", {"version": "0.5"})
        else:
            ome = content
            if not (group / ".zgroup").is_file():
                _write_json(group / ".zgroup", {"zarr_format": 2})
        if name not in ome.setdefault("labels", []):
            ome["labels"].append(name)
            _write_json(about, content)


def image_around(path: str | Path) -> NgffImage | None:
    """Return the image in whose group of labels a path lies, ``IMAGE/labels/NAME``; None: it lies in none."""
    target = Path(path).absolute()
    folder = target.parent.parent
    if target.parent.name != "labels" or not any((folder / name).is_file() for name in ("zarr.json", ".zgroup")):
        return None
    try:
        group = zarr.open_group(str(folder), mode="r")
        image = ngff.multiscale_of(dict(group.attrs)) or {}
        levels: list[Any] = [group[str(level["path"])] for level in image["datasets"]]
        width = levels[0].shape[-1]
        factors = tuple(max(1, round(width / level.shape[-1])) for level in levels)
        return NgffImage(folder, group.metadata.zarr_format, factors)
    except Exception:  # whatever is wrong with it, it is no image that labels could lie on
        return None


class NgffBackend:
    """A group with an array per level, a chunk per page or part of a page, and NGFF's metadata about labels.

    Parameters
    ----------
    path : Path
        Where to; nothing is there yet.
    shape, dtype
        Of the labels, (T, Y, X) or (T, Z, Y, X).
    scale, unit, z_step, frame_interval_s
        See `LabelWriter`.
    name : str
        What the labels are called.
    image : NgffImage, optional
        The image around them, whose levels and version they take.
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        scale: tuple[float, float] | None = None,
        unit: str | None = None,
        z_step: float | None = None,
        frame_interval_s: float | None = None,
        name: str = "labels",
        image: NgffImage | None = None,
    ) -> None:
        self._path, self._shape, self._image = path, shape, image
        self._factors = _factors(shape) if image is None else image.factors
        self._format = 3 if image is None else image.zarr_format
        self._seen = np.zeros(65536, bool)
        self._others: set[int] = set()
        self._group: Any = zarr.open_group(str(path), mode="w-", zarr_format=self._format)  # type: ignore[arg-type]
        self._levels = [self._make_level(str(number), factor, dtype) for number, factor in enumerate(self._factors)]
        planes = (z_step or 1.0,) if len(shape) == 4 else ()
        sizes = (frame_interval_s or 1.0, *planes, *(scale or (1.0, 1.0)))
        known = unit if scale is not None else None
        self._multiscale = ngff.multiscale(name, len(shape), self._factors, sizes, known, bool(frame_interval_s))

    def write(self, page: int, labels: NDArray[Any]) -> None:
        """Write a page to all levels; of each block its first pixel is taken, since labels have no mean."""
        place = np.unravel_index(page, self._shape[:-2])
        for factor, level in zip(self._factors, self._levels, strict=True):
            level[place] = labels[::factor, ::factor]
        if labels.dtype.itemsize <= 2:
            self._seen[labels.astype(np.uint16, copy=False)] = True
        else:
            self._others.update(np.unique(labels).tolist())

    def finish(self) -> None:
        """Write the metadata."""
        ids = {*np.flatnonzero(self._seen).tolist(), *self._others} - {0}
        about = ngff.image_label(
            ids if len(ids) <= _NO_COLOURS_ABOVE else (), None if self._image is None else "../../"
        )
        if self._format == 3:
            self._group.attrs["ome"] = {"version": "0.5", "multiscales": [self._multiscale], "image-label": about}
        else:
            self._group.attrs.update(
                {"multiscales": [{"version": "0.4", **self._multiscale}], "image-label": {"version": "0.4", **about}}
            )

    def discard(self) -> None:
        """Nothing is open."""

    def _make_level(self, name: str, factor: int, dtype: np.dtype[Any]) -> Any:
        lead, (rows, columns) = self._shape[:-2], (-(-n // factor) for n in self._shape[-2:])
        names = {"dimension_names": ("t", "y", "x") if len(self._shape) == 3 else ("t", "z", "y", "x")}
        separator = {"chunk_key_encoding": {"name": "v2", "separator": "/"}}  # NGFF 0.4 asks for it
        return self._group.create_array(
            name,
            shape=(*lead, rows, columns),
            chunks=(*(1 for _ in lead), min(rows, _CHUNK_PX), min(columns, _CHUNK_PX)),
            dtype=dtype,
            **(names if self._format == 3 else separator),
        )


def _factors(shape: tuple[int, ...]) -> tuple[int, ...]:
    factors = [1]
    while max(shape[-2:]) / factors[-1] > _LARGE_PX:
        factors.append(2 * factors[-1])
    return tuple(factors)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    with atomic_write(path) as partial:
        partial.write_text(json.dumps(content, indent=1), encoding="utf-8")
