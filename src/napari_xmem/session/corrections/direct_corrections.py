"""Corrections that need no network: objects that were erased, renumbered, or confirmed to be absent."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.imaging import object_ids
from napari_xmem.session.corrections.affected_objects import changed_objects

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_xmem.session.annotations import Annotations
    from napari_xmem.session.corrections.correction_segments import Segment
    from napari_xmem.session.packed_labels import PackedLabels
    from napari_xmem.session.results import FrameRecord, ResultsStore

__all__ = ["Relabelling", "absence_span", "new_numbers", "plan_relabelling"]


@dataclass(slots=True)
class Relabelling:
    """What corrections change at once on other frames.

    Attributes
    ----------
    absences : list of (int, int, int)
        Objects that are absent: id, first frame and end (exclusive).
    numbers : dict
        Frame to the new numbers of objects there, old to new.
    plain : set of int
        Corrected frames on which nothing else changed.
    ended : dict
        Object that was erased to the corrected frame.
    renumbered : dict
        Old number to new number.
    """

    absences: list[tuple[int, int, int]] = field(default_factory=list)
    numbers: dict[int, dict[int, int]] = field(default_factory=dict)
    plain: set[int] = field(default_factory=set)
    ended: dict[int, int] = field(default_factory=dict)
    renumbered: dict[int, int] = field(default_factory=dict)

    def apply(self, record: FrameRecord, absent: set[int]) -> FrameRecord | None:
        """Return the new record of a frame on which `absent` objects are not; None if nothing changes."""
        known = set(record.scores.object_ids)
        numbers = self.numbers.get(record.scores.frame, {})
        gone = absent & {numbers.get(i, i) for i in known}
        if not gone and not known & set(numbers):
            return None
        renumbered = record.renumbered(numbers) if known & set(numbers) else record
        return renumbered.without(gone) if gone else renumbered


def plan_relabelling(
    corrections: Mapping[int, PackedLabels],
    segments: Sequence[Segment],
    results: ResultsStore,
    said: Annotations,
    n_frames: int,
) -> Relabelling:
    """Find what in corrections was merely erased, renumbered or confirmed.

    Parameters
    ----------
    corrections : mapping
        Frame to labels that are right as a whole.
    segments : sequence of Segment
        Where they are to be carried on.
    results : ResultsStore
        Results before the corrections.
    said : Annotations
        What the person has said, the corrections included.
    n_frames : int
        Frames of the movie.
    """
    plan = Relabelling()
    for frame, packed in corrections.items():
        record = results.get(frame)
        ways = [segment for segment in segments if segment.frame == frame]
        if record is None:
            continue
        old, new = record.packed.unpack(), packed.unpack()
        there, before = set(object_ids(new)), set(object_ids(old))
        numbers = new_numbers(old, new)
        erased = before - there - set(numbers)
        unseen = {i for i in record.scores.object_ids if i not in before} - there
        if not changed_objects(old, new) - erased - set(numbers) - set(numbers.values()):
            plan.plain.add(frame)
            for segment in ways if numbers else ():
                for t in takewhile(lambda t: t not in said.labels, segment.frames):
                    plan.numbers[t] = numbers
            plan.renumbered |= numbers
        for backward in {segment.direction == "backward" for segment in ways}:
            for i in erased:
                plan.absences.append((i, *absence_span(i, frame, said, results, n_frames, backward=backward)))
                plan.ended[i] = frame
            for i in unseen:
                span = absence_span(i, frame, said, results, n_frames, backward=backward, until_seen=True)
                plan.absences.append((i, *span))
    return plan


def new_numbers(old: NDArray[Any], new: NDArray[Any]) -> dict[int, int]:
    """Return which objects merely got another number, old to new; who had the new number gets the old one.

    Parameters
    ----------
    old, new : ndarray, shape (Y, X)
        Labels before and after.
    """
    ids, counts = np.unique(new, return_counts=True)
    size = dict(zip(ids.tolist(), counts.tolist(), strict=True))
    numbers: dict[int, int] = {}
    for i in object_ids(old):
        found = np.unique(new[old == i])
        if len(found) == 1 and found[0] != i and found[0] and size[int(found[0])] == int((old == i).sum()):
            numbers[int(i)] = int(found[0])
    for i, j in list(numbers.items()):
        if j not in numbers:
            if j in size and (old == j).any():
                return {}  # the other object changed too: more than numbers
            numbers[j] = i
    return numbers if sorted(numbers) == sorted(numbers.values()) else {}


def absence_span(
    object_id: int,
    frame: int,
    said: Annotations,
    results: ResultsStore,
    n_frames: int,
    *,
    backward: bool = False,
    until_seen: bool = False,
) -> tuple[int, int]:
    """Return the frames on which an object is absent, if it is absent on one: first and end (exclusive).

    Parameters
    ----------
    object_id : int
        The object.
    frame : int
        Where it is absent.
    said : Annotations
        The span ends where a person painted the object or locked a frame with it.
    results : ResultsStore
        Results so far.
    n_frames : int
        Frames of the movie.
    backward : bool
        Towards the beginning of the movie.
    until_seen : bool
        It also ends where a result has the object.
    """
    step, t = (-1, frame - 1) if backward else (1, frame + 1)
    while 0 <= t < n_frames:
        packed = said.labels.get(t)
        if packed is not None and object_id in object_ids(packed.unpack()):
            break
        record = results.get(t)
        if record is not None and (until_seen or t in said.locked) and object_id in record.scores.object_ids:
            if object_id in object_ids(record.packed.unpack()):
                break
        t += step
    return (t + 1, frame + 1) if backward else (frame, t)
