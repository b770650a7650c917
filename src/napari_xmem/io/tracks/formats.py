"""Which format a path asks for, and what is written to it and read from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_xmem.config.arguments import checked_arguments
from napari_xmem.errors import InputError, OutputError
from napari_xmem.io.tracks.ctc import ctc_folder, is_ctc_folder, read_ctc, write_ctc
from napari_xmem.io.tracks.geff_store import check_geff, read_geff, write_geff
from napari_xmem.io.tracks.table import read_table, write_table
from napari_xmem.io.tracks.whole_tracks import whole_output
from napari_xmem.tracking import Lineage

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["TRACK_FORMATS", "Tracks", "check_tracks_output", "read_tracks", "write_tracks"]

TRACK_FORMATS = "NAME.geff, NAME.csv or a folder NAME_RES"


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """Tracks that were read.

    Attributes
    ----------
    lineage : Lineage
        Places in pixels, and who is whose daughter.
    labels : array_like, (T, Y, X) or (T, Z, Y, X), or None
        The masks, read frame by frame, where they belong to the tracks (folders of the Cell Tracking Challenge).
    labels_path : Path or None
        Where the store says that its label images lie (GEFF).
    scale : tuple of float or None
        Size of a pixel along (z,) y, x in `unit`.
    unit : str or None
        Unit of `scale`.
    """

    lineage: Lineage
    labels: Any = None
    labels_path: Path | None = None
    scale: tuple[float, ...] | None = None
    unit: str | None = None


def check_tracks_output(path: str | Path, overwrite: bool = False, *, needs_folder: bool = True) -> Path:
    """Check that tracks can be written to `path`, before anything is computed.

    Parameters
    ----------
    path : str or Path
        NAME.geff, NAME.csv or a folder NAME_RES.
    overwrite : bool
        Allow that something stands there.
    needs_folder : bool
        The folder must exist; False if it will be made.

    Returns
    -------
    Path
        The path.

    Raises
    ------
    OutputError
        If its name asks for no known format, its folder does not exist, it exists and `overwrite` is False, what stands
        there is of another kind, or a library is missing.
    """
    target = Path(path)
    kind = _format(target)
    if needs_folder and not target.parent.is_dir():
        raise OutputError(f"{target}: its folder {target.parent} does not exist; make it first.")
    if target.exists():
        if not overwrite:
            raise OutputError(f"{target} exists; choose another name or allow overwriting (--overwrite).")
        if not _is_of(kind, target):
            raise OutputError(f"{target} is something else than tracks; it is not overwritten. Choose another name.")
    if kind == "geff":
        check_geff()
    return target


@checked_arguments
def write_tracks(
    path: str | Path,
    result: Any,
    *,
    overwrite: bool = False,
    scale: Sequence[float] | None = None,
    unit: str | None = None,
    labels_path: str | Path | None = None,
) -> None:
    """Write tracks, in the format that the name asks for; they appear when they are whole.

    Parameters
    ----------
    path : str or Path
        NAME.geff (needs ``pip install napari-xmem[geff]``), NAME.csv, or a folder NAME_RES for the format of the Cell
        Tracking Challenge.
    result : PropagationResult, (labels, lineage), or Lineage
        What to write; a lineage alone does not do for NAME_RES, which holds masks.
    overwrite : bool
        Replace what stands there.
    scale : sequence of float, optional
        Size of a pixel along (z,) y, x in `unit`, for GEFF.
    unit : str, optional
        Unit of `scale`, such as "um".
    labels_path : str or Path, optional
        Label images that GEFF is to name, as seen from the folder that `path` lies in.

    Raises
    ------
    OutputError
        If it cannot be written.
    InputError
        If there is no lineage, or labels and lineage hold different objects.
    """
    labels, lineage = _parts(result)
    target = check_tracks_output(path, overwrite)
    kind = _format(target)
    if kind == "ctc" and labels is None:
        raise InputError(f"{target} is to hold masks: give the result, or (labels, lineage).")
    with whole_output(target, overwrite) as made:
        if kind == "geff":
            related = None if labels_path is None else f"../{Path(labels_path).as_posix()}"
            write_geff(made, lineage, scale=scale, unit=unit, labels_path=related)
        elif kind == "csv":
            write_table(made, lineage, _quality(result))
        else:
            write_ctc(made, labels, lineage)


@checked_arguments
def read_tracks(path: str | Path) -> Tracks:
    """Read tracks.

    Parameters
    ----------
    path : str or Path
        A GEFF store, a CSV (see `napari_xmem.io.tracks.table.COLUMNS`; other usual names of columns will do), or a
        folder of the Cell Tracking Challenge: NN_RES, NN_GT or its TRA.

    Returns
    -------
    Tracks
        Lineage, and masks where they belong to it.

    Raises
    ------
    InputError
        If it is none of these, or damaged, or its lineage cannot be.
    """
    source = Path(path)
    if not source.exists():
        raise InputError(f"{source} does not exist.")
    folder = ctc_folder(source)
    if folder is not None:
        lineage, masks = read_ctc(folder)
        return Tracks(lineage, masks)
    if source.is_dir():
        if source.suffix.lower() != ".geff" and not any((source / n).exists() for n in ("zarr.json", ".zgroup")):
            raise InputError(f"{source} holds no tracks; expected {TRACK_FORMATS}.")
        lineage, scale, unit, related = read_geff(source)
        return Tracks(lineage, None, related, scale, unit)
    if source.suffix.lower() == ".csv":
        return Tracks(read_table(source))
    raise InputError(f"{source} holds no tracks; expected {TRACK_FORMATS}.")


def _format(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix in (".geff", ".csv"):
        return suffix[1:]
    if path.name.endswith("_RES"):
        return "ctc"
    raise OutputError(f"{path}: cannot write this kind of tracks, expected {TRACK_FORMATS}.")


def _is_of(kind: str, path: Path) -> bool:
    if kind == "csv":
        return path.is_file()
    if kind == "ctc":
        return is_ctc_folder(path)
    return path.is_dir() and any((path / name).exists() for name in ("zarr.json", ".zgroup"))


def _parts(result: Any) -> tuple[Any, Lineage]:
    if isinstance(result, Lineage):
        return None, result
    if isinstance(result, tuple) and len(result) == 2:
        labels, lineage = result
    else:
        labels, lineage = getattr(result, "labels", None), getattr(result, "lineage", None)
    if not isinstance(lineage, Lineage):
        raise InputError(f"{type(result).__name__} has no lineage; expected a result, (labels, lineage) or a Lineage.")
    return labels, lineage


def _quality(result: Any) -> dict[tuple[int, int], float]:
    """Return the confidence of each mask of a result, by object and frame."""
    scores = getattr(result, "scores", None)
    if scores is None:
        return {}
    found = {}
    for frame, row in zip(scores.frames.tolist(), scores.confidence.tolist(), strict=True):
        for i, value in zip(scores.object_ids.tolist(), row, strict=True):
            if value == value:
                found[i, frame] = value
    return found
