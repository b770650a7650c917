"""What other ways of tracking give: laptrack on masks that are given, and naive splitting of masks that fall apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_xmem.errors import InputError
from napari_xmem.tracking import Detections, Lineage
from napari_xmem.tracking.graph import lineage_from_edges

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["laptrack_links", "relabelled", "split_naively"]


def laptrack_links(labels: Any, cutoff_px: float, gap_frames: int = 1) -> tuple[Iterator[NDArray[np.int32]], Lineage]:
    """Link given masks by laptrack: linear assignment of centroids, with gaps and splitting.

    Whatever ids the masks have, only their outlines are used.

    Parameters
    ----------
    labels : array_like, (T, Y, X) or (T, Z, Y, X), integer
        Masks; read frame by frame.
    cutoff_px : float
        Largest step between frames, and largest way from a mother to a daughter, in pixels.
    gap_frames : int
        Frames that an object may be missing.

    Returns
    -------
    labels : iterator of ndarray
        The masks of every frame with the ids of the tracks.
    lineage : Lineage
        The tracks.

    Raises
    ------
    InputError
        If laptrack is not installed.

    References
    ----------
    Fukai & Kawaguchi 2023, LapTrack: linear assignment particle tracking with tunable metrics; Jaqaman et al. 2008.
    """
    try:
        from laptrack import LapTrack
    except ImportError as error:
        raise InputError(
            f"this baseline needs laptrack, which cannot be loaded ({error}): "
            "pip install 'napari-xmem-training[baselines]'."
        ) from error
    rows = Detections.from_labels(labels)
    stop = int(labels.shape[0])
    by_frame = [np.flatnonzero(rows.frames == t) for t in range(stop)]
    square = cutoff_px**2  # laptrack compares squared distances
    options: dict[str, Any] = {"cutoff": square, "splitting_cutoff": square}
    options |= {"gap_closing_cutoff": square if gap_frames else False, "gap_closing_max_frame_count": gap_frames}
    tracker = LapTrack(**options)
    tree = tracker.predict([rows.centroids_px[own] for own in by_frame])
    edges = [(by_frame[t][i], by_frame[s][j]) for (t, i), (s, j) in tree.edges]
    tracks = lineage_from_edges(
        rows.frames,
        rows.centroids_px,
        np.array(edges, np.int64).reshape(-1, 2),
        areas_px=rows.areas_px,
        at_border=rows.at_border,
        stop=stop,
    )
    return relabelled(labels, rows, tracks), tracks


def relabelled(labels: Any, before: Detections, tracks: Lineage) -> Iterator[NDArray[np.int32]]:
    """Yield masks with the ids of tracks that were made of their detections.

    Parameters
    ----------
    labels : array_like, (T, Y, X) or (T, Z, Y, X), integer
        The masks.
    before : Detections
        Their detections.
    tracks : Lineage
        The same detections with other ids; they are recognised by frame and place.

    Yields
    ------
    ndarray, int32
        The next frame.
    """
    after = tracks.detections
    for t in range(int(labels.shape[0])):
        old, new = np.flatnonzero(before.frames == t), np.flatnonzero(after.frames == t)
        old = old[np.lexsort(before.centroids_px[old].T)]
        new = new[np.lexsort(after.centroids_px[new].T)]
        frame = np.asarray(labels[t])
        ids = before.object_ids[old]
        order = np.argsort(ids)
        changed = np.zeros(frame.shape, np.int32)
        inside = frame > 0
        changed[inside] = after.object_ids[new][order][np.searchsorted(ids[order], frame[inside])]
        yield changed


def split_naively(labels: Any, confirm_frames: int = 2, min_share: float = 0.2) -> tuple[NDArray[np.int32], Lineage]:
    """Take a mask that stays in two parts for some frames as two daughters.

    Parameters
    ----------
    labels : array_like, (T, Y, X), integer
        Masks in which daughters keep their mother's label, such as ``divisions="keep"`` gives.
    confirm_frames : int
        Frames on which the label has to be in two parts, one after the other.
    min_share : float
        Smallest share of the label that counts as a part, 0..1.

    Returns
    -------
    labels : ndarray, (T, Y, X), int32
        From the first of these frames on each part has an id of its own; parts are followed by their overlap.
    lineage : Lineage
        The tracks.
    """
    result = np.array(labels, np.int32)
    parents: dict[int, int] = {}
    next_id = int(result.max(initial=0)) + 1
    waiting = [int(i) for i in np.unique(result) if i]
    while waiting:
        cell = waiting.pop()
        frame = _first_division(result, cell, confirm_frames, min_share)
        if frame is None:
            continue
        daughters = (next_id, next_id + 1)
        next_id += 2
        _hand_over(result, cell, frame, daughters, min_share)
        parents |= dict.fromkeys(daughters, cell)
        waiting += daughters
    return result, Lineage.from_labels(result, parents)


def _parts(mask: NDArray[np.bool_], min_share: float) -> list[NDArray[np.bool_]]:
    """Return the large connected parts of a mask, largest first."""
    pieces, n = ndimage.label(mask)
    sizes = np.bincount(pieces.reshape(-1), minlength=n + 1)[1:]
    large = [k for k in np.argsort(-sizes, kind="stable") if sizes[k] >= min_share * sizes.sum()]
    return [pieces == k + 1 for k in large]


def _first_division(labels: NDArray[np.int32], cell: int, confirm: int, min_share: float) -> int | None:
    """Return the first of `confirm` frames in a row on which a label that was whole before is in two parts."""
    run, whole = 0, False
    for t, frame in enumerate(labels):
        mask = frame == cell
        n = len(_parts(mask, min_share)) if mask.any() else 0
        whole |= n == 1
        run = run + 1 if n == 2 and whole else 0
        if run == confirm:
            return t - confirm + 1
    return None


def _hand_over(labels: NDArray[np.int32], cell: int, frame: int, daughters: tuple[int, int], min_share: float) -> None:
    """Give a cell's label from a frame on to two daughters, by the nearest part of the frame before."""
    masks = [labels[t] == cell for t in range(frame, len(labels))]
    before = _parts(masks[0], min_share)[:2]
    for t, mask in enumerate(masks, frame):
        if not mask.any():
            continue
        distances = [ndimage.distance_transform_edt(~part) for part in before]
        # A part goes to one daughter as a whole; where there is one only, it is cut between the nearest of both.
        parts = _parts(mask, min_share)
        nearest = np.argmin(distances, axis=0)
        if len(parts) == 2:
            straight = sum(float(distances[k][parts[k]].mean()) for k in (0, 1))
            crossed = sum(float(distances[k][parts[1 - k]].mean()) for k in (0, 1))
            pair = parts if straight <= crossed else parts[::-1]
            to_pair = [ndimage.distance_transform_edt(~part) for part in pair]
            nearest = np.argmin(to_pair, axis=0)
        own = [mask & (nearest == k) for k in (0, 1)]
        for daughter, part in zip(daughters, own, strict=True):
            labels[t][part] = daughter
        before = [part if part.any() else before[k] for k, part in enumerate(own)]
