"""What can be done about a question, in one step each, the likeliest first."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from napari_xmem.session.events_to_check import QuestionKind

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari_xmem.session.events_to_check import EventToCheck

__all__ = ["Mending", "MendingKind", "mendings"]


class MendingKind(StrEnum):
    """What is done."""

    SWAP = "swap"
    JOIN = "join"
    DIVIDE = "divide"
    NO_DIVISION = "no_division"
    END = "end"
    REMOVE = "remove"
    SPLIT = "split"
    RENUMBER = "renumber"
    RIGHT = "right"


@dataclass(frozen=True, slots=True)
class Mending:
    """One step that answers a question.

    Attributes
    ----------
    kind : MendingKind
        What is done.
    text : str
        In words, for a button.
    frame : int
        From this frame on.
    objects : tuple of int
        Cells concerned.
    """

    kind: MendingKind
    text: str
    frame: int
    objects: tuple[int, ...]


def mendings(event: EventToCheck, objects: Collection[int]) -> tuple[Mending, ...]:
    """Return what can be done about a question; the last one is always that it is right as it is.

    Parameters
    ----------
    event : EventToCheck
        The question.
    objects : collection of int
        Cells that are there.
    """
    there = tuple(i for i in event.objects if i in objects)
    found: list[tuple[MendingKind, str]] = []
    kind, k = event.kind, MendingKind
    first = there[0] if there else 0
    if len(there) < len(event.objects) or not there:
        kind = QuestionKind.DOUBT
    if kind is QuestionKind.SWAP and len(there) > 1:
        found = [(k.SWAP, f"Swap {first} and {there[1]} from here on")]
    elif kind is QuestionKind.PARTS:
        found = [(k.SPLIT, f"Split {first}: the smaller part gets a number"), (k.DIVIDE, f"{first} divides here")]
    elif kind is QuestionKind.VANISHED and len(there) == 1:
        found = [(k.END, f"{first} ends here")]
    elif kind is QuestionKind.VANISHED and len(there) == 2:
        found = [(k.JOIN, f"{there[1]} is {first}: join them"), (k.END, f"{first} ends here")]
    elif kind is QuestionKind.VANISHED:
        found = [(k.DIVIDE, f"{first} divides into {there[1]} and {there[2]}"), (k.END, f"{first} ends here")]
    elif kind is QuestionKind.DIVISION and len(there) > 1:
        found = [(k.NO_DIVISION, f"No division: {first} goes on")]
    elif kind is QuestionKind.APPEARED:
        found = [(k.REMOVE, f"Delete {first} from here on")]
    elif kind in (QuestionKind.JUMP, QuestionKind.AREA):
        found = [(k.RENUMBER, f"Another cell: new number for {first} from here on")]
    elif kind is QuestionKind.GAP:
        found = [(k.END, f"{first} ends here")]
    found.append((k.RIGHT, "Dismiss"))
    return tuple(Mending(what, text, event.frame, there) for what, text in found)
