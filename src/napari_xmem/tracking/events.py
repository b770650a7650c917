"""What happens in a movie: one small record for divisions, encounters, entries, losses and corrections."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from napari_xmem.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Event", "EventKind", "sorted_events", "worst_first"]


class EventKind(StrEnum):
    """Kinds of events; ``Event.objects`` holds the ids in the order that is given here."""

    #: (mother, daughter, ...): the daughters are first seen on the event's frame. A mother that is still there on that
    #: frame goes on under her own id (budding).
    DIVISION = "division"
    #: (one, another, ...): objects hide each other or merge; `Event.detail` says how it ended: "kept", "exchanged",
    #: "reassigned", or "never came apart". What it was weighed against is every other way round.
    ENCOUNTER = "encounter"
    #: (id,): an object that was not painted comes in or is found.
    ENTRY = "entry"
    #: (id,): the object leaves over the border; the frame is the first without it.
    EXIT = "exit"
    #: (id,): the object is lost inside the picture; the frame is the first without it.
    LOSS = "loss"
    #: (id,): a lost object is found again on this frame.
    RETURN = "return"
    #: (): the frame is blank, flat, saturated, foreign, repeated, shifted or out of focus; `Event.detail` says which.
    BAD_FRAME = "bad frame"
    #: A user's correction; `Event.detail` names it: "divide" (mother, daughter, ...), "link" (daughter, mother),
    #: "unlink" (daughter,), "swap" (a, b), "join" (kept, ended), "remove" (id,), "paint" (id, ...).
    CORRECTION = "correction"


_FEWEST_OBJECTS = {
    EventKind.DIVISION: 2,
    EventKind.ENCOUNTER: 2,
    EventKind.ENTRY: 1,
    EventKind.EXIT: 1,
    EventKind.LOSS: 1,
    EventKind.RETURN: 1,
    EventKind.BAD_FRAME: 0,
    EventKind.CORRECTION: 1,
}


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, how sure it is, and what it was weighed against.

    Attributes
    ----------
    kind : EventKind
        What happened.
    frame : int
        The first frame that shows it.
    objects : tuple of int
        Ids above 0 that it concerns, in the order that `EventKind` gives.
    odds : float
        Probability, 0 to 1, that this happened rather than `alternative`; 1 for what a user said.
    alternative : EventKind or None
        What lost against it. None: that nothing happened, and the objects simply go on.
    detail : str
        More about it in a word or a short sentence; for corrections and bad frames as `EventKind` says.
    decided : int or None
        The frame on which it was decided, where that was later than `frame`.

    Raises
    ------
    InputError
        If the frame is negative, the odds are not within 0..1, or objects are missing, repeated or not above 0.
    """

    kind: EventKind
    frame: int
    objects: tuple[int, ...] = ()
    odds: float = 1.0
    alternative: EventKind | None = None
    detail: str = ""
    decided: int | None = None

    def __post_init__(self) -> None:
        if self.frame < 0:
            raise InputError(f"a {self.kind} on frame {self.frame}: frames start at 0.")
        if not 0.0 <= self.odds <= 1.0:
            raise InputError(f"a {self.kind} with odds {self.odds}: expected a probability, 0 to 1.")
        fewest = _FEWEST_OBJECTS[self.kind]
        if len(self.objects) < fewest or len(set(self.objects)) < len(self.objects) or min(self.objects, default=1) < 1:
            raise InputError(
                f"a {self.kind} of the objects {self.objects}: expected {fewest} or more different ids above 0."
            )

    @property
    def mother(self) -> int | None:
        """The dividing object; None unless this is a division, found or corrected."""
        return self.objects[0] if self._divides else None

    @property
    def daughters(self) -> tuple[int, ...]:
        """The objects that begin by this division; empty for other events."""
        return self.objects[1:] if self._divides else ()

    @property
    def _divides(self) -> bool:
        return self.kind is EventKind.DIVISION or (self.kind is EventKind.CORRECTION and self.detail == "divide")


def sorted_events(events: Iterable[Event]) -> tuple[Event, ...]:
    """Sort events by frame, then by kind and objects.

    Parameters
    ----------
    events : iterable of Event
        In any order.

    Returns
    -------
    tuple of Event
        The same ones.
    """
    return tuple(sorted(events, key=lambda event: (event.frame, event.kind, event.objects)))


def worst_first(events: Iterable[Event]) -> tuple[Event, ...]:
    """Sort events for review: the least sure first, equally sure ones by frame.

    Parameters
    ----------
    events : iterable of Event
        In any order.

    Returns
    -------
    tuple of Event
        The same ones.
    """
    return tuple(sorted(events, key=lambda event: (event.odds, event.frame, event.kind, event.objects)))
