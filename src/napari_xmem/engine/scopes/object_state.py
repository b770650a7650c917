"""What the local scope knows of one object: where it is, how big, what memory holds of it."""

from __future__ import annotations

import math
import reprlib
from dataclasses import dataclass, fields, replace
from numbers import Real
from typing import TYPE_CHECKING, Any, Self

from napari_xmem.memory import MemoryBank

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch
    from torch import Tensor

__all__ = ["Observation", "TrackedObject"]

#: Share of its usual area below which an object counts as not found.
LOST_AREA_SHARE = 0.25
#: An object that was lost is found again only with this share of its area and this confidence.
FOUND_AREA_SHARE, FOUND_CONFIDENCE = 0.4, 0.6
_AREA_RATE = 0.2
_VELOCITY_RATE = 0.5
#: Fastest motion that is expected to go on, in diameters per frame: of an object that keeps its area, and of one whose
#: box jumps because it divides, merges or is half hidden.
_STEADY_SPEED, _UNSTEADY_SPEED = 1.2, 0.25
_STEADY_AREA = (0.7, 1.4)
#: The margin around an object is the largest one until it was seen on so many frames in a row; then a share of the
#: largest one, and so many times the farthest that its box went beyond what was expected on those frames.
_CALM_FRAMES, _CALM_SHARE, _SURPRISE_GAIN = 4, 0.55, 2.0


@dataclass(frozen=True, slots=True)
class Observation:
    """One object on one frame, in pixels of the scaled frame.

    Attributes
    ----------
    area_px : float
        Area; 0 if it was not found.
    confidence : float
        Expected Jaccard index, see `FrameResult`.
    box : tuple of 4 float
        Top, left, bottom, right of its mask; meaningless for area 0.
    cut : bool
        Its mask reaches the border of its region, inside the frame: there may be more of it beyond.
    """

    area_px: float
    confidence: float
    box: tuple[float, float, float, float]
    cut: bool = False

    @property
    def centre_px(self) -> tuple[float, float]:
        """Centre y, x of the box."""
        return (self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2


@dataclass(slots=True)
class TrackedObject:
    """State of one object between frames.

    Attributes
    ----------
    object_id : int
        Label.
    bank : MemoryBank
        Its own memory.
    centre_px, extent_px : tuple of 2 float
        Centre y, x and height, width of its box where it was last seen, in pixels of the scaled frame.
    area_px : float
        Running mean of its area.
    velocity_px : tuple of 2 float
        Running mean of its motion per frame, without the drift of the whole frame.
    lost_frames : int
        Frames since it was last seen; 0 while it is followed.
    cut : bool
        Its region was too small for it where it was last seen.
    hidden : Tensor or None
        Sensory memory ``(Ch, h, w)``.
    expected_px : tuple of 2 float
        Where its centre was last expected: the centre of its region but for the frame's border.
    surprises_px : tuple of float
        How far its box went beyond what was expected on each of the last frames; empty after it was seeded, lost or
        cut by its region.
    identity : float
        Probability, 0 to 1, that it is the individual it is called after: less after encounters and returns.
    """

    object_id: int
    bank: MemoryBank
    centre_px: tuple[float, float]
    extent_px: tuple[float, float]
    area_px: float
    velocity_px: tuple[float, float] = (0.0, 0.0)
    lost_frames: int = 0
    cut: bool = False
    hidden: Tensor | None = None
    expected_px: tuple[float, float] = (0.0, 0.0)
    surprises_px: tuple[float, ...] = ()
    identity: float = 1.0

    def fork(self, new_id: int) -> TrackedObject:
        """Return an independent object that knows the same, under another id."""
        return replace(self, object_id=new_id, bank=self.bank.fork(new_id))

    def margin_px(self, largest_px: float, calm_share: float | None = None) -> float:
        """Return how far around its expected box it is looked for: less for objects that keep to what is expected.

        `calm_share`: then it is at least this share of the largest margin; None: the usual one.
        """
        if len(self.surprises_px) < _CALM_FRAMES:
            return largest_px
        share = _CALM_SHARE if calm_share is None else calm_share
        return min(largest_px, share * largest_px + _SURPRISE_GAIN * max(self.surprises_px))

    def shifted(self, drift_px: tuple[float, float]) -> tuple[float, float]:
        """Return where its centre should be after the frame has drifted by `drift_px` (y, x)."""
        pull = 0.0 if self.lost_frames else 1.0
        return (
            self.centre_px[0] + drift_px[0] + pull * self.velocity_px[0],
            self.centre_px[1] + drift_px[1] + pull * self.velocity_px[1],
        )

    def is_there(self, seen: Observation) -> bool:
        """Return True if what was seen is enough to be the object."""
        if not seen.area_px:  # nothing is no share of anything, not even of an object that was too small to be seen
            return False
        if not self.lost_frames:
            return seen.area_px >= LOST_AREA_SHARE * self.area_px
        return seen.area_px >= FOUND_AREA_SHARE * self.area_px and seen.confidence >= FOUND_CONFIDENCE

    def update(self, seen: Observation, drift_px: tuple[float, float], *, seeded: bool) -> None:
        """Take in where the object was found on this frame, or that it was not."""
        if not seeded and not self.is_there(seen):
            self.lost_frames += 1
            self.surprises_px = ()
            self.centre_px = (self.centre_px[0] + drift_px[0], self.centre_px[1] + drift_px[1])
            return
        foreseen = not (seeded or seen.cut or self.lost_frames)
        self.surprises_px = (*self.surprises_px, self._surprise(seen))[-_CALM_FRAMES:] if foreseen else ()
        self.velocity_px = (0.0, 0.0) if seeded or self.lost_frames else self._velocity(seen, drift_px)
        self.centre_px = seen.centre_px
        self.cut = seen.cut
        self.extent_px = (seen.box[2] - seen.box[0], seen.box[3] - seen.box[1])
        self.area_px = seen.area_px if seeded else (1 - _AREA_RATE) * self.area_px + _AREA_RATE * seen.area_px
        self.lost_frames = 0

    def relocate(self, seen: Observation, velocity_px: tuple[float, float], drift_px: tuple[float, float]) -> None:
        """Put it where it turned out to be, as if it had been followed there with this velocity; then `update` it."""
        self.velocity_px = velocity_px
        self.centre_px = (
            seen.centre_px[0] - velocity_px[0] - drift_px[0],
            seen.centre_px[1] - velocity_px[1] - drift_px[1],
        )
        self.expected_px = seen.centre_px
        self.lost_frames = 0
        self.surprises_px = ()

    def state_dict(self) -> dict[str, Any]:
        """Return what `from_state_dict` needs."""
        return {f.name: getattr(self, f.name) for f in fields(self)} | {"bank": self.bank.state_dict()}

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any], device: torch.device, bank_device: torch.device) -> Self:
        """Return the object that `state_dict` described, with sensory memory on `device`.

        Raises
        ------
        ValueError
            If a part of the state is not what it should be, as in a damaged file.
        """
        known: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in state.items()
        }
        _check_plain(known)
        known["bank"] = MemoryBank.from_state_dict(state["bank"], bank_device)
        known["hidden"] = None if state["hidden"] is None else state["hidden"].to(device, copy=True)
        return cls(**known)

    def _surprise(self, seen: Observation) -> float:
        """Return how far its box goes beyond the box it had, where that was expected."""
        beyond = [0.0]
        for axis, (expected, extent) in enumerate(zip(self.expected_px, self.extent_px, strict=True)):
            beyond += [expected - extent / 2 - seen.box[axis], seen.box[axis + 2] - expected - extent / 2]
        return max(beyond)

    def _velocity(self, seen: Observation, drift_px: tuple[float, float]) -> tuple[float, float]:
        """Return the running mean of its motion, with where it was seen now."""
        steady = _STEADY_AREA[0] * self.area_px <= seen.area_px <= _STEADY_AREA[1] * self.area_px
        limit = max(4.0, (_STEADY_SPEED if steady else _UNSTEADY_SPEED) * min(self.extent_px))
        y, x = (
            (1 - _VELOCITY_RATE) * old + _VELOCITY_RATE * (now - before - drift)
            for old, now, before, drift in zip(self.velocity_px, seen.centre_px, self.centre_px, drift_px, strict=True)
        )
        return max(-limit, min(limit, y)), max(-limit, min(limit, x))


def _check_plain(state: Mapping[str, Any]) -> None:
    """Raise ValueError unless places are pairs of numbers, and areas, counts and shares are numbers."""
    pairs = ("centre_px", "extent_px", "velocity_px", "expected_px")
    single = ("object_id", "area_px", "lost_frames", "cut", "identity")
    for name in state.keys() & {*pairs, *single, "surprises_px"}:
        values = (state[name],) if name in single else state[name]
        right = isinstance(values, tuple) and all(isinstance(value, Real) and math.isfinite(value) for value in values)
        if not right or (name in pairs and len(values) != 2):
            raise ValueError(f"{name} of an object is {reprlib.repr(state[name])}, expected numbers")
