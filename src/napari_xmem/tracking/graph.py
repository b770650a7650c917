"""Lineages as graphs of detections, which libraries of the field take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.errors import InputError
from napari_xmem.tracking.detections import Detections
from napari_xmem.tracking.lineage import Lineage
from napari_xmem.tracking.tracklets import split_into_tracklets

if TYPE_CHECKING:
    import networkx
    from numpy.typing import NDArray

__all__ = ["lineage_edges", "lineage_from_edges", "to_networkx"]


def lineage_edges(lineage: Lineage) -> NDArray[np.int64]:
    """Return the links between detections: along every track, and from mothers to daughters.

    Parameters
    ----------
    lineage : Lineage
        A lineage.

    Returns
    -------
    ndarray, (E, 2), int64
        Rows of ``lineage.detections``, earlier and later. A daughter is linked with the last row of her mother before
        she begins.
    """
    rows = lineage.detections
    along = np.flatnonzero(np.diff(rows.object_ids) == 0) if len(rows) else np.zeros(0, np.int64)
    links = [np.stack([along, along + 1], axis=1)]
    for child, mother in lineage.parents.items():
        own = rows.rows_of(mother)
        before = int(np.searchsorted(rows.frames[own], lineage.first_frame[child])) - 1
        links.append(np.array([[own.start + before, rows.rows_of(child).start]]))
    return np.concatenate(links).astype(np.int64)


def to_networkx(lineage: Lineage) -> networkx.DiGraph[int]:
    """Return a lineage as a graph: a node per detection, an edge per link, forward in time.

    Parameters
    ----------
    lineage : Lineage
        A lineage.

    Returns
    -------
    networkx.DiGraph
        Nodes are rows of ``lineage.detections`` with "t", ("z",) "y", "x" (pixels), "track_id" and "segmentation_id"
        (the object's id), "tracklet_id" (its unbranched piece), "lineage_id" (its founder), "generation" and "area_px".
        Edges have "confidence", 0 to 1.
    """
    import networkx

    rows = lineage.detections
    names = ("z", "y", "x")[-rows.ndim :]
    tracklets = split_into_tracklets(lineage, at_gaps=False).ids.tolist()
    graph: networkx.DiGraph[int] = networkx.DiGraph()
    places, frames, ids, areas = (
        column.tolist() for column in (rows.centroids_px, rows.frames, rows.object_ids, rows.areas_px)
    )
    for row, (i, t) in enumerate(zip(ids, frames, strict=True)):
        facts: dict[str, Any] = {"t": t, **dict(zip(names, places[row], strict=True)), "track_id": i}
        facts |= {"segmentation_id": i, "tracklet_id": tracklets[row], "lineage_id": lineage.founder[i]}
        graph.add_node(row, **facts, generation=lineage.generation[i], area_px=areas[row])
    for earlier, later in lineage_edges(lineage).tolist():
        sure = 1.0 if ids[earlier] == ids[later] else lineage.confidence[ids[later]]
        graph.add_edge(earlier, later, confidence=sure)
    return graph


def lineage_from_edges(
    frames: NDArray[np.int64],
    centroids_px: NDArray[np.float64],
    edges: NDArray[np.int64],
    object_ids: NDArray[np.int64] | None = None,
    areas_px: NDArray[np.int64] | None = None,
    confidence: NDArray[np.float64] | None = None,
    *,
    at_border: NDArray[np.bool_] | None = None,
    start: int = 0,
    stop: int | None = None,
) -> Lineage:
    """Make a lineage from detections and the links between them.

    Parameters
    ----------
    frames : ndarray, (N,), int
        Frame of every detection.
    centroids_px : ndarray, (N, 2) or (N, 3)
        Its place.
    edges : ndarray, (E, 2), int
        Linked detections, by row, in any direction.
    object_ids : ndarray, (N,), int, optional
        Ids above 0. None: a new id begins where a track begins or branches.
    areas_px : ndarray, (N,), int, optional
        Pixels.
    confidence : ndarray, (E,), float, optional
        Probability of every link.
    at_border : ndarray, (N,), bool, optional
        The detection touches the border of the picture.
    start, stop : int, optional
        Frames that were followed.

    Returns
    -------
    Lineage
        The lineage.

    Raises
    ------
    InputError
        If a detection has several earlier ones (cells that merge), a link lies within a frame, or an object would have
        two mothers.
    """
    edges = np.asarray(edges, np.int64).reshape(-1, 2)
    frames = np.asarray(frames, np.int64)
    backward = frames[edges[:, 0]] > frames[edges[:, 1]]
    edges = np.where(backward[:, None], edges[:, ::-1], edges)
    if (frames[edges[:, 0]] == frames[edges[:, 1]]).any():
        raise InputError("a link joins two detections of one frame.")
    later, counts = np.unique(edges[:, 1], return_counts=True)
    if (counts > 1).any():
        merged = int(frames[later[counts > 1][0]])
        raise InputError(f"cells merge on frame {merged}, which a lineage cannot hold: a cell has one mother.")
    if object_ids is None:
        object_ids = _ids_of_paths(frames, edges)
    ids = np.asarray(object_ids, np.int64)
    parents: dict[int, int] = {}
    sure: dict[int, float] = {}
    for k, (before, after) in enumerate(edges.tolist()):
        child, mother = int(ids[after]), int(ids[before])
        if child == mother:
            continue
        if parents.get(child, mother) != mother:
            raise InputError(f"object {child} has two mothers, {parents[child]} and {mother}.")
        parents[child] = mother
        sure[child] = 1.0 if confidence is None else float(confidence[k])
    found = Detections.from_arrays(ids, frames, centroids_px, areas_px, at_border)
    return Lineage.from_detections(found, parents, start=start, stop=stop, confidence=sure)


def _ids_of_paths(frames: NDArray[np.int64], edges: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give numbers to unbranched paths from 1, by their first frame."""
    followers = np.bincount(edges[:, 0], minlength=frames.size)
    goes_on = {int(after): int(before) for before, after in edges if followers[before] == 1}
    ids = np.zeros(frames.size, np.int64)
    n = 0
    for row in np.argsort(frames, kind="stable").tolist():
        if row in goes_on:
            ids[row] = ids[goes_on[row]]
        else:
            n += 1
            ids[row] = n
    return ids
