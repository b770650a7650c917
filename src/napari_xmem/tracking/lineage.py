"""Who is whose daughter: where each object begins, how it ends, and what it descends from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.config.arguments import checked_methods
from napari_xmem.tracking.ancestry import check_parents, parents_from_events
from napari_xmem.tracking.begins_and_ends import Begin, End, begins_and_ends
from napari_xmem.tracking.detections import Detections
from napari_xmem.tracking.events import Event, EventKind
from napari_xmem.tracking.given_labels import given_labels
from napari_xmem.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

__all__ = ["Division", "Lineage"]


@dataclass(frozen=True, slots=True)
class Division:
    """A division.

    Attributes
    ----------
    mother : int
        The dividing object.
    daughters : tuple of int
        Objects that begin by it, ascending; one where the mother goes on under her own id (budding).
    frame : int
        First frame on which a daughter is seen.
    confidence : float
        Probability, 0 to 1, that it is one.
    """

    mother: int
    daughters: tuple[int, ...]
    frame: int
    confidence: float


@checked_methods
@dataclass(frozen=True, eq=False)
class Lineage:
    """Objects of a movie with their mothers; nothing in it is ever changed. Make one with `from_labels`.

    Attributes
    ----------
    detections : Detections
        Where every object is on every frame.
    parents : dict of int to int
        Daughter to mother. A mother may go on beside her daughter (budding).
    first_frame, last_frame : dict of int to int
        Of every object: the first and the last frame that show it. It may be missing on frames between.
    begins : dict of int to Begin
        How every object began.
    ends : dict of int to End
        How every object ended.
    confidence : dict of int to float
        Of every daughter: the probability, 0 to 1, that she is her mother's daughter; 1 where it was given.
    start, stop : int
        The lineage covers the frames from `start` to before `stop`.
    """

    detections: Detections
    parents: dict[int, int]
    first_frame: dict[int, int]
    last_frame: dict[int, int]
    begins: dict[int, Begin]
    ends: dict[int, End]
    confidence: dict[int, float]
    start: int
    stop: int

    def __repr__(self) -> str:
        n_mothers = len(set(self.parents.values()))
        return (
            f"Lineage({counted(len(self.first_frame), 'object')} on frames {self.start} to {self.stop - 1}, "
            f"{counted(n_mothers, 'mother')})"
        )

    @classmethod
    def from_labels(
        cls,
        labels: Any,
        parents: Mapping[int, int] | None = None,
        *,
        frames: range | None = None,
        confidence: Mapping[int, float] | None = None,
        events: Iterable[Event] = (),
    ) -> Lineage:
        """Make a lineage from label images and what is known about mothers.

        Parameters
        ----------
        labels : array_like (T, Y, X) or (T, Z, Y, X), or iterable of such frames, integer
            An object keeps its id; 0 is background. One frame at a time is read, and a generator of frames will do.
        parents : mapping of int to int, optional
            Daughter to mother. None: what `events` say.
        frames : range, optional
            Frames that were followed, of an array; of an iterable, the numbers of its frames. None: all, from 0.
        confidence : mapping of int to float, optional
            Probability that a daughter is her mother's daughter; None: the odds of the events, or 1.
        events : iterable of Event, optional
            What happened; says how objects began and ended where labels alone cannot.

        Returns
        -------
        Lineage
            The lineage.

        Raises
        ------
        InputError
            If labels are none, a mother or daughter does not exist, a daughter begins before her mother, or mothers go
            round in a circle.
        """
        if not hasattr(labels, "__iter__") or hasattr(labels, "path"):
            labels = given_labels(labels, "labels")
        found = Detections.from_labels(labels, frames)
        if frames is None:
            stop = int(labels.shape[0]) if hasattr(labels, "shape") else None
            return cls.from_detections(found, parents, stop=stop, confidence=confidence, events=events)
        start, stop = (min(frames), max(frames) + 1) if len(frames) else (0, 0)
        return cls.from_detections(found, parents, start=start, stop=stop, confidence=confidence, events=events)

    @classmethod
    def from_events(
        cls, events: Iterable[Event], detections: Detections, *, start: int = 0, stop: int | None = None
    ) -> Lineage:
        """Make a lineage from what happened, in the order in which it was decided.

        Divisions, and the corrections "divide", "link", "unlink", "swap" and "join", say who is whose daughter;
        entries, exits, losses and the corrections "remove" and "paint" say how objects began and ended.

        Parameters
        ----------
        events : iterable of Event
            What happened.
        detections : Detections
            Where objects are, after all corrections.
        start, stop : int, optional
            Frames that were followed; None: up to the last detection.

        Returns
        -------
        Lineage
            The lineage.

        Raises
        ------
        InputError
            As `from_labels`.
        """
        return cls.from_detections(detections, None, start=start, stop=stop, events=events)

    @classmethod
    def from_detections(
        cls,
        detections: Detections,
        parents: Mapping[int, int] | None = None,
        *,
        start: int = 0,
        stop: int | None = None,
        confidence: Mapping[int, float] | None = None,
        events: Iterable[Event] = (),
    ) -> Lineage:
        """Make a lineage from places that were measured already; see `from_labels`.

        Raises
        ------
        InputError
            As `from_labels`.
        """
        events = tuple(events)
        first, last = _first_and_last(detections)
        told, odds = parents_from_events(events, first)
        known = {int(child): int(mother) for child, mother in (told if parents is None else parents).items() if mother}
        check_parents(known, first)
        sure = {child: float((confidence or {}).get(child, odds.get(child, 1.0))) for child in known}
        stop = max(last.values(), default=start - 1) + 1 if stop is None else stop
        begins, ends = begins_and_ends(detections, known, first, last, range(start, stop), events)
        return cls(detections, known, first, last, begins, ends, sure, start, stop)

    @property
    def object_ids(self) -> tuple[int, ...]:
        """All objects, ascending."""
        return tuple(self.first_frame)

    def __len__(self) -> int:
        return len(self.first_frame)

    def __contains__(self, object_id: object) -> bool:
        return object_id in self.first_frame

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Lineage):
            return NotImplemented
        names = ("detections", "parents", "begins", "ends", "confidence", "start", "stop")
        return all(getattr(self, name) == getattr(other, name) for name in names)

    __hash__ = None  # type: ignore[assignment]

    @cached_property
    def daughters(self) -> dict[int, tuple[int, ...]]:
        """Mother to her daughters, ascending; objects without daughters are not listed."""
        found: dict[int, list[int]] = {}
        for daughter in sorted(self.parents):
            found.setdefault(self.parents[daughter], []).append(daughter)
        return {mother: tuple(found[mother]) for mother in sorted(found)}

    @cached_property
    def founder(self) -> dict[int, int]:
        """Of every object the first ancestor, which is itself where it has no mother."""
        found: dict[int, int] = {}
        for i in sorted(self.first_frame, key=lambda i: self.first_frame[i]):
            found[i] = found[self.parents[i]] if i in self.parents else i
        return {i: found[i] for i in self.first_frame}

    @cached_property
    def generation(self) -> dict[int, int]:
        """Of every object the number of its ancestors: 0 for founders, 1 for their daughters, and so on."""
        found: dict[int, int] = {}
        for i in sorted(self.first_frame, key=lambda i: self.first_frame[i]):
            found[i] = found[self.parents[i]] + 1 if i in self.parents else 0
        return {i: found[i] for i in self.first_frame}

    @cached_property
    def divisions(self) -> tuple[Division, ...]:
        """All divisions, by frame. An object that merely goes on under another id is none."""
        found = []
        for mother, daughters in self.daughters.items():
            after = [d for d in daughters if self.first_frame[d] > self.last_frame[mother]]
            groups = [after] if len(after) > 1 else []
            beside: dict[int, list[int]] = {}
            for d in daughters:
                if self.first_frame[d] <= self.last_frame[mother]:
                    beside.setdefault(self.first_frame[d], []).append(d)
            for group in groups + list(beside.values()):
                frame = min(self.first_frame[d] for d in group)
                found.append(Division(mother, tuple(group), frame, min(self.confidence[d] for d in group)))
        return tuple(sorted(found, key=lambda division: (division.frame, division.mother)))

    @cached_property
    def cell_cycle_frames(self) -> dict[int, int]:
        """Frames from birth to division of every object of which both were seen.

        They are counted from its first frame to the first frame of its first daughter.
        """
        lengths = {}
        for i, end in self.ends.items():
            if end is End.DIVIDED and self.begins[i] is Begin.BORN:
                lengths[i] = min(self.first_frame[d] for d in self.daughters[i]) - self.first_frame[i]
        return lengths

    def descendants(self, object_id: int) -> tuple[int, ...]:
        """Return daughters, their daughters and so on, ascending."""
        found: list[int] = []
        waiting = list(self.daughters.get(object_id, ()))
        while waiting:
            found.append(waiting.pop())
            waiting += self.daughters.get(found[-1], ())
        return tuple(sorted(found))

    def events(self) -> tuple[Event, ...]:
        """Return the divisions, entries, exits and losses that this lineage holds, by frame.

        Entries, exits and losses are as sure as labels are: their odds are 1.
        """
        found = [Event(EventKind.DIVISION, d.frame, (d.mother, *d.daughters), d.confidence) for d in self.divisions]
        for i, begin in self.begins.items():
            if begin in (Begin.ENTERED, Begin.APPEARED):
                found.append(Event(EventKind.ENTRY, self.first_frame[i], (i,), detail=str(begin)))
        for i, end in self.ends.items():
            if end in (End.LEFT, End.LOST):
                kind = EventKind.EXIT if end is End.LEFT else EventKind.LOSS
                found.append(Event(kind, self.last_frame[i] + 1, (i,)))
        return tuple(sorted(found, key=lambda event: (event.frame, event.kind, event.objects)))

    def to_napari(self) -> tuple[NDArray[np.float64], dict[int, list[int]], dict[str, NDArray[Any]]]:
        """Return what ``viewer.add_tracks(data, graph=graph, properties=properties)`` takes.

        Returns
        -------
        data : ndarray, (N, 4) or (N, 5), float64
            Id, frame, (plane,) row and column in pixels, sorted by id, then by frame.
        graph : dict of int to list of int
            Daughter to ``[mother]``.
        properties : dict of str to ndarray, (N,)
            "generation", "founder", "mother" (0: none), "area_px", and "confidence" of the division that the object
            began by (1 where there was none).
        """
        rows = self.detections
        data = np.column_stack([rows.object_ids, rows.frames, rows.centroids_px]).astype(np.float64)
        ids, index = np.unique(rows.object_ids, return_inverse=True)
        listed = ids.tolist()
        properties: dict[str, NDArray[Any]] = {
            "generation": np.array([self.generation[i] for i in listed], np.int64)[index],
            "founder": np.array([self.founder[i] for i in listed], np.int64)[index],
            "mother": np.array([self.parents.get(i, 0) for i in listed], np.int64)[index],
            "area_px": rows.areas_px,
            "confidence": np.array([self.confidence.get(i, 1.0) for i in listed], np.float64)[index],
        }
        return data, {child: [mother] for child, mother in sorted(self.parents.items())}, properties


def _first_and_last(rows: Detections) -> tuple[dict[int, int], dict[int, int]]:
    ids, firsts, counts = np.unique(rows.object_ids, return_index=True, return_counts=True)
    first, last = rows.frames[firsts], rows.frames[firsts + counts - 1]
    return (
        dict(zip(ids.tolist(), first.tolist(), strict=True)),
        dict(zip(ids.tolist(), last.tolist(), strict=True)),
    )
