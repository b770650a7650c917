"""Lost objects that seem to be found again: it is they, or a stranger in their place."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.engine.identity.likeness import Likeness, Track

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_xmem.engine.identity.portraits import Past, Portrait, Scene

__all__ = ["Returns", "common_change", "probability"]

#: Log odds, before anything is seen, that what is found where an object was lost is the object: inside the picture,
#: after it left over the border, and what is added if most of the others were lost with it.
_INSIDE, _LEFT, _WITH_OTHERS = 3.0, -2.0, 3.0
#: What is added for an object lost inside the picture and found so soon within half its diameter of where it should be:
#: nobody else can have got there, and a cell that divides does not look like itself.
_SAME_PLACE, _SOON_FRAMES = 3.0, 8
#: Log odds that are no answer yet where only a part of what was found is in the picture, for so many frames.
_UNDECIDED, _PATIENCE_FRAMES = 2.0, 3
#: What was found is looked at so many times.
_MOST_EVIDENCE = 20
#: So near to the border, in pixels of a `Scene`, an object leaves.
_BORDER_PX = 2.0
#: The others' brightness is trusted to have changed by at most this factor.
_MOST_CHANGE = 5.0


def probability(log_odds: float) -> float:
    """Return the probability of log odds."""
    return 1 / (1 + math.exp(-max(-50.0, min(50.0, log_odds))))


@dataclass(slots=True)
class _Lost:
    """What is known of a lost object: how it got lost, and what was found in its place so far."""

    prior: float
    evidence: tuple[float, ...] = ()
    place_px: tuple[float, float] = (0.0, 0.0)
    gap_frames: int = 0
    whole: bool = False


class Returns:
    """Judges what is found where objects were lost."""

    def __init__(self) -> None:
        self._lost: dict[int, _Lost] = {}

    def forget(self, objects: set[int]) -> None:
        """Forget that some objects were lost."""
        for i in objects:
            self._lost.pop(i, None)

    def note_lost(self, object_id: int, past: Past, scene: Scene, *, with_others: bool) -> None:
        """Note that an object is not seen any more, and where it went."""
        if object_id not in self._lost and len(past):
            prior = (_LEFT if left_over_border(past, scene) else _INSIDE) + _WITH_OTHERS * with_others
            self._lost[object_id] = _Lost(prior)

    def judge(
        self, object_id: int, found: Portrait, pasts: Mapping[int, Past], now: Mapping[int, Portrait]
    ) -> float | None:
        """Return the log odds that what was found is the object; None if it is too early to say.

        Parameters
        ----------
        object_id : int
            The lost object.
        found : Portrait
            What was found in its place.
        pasts : mapping of int to Past
            All objects as they were.
        now : mapping of int to Portrait
            Other objects as they are on this frame.
        """
        lost = self._lost.get(object_id)
        past = pasts[object_id]
        if lost is None or not len(past):
            return math.inf
        y, x = lost.place_px
        near = math.hypot(found.centre_px[0] - y, found.centre_px[1] - x) <= past.area_px**0.5
        if not (near and lost.evidence):
            lost.evidence, lost.gap_frames, lost.whole = (), max(1, found.time - past.last.time), found.whole
        if found.whole > lost.whole:  # what was seen of a part counts no more
            lost.evidence, lost.whole = (), True
        likeness = Likeness({i: p for i, p in pasts.items() if len(p)}, lost.gap_frames)
        if found.whole == lost.whole:
            evidence = likeness.log_odds(found, object_id, change=common_change(pasts, now))
            lost.evidence = (*lost.evidence, evidence)[-_MOST_EVIDENCE:]
        lost.place_px = found.centre_px
        odds = lost.prior + float(np.mean(lost.evidence))
        if lost.prior >= _INSIDE and _in_place(found, past):
            odds += _SAME_PLACE
        if not found.whole and abs(odds) < _UNDECIDED and len(lost.evidence) <= _PATIENCE_FRAMES:
            return None
        return odds

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs."""
        return {"lost": [[i, astuple(lost)] for i, lost in self._lost.items()]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        self._lost = {
            int(i): _Lost(float(prior), tuple(evidence), (float(y), float(x)), int(gap), bool(whole))
            for i, (prior, evidence, (y, x), gap, whole) in state["lost"]
        }


def _in_place(found: Portrait, past: Past) -> bool:
    """Return True if something is found soon, and where an object that was lost should be or was last."""
    reach, track = (past.area_px / math.pi) ** 0.5, Track.of(past)
    places = (track.at(found.time, found.origin_px), track.at(past.last.time, found.origin_px))
    return found.time - past.last.time <= _SOON_FRAMES and any(math.dist(found.centre_px, p) <= reach for p in places)


def left_over_border(past: Past, scene: Scene) -> bool:
    """Return True if an object was last seen at the border, or on its way over it."""
    if not past.last.whole:
        return True
    reach = (past.area_px / math.pi) ** 0.5
    places = (past.last.centre_px, Track.of(past).at(scene.time, scene.origin_px))
    for centre, slack in zip(places, (_BORDER_PX, -0.5 * reach), strict=True):
        for c, size in zip(centre, scene.gray.shape, strict=True):
            if not reach + slack <= c <= size - reach - slack:
                return True
    return False


def common_change(pasts: Mapping[int, Past], now: Mapping[int, Portrait]) -> float:
    """Return by what factor the brightness of the objects that are seen has changed."""
    known = [
        (p.brightness, float(np.median([q.brightness for q in pasts[i].portraits])))
        for i, p in now.items()
        if i in pasts and len(pasts[i])
    ]
    ratios = [after / before for after, before in known if before and after / before > 0]
    return min(max(float(np.median(ratios)), 1 / _MOST_CHANGE), _MOST_CHANGE) if ratios else 1.0
