"""Frames that tell an object from what looks like it: which are kept for that, however old they are.

Source: distractor-aware memory (Videnovic, Lukezic & Kristan, CVPR 2025): a frame is kept apart from the recent ones if
a distractor was there and the right one was chosen. There a second mask of the decoder shows the distractor; here the
objects' own competition for pixels does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_xmem.memory.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_xmem.memory.state import BankState

__all__ = ["Contest", "DistractorAdmission", "give_way", "store_of", "worth_of_frame"]


@dataclass(frozen=True, slots=True)
class Contest:
    """How an object fared on a frame against its closest rival.

    Attributes
    ----------
    share : float
        How much the rival claims of what the object claims, in areas of the object; 0: there is none.
    distance_diameters : float
        From the object's centre to the rival's, in diameters of the object.
    confidence : float
        Expected Jaccard index of the object's mask, 0 to 1.
    area_share : float
        Its area by its usual area; 1 if that is not known.
    """

    share: float
    distance_diameters: float
    confidence: float
    area_share: float = 1.0


@dataclass(frozen=True, slots=True)
class DistractorAdmission:
    """Rates a frame as one that tells look-alikes apart.

    Its worth is ``share / (1 + distance_diameters)`` where the right one has clearly won (confidence of
    `min_confidence` or more, 0.8 to 1.25 of the usual area, as in the source) and somebody was there (a share of
    `min_share` or more). Otherwise it is 0.

    Parameters
    ----------
    min_share : float
        Least share of a rival.
    min_confidence : float
        Least confidence.
    """

    min_share: float = 0.05
    min_confidence: float = 0.8

    def worth(self, contest: Contest) -> float:
        """Return how much the frame tells, 0: nothing."""
        won = contest.confidence >= self.min_confidence and 0.8 <= contest.area_share <= 1.25
        if not won or not contest.share >= self.min_share:  # NaN is no contest
            return 0.0
        return contest.share / (1.0 + contest.distance_diameters)


def worth_of_frame(state: BankState, contests: Iterable[Contest], frame: int) -> float:
    """Return with what worth a frame enters the store, 0: not at all.

    It has to be worth more than the least that is there if the store is full, and ``distractor_interval_frames`` away
    from all that are there.
    """
    config, held = state.config, state.resolved
    if not config.distractor_max_frames:
        return 0.0
    policy = DistractorAdmission(config.distractor_min_share)
    worth = max((policy.worth(contest) for contest in contests), default=0.0)
    if any(abs(frame - other) < config.distractor_interval_frames for _, other, _ in held):
        return 0.0
    least = min((w for _, _, w in held), default=0.0) if len(held) >= config.distractor_max_frames else 0.0
    return worth if worth > least and math.isfinite(worth) else 0.0


def store_of(*, permanent: bool, worth: float) -> Store:
    """Return where the elements of a frame go."""
    if permanent:
        return Store.PERMANENT
    return Store.DISTRACTOR if worth > 0 else Store.WORKING


def give_way(state: BankState) -> None:
    """Bring the store back within its limit: the least worth, of equal ones the young, go on as working memory."""
    excess = len(state.resolved) - state.config.distractor_max_frames
    if excess <= 0:
        return
    least = sorted(state.resolved, key=lambda held: (held[2], -held[0]))[:excess]
    rows = state.rows_in(Store.DISTRACTOR, [block for block, _, _ in least])
    state.filled()["store"][rows] = int(Store.WORKING)
    state.log("released", len(rows), len(rows), "other frames tell look-alikes apart better")
    state.refresh()
