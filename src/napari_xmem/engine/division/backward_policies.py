"""The decisions about cells that become one, back in time: when to ask the question, and what to answer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_xmem.engine.division.trial import Trial

__all__ = ["JudgesMerges", "Meeting", "OneBody", "ProposesMerges", "Sighting", "TakenOver"]


@dataclass(frozen=True, slots=True)
class Sighting:
    """Where an object was seen on one frame: centre y, x and area, in pixels of the scaled frame of now."""

    centre_px: tuple[float, float]
    area_px: float

    def moved(self, drift_px: tuple[float, float]) -> Self:
        """Return it after the frame has drifted."""
        return type(self)((self.centre_px[0] + drift_px[0], self.centre_px[1] + drift_px[1]), self.area_px)

    def to_list(self) -> list[float]:
        """Return it as plain values."""
        return [*self.centre_px, self.area_px]

    @classmethod
    def from_list(cls, values: Sequence[float]) -> Self:
        """Return what `to_list` described."""
        y, x, area = values
        return cls((float(y), float(x)), float(area))


@dataclass(frozen=True, slots=True)
class Meeting:
    """Two objects that may be daughters of the one that is seen now.

    Attributes
    ----------
    one, other : int
        The object that is there, and the one that is not; or two that claim the same place.
    between : float
        Where the mother lies on the way from the one to the other, 0 to 1: 0.5 in their middle.
    leap : float
        By how many doublings the one has grown since the last frame that shows both.
    growth : float
        Area of now over that of both on that frame.
    distance : float
        Their distance then over the square root of their mean area.
    shared : bool
        Both claim the same place.
    """

    one: int
    other: int
    between: float
    leap: float
    growth: float
    distance: float
    shared: bool = False


class ProposesMerges(Protocol):
    """Asks whether two objects have become one."""

    def propose(
        self, places: Mapping[int, Sequence[Sighting | None]], shared: Mapping[tuple[int, int], Sighting]
    ) -> list[Meeting]:
        """Return pairs that may have become one on the last frame, the likeliest first.

        Parameters
        ----------
        places : mapping of int to sequence of Sighting or None
            Where every object was on the last frames, the frame of now at the end; None where it was not seen, or not
            by itself.
        shared : mapping of (int, int) to Sighting
            Pairs that claim the same place on the frame of now, and what both claim.
        """


class JudgesMerges(Protocol):
    """Says how likely it is that two objects are one."""

    def odds(self, trial: Trial) -> float:
        """Return a probability, 0 to 1, after the looks that the trial has had so far."""


@dataclass(frozen=True, slots=True)
class TakenOver:
    """Ask when two objects claim one place, or when one is lost and another leaps there or grows by it.

    A mother lies between her daughters and is as large as both: both find her, or one leaps there while the other finds
    nothing. With the places ``a`` and ``b`` of both on the last frame that shows both by themselves, at most
    `longest_loss_frames` ago, and the place ``m`` of now, a pair is asked about if

    * ``log2(area of now / area of a) + 2 between >= least_change``, where ``between`` is
      ``(m - a) . (b - a) / |b - a|^2``, within -0.1 and 0.9, and ``m`` lies no farther from the line than `widest`
      times the distance;
    * ``|b - a| <= farthest`` times the square root of their mean area;
    * the areas of ``a`` and ``b`` differ by no more than `largest_ratio`, and the area of now is within `growth` times
      that of both.

    The nearest pairs come first.

    Attributes
    ----------
    longest_loss_frames : int
        See above.
    least_change, widest, farthest, largest_ratio : float
        See above.
    growth : tuple of 2 float
        See above.
    """

    longest_loss_frames: int = 2
    least_change: float = 0.8
    widest: float = 0.6
    farthest: float = 3.0
    largest_ratio: float = 2.5
    growth: tuple[float, float] = (0.45, 3.0)

    def propose(
        self, places: Mapping[int, Sequence[Sighting | None]], shared: Mapping[tuple[int, int], Sighting]
    ) -> list[Meeting]:
        """Return pairs that may have become one; see `ProposesMerges.propose`."""
        asked = [(i, j, now, True) for (i, j), now in shared.items() if i in places and j in places]
        alone = [i for i, kept in places.items() if kept[-1] is None and not any(i in pair for pair in shared)]
        there = [(i, kept[-1]) for i, kept in places.items() if kept[-1] is not None]
        asked += [(i, j, now, False) for i, now in there if now is not None for j in alone]
        meetings = (self._meeting(*pair, places) for pair in asked)
        likely = [meeting for meeting in meetings if meeting is not None and self._is_likely(meeting)]
        return sorted(likely, key=lambda meeting: (not meeting.shared, meeting.distance))

    def _meeting(
        self, one: int, other: int, now: Sighting, shared: bool, places: Mapping[int, Sequence[Sighting | None]]
    ) -> Meeting | None:
        """Compare a place with those of two objects on the last frame that shows both by themselves."""
        before = zip(reversed(places[one][:-1]), reversed(places[other][:-1]), strict=False)
        both = ((a, b) for a, b in islice(before, self.longest_loss_frames) if a is not None and b is not None)
        a, b = next(both, (None, None))
        if a is None or b is None:
            return None
        way = (b.centre_px[0] - a.centre_px[0], b.centre_px[1] - a.centre_px[1])
        step = (now.centre_px[0] - a.centre_px[0], now.centre_px[1] - a.centre_px[1])
        length = math.hypot(*way)
        if not length or abs(way[0] * step[1] - way[1] * step[0]) > self.widest * length**2:
            return None
        return Meeting(
            one,
            other,
            between=(way[0] * step[0] + way[1] * step[1]) / length**2,
            leap=math.log2(now.area_px / a.area_px),
            growth=now.area_px / (a.area_px + b.area_px),
            distance=length / ((a.area_px + b.area_px) / 2) ** 0.5,
            shared=shared,
        )

    def _is_likely(self, meeting: Meeting) -> bool:
        ratio = 2**meeting.leap / meeting.growth - 1  # area of the other over that of the one, see `Meeting`
        return (
            meeting.leap + 2 * meeting.between >= self.least_change
            and -0.1 <= meeting.between <= 0.9
            and meeting.distance <= self.farthest
            and 1 <= max(ratio, 1 / max(ratio, 1e-6)) <= self.largest_ratio
            and self.growth[0] <= meeting.growth <= self.growth[1]
        )


@dataclass(frozen=True, slots=True)
class OneBody:
    """Weigh what a mother and her two daughters look like back in time: a logistic formula.

    ``odds = 1 / (1 + exp(-z))`` with ``z`` the sum of

    * ``bias``,
    * ``sure (confidence - 0.75)``: the least confidence of the mother's mask on the looks so far,
    * ``whole (neck - 0.7)``: width of the neck of her first mask, 1 without one: two cells that touch have a neck,
    * ``-apart`` times the share of looks on which both daughters are there by themselves: each with 0.3 of the area
      that both had on average, confidence 0.7, and claims that overlap little (``blur`` up to 0.3).

    A mother that is lost on the last look is none: odds 0.
    """

    bias: float = 1.5
    sure: float = 10.0
    whole: float = 6.0
    apart: float = 8.0

    def odds(self, trial: Trial) -> float:
        """Return the probability that both are daughters of the one on trial; see `JudgesMerges.odds`."""
        looks = trial.looks
        if looks[-1].mother_px <= 0:
            return 0.0
        least = 0.3 * trial.before_px / 2
        there = [min(s.areas_px) >= least and min(s.confidence) >= 0.7 and s.blur <= 0.3 for s in looks]
        z = (
            self.bias
            + self.sure * (min(look.mother_confidence for look in looks) - 0.75)
            + self.whole * (trial.neck - 0.7)
            - self.apart * sum(there) / len(there)
        )
        return 1 / (1 + math.exp(-max(-50.0, min(50.0, z))))
