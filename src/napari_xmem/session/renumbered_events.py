"""What is said of objects beside their masks - births, ends, events - when objects are removed or renumbered."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_xmem.errors import InputError
from napari_xmem.tracking import End

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from napari_xmem.engine import FrameResult
    from napari_xmem.tracking import Event, Lineage

__all__ = ["carried_over", "happenings_like", "scores_renumbered", "scores_without"]


def scores_without(scores: FrameResult, objects: Collection[int]) -> FrameResult:
    """Return a frame's scores, births, ends and events without some objects; labels are left alone."""
    kept = [row for row, i in enumerate(scores.object_ids) if i not in objects]
    return replace(
        scores,
        object_ids=tuple(scores.object_ids[row] for row in kept),
        area_px=scores.area_px[kept],
        confidence=scores.confidence[kept],
        births=tuple((i, None if mother in objects else mother) for i, mother in scores.births if i not in objects),
        ends=tuple((i, why) for i, why in scores.ends if i not in objects),
        events=_events(scores.events, dict.fromkeys(objects, 0)),
    )


def scores_renumbered(scores: FrameResult, numbers: Mapping[int, int]) -> FrameResult:
    """Return a frame's scores, births, ends and events with objects renumbered all at once; labels are left alone.

    Where two objects become one, the larger one counts.
    """
    ids = [numbers.get(i, i) for i in scores.object_ids]
    largest: dict[int, int] = {}
    for row, i in enumerate(ids):
        if i not in largest or scores.area_px[row] > scores.area_px[largest[i]]:
            largest[i] = row
    rows = list(largest.values())
    births: dict[int, int | None] = {}
    for i, mother in scores.births:
        births.setdefault(numbers.get(i, i), None if mother is None else numbers.get(mother, mother))
    return replace(
        scores,
        object_ids=tuple(largest),
        area_px=np.asarray(scores.area_px)[rows],
        confidence=np.asarray(scores.confidence)[rows],
        births=tuple((i, mother) for i, mother in births.items() if i != mother),
        ends=tuple({numbers.get(i, i): why for i, why in scores.ends}.items()),
        events=_events(scores.events, numbers),
    )


def carried_over(painted: FrameResult, before: FrameResult, numbers: Mapping[int, int]) -> FrameResult:
    """Return the scores of a painted frame with what happened there to the objects that are still on it.

    Parameters
    ----------
    painted, before : FrameResult
        The frame painted, and as it was; their labels do not count.
    numbers : mapping of int to int
        Objects that merely got another number, old to new.
    """
    before = scores_renumbered(before, numbers) if numbers else before
    seen = {i for i, area in zip(before.object_ids, before.area_px.tolist(), strict=True) if area}
    before = scores_without(before, seen - set(painted.object_ids))
    return replace(painted, births=before.births, ends=before.ends, events=before.events)


def happenings_like(scores: FrameResult, lineage: Lineage) -> FrameResult:
    """Return a frame's scores with the births and ends that a lineage says; what was painted stays a birth."""
    t = scores.frame
    painted = {i: None for i, mother in scores.births if mother is None and i in lineage and i not in lineage.parents}
    born = {i: mother for i, mother in lineage.parents.items() if lineage.first_frame[i] == t}
    ends = {}
    for mother in dict.fromkeys(born.values()):
        why = lineage.ends[mother]
        after = [i for i in lineage.daughters[mother] if lineage.first_frame[i] > lineage.last_frame[mother]]
        if why in (End.DIVIDED, End.CONTINUED) and after and min(lineage.first_frame[i] for i in after) == t:
            ends[mother] = str(why)
    births = tuple(sorted({**painted, **born}.items()))
    if births == tuple(sorted(scores.births)) and ends == dict(scores.ends):
        return scores
    return replace(scores, births=births, ends=tuple(sorted(ends.items())))


def _events(events: Iterable[Event], numbers: Mapping[int, int]) -> tuple[Event, ...]:
    renumbered = (_event(event, numbers) for event in events)
    return tuple(event for event in renumbered if event is not None)


def _event(event: Event, numbers: Mapping[int, int]) -> Event | None:
    """Return an event with other numbers; None if too few objects are left, or the mother is gone."""
    if not any(i in numbers for i in event.objects):
        return event
    ids = tuple(dict.fromkeys(numbers.get(i, i) for i in event.objects))
    if event.mother is not None and not ids[0]:
        return None
    try:
        return replace(event, objects=tuple(i for i in ids if i))
    except InputError:
        return None
