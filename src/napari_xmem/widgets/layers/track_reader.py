"""Lineages from files, opened in napari by *File > Open* or by dropping them on the window."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_xmem.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    LayerTuples = list[tuple[Any, dict[str, Any], str]]

__all__ = ["read_track_layers", "track_reader"]


def track_reader(path: str | Sequence[str]) -> Callable[[str | Sequence[str]], LayerTuples] | None:
    """Return `read_track_layers` for a GEFF store, a folder of the Cell Tracking Challenge or a CSV of tracks."""
    from napari_xmem.io.tracks.ctc import ctc_folder
    from napari_xmem.io.tracks.table import is_track_table

    if not isinstance(path, str):
        return None
    source = Path(path)
    if source.suffix.lower() == ".csv":
        return read_track_layers if is_track_table(source) else None
    is_tracks = source.is_dir() and (source.suffix.lower() == ".geff" or ctc_folder(source) is not None)
    return read_track_layers if is_tracks else None


def read_track_layers(path: str | Sequence[str]) -> LayerTuples:
    """Read tracks as a Tracks layer with the graph of mothers and daughters, on top of their masks if there are any.

    Parameters
    ----------
    path : str
        A file that `track_reader` takes.

    Returns
    -------
    list of layer tuples
        Labels (folders of the Cell Tracking Challenge, GEFF that names its label images) and Tracks.

    Raises
    ------
    InputError
        If the file holds no cells, or `read_tracks` cannot read it.
    """
    from napari_xmem.io import open_labels, read_tracks

    source = Path(path if isinstance(path, str) else path[0])
    tracks = read_tracks(source)
    if not len(tracks.lineage):
        raise InputError(f"{source} holds no cells.")
    data, graph, properties = tracks.lineage.to_napari()
    place: dict[str, Any] = {}
    if tracks.scale is not None:
        place["scale"] = (1.0, *tracks.scale)
        if tracks.unit:
            place["units"] = ("pixel", *(tracks.unit for _ in tracks.scale))
    layers: LayerTuples = []
    masks = tracks.labels
    if masks is None and tracks.labels_path is not None and tracks.labels_path.exists():
        masks = open_labels(tracks.labels_path, volumes=True).data
    if masks is not None:
        layers.append((masks, {"name": f"{source.stem} labels", **place}, "labels"))
    shown = {"graph": graph, "properties": properties, "color_by": "founder", "colormap": "hsv", "tail_length": 12}
    layers.append((data, {"name": source.stem, **shown, **place}, "tracks"))
    return layers
