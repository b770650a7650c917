"""Divisions of a movie of volumes: what was seen in one plane is the same in the next."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.engine.scopes.region_masks import compose_labels
from napari_xmem.tracking import Event, EventKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_xmem.engine.results import FrameResult
    from napari_xmem.engine.run import Run
    from napari_xmem.engine.scopes.region_masks import RegionMask

__all__ = ["PlaneDivisions", "divisions_with_end", "one_per_mother", "rename_in_frame", "rename_leftovers"]


class PlaneDivisions:
    """Knows the families found in the planes done so far, and where the daughters lie in the last of them.

    Planes are done one after the other. A mother who divides in a plane where an earlier one has seen her divide has
    the same daughters: each part is the daughter that lies nearer in the last plane that shows both.
    """

    def __init__(self) -> None:
        self.first_new_id = 1
        self._families: dict[int, tuple[int, ...]] = {}
        self._centres: dict[int, dict[int, NDArray[np.float64]]] = {}

    def add(self, result: FrameResult) -> None:
        """Take in a frame of a plane."""
        for event in result.events:
            if event.mother is not None:
                beside = event.mother in result.object_ids
                family = (event.mother, *event.daughters) if beside else event.daughters
                self._families.setdefault(event.mother, family)
        known = {i for family in self._families.values() for i in family} & set(result.object_ids)
        for i in known:
            where = np.argwhere(result.labels == i)
            if len(where):
                self._centres.setdefault(i, {})[result.frame] = where.mean(0)
        self.first_new_id = max(self.first_new_id, 1 + max(result.object_ids, default=0))

    def of(self, run: Run) -> _InPlane:
        """Return what a run of the next plane may ask."""
        return _InPlane(run, self)

    def name(self, frame: int, centres: Mapping[int, NDArray[np.float64]], known: Sequence[int]) -> dict[int, int]:
        """Return which objects those that begin are: daughters of the known mother, or the mother of both known."""
        if len(centres) == 1:
            (new,) = centres
            mothers = [m for m, family in self._families.items() if m not in family and set(known) == set(family)]
            return {new: mothers[0]} if mothers else {}
        family = self._families.get(known[0], ()) if len(known) == 1 else ()
        if len(family) != 2 or len(centres) != 2 or not all(i in self._centres for i in family):
            return {}
        seen = [min(self._centres[i].items(), key=lambda item: abs(item[0] - frame))[1] for i in family]
        (a, at), (b, bt) = centres.items()
        straight = np.linalg.norm(at - seen[0]) + np.linalg.norm(bt - seen[1])
        crossed = np.linalg.norm(at - seen[1]) + np.linalg.norm(bt - seen[0])
        return {a: family[0], b: family[1]} if straight <= crossed else {a: family[1], b: family[0]}


@dataclass(frozen=True, slots=True)
class _InPlane:
    """Names for one plane; see `KnowsNames`."""

    run: Run
    planes: PlaneDivisions

    def names(self, frame: int, masks: Sequence[RegionMask], goes_on: Sequence[int] = ()) -> dict[int, int] | None:
        """Return which objects of other planes those that begin here are."""
        geometry = self.run.prepare.geometry
        found = compose_labels(masks, geometry.shape, geometry.scale).labels
        centres = {m.object_id: np.argwhere(found == m.object_id).mean(0) for m in masks if m.object_id in found}
        return self.planes.name(frame, centres, goes_on) if len(centres) == len(masks) else {}


def one_per_mother(events: Iterable[Event]) -> tuple[Event, ...]:
    """Return events in which a division that several planes saw is one: its first frame, its best odds."""
    divisions: dict[tuple[int, ...], Event] = {}
    others: dict[Event, None] = {}
    for event in events:
        if event.kind is not EventKind.DIVISION:
            others[event] = None
            continue
        key = (event.objects[0], *sorted(event.objects[1:]))
        known = divisions.get(key, event)
        first = min(known, event, key=lambda e: e.frame)
        divisions[key] = replace(first, odds=max(known.odds, event.odds))
    return (*others, *divisions.values())


def rename_leftovers(
    labels: NDArray[Any], events: Iterable[Event], parts: dict[int, list[tuple[int, FrameResult]]]
) -> None:
    """Give a mother's masks in planes that have not seen her divide to the daughter who is nearer.

    Parameters
    ----------
    labels : ndarray, shape (T, Z, Y, X)
        Labels of all planes; changed in place.
    events : iterable of Event
        One division per mother.
    parts : dict
        Frame to planes and their results, whose ids are changed alike.
    """
    divisions = divisions_with_end(events)
    for frame, planes in parts.items():
        rename_in_frame(labels[frame], frame, divisions, planes)


def rename_in_frame(
    volume: NDArray[Any], frame: int, divisions: Iterable[Event], planes: list[tuple[int, FrameResult]]
) -> list[int]:
    """Do so on one frame; see `rename_leftovers`.

    Parameters
    ----------
    volume : ndarray, shape (Z, Y, X)
        Its labels; changed in place.
    frame : int
        The frame.
    divisions : iterable of Event
        As `divisions_with_end` returns them, one per mother.
    planes : list of (int, FrameResult)
        Its planes and their results; changed in place.

    Returns
    -------
    list of int
        Planes that are another than before.
    """
    changed: list[int] = []
    for event in divisions:
        mother = event.objects[0]
        rows = [row for row, (_, result) in enumerate(planes) if mother in result.object_ids]
        if frame < event.frame or not rows:
            continue
        centres = {i: where[:, 1:].mean(0) for i in event.daughters if len(where := np.argwhere(volume == i))}
        for row in rows if centres else ():
            z, result = planes[row]
            own = volume[z] == mother
            at = np.argwhere(own).mean(0) if own.any() else np.zeros(2)
            nearest = min(centres, key=lambda i: float(np.linalg.norm(centres[i] - at)))
            volume[z][own] = nearest
            ids = tuple(nearest if i == mother else i for i in result.object_ids)
            planes[row] = (z, replace(result, object_ids=ids))
            changed.append(z)
    return changed


def divisions_with_end(events: Iterable[Event]) -> list[Event]:
    """Return the divisions whose mother is no more after them."""
    kinds = (event for event in events if event.kind is EventKind.DIVISION and event.mother is not None)
    return sorted((event for event in kinds if len(event.daughters) >= 2), key=lambda event: event.frame)
