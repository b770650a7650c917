"""Lineages as GEFF, the graph exchange format of the tracking field, by its own library."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr

from napari_xmem.errors import InputError, OutputError
from napari_xmem.io.zarr_safety import check_zarr_array
from napari_xmem.tracking.graph import lineage_from_edges, to_networkx

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_xmem.tracking import Lineage

__all__ = ["check_geff", "read_geff", "write_geff"]

_SPACE_UNITS = {"um": "micrometer", "µm": "micrometer", "μm": "micrometer", "micron": "micrometer", "nm": "nanometer"}
_EXTRA = "napari_xmem"


def check_geff() -> Any:
    """Return the library `geff`.

    Raises
    ------
    OutputError
        If it is not installed.
    """
    try:
        return import_module("geff")
    except ImportError as error:
        raise OutputError(
            f"GEFF needs the library geff, which cannot be loaded ({error}): pip install 'napari-xmem[geff]'. Tracks "
            "can be written as .csv or as a folder NAME_RES without it."
        ) from error


def write_geff(
    path: Path,
    lineage: Lineage,
    *,
    scale: Sequence[float] | None = None,
    unit: str | None = None,
    labels_path: str | None = None,
) -> None:
    """Write a lineage as a GEFF store (zarr version 3).

    Parameters
    ----------
    path : Path
        A new folder.
    lineage : Lineage
        What to write; positions in pixels.
    scale : sequence of float, optional
        Size of a pixel along (z,) y, x in `unit`.
    unit : str, optional
        Unit of `scale`.
    labels_path : str, optional
        Where the label images lie, relative to the store.

    Raises
    ------
    OutputError
        If the library is missing, or there is nothing to write.
    """
    geff = check_geff()
    if not len(lineage):
        raise OutputError("the lineage holds no objects; a GEFF store needs at least one.")
    spec = import_module("geff_spec")
    space = ("z", "y", "x")[-lineage.detections.ndim :]
    unit = _SPACE_UNITS.get(unit or "", unit) if scale is not None else None
    graph = to_networkx(lineage)
    related = (
        [spec.RelatedObject(type="labels", path=labels_path, label_prop="segmentation_id")] if labels_path else None
    )
    border = lineage.detections.at_border.tolist()
    for row, node in graph.nodes.items():
        node["at_border"] = border[row]
    metadata = spec.GeffMetadata(
        directed=True,
        axes=[
            spec.Axis(name="t", type="time", unit="frame"),
            *(
                spec.Axis(
                    name=name,
                    type="space",
                    unit="pixel",
                    scale=None if scale is None else float(scale[k]),
                    scaled_unit=unit,
                )
                for k, name in enumerate(space)
            ),
        ],
        node_props_metadata={},
        edge_props_metadata={},
        track_node_props={"tracklet": "tracklet_id", "lineage": "lineage_id"},
        related_objects=related,
        extra={_EXTRA: {"start": lineage.start, "stop": lineage.stop}},
    )
    geff.write(graph, str(path), metadata=metadata, zarr_format=3)


def read_geff(path: Path) -> tuple[Lineage, tuple[float, ...] | None, str | None, Path | None]:
    """Read a lineage from a GEFF store of any maker.

    Objects are numbered by the node property "track_id", or the tracklets that the store names; without them a new
    object begins where a track begins or branches.

    Returns
    -------
    lineage : Lineage
        Positions in pixels, as they are stored.
    scale : tuple of float or None
        Size of a pixel along (z,) y, x.
    unit : str or None
        Unit of `scale`.
    labels : Path or None
        Where the store says that label images lie.

    Raises
    ------
    InputError
        If it is no GEFF store, holds values that are no numbers or code that runs, or cells that merge.
    OutputError
        If the library is missing.
    """
    geff = check_geff()
    try:
        group = zarr.open_group(str(path), mode="r")
        metadata = geff.GeffMetadata.read(str(path))
        axes = {axis.name: axis for axis in metadata.axes or []}
        times = [name for name, axis in axes.items() if axis.type == "time"]
        space = [name for name, axis in axes.items() if axis.type == "space"]
        if len(times) != 1 or len(space) not in (2, 3):
            raise InputError(
                f"{path} has the axes {', '.join(axes) or 'none'}; expected one of time, two or three of space."
            )
        stored = metadata.node_props_metadata
        named = (metadata.track_node_props or {}).get("tracklet")
        wanted = [name for name in ("track_id", named) if name and name in stored][:1]
        wanted += [name for name in ("area_px", "at_border") if name in stored]
        wanted += [times[0], *space]
        sure = [name for name in ("confidence",) if name in metadata.edge_props_metadata]
        _check_arrays(path, group, wanted, sure)
        graph = geff.read(str(path), node_props=wanted, edge_props=sure, backend="networkx")[0]
    except (InputError, OutputError):
        raise
    except Exception as error:  # of zarr, pydantic and geff itself
        detail = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputError(f"{path} cannot be read as GEFF ({detail}); is it complete?") from error
    lineage = _lineage(path, graph, times[0], space, wanted, sure, dict(metadata.extra or {}))
    scales = [axes[name].scale for name in space]
    scale = tuple(map(float, scales)) if all(s is not None for s in scales) else None
    unit = axes[space[-1]].scaled_unit if scale else None
    labels = next((path / o.path for o in metadata.related_objects or [] if o.type == "labels"), None)
    return lineage, scale, unit, labels


def _lineage(
    path: Path,
    graph: Any,
    time: str,
    space: Sequence[str],
    wanted: Sequence[str],
    sure: Sequence[str],
    extra: Mapping[str, Any],
) -> Lineage:
    nodes = list(graph.nodes)
    row_of = {node: row for row, node in enumerate(nodes)}

    def column(name: str) -> NDArray[Any]:
        try:
            return np.array([graph.nodes[node][name] for node in nodes])
        except KeyError as error:
            raise InputError(f"{path}: some nodes have no {name!r}.") from error

    times = column(time)
    frames = np.rint(times).astype(np.int64)
    if times.size and not np.allclose(frames, times):
        raise InputError(f"{path}: its times are no frame numbers.")
    ids = column(wanted[0]).astype(np.int64) if wanted[0] not in (time, "area_px", "at_border") else None
    if ids is not None and ids.size and ids.min() < 1:
        ids = ids - ids.min() + 1
    edges = np.array([(row_of[a], row_of[b]) for a, b in graph.edges], np.int64).reshape(-1, 2)
    confidence = [float(graph.edges[edge][sure[0]]) for edge in graph.edges] if sure else None
    facts = extra.get(_EXTRA) or {}
    lineage = lineage_from_edges(
        frames,
        np.stack([column(name) for name in space], axis=1),
        edges,
        ids,
        column("area_px").astype(np.int64) if "area_px" in wanted else None,
        None if confidence is None else np.array(confidence),
        at_border=column("at_border").astype(bool) if "at_border" in wanted else None,
        start=int(facts.get("start", 0)),
        stop=int(facts["stop"]) if "stop" in facts else None,
    )
    return lineage


def _check_arrays(path: Path, group: Any, node_props: Sequence[str], edge_props: Sequence[str]) -> None:
    """Refuse arrays that are no plain numbers before anything is decoded: objects in a zarr store can run code."""
    names = ["nodes/ids", "edges/ids"]
    names += [f"nodes/props/{name}" for name in node_props] + [f"edges/props/{name}" for name in edge_props]
    for name in names:
        for part in (name,) if name.endswith("ids") else (f"{name}/values", f"{name}/missing", f"{name}/data"):
            if part in group:
                check_zarr_array(group[part], f"{path}: {part}")
