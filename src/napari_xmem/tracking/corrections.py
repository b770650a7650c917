"""Corrections of a lineage: each gives a new lineage and says which labels on which frames change with it.

The functions are pure: lineage and labels stay as they were. ``edit.relabelled(frame, labels)`` gives the labels of a
frame after the correction, so labels are changed frame by frame, and only on ``edit.frames``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.errors import InputError
from napari_xmem.tracking.ancestry import joined, swapped
from napari_xmem.tracking.begins_and_ends import Begin, End
from napari_xmem.tracking.events import Event, EventKind
from napari_xmem.tracking.label_geometry import measure_objects
from napari_xmem.tracking.lineage import Lineage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_xmem.tracking.detections import Detections

__all__ = ["LineageEdit", "divide", "join", "link", "remove", "swap", "unlink"]

_LARGEST_ID = int(np.iinfo(np.int32).max)
_BY_ANCESTRY = (Begin.BORN, End.DIVIDED, End.CONTINUED)


@dataclass(frozen=True, eq=False)
class LineageEdit:
    """What a correction does.

    Attributes
    ----------
    lineage : Lineage
        The lineage afterwards.
    event : Event
        The correction as an event, with odds of one.
    object_ids : tuple of int
        Objects whose track, mother, begin or end is another than before, ascending.
    frames : range
        Frames whose labels change; empty where only mothers change.
    ids : dict of int to int
        Labels that change there, old to new; 0 removes the object.
    painted : ndarray, (Y, X) or (Z, Y, X), or None
        The labels of ``frames[0]`` where they were painted.
    """

    lineage: Lineage
    event: Event
    object_ids: tuple[int, ...]
    frames: range = range(0)
    ids: Mapping[int, int] | None = None
    painted: NDArray[Any] | None = None

    def relabelled(self, frame: int, labels: NDArray[Any]) -> NDArray[Any]:
        """Return the labels of a frame after the correction.

        Parameters
        ----------
        frame : int
            Index in the movie.
        labels : ndarray, (Y, X) or (Z, Y, X), integer
            The labels before.

        Returns
        -------
        ndarray, of the same shape
            A new array where something changes, `labels` itself where nothing does; int32 where an id needs it.
        """
        if frame not in self.frames:
            return labels
        if self.painted is not None and frame == self.frames.start:
            return self.painted.copy()
        present = {old: new for old, new in (self.ids or {}).items() if (labels == old).any()}
        if not present:
            return labels
        fits = max(present.values()) <= np.iinfo(labels.dtype).max
        changed = labels.copy() if fits else labels.astype(np.int32)
        for old, new in present.items():
            changed[labels == old] = new
        return changed


def divide(
    lineage: Lineage, mother: int, frame: int, daughters: Sequence[int], painted: NDArray[Any] | None = None
) -> LineageEdit:
    """Say that an object divides.

    Without `painted`, daughters are objects that are there already and begin on `frame` or later. One of them may be a
    new id: it takes over the mother's label from `frame` on, with the daughters she has later. If none is new and the
    mother is still seen, she goes on under her own id, and the daughters are her buds.

    Parameters
    ----------
    lineage : Lineage
        Before.
    mother : int
        The dividing object, seen before `frame`.
    frame : int
        First frame of the daughters.
    daughters : sequence of int
        One or more other objects.
    painted : ndarray, (Y, X) or (Z, Y, X), integer, optional
        All labels of `frame`, with the daughters painted. The mother ends before `frame`, unless she is painted too;
        her labels on later frames are removed, for the daughters are still to be followed there.

    Returns
    -------
    LineageEdit
        The correction.

    Raises
    ------
    InputError
        If the mother does not exist or is not seen before `frame`, a daughter is the mother or has another one, begins
        too early, is not painted, is an id in use, or several are new without being painted.
    """
    daughters = tuple(int(d) for d in daughters)
    _check_exists(lineage, mother)
    if not daughters or len(set(daughters)) < len(daughters) or mother in daughters:
        raise InputError(f"object {mother} cannot divide into {list(daughters)}: expected other, different objects.")
    if lineage.first_frame[mother] >= frame:
        raise InputError(f"object {mother} begins on frame {lineage.first_frame[mother]}, it cannot divide on {frame}.")
    for d in daughters:
        _check_daughter(lineage, mother, frame, d)
    event = Event(EventKind.CORRECTION, frame, (mother, *daughters), detail="divide")
    parents = dict(lineage.parents)
    if painted is not None:
        return _divide_painted(lineage, event, parents, painted)
    new = [d for d in daughters if d not in lineage]
    if len(new) > 1:
        raise InputError(f"objects {new} do not exist yet: paint them on frame {frame}.")
    detections, ids, frames = lineage.detections, {}, range(0)
    if new:
        if lineage.last_frame[mother] < frame:
            raise InputError(f"object {new[0]} does not exist, and {mother} is not seen from frame {frame} on.")
        ids, frames = {mother: new[0]}, range(frame, lineage.last_frame[mother] + 1)
        detections = detections.renamed(ids, frame)
        parents = {
            c: new[0] if m == mother and lineage.first_frame[c] > frame and c not in daughters else m
            for c, m in parents.items()
        }
    parents.update(dict.fromkeys(daughters, mother))
    return _edit(lineage, event, detections, parents, ids, frames)


def _check_daughter(lineage: Lineage, mother: int, frame: int, daughter: int) -> None:
    _check_id(daughter)
    if daughter not in lineage:
        return
    if lineage.parents.get(daughter, mother) != mother:
        raise InputError(
            f"object {daughter} is the daughter of {lineage.parents[daughter]} already: unlink it first, or choose "
            "another id."
        )
    if lineage.first_frame[daughter] < frame:
        raise InputError(
            f"object {daughter} begins on frame {lineage.first_frame[daughter]}, before a division on frame {frame}; "
            "the id is in use."
        )


def _divide_painted(lineage: Lineage, event: Event, parents: dict[int, int], painted: NDArray[Any]) -> LineageEdit:
    mother, *daughters = event.objects
    measures = measure_objects(painted)
    there = set(measures.object_ids.tolist())
    missing = [d for d in daughters if d not in there]
    if missing:
        raise InputError(f"objects {missing} are not painted on frame {event.frame}.")
    detections, ids = lineage.detections, {}
    last = max(event.frame, lineage.last_frame[mother])
    if mother not in there:
        ids = {mother: 0}
        detections = detections.renamed(ids, event.frame)
        parents = {c: m for c, m in parents.items() if m != mother or lineage.first_frame[c] < event.frame}
    detections = detections.with_frame(event.frame, measures)
    parents.update(dict.fromkeys(daughters, mother))
    edit = _edit(lineage, event, detections, parents, ids, range(event.frame, (last if ids else event.frame) + 1))
    return replace(edit, painted=np.array(painted))


def link(lineage: Lineage, daughter: int, mother: int) -> LineageEdit:
    """Say whose daughter an object is; a mother it had before is replaced.

    Parameters
    ----------
    lineage : Lineage
        Before.
    daughter, mother : int
        Two objects; the mother begins first.

    Returns
    -------
    LineageEdit
        The correction; no labels change.

    Raises
    ------
    InputError
        If one does not exist, the mother begins too late, or she descends from the daughter.
    """
    _check_exists(lineage, daughter, mother)
    if daughter == mother:
        raise InputError(f"object {daughter} cannot be its own mother.")
    event = Event(EventKind.CORRECTION, lineage.first_frame[daughter], (daughter, mother), detail="link")
    return _edit(lineage, event, lineage.detections, {**lineage.parents, daughter: mother})


def unlink(lineage: Lineage, daughter: int) -> LineageEdit:
    """Take an object's mother away.

    Parameters
    ----------
    lineage : Lineage
        Before.
    daughter : int
        An object with a mother.

    Returns
    -------
    LineageEdit
        The correction; no labels change.

    Raises
    ------
    InputError
        If it does not exist or has no mother.
    """
    _check_exists(lineage, daughter)
    if daughter not in lineage.parents:
        raise InputError(f"object {daughter} has no mother.")
    event = Event(EventKind.CORRECTION, lineage.first_frame[daughter], (daughter,), detail="unlink")
    parents = {child: mother for child, mother in lineage.parents.items() if child != daughter}
    return _edit(lineage, event, lineage.detections, parents)


def swap(lineage: Lineage, a: int, b: int, from_frame: int) -> LineageEdit:
    """Exchange the ids of two objects from a frame on, and their daughters from there on with them.

    Parameters
    ----------
    lineage : Lineage
        Before.
    a, b : int
        Two objects.
    from_frame : int
        First frame on which they are exchanged.

    Returns
    -------
    LineageEdit
        The correction.

    Raises
    ------
    InputError
        If one does not exist, none is seen from there on, or a daughter would begin before her mother.
    """
    _check_exists(lineage, a, b)
    if a == b:
        raise InputError(f"object {a} cannot be exchanged with itself.")
    last = max(lineage.last_frame[a], lineage.last_frame[b])
    if last < from_frame:
        raise InputError(f"objects {a} and {b} are not seen from frame {from_frame} on.")
    ids = {a: b, b: a}
    event = Event(EventKind.CORRECTION, from_frame, (a, b), detail="swap")
    parents = swapped(lineage.parents, a, b, from_frame, lineage.first_frame)
    return _edit(lineage, event, lineage.detections.renamed(ids, from_frame), parents, ids, range(from_frame, last + 1))


def join(lineage: Lineage, kept: int, ended: int) -> LineageEdit:
    """Say that two objects are one that was given two ids.

    Parameters
    ----------
    lineage : Lineage
        Before.
    kept : int
        The id that stays; it takes over the other's daughters, and its mother if it has none.
    ended : int
        The id that goes.

    Returns
    -------
    LineageEdit
        The correction.

    Raises
    ------
    InputError
        If one does not exist, both are seen on one frame, or the mother that is left begins too late.
    """
    _check_exists(lineage, kept, ended)
    if kept == ended:
        raise InputError(f"object {kept} cannot be joined with itself.")
    rows = lineage.detections
    both = np.intersect1d(rows.frames[rows.rows_of(kept)], rows.frames[rows.rows_of(ended)])
    if both.size:
        raise InputError(f"objects {kept} and {ended} are both there on frame {both[0]}, so they are two.")
    ids, first = {ended: kept}, lineage.first_frame[ended]
    event = Event(EventKind.CORRECTION, first, (kept, ended), detail="join")
    parents = joined(lineage.parents, kept, ended)
    return _edit(lineage, event, rows.renamed(ids), parents, ids, range(first, lineage.last_frame[ended] + 1))


def remove(lineage: Lineage, cell: int, from_frame: int = 0) -> LineageEdit:
    """Remove an object from a frame on; daughters that begin later have no mother then.

    Parameters
    ----------
    lineage : Lineage
        Before.
    cell : int
        The object.
    from_frame : int
        First frame without it.

    Returns
    -------
    LineageEdit
        The correction.

    Raises
    ------
    InputError
        If it does not exist, or is not seen from there on.
    """
    _check_exists(lineage, cell)
    if lineage.last_frame[cell] < from_frame:
        raise InputError(f"object {cell} is not seen from frame {from_frame} on.")
    gone = lineage.first_frame[cell] >= from_frame
    ids = {cell: 0}
    parents = {
        child: mother
        for child, mother in lineage.parents.items()
        if not (mother == cell and (gone or lineage.first_frame[child] > from_frame)) and not (child == cell and gone)
    }
    event = Event(EventKind.CORRECTION, from_frame, (cell,), detail="remove")
    first = max(from_frame, lineage.first_frame[cell])
    detections = lineage.detections.renamed(ids, from_frame)
    edit = _edit(lineage, event, detections, parents, ids, range(first, lineage.last_frame[cell] + 1))
    if cell not in edit.lineage or edit.lineage.ends[cell] in _BY_ANCESTRY:
        return edit
    return replace(edit, lineage=replace(edit.lineage, ends={**edit.lineage.ends, cell: End.REMOVED}))


def _edit(
    before: Lineage,
    event: Event,
    detections: Detections,
    parents: Mapping[int, int],
    ids: Mapping[int, int] | None = None,
    frames: range = range(0),
) -> LineageEdit:
    sure = {c: before.confidence[c] for c, m in parents.items() if before.parents.get(c) == m}
    after = Lineage.from_detections(detections, parents, start=before.start, stop=before.stop, confidence=sure)
    begins, ends = dict(after.begins), dict(after.ends)
    for i in after.object_ids:  # what events said about others still holds
        if i in before and after.first_frame[i] == before.first_frame[i]:
            if not {begins[i], before.begins[i]} & set(_BY_ANCESTRY):
                begins[i] = before.begins[i]
        if i in before and after.last_frame[i] == before.last_frame[i]:
            if not {ends[i], before.ends[i]} & set(_BY_ANCESTRY):
                ends[i] = before.ends[i]
    after = replace(after, begins=begins, ends=ends)
    return LineageEdit(after, event, _changed(before, after), frames, dict(ids or {}))


def _changed(before: Lineage, after: Lineage) -> tuple[int, ...]:
    """Return the objects that are another in two lineages."""
    found = []
    for i in sorted({*before.object_ids, *after.object_ids}):
        facts = [
            (x.parents.get(i), x.begins.get(i), x.ends.get(i), x.detections.select(_rows(x, i)))
            for x in (before, after)
        ]
        if facts[0] != facts[1]:
            found.append(i)
    return tuple(found)


def _rows(lineage: Lineage, object_id: int) -> NDArray[np.int64]:
    rows = lineage.detections.rows_of(object_id)
    return np.arange(rows.start, rows.stop)


def _check_exists(lineage: Lineage, *object_ids: int) -> None:
    for i in object_ids:
        if i not in lineage:
            raise InputError(f"object {i} does not exist.")


def _check_id(object_id: int) -> None:
    if not 0 < object_id <= _LARGEST_ID:
        raise InputError(f"{object_id} cannot be an id, expected 1 to {_LARGEST_ID}.")
