"""Tracks as CSV: one row per object and frame, with the columns that TrackMate's importer and pandas users expect."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np

from napari_xmem.errors import InputError
from napari_xmem.tracking import Detections, Lineage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["COLUMNS", "is_track_table", "read_table", "write_table"]

#: Pixels, frames from 0; parent and founder 0 = none known. TrackMate's importer asks which column is which.
COLUMNS = (
    "track_id",
    "frame",
    "x",
    "y",
    "z",
    "quality",
    "parent_id",
    "founder_id",
    "generation",
    "area_px",
    "at_border",
    "division_confidence",
)


def write_table(path: Path, lineage: Lineage, quality: Mapping[tuple[int, int], float] | None = None) -> None:
    """Write a lineage.

    Parameters
    ----------
    path : Path
        A new file.
    lineage : Lineage
        What to write.
    quality : mapping of (object, frame) to float, optional
        Confidence of the masks, 0 to 1; 1 where it is not known.
    """
    rows = lineage.detections
    known = quality or {}
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for i, t, place, area, border in zip(
            rows.object_ids.tolist(),
            rows.frames.tolist(),
            rows.centroids_px.tolist(),
            rows.areas_px.tolist(),
            rows.at_border.tolist(),
            strict=True,
        ):
            y, x = place[-2:]
            z = place[0] if rows.ndim == 3 else 0
            writer.writerow(
                [
                    i,
                    t,
                    repr(x),
                    repr(y),
                    repr(z),
                    f"{known.get((i, t), 1.0):.4f}",
                    lineage.parents.get(i, 0),
                    lineage.founder[i],
                    lineage.generation[i],
                    area,
                    int(border),
                    repr(lineage.confidence.get(i, 1.0)),
                ]
            )


def is_track_table(path: Path) -> bool:
    """Return True if the first line of a CSV names the columns that tracks need; a file that cannot be read is none."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            head = {_plain(name) for name in next(csv.reader(file), [])}
    except (OSError, UnicodeDecodeError, csv.Error):
        return False
    return all(any(name in head for name in _NAMES[column]) for column in ("track_id", "frame", "x", "y"))


def read_table(path: Path) -> Lineage:
    """Read tracks that `write_table` wrote, or any CSV with track_id, frame, x and y.

    Columns may have other usual names ("particle", "id", "t", "TRACK_ID", "POSITION_X" and so on) and come in any
    order; rows without a track are left out, as are the further heads that TrackMate writes. Where tracks count from 0
    every number is one higher, since 0 is background.

    Raises
    ------
    InputError
        If a column is missing, a number is none, or the lineage cannot be.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as CSV ({error}).") from error
    head = [_plain(name) for name in (lines[0] if lines else [])]
    place = {name: next((head.index(n) for n in names if n in head), None) for name, names in _NAMES.items()}
    missing = [name for name in ("track_id", "frame", "x", "y") if place[name] is None]
    if missing:
        raise InputError(
            f"{path} has no column {', '.join(missing)}; it has {', '.join(lines[0]) if lines else 'none'}."
        )
    track = place["track_id"]
    body = [line for line in lines[1:] if len(line) == len(head) and _is_number(line[track or 0])]

    def column(name: str, otherwise: float = 0.0) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        where = place[name]
        if where is None:
            return np.full(len(body), otherwise)
        try:
            return np.array([float(line[where] or otherwise) for line in body], np.float64)
        except ValueError as error:
            raise InputError(f"{path}: column {lines[0][where]} holds what is no number ({error}).") from error

    ids, mothers = column("track_id").astype(np.int64), column("parent_id", -1.0).astype(np.int64)
    from_zero = int(ids.size > 0 and ids.min() == 0)  # as TrackMate and trackpy count; 0 is background here
    ids = ids + from_zero
    z, places = column("z"), [column("y"), column("x")]
    found = Detections.from_arrays(
        ids,
        column("frame").astype(np.int64),
        np.stack([z, *places] if z.any() else places, axis=1),
        column("area_px").astype(np.int64),
        column("at_border") > 0,
    )
    parents = {int(i): int(m) + from_zero for i, m in zip(ids, mothers, strict=True) if m + from_zero > 0}
    sure = dict(zip(ids.tolist(), column("division_confidence", 1.0).tolist(), strict=True))
    return Lineage.from_detections(found, parents, confidence=sure)


_NAMES = {
    "track_id": ("trackid", "particle", "track", "id", "object"),
    "frame": ("frame", "t", "time"),
    "x": ("x", "positionx"),
    "y": ("y", "positiony"),
    "z": ("z", "positionz"),
    "parent_id": ("parentid", "parent", "parenttrackid", "mother"),
    "area_px": ("areapx", "area"),
    "at_border": ("atborder",),
    "division_confidence": ("divisionconfidence",),
}


def _plain(name: str) -> str:
    return name.strip().lower().replace("_", "").replace(" ", "")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
