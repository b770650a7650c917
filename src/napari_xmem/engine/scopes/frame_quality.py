"""What a frame must look like to be believed: nothing is learned from flat, saturated or foreign ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.engine.scopes.comparison_picture import Picture
from napari_xmem.engine.scopes.stage_drift import Views, farther_candidates, packed_pictures, unpacked_pictures

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from napari_xmem.engine.scopes.comparison_picture import Frame
    from napari_xmem.engine.scopes.object_state import Observation, TrackedObject

__all__ = ["FrameGate", "Verdict", "convincing_share", "may_be_written"]

#: A frame is doubtful if it matches the last good one by less than this share of what is usual; and flat if its
#: contrast is less than this share of the last good frame's as well.
_DOUBTFUL, _FLAT = 0.5, 0.35
#: What counts as usual before anything is known, and over how many good frames it is measured.
_FIRST_USUAL, _USUAL_FRAMES = 0.5, 8
#: The places of objects look changed if they match worse than usual by so many times what they usually lack, and more.
_LACK_GAIN, _LACK = 3.0, 0.1
#: A shift beyond the objects' reach is considered only if they would look so much like before as is usual: a share,
#: and a smaller one where the whole frame agrees on the shift.
_ALIKE, _ALIKE_AGREED = 0.82, 0.6
#: The whole frame agrees on a shift if it matches so well, and by no less than half of what is usual.
_AGREED = 0.3
#: What they are taken to look like usually before that is known.
_FIRST_USUAL_PLACE = 0.8
#: Objects that look less like before than this after a far shift are first looked for without it.
_CLEAR = 0.75
#: Where frames usually match by less than this there is nothing to miss: objects change places or looks every time.
_LEAST_USUAL = 0.3
#: Objects agree on a shift if at least so many are found there with this confidence and a share of their area as this;
#: where the frame does not match there more must be, since some strangers look alike.
_MAJORITY, _CONFIDENCE, _AREA = 0.5, 0.6, (0.5, 2.0)
#: Cells that divide halve their area or worse, and daughters grow fast: one that is so sure may differ by this much.
_SURE, _DIVIDING_AREA = 0.85, (0.25, 4.0)
_LARGE_MAJORITY = 0.75
#: And so many suffice on a shift beyond their reach on which the whole frame agrees: the others have divided or left.
_MINORITY = 0.35
#: Most that all objects may grow at once, in area, and by how much they may differ in that.
_MAGNIFIED, _ALIKE_GROWTH = 4.0, 1.5
#: After so many frames in a row that were not believed the scene itself has changed.
LONGEST_HOLD_FRAMES = 10
#: Confidence below which an object is not memorised: what is not believed must not be remembered.
MEMORISE_CONFIDENCE = 0.5
#: Nor is what is so much smaller or larger than the object has been lately. An object that moved farther than foreseen
#: is cut by the border of its region, and half of it is still the object.
_WRITTEN_AREA = (0.3, 2.0)

Shift = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a frame is believed.

    Attributes
    ----------
    reason : str
        Empty for a frame that is believed; else "blank" (one value everywhere), "flat" (without contrast: the lamp, the
        shutter, saturation) or "foreign" (another field of view, or nothing that was followed is on it).
    drift_px : tuple of 2 float
        Shift of the whole frame that is believed.
    odds : float
        How much speaks for the verdict, 0 to 1: for a foreign frame the share of objects that were not found; not
        calibrated.
    in_doubt : bool
        It is believed for what was found on it, although it matches the last good one badly, or only after a shift
        beyond the reach of objects.
    """

    reason: str
    drift_px: Shift
    odds: float = 1.0
    in_doubt: bool = False

    @property
    def believed(self) -> bool:
        """True if the frame is followed and learned as any other."""
        return not self.reason


class FrameGate:
    """Compares every frame with the last good one, and asks the objects where that leaves a doubt.

    What pictures say is cheap and rough, so it only raises a doubt. Then the objects are looked for without anything
    being learned. If most of them are found, with confidence and of plausible size, the frame is good, however
    different it looks. If not, other shifts of the frame are tried; a shift is believed if the objects agree on it.
    A frame that has lost its contrast is not asked about, since memory answers on blank ground too.
    """

    def __init__(self) -> None:
        self._good: Picture | None = None
        self._focus: Picture | None = None
        self._usual: list[tuple[float, float]] = []
        self.held_frames = 0

    def judge(
        self, frame: Frame | Picture, drift_px: Shift, reach_px: float, ask: Callable[[Shift], float | None]
    ) -> Verdict:
        """Say whether a frame is believed, and which drift.

        Parameters
        ----------
        frame : ndarray, shape (Y, X), float32, or Picture
            The scaled frame.
        drift_px : tuple of 2 float
            Its estimated shift against the last good frame.
        reach_px : float
            How far objects are looked for without a drift; a shift beyond it is believed only if they agree.
        ask : callable
            Takes a shift and returns the share of objects that are found there, None if there are none to ask.
        """
        if self._good is None or self._good.shape != frame.shape:
            return Verdict("", drift_px)
        views = Views.of(self._good, frame, self._focus)
        if not views.comparable:
            return Verdict("", drift_px)
        usual, usual_place = np.median(self._usual, 0) if self._usual else (_FIRST_USUAL, 1.0)

        def is_far(shift: Shift) -> bool:
            return max(map(abs, shift)) > reach_px

        def is_doubtful(shift: Shift) -> bool:
            return bool(usual >= _LEAST_USUAL and views.match(shift) < _DOUBTFUL * usual)

        def is_agreed(shift: Shift) -> bool:
            return bool(views.match(shift) >= max(_AGREED, _DOUBTFUL * usual))

        def least_alike(shift: Shift) -> float:
            known = usual_place if self._usual else _FIRST_USUAL_PLACE
            return float(known * (_ALIKE_AGREED if is_agreed(shift) else _ALIKE))

        def trusted(shift: Shift) -> bool:
            return not is_far(shift) or views.resemblance(shift) >= least_alike(shift)

        doubtful = is_doubtful(drift_px) or not trusted(drift_px)
        changed = 1 - views.match_focus(drift_px) > _LACK_GAIN * (1 - usual_place) + _LACK
        if not (doubtful or changed or is_far(drift_px)) or self.held_frames >= LONGEST_HOLD_FRAMES:
            return Verdict("", drift_px)
        if doubtful and views.contrast < _FLAT:
            return Verdict("flat", drift_px)
        near = (0.0, 0.0) if is_far(drift_px) else drift_px
        clear = views.resemblance(drift_px) >= _CLEAR
        asked: dict[Shift, float] = {}
        for shift in (*((drift_px, near) if clear else (near, drift_px)), *farther_candidates(views)):
            if not trusted(shift) or any(_same(shift, other) for other in asked):
                continue
            found = ask(shift)
            if found is None:
                return Verdict("", drift_px)
            asked[shift] = found
            if found >= (_LARGE_MAJORITY if is_doubtful(shift) and not is_far(shift) else _MAJORITY):
                return Verdict("", shift, in_doubt=is_doubtful(shift) or is_far(shift))
        agreed = {shift: found for shift, found in asked.items() if is_far(shift) and is_agreed(shift)}
        best = max(agreed, key=lambda shift: agreed[shift], default=None)
        if best is not None and agreed[best] >= _MINORITY:
            return Verdict("", best, in_doubt=True)
        return Verdict("foreign" if is_doubtful(near) else "", near, 1 - max(asked.values()))

    def hold(self) -> None:
        """Take note that the last frame was not believed."""
        self.held_frames += 1

    def keep(self, frame: Frame | Picture, drift_px: Shift, objects: Frame | Picture) -> None:
        """Take in a frame that was believed.

        Parameters
        ----------
        frame : ndarray, shape (Y, X), float32, or Picture
            The scaled frame.
        drift_px : tuple of 2 float
            The shift that was believed.
        objects : ndarray, shape (Y, X), float32, or Picture
            Where objects are on it, 0 to 1.
        """
        if self._good is not None and self._good.shape == frame.shape:
            views = Views.of(self._good, frame, self._focus)
            if views.comparable:
                pair = (max(views.match(drift_px), 0.0), max(views.match_focus(drift_px), 0.0))
                self._usual = [*self._usual, pair][-_USUAL_FRAMES:]
        self._good, self._focus, self.held_frames = Picture.of(frame), Picture.of(objects), 0

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs."""
        known = packed_pictures(good=self._good, focus=self._focus)
        return known | {"usual": [list(pair) for pair in self._usual], "held_frames": self.held_frames}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        self._good, self._focus = unpacked_pictures(state, "good", "focus")
        self._usual = [(float(whole), float(place)) for whole, place in state["usual"]]
        self.held_frames = int(state["held_frames"])


def _same(one: Shift, other: Shift) -> bool:
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) < 2


def convincing_share(objects: Mapping[int, TrackedObject], seen: Mapping[int, Observation]) -> float | None:
    """Return the share of objects that are found with confidence and of about their size; None without any to ask.

    All may have grown or shrunk alike, as by another magnification: sizes are compared after the median growth is
    undone. Objects that were lost before are not asked. Those that are very sure may be of a size that dividing cells
    have: in a movie of few cells one division is no stranger's field.
    """
    asked = [i for i in seen if not objects[i].lost_frames and objects[i].area_px]
    if not asked:
        return None
    growth = {i: seen[i].area_px / objects[i].area_px for i in asked if seen[i].area_px}
    alike = len(growth) == len(asked) and max(growth.values()) <= _ALIKE_GROWTH * min(growth.values())
    common = min(max(float(np.median(list(growth.values()))), 1 / _MAGNIFIED), _MAGNIFIED) if alike else 1.0

    def is_found(i: int) -> bool:
        sure = seen[i].confidence >= _SURE
        low, high = (common * limit for limit in (_DIVIDING_AREA if sure else _AREA))
        return seen[i].confidence >= _CONFIDENCE and low <= growth.get(i, 0.0) <= high

    return float(np.mean([is_found(i) for i in asked]))


def may_be_written(tracked: TrackedObject, seen: Observation) -> bool:
    """Return True if what was seen of an object may enter its memory: it is there, believed, and of about its size.

    Parameters
    ----------
    tracked : TrackedObject
        The object, with this frame taken in.
    seen : Observation
        What was seen of it on this frame.
    """
    low, high = _WRITTEN_AREA
    plausible = low * tracked.area_px <= seen.area_px <= high * tracked.area_px
    return not tracked.lost_frames and seen.confidence >= MEMORISE_CONFIDENCE and plausible
