"""Measurements of every object on every frame, as a table."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.config.arguments import checked_arguments
from napari_xmem.config.settings import shown
from napari_xmem.errors import InputError, OutputError
from napari_xmem.files import atomic_write
from napari_xmem.tracking.given_labels import given_labels
from napari_xmem.words import counted

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_xmem.tracking.lineage import Lineage

__all__ = ["MeasureTable", "measure"]

#: Names of skimage.measure.regionprops, and of the columns made from them: lengths in pixels, others without unit.
_FLAT = {
    "perimeter": "perimeter_px",
    "axis_major_length": "major_axis_px",
    "axis_minor_length": "minor_axis_px",
    "equivalent_diameter_area": "equivalent_diameter_px",
    "eccentricity": "eccentricity",
    "orientation": "orientation_rad",
    "solidity": "solidity",
    "extent": "extent",
}
_SOLID = {"equivalent_diameter_area": "equivalent_diameter_px", "extent": "extent"}
_INTENSITIES = ("intensity_mean", "intensity_min", "intensity_max")
_UNITS = {"µm": "um", "μm": "um", "micron": "um", "microns": "um", "micrometer": "um", "micrometre": "um"}


@dataclass(frozen=True, slots=True, eq=False)
class MeasureTable:
    """One row per object and frame, sorted by object, then by frame.

    Attributes
    ----------
    columns : dict of str to ndarray, (N,)
        Name to values. Units stand in the names: "_px", "_um", "_per_frame", "_rad".
    """

    columns: dict[str, NDArray[Any]]

    def __repr__(self) -> str:
        return f"MeasureTable({counted(len(self), 'row')}: {', '.join(self.columns)})"

    def __len__(self) -> int:
        return int(self.columns["frame"].size)

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self.columns:
            raise InputError(f"there is no column {name!r}, expected one of {', '.join(self.columns)}.")
        return self.columns[name]

    def to_dataframe(self) -> Any:
        """Return a `pandas.DataFrame`.

        Raises
        ------
        InputError
            If pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise InputError(f"pandas cannot be loaded ({error}): pip install pandas, or use .columns.") from error
        return pandas.DataFrame(self.columns)

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write a CSV file that appears when it is whole; values that are not known are empty.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        try:
            with atomic_write(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(self.columns)
                columns = [values.tolist() for values in self.columns.values()]
                for row in zip(*columns, strict=True):
                    writer.writerow(["" if value != value else value for value in row])
        except OSError as error:
            raise OutputError(f"{path} cannot be written: {error.strerror or error}.") from error


@checked_arguments
def measure(
    frames: Any,
    labels: Any,
    lineage: Lineage | None = None,
    *,
    scale: Sequence[float] | None = None,
    unit: str | None = None,
) -> MeasureTable:
    """Measure every object on every frame: size, place, shape, brightness, speed and descent.

    One frame at a time is read. scikit-image's ``regionprops`` does the measuring.

    Parameters
    ----------
    frames : array_like, (T, Y, X), (T, Y, X, C), (T, Z, Y, X) or (T, Z, Y, X, C), or Movie, or None
        The movie, for brightness; `napari_xmem.open_movie` gives one that knows its pixel size. None: no brightness.
    labels : array_like, (T, Y, X) or (T, Z, Y, X), integer, or PropagationResult or Movie
        Objects; 0 is background.
    lineage : Lineage, optional
        Adds mother, founder, generation and age.
    scale : sequence of float, optional
        Size of a pixel along (z,) y, x in `unit`; None: the movie's own, where it has one.
    unit : str, optional
        Unit of `scale`, such as "um".

    Returns
    -------
    MeasureTable
        Columns, with N rows, one per object and frame:

        - "object_id", "frame"; with a lineage "parent_id" (0: none), "founder_id", "generation" and "age_frames";
        - "area_px" ("volume_px" in volumes), "y_px", "x_px" (and "z_px"): the centroid;
        - "perimeter_px", "major_axis_px", "minor_axis_px", "equivalent_diameter_px", "eccentricity" (0..1),
          "orientation_rad" (of the long axis, against the rows), "solidity" and "extent" (0..1; share of the convex
          hull and of the bounding box); in volumes only "equivalent_diameter_px" and "extent";
        - "displacement_px" and "speed_px_per_frame": way from the last frame that shows the object, whole and per
          frame; NaN on its first frame;
        - "intensity_mean", "intensity_std", "intensity_min", "intensity_max", with "_c0", "_c1" and so on where there
          are channels;
        - where the pixel size is known, areas, places, ways and speeds in its unit too ("area_um2", "x_um",
          "speed_um_per_frame"), and lengths where pixels are square.

    Raises
    ------
    InputError
        If shapes do not fit, labels are no whole numbers, or an object is missing in the lineage.
    """
    labels = given_labels(labels, "labels")
    if frames is not None and hasattr(frames, "axes") and hasattr(frames, "data"):
        if scale is None and frames.scale is not None:
            scale, unit = frames.scale, frames.unit
            if len(labels.shape) == 4:
                scale = None if frames.z_step is None else (frames.z_step, *frames.scale)
        frames = frames.data
    _check_shapes(frames, labels)
    parts = [
        _measure_frame(np.asarray(labels[t]), None if frames is None else np.asarray(frames[t]), t)
        for t in range(int(labels.shape[0]))
    ]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.lexsort((columns["frame"], columns["object_id"]))
    columns = {name: values[order] for name, values in columns.items()}
    ndim = len(labels.shape) - 1
    places = np.stack([columns[f"{name}_px"] for name in _axes(ndim)], axis=1)
    columns |= _motion(columns["object_id"], columns["frame"], places, "px")
    if scale is not None and unit:
        columns |= _physical(columns, places, np.asarray(scale, float), unit)
    if lineage is not None:
        columns |= _descent(columns["object_id"], columns["frame"], lineage)
    first = ("object_id", "frame", "parent_id", "founder_id", "generation", "age_frames")
    ordered = [name for name in first if name in columns]
    return MeasureTable({name: columns[name] for name in dict.fromkeys([*ordered, *columns])})


def _check_shapes(frames: Any, labels: Any) -> None:
    shape = tuple(labels.shape)
    if len(shape) not in (3, 4) or not shape[0]:
        raise InputError(f"labels have shape {shape}, expected (T, Y, X) or (T, Z, Y, X).")
    if np.dtype(labels.dtype).kind not in "bui":
        raise InputError(f"labels have dtype {labels.dtype}, expected whole numbers.")
    if frames is None:
        return
    movie = getattr(frames, "shape", None)
    if not isinstance(movie, tuple):
        raise InputError(
            f"frames: {shown(frames)}, expected an array, what open_movie returns, or None (no brightness)."
        )
    if movie[: len(shape)] != shape or len(movie) - len(shape) not in (0, 1):
        raise InputError(f"the movie has shape {movie} and labels {shape}, expected the same, channels last.")


def _measure_frame(labels: NDArray[Any], frame: NDArray[Any] | None, t: int) -> dict[str, NDArray[Any]]:
    from skimage.measure import regionprops_table

    # Ids may be as large as 2^31 - 1, and regionprops takes room for all below the largest.
    inside = labels > 0
    ids, index = np.unique(labels[inside], return_inverse=True)
    compact = np.zeros(labels.shape, np.int32)
    compact[inside] = index + 1
    shape = _FLAT if labels.ndim == 2 else _SOLID
    n_channels = 0 if frame is None else (1 if frame.ndim == labels.ndim else int(frame.shape[-1]))
    wanted = ["area", "centroid", *shape]
    wanted += [name for name in _INTENSITIES if n_channels]
    found: dict[str, NDArray[Any]] = {}
    if ids.size:
        extra = (_intensity_std,) if n_channels else ()
        found = regionprops_table(compact, frame, properties=wanted, extra_properties=extra)

    def column(name: str, dtype: type) -> NDArray[Any]:
        return np.asarray(found.get(name, np.zeros(0))).astype(dtype)

    columns: dict[str, NDArray[Any]] = {"object_id": ids.astype(np.int64), "frame": np.full(ids.size, t, np.int64)}
    columns["area_px" if labels.ndim == 2 else "volume_px"] = column("area", np.int64)
    columns |= {f"{name}_px": column(f"centroid-{k}", np.float64) for k, name in enumerate(_axes(labels.ndim))}
    columns |= {new: column(name, np.float64) for name, new in shape.items()}
    for name in (*_INTENSITIES, "_intensity_std"):
        plain = name.removeprefix("_")
        if frame is not None and frame.ndim == labels.ndim:
            columns[plain] = column(name, np.float64)
        else:
            columns |= {f"{plain}_c{c}": column(f"{name}-{c}", np.float64) for c in range(n_channels)}
    return columns


def _intensity_std(region: NDArray[np.bool_], intensities: NDArray[Any]) -> float:
    """Return the standard deviation inside an object; scikit-image has it from version 0.25 on only."""
    return float(np.std(intensities[region]))


def _axes(ndim: int) -> tuple[str, ...]:
    return ("z", "y", "x")[-ndim:]


def _motion(
    ids: NDArray[np.int64], frames: NDArray[np.int64], places: NDArray[np.float64], unit: str
) -> dict[str, NDArray[np.float64]]:
    """Return how far every object went since the last frame that shows it; rows are sorted."""
    way = np.full(ids.size, np.nan)
    speed = way.copy()
    if ids.size:
        same = np.flatnonzero(ids[1:] == ids[:-1]) + 1
        way[same] = np.linalg.norm(places[same] - places[same - 1], axis=1)
        speed[same] = way[same] / (frames[same] - frames[same - 1])
    return {f"displacement_{unit}": way, f"speed_{unit}_per_frame": speed}


def _physical(
    columns: dict[str, NDArray[Any]], places: NDArray[np.float64], scale: NDArray[np.float64], unit: str
) -> dict[str, NDArray[Any]]:
    ndim = places.shape[1]
    if scale.size != ndim or not (np.isfinite(scale).all() and (scale > 0).all()):
        raise InputError(f"the pixel size is {scale.tolist()}, expected {ndim} lengths above 0.")
    name = _UNITS.get(unit, unit)
    size = "area" if ndim == 2 else "volume"
    found: dict[str, NDArray[Any]] = {f"{size}_{name}{ndim}": columns[f"{size}_px"] * float(scale.prod())}
    found |= {f"{axis}_{name}": places[:, k] * scale[k] for k, axis in enumerate(_axes(ndim))}
    found |= _motion(columns["object_id"], columns["frame"], places * scale, name)
    if np.allclose(scale, scale[0], rtol=1e-3):
        lengths = ("perimeter", "major_axis", "minor_axis", "equivalent_diameter")
        found |= {f"{x}_{name}": columns[f"{x}_px"] * float(scale[0]) for x in lengths if f"{x}_px" in columns}
    return found


def _descent(ids: NDArray[np.int64], frames: NDArray[np.int64], lineage: Lineage) -> dict[str, NDArray[np.int64]]:
    present, index = np.unique(ids, return_inverse=True)
    listed = present.tolist()
    missing = [i for i in listed if i not in lineage]
    if missing:
        raise InputError(f"object {missing[0]} of the labels is missing in the lineage.")
    facts = {
        "parent_id": [lineage.parents.get(i, 0) for i in listed],
        "founder_id": [lineage.founder[i] for i in listed],
        "generation": [lineage.generation[i] for i in listed],
    }
    found = {name: np.array(values, np.int64)[index] for name, values in facts.items()}
    first = np.array([lineage.first_frame[i] for i in listed], np.int64)[index]
    return {**found, "age_frames": frames - first}
