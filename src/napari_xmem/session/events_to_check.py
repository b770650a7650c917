"""What happened in a result that deserves a look: unsure divisions, cells that vanish, jumps, exchanged cells.

Everything is read off places, areas and the lineage, so it works on labels of any program. A cell that left over the
border raises no alarm, nor does anything that a person said or vouched for.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from napari_xmem.tracking import Begin, End

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from napari_xmem.tracking import Detections, Lineage

__all__ = ["EventToCheck", "QuestionKind", "events_to_check"]

#: A division below this probability is a question.
SURE_DIVISION = 0.9
#: An area that changes by more than this factor from frame to frame is a jump, and more than JUMP_DEVIATIONS times the
#: usual change of this movie.
AREA_FACTOR = 1.6
#: A step of more than this many diameters is a jump, and more than JUMP_DEVIATIONS times the usual step.
STEP_DIAMETERS = 0.8
JUMP_DEVIATIONS = 6.0
#: So many cells tell a shift of the whole picture from steps of their own.
FEWEST_TO_DRIFT = 3
#: Two cells are exchanged if the other way round they would have to go this many diameters less, together.
SWAP_DIAMETERS = 0.7
#: A cell that begins this near to where another was lost, in diameters, and at most LATER_FRAMES later may be she.
NEAR_DIAMETERS = 1.5
LATER_FRAMES = 3
#: So many frames before a division a mother may shrink (she condenses or rounds up), and after it daughters may grow.
MITOSIS_FRAMES = 5


class QuestionKind(StrEnum):
    """What may be wrong."""

    DIVISION = "division"
    VANISHED = "vanished"
    APPEARED = "appeared"
    GAP = "gap"
    AREA = "area"
    JUMP = "jump"
    SWAP = "swap"
    PARTS = "parts"
    DOUBT = "doubt"


@dataclass(frozen=True, slots=True)
class EventToCheck:
    """A question to the person.

    Attributes
    ----------
    kind : QuestionKind
        What may be wrong.
    frame : int
        The frame to look at.
    objects : tuple of int
        Cells concerned, the first one foremost.
    score : float
        How much a look is worth, 0 to 1.
    reason : str
        In words.
    """

    kind: QuestionKind
    frame: int
    objects: tuple[int, ...]
    score: float
    reason: str

    @property
    def key(self) -> tuple[int, str, tuple[int, ...]]:
        """What makes it the same question another time."""
        return self.frame, str(self.kind), self.objects


def events_to_check(
    lineage: Lineage,
    checked: Collection[int] = (),
    mothers: Mapping[int, int] | None = None,
    absent: Mapping[int, Collection[tuple[int, int]]] | None = None,
    more: Iterable[EventToCheck] = (),
) -> tuple[EventToCheck, ...]:
    """Return what deserves a look in a lineage, by worth; questions that another one answers are left out.

    Parameters
    ----------
    lineage : Lineage
        With the places and areas of its objects.
    checked : collection of int
        Frames that a person vouches for: no questions there.
    mothers : mapping of int to int, optional
        Daughter to mother (0: none) where a person said so: no question about that.
    absent : mapping of int to spans, optional
        Object to frames, first and end (exclusive), on which a person said that it is not: nor about that.
    more : iterable of EventToCheck
        Further questions, which places and areas do not tell.

    Returns
    -------
    tuple of EventToCheck
        Worth most first.
    """
    if not len(lineage.detections):
        return ()
    said, checked = mothers or {}, frozenset(checked)
    steps = _Steps(lineage.detections)
    found = [*_divisions(lineage, said), *_ends(lineage, said, steps.diameter_px), *_gaps(lineage)]
    swaps = list(_swaps(steps))
    exchanged = {(event.frame, i) for event in swaps for i in event.objects}
    born = {(lineage.first_frame[i], m) for i, m in lineage.parents.items()}
    jumps = [
        event
        for event in _jumps(steps)
        if (event.frame, event.objects[0]) not in exchanged | born and not _is_of_mitosis(event, lineage)
    ]
    gone = absent or {}
    left = [
        event
        for event in (*found, *swaps, *jumps, *more)
        if event.frame not in checked and not _is_known_gone(event, gone.get(event.objects[0], ()))
    ]
    return tuple(sorted(left, key=lambda event: (-round(event.score, 3), event.frame, event.objects)))


def _is_known_gone(event: EventToCheck, spans: Collection[tuple[int, int]]) -> bool:
    kinds = (QuestionKind.VANISHED, QuestionKind.GAP)
    return event.kind in kinds and any(low <= event.frame < high for low, high in spans)


def _is_of_mitosis(event: EventToCheck, lineage: Lineage) -> bool:
    """Return True if an area changes as it does around a division; whether that is one is a question of its own."""
    cell, frame = event.objects[0], event.frame
    if event.kind is not QuestionKind.AREA:
        return False
    born = [lineage.first_frame[i] for i in lineage.daughters.get(cell, ())]
    divides = any(0 <= t - frame <= MITOSIS_FRAMES for t in born)
    return divides or (cell in lineage.parents and 0 <= frame - lineage.first_frame[cell] <= MITOSIS_FRAMES)


def _divisions(lineage: Lineage, said: Mapping[int, int]) -> Iterator[EventToCheck]:
    for division in lineage.divisions:
        if division.confidence < SURE_DIVISION and not set(division.daughters) <= set(said):
            named = " and ".join(map(str, division.daughters))
            reason = f"{division.mother} divides into {named}: {division.confidence:.0%} sure"
            objects = (division.mother, *division.daughters)
            score = 1 - division.confidence / 2
            yield EventToCheck(QuestionKind.DIVISION, division.frame, objects, score, reason)


def _ends(lineage: Lineage, said: Mapping[int, int], diameter_px: float) -> Iterator[EventToCheck]:
    """Cells lost inside the picture, and those that appear there; who begins where one was lost is asked with it."""
    rows = lineage.detections
    lost = [i for i, end in lineage.ends.items() if end is End.LOST]
    new = [i for i, begin in lineage.begins.items() if begin is Begin.APPEARED and i not in said]
    places = {i: rows.centroids_px[rows.rows_of(i).start] for i in new}
    asked: set[int] = set()
    for i in lost:
        last = lineage.last_frame[i]
        place = rows.centroids_px[rows.rows_of(i).stop - 1]
        near = tuple(
            j
            for j in new
            if 0 < lineage.first_frame[j] - last <= LATER_FRAMES
            and np.linalg.norm(places[j] - place) <= NEAR_DIAMETERS * diameter_px
        )
        asked.update(near)
        if len(near) > 1:
            reason = f"{i} ends, and {', '.join(map(str, near))} begin beside it: a division?"
        elif near:
            reason = f"{i} ends, and {near[0]} begins beside it: the same cell?"
        else:
            reason = f"{i} vanishes inside the picture"
        yield EventToCheck(QuestionKind.VANISHED, last + 1, (i, *near), 0.9 if near else 0.85, reason)
    for j in new:
        if j not in asked:
            reason = f"{j} appears inside the picture"
            yield EventToCheck(QuestionKind.APPEARED, lineage.first_frame[j], (j,), 0.6, reason)


def _gaps(lineage: Lineage) -> Iterator[EventToCheck]:
    rows = lineage.detections
    along = np.flatnonzero((np.diff(rows.object_ids) == 0) & (np.diff(rows.frames) > 1))
    for row in along.tolist():
        i, first, last = int(rows.object_ids[row]), int(rows.frames[row]) + 1, int(rows.frames[row + 1]) - 1
        where = f"on frame {first}" if first == last else f"on frames {first} to {last}"
        yield EventToCheck(QuestionKind.GAP, first, (i,), 0.65, f"{i} is not found {where}")


class _Steps:
    """Every object's steps from one frame to the next."""

    def __init__(self, rows: Detections) -> None:
        at = np.flatnonzero((np.diff(rows.object_ids) == 0) & (np.diff(rows.frames) == 1))
        self.diameter_px = float(np.median(2 * np.sqrt(rows.areas_px / np.pi)))
        self.ids, self.frames = rows.object_ids[at], rows.frames[at + 1]
        self.before_px, self.after_px = rows.centroids_px[at], rows.centroids_px[at + 1]
        self.areas_px = np.stack([rows.areas_px[at], rows.areas_px[at + 1]], axis=1)
        self.at_border = rows.at_border[at] | rows.at_border[at + 1]

    def __len__(self) -> int:
        return int(self.ids.size)


def _jumps(steps: _Steps) -> Iterator[EventToCheck]:
    """Sudden jumps of area or place, against what is usual in this movie; cells at the border are cut by it."""
    if not len(steps):
        return
    change = np.log(steps.areas_px[:, 1] / steps.areas_px[:, 0])
    limit = max(np.log(AREA_FACTOR), JUMP_DEVIATIONS * _deviation(change))
    for k in np.flatnonzero((np.abs(change - np.median(change)) > limit) & ~steps.at_border).tolist():
        i, (old, new) = int(steps.ids[k]), steps.areas_px[k].tolist()
        reason = f"{i} {'grows' if new > old else 'shrinks'} from {old} to {new} pixels"
        score = float(min(0.8, 0.4 * abs(change[k]) / limit))
        yield EventToCheck(QuestionKind.AREA, int(steps.frames[k]), (i,), score, reason)
    step = steps.after_px - steps.before_px
    for frame in np.unique(steps.frames):  # the picture may be shifted as a whole
        at = steps.frames == frame
        if at.sum() >= FEWEST_TO_DRIFT:
            step[at] -= np.median(step[at], axis=0)
    length = np.linalg.norm(step, axis=1)
    limit = max(STEP_DIAMETERS * steps.diameter_px, np.median(length) + JUMP_DEVIATIONS * _deviation(length))
    for k in np.flatnonzero(length > limit).tolist():
        i = int(steps.ids[k])
        score = float(min(0.85, 0.5 * length[k] / limit))
        yield EventToCheck(QuestionKind.JUMP, int(steps.frames[k]), (i,), score, f"{i} jumps by {length[k]:.0f} pixels")


def _swaps(steps: _Steps) -> Iterator[EventToCheck]:
    """Pairs that would have to go less far if they were each other."""
    for frame in np.unique(steps.frames).tolist():
        at = np.flatnonzero(steps.frames == frame)
        if len(at) < 2:
            continue
        before, after, ids = steps.before_px[at], steps.after_px[at], steps.ids[at]
        _, nearest = cKDTree(before).query(after)
        for a in np.flatnonzero(nearest != np.arange(len(at))).tolist():
            b = int(nearest[a])
            if a > b or nearest[b] != a:
                continue
            saved = _far(before[a], after[a]) + _far(before[b], after[b])
            saved -= _far(before[a], after[b]) + _far(before[b], after[a])
            if saved > SWAP_DIAMETERS * steps.diameter_px:
                objects = (int(ids[a]), int(ids[b]))
                yield EventToCheck(
                    QuestionKind.SWAP, frame, objects, 0.95, f"{objects[0]} and {objects[1]} may be exchanged"
                )


def _far(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(a - b))


def _deviation(values: NDArray[np.float64]) -> float:
    """Return the median absolute deviation, scaled to that of a normal distribution."""
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))
