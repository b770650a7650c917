"""The decisions about divisions: when to ask the question, and what to answer. Each is one method with a formula."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from napari_xmem.engine.division.mask_parts import Parts, find_parts, find_waist

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_xmem.engine.division.trial import Trial

__all__ = [
    "DELAY_FRAMES",
    "EARLY_LOOKS",
    "PAINTED_ODDS",
    "SURELY",
    "SURELY_NOT",
    "AsksForBuds",
    "Budding",
    "Dates",
    "Evidence",
    "Judge",
    "NeverAsks",
    "Proposer",
    "TwoParts",
    "WaistBefore",
    "tempered",
]

#: A trial is decided on this many frames after its first at the latest: results wait that long at most, and one frame
#: more where the daughters are dated to the frame before.
DELAY_FRAMES = 3
#: Odds at which a trial ends before its time: surely divided, surely not; and looks that it has had by then.
SURELY, SURELY_NOT, EARLY_LOOKS = 0.97, 0.03, 3
#: Least odds of a division whose daughters, or backward whose mother, a person paints further on.
PAINTED_ODDS = 0.9


def tempered(odds: float, trial: Trial) -> float:
    """Return odds nearer to one half if a trial was cut short by the end of the movie, unless a person paints.

    ``0.5 + (odds - 0.5) looks / 3`` with fewer than three looks.
    """
    if trial.painted:
        return odds
    return 0.5 + (odds - 0.5) * min(1.0, len(trial.looks) / EARLY_LOOKS)


class Proposer(Protocol):
    """Asks whether an object has divided."""

    def propose(self, probability: NDArray[np.float32], usual_px: float, recent_px: Sequence[float]) -> Parts | None:
        """Return two parts that may be daughters.

        Parameters
        ----------
        probability : ndarray, shape (H, W), float32
            The object on this frame.
        usual_px : float
            Running mean of its area.
        recent_px : sequence of float
            Its areas on the last frames, oldest first; 0 where it was lost.
        """


class Judge(Protocol):
    """Says how likely a division is."""

    def odds(self, trial: Trial) -> float:
        """Return a probability, 0 to 1, after the looks that the trial has had so far."""


class AsksForBuds(Protocol):
    """Tells a bud from a daughter."""

    def buds(self, trial: Trial) -> bool:
        """Return True if the larger of the two is the mother, who goes on."""


@dataclass(frozen=True, slots=True)
class TwoParts:
    """Ask when a mask falls into two pieces, into two bodies with a narrow neck, or when a rod has a waist.

    A mask is asked about if its parts are separate pieces, or if ``neck <= widest_neck``, or if it is a rod with
    ``waist <= widest_waist`` and each part holds ``least_waist_share`` of it; and if it has not suddenly
    taken in as much as it was: ``area <= largest_jump * max(recent areas)``, since an object that doubles from one
    frame to the next has spread over its neighbour.

    Attributes
    ----------
    widest_neck : float
        Widest neck, as a share of the narrower part's width.
    largest_jump : float
        Largest growth between frames.
    widest_waist : float
        Widest waist of a rod, see `find_waist`; 0: rods are not asked about.
    least_waist_share : float
        Least share of the smaller part of a rod.
    """

    widest_neck: float = 0.68
    largest_jump: float = 1.7
    widest_waist: float = 0.78
    least_waist_share: float = 0.42

    def propose(self, probability: NDArray[np.float32], usual_px: float, recent_px: Sequence[float]) -> Parts | None:
        """Return the two parts, or None; see `Proposer.propose`."""
        mask = probability > 0.5
        area = float(np.count_nonzero(mask))
        if not area or area > self.largest_jump * max([*recent_px, usual_px]):
            return None
        parts = find_parts(mask, widest_neck=self.widest_neck)
        if not self.widest_waist or (parts is not None and not parts.neck):
            return parts
        waist = find_waist(probability, widest_neck=self.widest_waist)
        if parts is not None:
            return replace(parts, waist=waist is not None)
        return waist if waist is not None and waist.share >= self.least_waist_share else None


class NeverAsks:
    """Ask about nothing: all objects are taken for whole."""

    def propose(self, probability: NDArray[np.float32], usual_px: float, recent_px: Sequence[float]) -> Parts | None:
        """Return None; see `Proposer.propose`."""
        return None


@dataclass(frozen=True, slots=True)
class Budding:
    """Tell a bud from a daughter: a mother that buds stays as large as she was, or where and as she was.

    She buds if, on the last look, the smaller of the two has less than ``largest_bud`` of the area of both, and the
    larger at least ``least_mother`` of the mother's area before. Or if one of them, when the two were first seen, had a
    Jaccard index of ``least_stay`` or more with the mother's mask of the frame before, and the smaller has less than
    ``largest_beside`` of both: of a mother that divides, either daughter covers a half.

    Attributes
    ----------
    largest_bud, least_mother, largest_beside, least_stay : float
        See above.
    """

    largest_bud: float = 0.25
    least_mother: float = 0.75
    largest_beside: float = 0.42
    least_stay: float = 0.75

    def buds(self, trial: Trial) -> bool:
        """Return True if the larger of the two is the mother, who goes on; see `AsksForBuds.buds`."""
        larger, smaller = trial.looks[-1].areas_px
        share = smaller / max(larger + smaller, 1.0)
        if trial.stays >= self.least_stay and share < self.largest_beside:
            return True
        return share < self.largest_bud and larger >= self.least_mother * trial.before_px


class Dates(Protocol):
    """Says whether a division that is asked about now had taken place on the frame before."""

    def hint(self, mask: NDArray[np.float32]) -> Parts | None:
        """Return two parts of an object, ``(H, W)``, if a frame later they may be told to have been daughters."""

    def seen_before(self, before: Parts, now: NDArray[np.float32]) -> bool:
        """Return True if the `hint` of the frame before is believed, given the mother's mask of `now`, ``(H, W)``."""


@dataclass(frozen=True, slots=True)
class WaistBefore:
    """Date the division of a rod to the frame before, where that showed the waist already.

    A rod is asked about where its waist is so narrow that it can be nothing else; the daughters are there when the
    septum is, a little before. So the waist of the two frames together is what dates: they begin on the frame before if
    ``(waist before + waist now) / 2 <= widest_mean``, the waist before is no wider than `widest_before`, and either
    part had `least_share` of the rod. What is no rod on both frames is dated where it is asked about.

    Attributes
    ----------
    widest_mean, widest_before, least_share : float
        See above.
    """

    widest_mean: float = 0.78
    widest_before: float = 0.92
    least_share: float = 0.38

    def hint(self, mask: NDArray[np.float32]) -> Parts | None:
        """Return the two sides of the waist, or None; see `Dates.hint`."""
        waist = find_waist(mask, widest_neck=self.widest_before)
        return waist if waist is not None and waist.share >= self.least_share else None

    def seen_before(self, before: Parts, now: NDArray[np.float32]) -> bool:
        """Return True if the waists of both frames are narrow enough; see `Dates.seen_before`."""
        waist = find_waist(now)
        return waist is not None and before.neck + waist.neck <= 2 * self.widest_mean


@dataclass(frozen=True, slots=True)
class Evidence:
    """Weigh what two daughters and their mother looked like: a logistic formula.

    ``odds = 1 / (1 + exp(-z))`` with ``z`` the sum of

    * ``bias``,
    * ``gap (1 - neck)``: how deep the neck was on the first frame,
    * ``even (share - 0.25)``: area of the smaller daughter as a share of both, on the last look,
    * ``sure (confidence - 0.75)``, of the less confident daughter on the last look,
    * ``agree (agreement - 0.9)`` on the last look; not where the mother was one of them only; where she has grown to
      more than ``spread`` times her area on the first look, she has spread over a neighbour, and it is the share of the
      daughters inside her that counts,
    * ``-blur (blur - 0.04)`` on the last look,
    * ``-jump max(0, growth - 1.3)``: growth of the mask in the frame in which it was first seen in two parts,
    * ``-took max(0, taken - 0.6)``: what lay in a neighbour's mask the frame before is that neighbour, or a part of it.

    A daughter that is lost on the last look is none: odds 0.

    The weights are set by hand on trials of 14 simulated movies of nine kinds (seeds 0 to 24), not fitted.
    """

    bias: float = 0.0
    gap: float = 1.0
    even: float = 4.0
    sure: float = 10.0
    agree: float = 12.0
    blur: float = 40.0
    jump: float = 6.0
    spread: float = 1.4
    took: float = 10.0

    def odds(self, trial: Trial) -> float:
        """Return the probability that the mother has divided; see `Judge.odds`."""
        last = trial.looks[-1]
        if min(last.areas_px) <= 0:
            return 0.0
        spread = last.mother_px > self.spread * trial.looks[0].mother_px
        agreement = last.inside if spread else last.agreement
        z = (
            self.bias
            + self.gap * (1 - trial.neck)
            + self.even * (min(last.areas_px) / sum(last.areas_px) - 0.25)
            + self.sure * (min(last.confidence) - 0.75)
            + self.agree * (0.0 if trial.faint else agreement - 0.9)
            - self.blur * (last.blur - 0.04)
            - self.jump * max(0.0, trial.growth - 1.3)
            - self.took * max(0.0, trial.taken - 0.6)
        )
        return 1 / (1 + math.exp(-max(-50.0, min(50.0, z))))
