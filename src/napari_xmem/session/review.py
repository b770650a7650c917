"""Where a person's look is worth most: the next frame to check, and the worst objects of a frame."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from napari_xmem.config.arguments import checked_methods
from napari_xmem.session.events_to_check import EventToCheck, QuestionKind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_xmem.engine import Scores

__all__ = ["DoubtfulObject", "FrameToCheck", "Review"]

#: Objects that decide about a frame: a frame is as doubtful as its worst few.
WORST_OBJECTS = 3
#: Frames of low confidence in the queue, and what their doubt has to be at least.
MOST_DOUBTFUL_FRAMES = 5
LEAST_DOUBT = 0.2
#: A change of area by this factor against the nearest checked frame counts as wholly new.
NEW_SHAPE_FACTOR = 2.0


@dataclass(frozen=True, slots=True)
class DoubtfulObject:
    """One object on one frame.

    Attributes
    ----------
    object_id : int
        Label.
    confidence : float
        0 to 1, NaN if unknown; 0 where it was not found.
    reason : str
        In words.
    """

    object_id: int
    confidence: float
    reason: str


@dataclass(frozen=True, slots=True)
class FrameToCheck:
    """A frame worth a look.

    Attributes
    ----------
    frame : int
        The frame.
    score : float
        Doubt times novelty, 0 to 1.
    doubt : float
        1 minus the confidence of its worst objects.
    novelty : float
        How little it resembles frames that were seeded, corrected, or locked, 0 to 1.
    objects : tuple of DoubtfulObject
        The worst, worst first.
    """

    frame: int
    score: float
    doubt: float
    novelty: float
    objects: tuple[DoubtfulObject, ...]


@checked_methods
class Review:
    """What deserves a look in a result.

    The score of a frame is its doubt times its novelty. Doubt is 1 minus the mean confidence of its worst three
    objects; an object that was just lost counts as confidence 0, on later frames without it less and less. One that
    left, or is known to be absent, costs no confidence; nor one that is absent from a checked frame on. Novelty
    grows with the time to the nearest checked frame and with the change of the objects' areas since then. Frames are
    chosen one after the other, each chosen one counting as checked from then on, so that they spread over the movie.

    Parameters
    ----------
    scores : Scores
        Of a result.
    checked : sequence of int
        Frames that a person has given, corrected or locked.
    happened : callable, optional
        Returns what happened that deserves a look; called when somebody asks.
    settled : collection of keys
        Questions that were answered.
    absent : callable, optional
        Returns, for objects that left or that a person knows to be absent, the frames without them: spans, first and
        end (exclusive). Called when an object is lost.
    """

    def __init__(
        self,
        scores: Scores,
        checked: Sequence[int] = (),
        happened: Callable[[], tuple[EventToCheck, ...]] = tuple,
        settled: Collection[tuple[int, str, tuple[int, ...]]] = (),
        absent: Callable[[], Mapping[int, Collection[tuple[int, int]]]] = dict,
    ) -> None:
        self._settled = frozenset(settled)
        self.scores = scores
        self._happened = happened
        self.checked = tuple(checked)
        self._gone = _rightly_gone(scores, self.checked, absent)
        self._sure = _filled(scores, self._gone)

    @property
    def frames(self) -> NDArray[np.int64]:
        """Frames (F,) with a result, ascending."""
        return self.scores.frames

    def worst_objects(self, frame: int, count: int = WORST_OBJECTS) -> tuple[DoubtfulObject, ...]:
        """Return the least certain objects of a frame, worst first.

        Parameters
        ----------
        frame : int
            Frame of the movie.
        count : int
            At most this many.

        Returns
        -------
        tuple of DoubtfulObject
            Id, confidence and reason; empty where there is no result.
        """
        rows = np.flatnonzero(self.frames == frame)
        if not len(rows) or not len(self.scores.object_ids):
            return ()
        row = int(rows[0])
        sure = self.scores.confidence[row]
        known = np.flatnonzero(~np.isnan(sure))
        order = known[np.argsort(self._sure[row, known], kind="stable")][:count]
        return tuple(
            DoubtfulObject(int(self.scores.object_ids[c]), float(sure[c]), self._reason(row, int(c))) for c in order
        )

    def confidence_band(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Return lowest, 10th percentile and median confidence (F,) of each frame's objects; NaN if unknown.

        An object that stays lost counts less and less, as for `doubt`.
        """
        unknown = np.isnan(self.scores.confidence)
        low, tenth, median = (np.full(len(self.frames), np.nan, np.float32) for _ in range(3))
        known = ~unknown.all(1)
        if known.any():
            sure = np.where(unknown, np.nan, self._sure)[known]
            low[known], tenth[known], median[known] = (_nan_quantile(sure, share) for share in (0, 0.1, 0.5))
        return low, tenth, median

    def doubt(self) -> NDArray[np.float32]:
        """Return the doubt (F,) of every frame, 0 to 1; 0 on checked frames and where confidence is unknown."""
        if not self._sure.shape[1]:
            return np.zeros(len(self.frames), np.float32)
        worst = np.sort(self._sure, 1)[:, :WORST_OBJECTS]
        doubt = (1 - np.nan_to_num(worst, nan=1.0)).mean(1).astype(np.float32)
        doubt[np.isin(self.frames, self.checked)] = 0
        return doubt

    def novelty(self, checked: Sequence[int]) -> NDArray[np.float32]:
        """Return how new every frame (F,) is with respect to the nearest of some checked frames, 0 to 1."""
        frames = self.frames
        if not len(checked) or not len(frames):
            return np.ones(len(frames), np.float32)
        span = max(1.0, (frames[-1] - frames[0]) / 8)
        near = np.asarray(checked)[np.abs(frames[:, None] - np.asarray(checked)[None]).argmin(1)]
        away = 1 - np.exp(-np.abs(frames - near) / span)
        rows = np.array([int(np.abs(frames - t).argmin()) for t in near])
        here, there = self.scores.area_px + 1.0, self.scores.area_px[rows] + 1.0
        if here.shape[1]:
            both = (self.scores.area_px > 0) & (self.scores.area_px[rows] > 0)
            change = np.where(both, np.abs(np.log(here / there)), 0.0) / np.log(NEW_SHAPE_FACTOR)
            count = np.maximum(1, both.sum(1))
            shape = np.minimum(1.0, change.sum(1) / count)
        else:
            shape = np.zeros(len(frames))
        return (1 - (1 - away) * (1 - shape)).astype(np.float32)

    def frames_to_check(self, count: int = 5) -> tuple[FrameToCheck, ...]:
        """Return the frames most worth a look, best first; none that is checked or beyond doubt.

        Parameters
        ----------
        count : int
            At most this many.

        Returns
        -------
        tuple of FrameToCheck
            Frame, score, and the doubtful objects with reasons.
        """
        doubt = self.doubt()
        chosen: list[FrameToCheck] = []
        checked = list(self.checked)
        for _ in range(count):
            novelty = self.novelty(checked)
            score = doubt * novelty
            score[np.isin(self.frames, checked)] = 0
            if not len(score) or score.max() <= 0:
                break
            row = int(score.argmax())
            frame = int(self.frames[row])
            worst = self.worst_objects(frame)
            chosen.append(FrameToCheck(frame, float(score[row]), float(doubt[row]), float(novelty[row]), worst))
            checked.append(frame)
        return tuple(chosen)

    @cached_property
    def queue(self) -> tuple[EventToCheck, ...]:
        """All that deserves a look, worth most first: what happened, and frames of low confidence without an event."""
        events = [event for event in self._happened() if event.key not in self._settled]
        asked = {event.frame for event in events}
        for found in self.frames_to_check(MOST_DOUBTFUL_FRAMES):
            if found.frame not in asked and found.doubt >= LEAST_DOUBT:
                first = found.objects[:1]
                reason = f"{first[0].object_id}: {first[0].reason}" if first else "low confidence"
                objects = tuple(item.object_id for item in first)
                event = EventToCheck(QuestionKind.DOUBT, found.frame, objects, found.score, reason)
                events += [event] if event.key not in self._settled else []
        return tuple(sorted(events, key=lambda event: (-round(event.score, 3), event.frame, event.objects)))

    def next_in_queue(self, latest: EventToCheck | None = None) -> tuple[int, int, EventToCheck] | None:
        """Return what to look at after `latest`; from the front again after the last one, or if it was answered.

        Parameters
        ----------
        latest : EventToCheck, optional
            What was looked at last.

        Returns
        -------
        (int, int, EventToCheck) or None
            Its place in the queue from 1, the length of the queue, and the event; None if nothing is left.
        """
        queue = self.queue
        if not queue:
            return None
        place = 0
        if latest is not None:
            keys = [event.key for event in queue]
            if latest.key in keys:
                place = (keys.index(latest.key) + 1) % len(queue)
            else:
                order = [(-round(event.score, 3), event.frame, event.objects) for event in queue]
                after = (-round(latest.score, 3), latest.frame, latest.objects)
                place = sum(item <= after for item in order) % len(queue)
        return place + 1, len(queue), queue[place]

    def _reason(self, row: int, column: int) -> str:
        area, sure = self.scores.area_px[:, column], self.scores.confidence[row, column]
        if not area[row]:
            since = row
            while since > 0 and not area[since - 1]:
                since -= 1
            return f"{'gone' if self._gone[row, column] else 'not found'} since frame {int(self.frames[since])}"
        if row and area[row - 1] and not 0.6 < area[row] / area[row - 1] < 1.6:
            return (
                f"area {'grew' if area[row] > area[row - 1] else 'shrank'} from {area[row - 1]} to {area[row]} pixels"
            )
        return f"confidence {sure:.2f}"


def _nan_quantile(values: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    """Return a quantile of every row that ignores NaN; `numpy.nanquantile` is a hundred times slower."""
    ordered = np.sort(values, 1)  # NaN last
    place = share * ((~np.isnan(values)).sum(1) - 1)
    rows, low = np.arange(len(values)), np.floor(place).astype(int)
    high = np.minimum(low + 1, np.ceil(place).astype(int))
    weight = place - low
    mixed: NDArray[np.float32] = ordered[rows, low] * (1 - weight) + ordered[rows, high] * weight
    return mixed


def _rightly_gone(
    scores: Scores, checked: Collection[int], absent: Callable[[], Mapping[int, Collection[tuple[int, int]]]]
) -> NDArray[np.bool_]:
    """Return where (F, O) an object is not found and that is right: it left, or a person vouched for it."""
    lost = (scores.area_px == 0) & (scores.confidence == 0)
    gone = np.zeros_like(lost)
    vouched = np.isin(scores.frames, list(checked))
    for row in range(len(lost)):
        gone[row] = lost[row] & (vouched[row] | (gone[row - 1] if row else False))
    if (lost & ~gone).any():
        columns = {int(i): column for column, i in enumerate(scores.object_ids)}
        for i, spans in absent().items():
            for low, high in spans if i in columns else ():
                gone[(scores.frames >= low) & (scores.frames < high), columns[i]] = True
    return gone & lost


def _filled(scores: Scores, gone: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return confidence (F, O) where an object that stays lost counts less and less.

    One not yet known is 1, and so is one that is rightly gone.
    """
    sure = np.where(gone, np.float32(np.nan), scores.confidence).astype(np.float32)
    lost_for = np.zeros(sure.shape[1])
    for row in range(sure.shape[0]):
        lost = (scores.area_px[row] == 0) & (sure[row] == 0)
        lost_for = np.where(lost, lost_for + 1, 0)
        sure[row, lost] = 1 - 0.5 ** (lost_for[lost] - 1)
    return np.nan_to_num(sure, nan=1.0)
