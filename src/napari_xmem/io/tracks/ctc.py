"""Folders of the Cell Tracking Challenge: masks and the table of tracks (L B E P)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from napari_xmem.errors import InputError, OutputError
from napari_xmem.io.tiff import read_image
from napari_xmem.tracking import Lineage
from napari_xmem.tracking.tracklets import split_into_tracklets

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["CtcMasks", "ctc_folder", "is_ctc_folder", "read_ctc", "read_ctc_parents", "write_ctc"]

_LARGEST = int(np.iinfo(np.uint16).max)
_TABLES = ("res_track.txt", "man_track.txt")
_MASK = re.compile(r"(?:mask|man_track)(\d+)\.tiff?$", re.IGNORECASE)


def write_ctc(folder: Path, labels: Any, lineage: Lineage) -> None:
    """Write masks ``maskTTT.tif`` (uint16) and ``res_track.txt``.

    A label lives on frames without a gap, and a parent ends before its children begin: an object that is missing for a
    while, or that goes on beside its daughter (budding), gets a new label there, with the old one as its parent.

    Parameters
    ----------
    folder : Path
        A new folder.
    labels : array_like, (T, Y, X) or (T, Z, Y, X), integer
        Objects of the lineage; read frame by frame.
    lineage : Lineage
        Who is whose daughter.

    Raises
    ------
    OutputError
        If an id does not fit 16 bits.
    InputError
        If labels and lineage hold different objects on a frame.
    """
    largest = max(lineage.object_ids, default=0)
    if largest > _LARGEST:
        raise OutputError(
            f"object {largest} does not fit the 16-bit masks of the Cell Tracking Challenge (1 to {_LARGEST}): give "
            "the objects smaller ids, or write .geff or .csv."
        )
    pieces = split_into_tracklets(lineage, at_gaps=True)
    if pieces.table.size and int(pieces.table[:, 0].max()) > _LARGEST:
        raise OutputError(f"there are more than {_LARGEST} tracks, which 16-bit masks cannot hold.")
    rows = lineage.detections
    order = np.argsort(rows.frames, kind="stable")
    bounds = np.searchsorted(rows.frames[order], np.arange(len(labels) + 1))
    digits = max(3, len(str(len(labels) - 1)))
    folder.mkdir()
    for t in range(len(labels)):
        of_frame = order[bounds[t] : bounds[t + 1]]
        frame = _renamed(np.asarray(labels[t]), rows.object_ids[of_frame], pieces.ids[of_frame], t)
        # Planes of a volume are pages of one file.
        tifffile.imwrite(folder / f"mask{t:0{digits}d}.tif", frame, compression="zlib", photometric="minisblack")
    lines = [" ".join(map(str, row)) for row in pieces.table.tolist()]
    (folder / "res_track.txt").write_text("\n".join(lines) + ("\n" if lines else ""), encoding="ascii")


def _renamed(frame: NDArray[Any], ids: NDArray[np.int64], tracklets: NDArray[np.int64], t: int) -> NDArray[np.uint16]:
    """Replace objects by tracklets."""
    if not 0 <= int(frame.min(initial=0)) <= int(frame.max(initial=0)) <= _LARGEST:
        raise InputError(f"labels of frame {t} do not lie within 0 and {_LARGEST}, as the lineage's objects do.")
    present, new = np.zeros(_LARGEST + 1, bool), np.zeros(_LARGEST + 1, np.uint16)
    present[frame] = True
    there = np.flatnonzero(present[1:]) + 1
    if not np.array_equal(there, ids):
        odd = sorted(set(there.tolist()) ^ set(ids.tolist()))
        raise InputError(f"labels and lineage differ on frame {t}: object {odd[0]} is in one of them only.")
    new[ids] = tracklets
    return new[frame]


def is_ctc_folder(path: Path) -> bool:
    """Return True if a folder holds a table of tracks."""
    return path.is_dir() and any((path / name).is_file() for name in _TABLES)


def ctc_folder(path: Path) -> Path | None:
    """Return the folder with masks and table that `path` is, or holds as TRA; None if there is none."""
    return next((folder for folder in (path, path / "TRA") if is_ctc_folder(folder)), None)


class CtcMasks:
    """Masks of a folder as an array (T, Y, X) or (T, Z, Y, X) that reads one frame at a time.

    Frames for which there is no file are background.

    Parameters
    ----------
    folder : Path
        Holds ``maskTTT.tif`` or ``man_trackTTT.tif``.

    Raises
    ------
    InputError
        If there are no masks.
    """

    def __init__(self, folder: Path) -> None:
        found = {int(m.group(1)): file for file in folder.iterdir() if (m := _MASK.match(file.name))}
        if not found:
            raise InputError(f"{folder} holds no masks (maskTTT.tif or man_trackTTT.tif).")
        self._files = found
        first = read_image(found[min(found)])
        self._frame_shape, self.dtype = first.shape, first.dtype
        self.shape = (max(found) + 1, *first.shape)
        self.ndim = len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> NDArray[Any]:
        if isinstance(index, tuple):
            return self[index[0]][index[1:]]
        if isinstance(index, slice):
            return np.stack([self[t] for t in range(*index.indices(len(self)))])
        t = range(len(self))[index]
        if t not in self._files:
            return np.zeros(self._frame_shape, self.dtype)
        frame = read_image(self._files[t])
        if frame.shape != self._frame_shape or frame.dtype.kind not in "ui":
            raise InputError(
                f"{self._files[t]} has shape {frame.shape} and dtype {frame.dtype}, expected whole numbers of shape "
                f"{self._frame_shape}."
            )
        return frame

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:], dtype)


def read_ctc(folder: Path) -> tuple[Lineage, CtcMasks]:
    """Read masks and table of a folder ``NN_RES``, or of the truth ``NN_GT/TRA``.

    Raises
    ------
    InputError
        If masks or table are missing or damaged, or a track or parent of the table is in no mask.
    """
    parents = read_ctc_parents(folder)
    masks = CtcMasks(folder)
    return Lineage.from_labels(masks, parents), masks


def read_ctc_parents(folder: Path) -> dict[int, int]:
    """Read the table of tracks of a folder: daughter to mother.

    Raises
    ------
    InputError
        If it is missing or damaged.
    """
    table = next((folder / name for name in _TABLES if (folder / name).is_file()), None)
    if table is None:
        raise InputError(f"{folder} holds no {' or '.join(_TABLES)}.")
    try:
        rows = [[int(word) for word in line.split()] for line in table.read_text(encoding="utf-8").splitlines() if line]
        return {label: parent for label, _, _, parent in rows if parent > 0}
    except (OSError, ValueError) as error:
        raise InputError(f"{table} cannot be read ({error}); expected rows of four whole numbers, L B E P.") from error
