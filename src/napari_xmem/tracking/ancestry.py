"""Mothers and daughters as a plain mapping: what is allowed, and what events make of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.errors import InputError
from napari_xmem.tracking.events import EventKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from napari_xmem.tracking.events import Event

__all__ = ["check_parents", "joined", "labels_of_founders", "parents_from_events", "swapped"]


def labels_of_founders(labels: NDArray[Any], founder: Mapping[int, int]) -> NDArray[Any]:
    """Return labels in which every daughter has the id of the cell that she descends from.

    Parameters
    ----------
    labels : ndarray, integer
        Any shape, 0 = background.
    founder : mapping of int to int
        Object to its first ancestor (`Lineage.founder`); objects that are not named keep their id.

    Returns
    -------
    ndarray
        Same shape and dtype.
    """
    ids, index = np.unique(labels, return_inverse=True)
    table = np.array([founder.get(int(i), int(i)) for i in ids], labels.dtype)
    return table[index].reshape(labels.shape)


def check_parents(parents: Mapping[int, int], first_frame: Mapping[int, int]) -> None:
    """Refuse mothers that cannot be.

    Parameters
    ----------
    parents : mapping of int to int
        Daughter to mother.
    first_frame : mapping of int to int
        First frame of every object there is.

    Raises
    ------
    InputError
        If a mother or daughter does not exist, mothers go round in a circle, or a daughter begins before her mother, or
        on the same frame.
    """
    for child, mother in parents.items():
        if child not in first_frame:
            raise InputError(f"object {child}, a daughter of {mother}, does not exist.")
        if mother not in first_frame:
            raise InputError(f"object {mother}, the mother of {child}, does not exist.")
    for child in parents:
        seen, at = {child}, child
        while at in parents:
            at = parents[at]
            if at in seen:
                raise InputError(f"mothers go round in a circle at object {at}: an object cannot descend from itself.")
            seen.add(at)
    for child, mother in parents.items():
        if first_frame[child] <= first_frame[mother]:
            raise InputError(
                f"object {child} begins on frame {first_frame[child]}, its mother {mother} on frame "
                f"{first_frame[mother]}; a mother begins before her daughters."
            )


def parents_from_events(
    events: Iterable[Event], first_frame: Mapping[int, int]
) -> tuple[dict[int, int], dict[int, float]]:
    """Read from events who is whose daughter, and how sure that is.

    Parameters
    ----------
    events : iterable of Event
        In the order in which they were decided; later ones overrule earlier ones.
    first_frame : mapping of int to int
        First frame of every object that is left after all of them.

    Returns
    -------
    parents : dict of int to int
        Daughter to mother.
    odds : dict of int to float
        Daughter to the odds of the event that says so.
    """
    parents: dict[int, int] = {}
    odds: dict[int, float] = {}
    for event in events:
        if event.mother is not None:
            for daughter in event.daughters:
                parents[daughter], odds[daughter] = event.mother, event.odds
        elif event.kind is not EventKind.CORRECTION:
            continue
        elif event.detail == "link":
            parents[event.objects[0]], odds[event.objects[0]] = event.objects[1], event.odds
        elif event.detail == "unlink":
            parents.pop(event.objects[0], None)
        elif event.detail == "swap":
            parents = swapped(parents, event.objects[0], event.objects[1], event.frame, first_frame)
        elif event.detail == "join":
            parents = joined(parents, event.objects[0], event.objects[1])
        elif event.detail == "remove":
            parents = {c: m for c, m in parents.items() if c in first_frame and m in first_frame}
    return parents, {child: odds[child] for child in parents if child in odds}


def swapped(
    parents: Mapping[int, int], a: int, b: int, from_frame: int, first_frame: Mapping[int, int]
) -> dict[int, int]:
    """Exchange the daughters that two objects have from a frame on, and their mothers where both begin after it."""
    other = {a: b, b: a}
    found = {
        child: other.get(mother, mother) if first_frame.get(child, -1) >= from_frame else mother
        for child, mother in parents.items()
    }
    if min(first_frame.get(a, -1), first_frame.get(b, -1)) >= from_frame:
        found = {other.get(child, child): mother for child, mother in found.items()}
    return found


def joined(parents: Mapping[int, int], kept: int, ended: int) -> dict[int, int]:
    """Let `kept` take over the daughters of `ended`, and its mother if it has none of its own."""
    found = {child: kept if mother == ended else mother for child, mother in parents.items() if child != ended}
    if found.get(kept, kept) == kept and ended in parents:
        found[kept] = parents[ended]
    if found.get(kept) == kept:
        del found[kept]
    return found
