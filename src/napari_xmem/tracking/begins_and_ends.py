"""How objects begin and end: by their place on the first and last frame, unless events know better."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from napari_xmem.tracking.events import Event, EventKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from napari_xmem.tracking.detections import Detections

__all__ = ["Begin", "End", "begins_and_ends"]


class Begin(StrEnum):
    """How an object began."""

    #: It is there on the first frame of the run.
    START = "start"
    #: By a division, or under a new id after its mother ended.
    BORN = "born"
    #: It came in over the border of the picture.
    ENTERED = "entered"
    #: It appeared inside the picture, or was found there.
    APPEARED = "appeared"
    #: A user painted it on a later frame.
    PAINTED = "painted"


class End(StrEnum):
    """How an object ended."""

    #: Two or more daughters begin after it.
    DIVIDED = "divided"
    #: One object goes on in its place under another id.
    CONTINUED = "continued"
    #: It left over the border of the picture.
    LEFT = "left"
    #: It was lost inside the picture.
    LOST = "lost"
    #: A user removed it from here on.
    REMOVED = "removed"
    #: It is there on the last frame of the run.
    END_OF_MOVIE = "end of movie"


def begins_and_ends(
    rows: Detections,
    parents: Mapping[int, int],
    first: Mapping[int, int],
    last: Mapping[int, int],
    frames: range,
    events: Iterable[Event],
) -> tuple[dict[int, Begin], dict[int, End]]:
    """Say how each object began and ended.

    Parameters
    ----------
    rows : Detections
        Where objects are.
    parents : mapping of int to int
        Daughter to mother.
    first, last : mapping of int to int
        Object to the first and last frame that shows it.
    frames : range
        Frames that were followed.
    events : iterable of Event
        What happened.

    Returns
    -------
    begins : dict of int to Begin
    ends : dict of int to End
    """
    successors: dict[int, int] = {}
    for child, mother in parents.items():
        successors[mother] = successors.get(mother, 0) + (first[child] > last[mother])
    begins, ends = {}, {}
    for i in first:
        own = rows.rows_of(i)
        begins[i] = Begin.ENTERED if rows.at_border[own.start] else Begin.APPEARED
        if first[i] == frames.start:
            begins[i] = Begin.START
        ends[i] = End.LEFT if rows.at_border[own.stop - 1] else End.LOST
        if last[i] == frames.stop - 1:
            ends[i] = End.END_OF_MOVIE
    for event in events:
        _apply(event, begins, ends, first, last)
    begins.update(dict.fromkeys(parents, Begin.BORN))
    for i, n in successors.items():
        if n:
            ends[i] = End.DIVIDED if n > 1 else End.CONTINUED
    return begins, ends


def _apply(
    event: Event,
    begins: dict[int, Begin],
    ends: dict[int, End],
    first: Mapping[int, int],
    last: Mapping[int, int],
) -> None:
    for i in event.objects:
        if i not in first:
            continue
        if event.kind is EventKind.CORRECTION and event.detail == "paint" and first[i] == event.frame:
            begins[i] = Begin.PAINTED
        if event.frame != last[i] + 1:  # it was seen again, or ended at another time
            continue
        if event.kind is EventKind.EXIT:
            ends[i] = End.LEFT
        elif event.kind is EventKind.LOSS:
            ends[i] = End.LOST
        elif event.kind is EventKind.CORRECTION and event.detail == "remove":
            ends[i] = End.REMOVED
