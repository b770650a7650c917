"""What an object looked like: small pictures of it on frames on which it was seen alone and whole."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch

from napari_xmem.imaging.block_means import block_means

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_xmem.engine.scopes.region_masks import RegionMask

__all__ = ["Past", "Portrait", "Scene"]

#: The latest portraits of an object that are kept one by one; and how many older ones, at least so many frames apart.
_RECENT, _OLDER, _APART_FRAMES = 8, 4, 10
#: A typical object measures so many pixels of a `Scene`.
_PICTURE_PX = 20
#: Pixels around an object that count as its ground, and how many of them it takes to know the ground.
_GROUND_PX, _ENOUGH_GROUND = 4, 12


@dataclass(frozen=True, slots=True, eq=False)
class Portrait:
    """An object on one frame, in pixels of a `Scene`.

    Attributes
    ----------
    time : int
        Frames since the pass began.
    centre_px : tuple of 2 float
        Centroid y, x on its frame.
    origin_px : tuple of 2 float
        Drift of the whole frame up to then.
    area_px : float
        Area.
    brightness : float
        Mean inside minus the median of the ground around it.
    whole : bool
        It does not touch the border of the frame.
    patch : ndarray, shape (h, w), float16
        The picture in its box.
    inside : ndarray, shape (h, w), bool
        Its pixels there.
    """

    time: int
    centre_px: tuple[float, float]
    origin_px: tuple[float, float]
    area_px: float
    brightness: float
    whole: bool
    patch: NDArray[np.float16]
    inside: NDArray[np.bool_]

    def state_dict(self) -> dict[str, Any]:
        """Return what `from_state_dict` needs."""
        plain = {name: getattr(self, name) for name in ("time", "area_px", "brightness", "whole")}
        pictures = {name: torch.from_numpy(np.ascontiguousarray(getattr(self, name))) for name in ("patch", "inside")}
        return plain | pictures | {"centre_px": list(self.centre_px), "origin_px": list(self.origin_px)}

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """Return the portrait that `state_dict` described."""
        (y, x), (oy, ox) = state["centre_px"], state["origin_px"]
        return cls(
            int(state["time"]),
            (float(y), float(x)),
            (float(oy), float(ox)),
            float(state["area_px"]),
            float(state["brightness"]),
            bool(state["whole"]),
            state["patch"].cpu().numpy().astype(np.float16),
            state["inside"].cpu().numpy().astype(bool),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """One frame with the objects on it, shrunk so that a typical object measures some 20 pixels.

    Attributes
    ----------
    time : int
        Frames since the pass began.
    gray : ndarray, shape (Y, X), float32
        The picture.
    ids : ndarray, shape (Y, X), int32
        Who is where, 0 = nobody.
    factor : int
        Pixels of the scaled frame per pixel of this one.
    origin_px : tuple of 2 float
        Drift of the whole frame since the first one, in pixels of this one.
    """

    time: int
    gray: NDArray[np.float32]
    ids: NDArray[np.int32]
    factor: int
    origin_px: tuple[float, float]

    @staticmethod
    def factor_for(diameter_px: float) -> int:
        """Return the factor for objects of this diameter on the scaled frame; 0: not known."""
        return max(1, round((diameter_px or 2 * _PICTURE_PX) / _PICTURE_PX))

    @classmethod
    def of(
        cls,
        time: int,
        gray: NDArray[np.float32],
        masks: Sequence[RegionMask],
        factor: int,
        origin_px: tuple[float, float],
    ) -> Self:
        """Shrink a picture ``(H, W)`` of the scaled frame and all masks on it."""
        return cls.of_shrunk(time, block_means(gray, factor), masks, factor, origin_px)

    @classmethod
    def of_shrunk(
        cls,
        time: int,
        gray: NDArray[np.float32],
        masks: Sequence[RegionMask],
        factor: int,
        origin_px: tuple[float, float],
    ) -> Self:
        """Put all masks on a picture that is shrunk already; NaN where it is not known, far from all masks."""
        return cls(time, gray, np.zeros(gray.shape, np.int32), factor, origin_px).showing(masks)

    def showing(self, masks: Sequence[RegionMask]) -> Self:
        """Return the same frame with other masks on it."""
        ids = np.zeros(self.ids.shape, np.int32)
        for mask in masks:
            window, inside = _sampled(mask, self.factor, self.gray.shape)
            ids[window][inside] = mask.object_id
        return replace(self, ids=ids)

    def window(self, mask: RegionMask) -> tuple[slice, slice]:
        """Return the part of this frame that a mask's region covers."""
        return _sampled(mask, self.factor, self.gray.shape)[0]

    def portrait(self, inside: NDArray[np.bool_], corner: tuple[int, int] = (0, 0)) -> Portrait | None:
        """Take the portrait of what covers `inside`, an ``(h, w)`` part of the frame at `corner`; None of nothing."""
        rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        if not len(rows):
            return None
        inside = inside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        top, left = corner[0] + int(rows[0]), corner[1] + int(columns[0])
        bottom, right = top + inside.shape[0], left + inside.shape[1]
        patch = self.gray[top:bottom, left:right]
        y, x = (float(np.mean(axis)) for axis in np.nonzero(inside))
        around = (
            slice(max(0, top - _GROUND_PX), bottom + _GROUND_PX),
            slice(max(0, left - _GROUND_PX), right + _GROUND_PX),
        )
        ground = self.gray[around][self.ids[around] == 0]
        ground = ground[np.isfinite(ground)]
        level = float(np.median(ground)) if len(ground) >= _ENOUGH_GROUND else float(np.nanmedian(self.gray))
        whole = top > 0 and left > 0 and bottom < self.gray.shape[0] and right < self.gray.shape[1]
        return Portrait(
            self.time,
            (top + y, left + x),
            self.origin_px,
            float(inside.sum()),
            float(patch[inside].mean()) - level,
            whole,
            patch.astype(np.float16),
            inside.copy(),
        )

    def portrait_of(self, mask: RegionMask) -> Portrait | None:
        """Take the portrait of the object of a mask; None if it is nowhere."""
        window = self.window(mask)
        return self.portrait(self.ids[window] == mask.object_id, (window[0].start, window[1].start))


def _sampled(mask: RegionMask, factor: int, shape: tuple[int, ...]) -> tuple[tuple[slice, slice], NDArray[np.bool_]]:
    """Return which part of the shrunk frame a mask's region covers, and where it is more than one half there."""
    window, starts = [], []
    for begin, length, limit in zip((mask.region.y, mask.region.x), mask.region.shape, shape, strict=True):
        first = -(-(begin - factor // 2) // factor) if begin > factor // 2 else 0
        offset = first * factor + factor // 2 - begin
        count = max(0, min(limit - first, -(-(length - offset) // factor)))
        window.append(slice(first, first + count))
        starts.append(slice(offset, offset + count * factor, factor))
    return (window[0], window[1]), mask.pixels[tuple(starts)] > 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """Portraits of one object, by time: some old ones, and the latest."""

    portraits: tuple[Portrait, ...] = ()

    def __len__(self) -> int:
        return len(self.portraits)

    @property
    def last(self) -> Portrait:
        """The latest portrait."""
        return self.portraits[-1]

    @property
    def area_px(self) -> float:
        """Usual area: the median of the latest portraits on which it was whole."""
        areas = [p.area_px for p in self.portraits[-_RECENT:] if p.whole]
        return median(areas or [p.area_px for p in self.portraits]) if self.portraits else 0.0

    def with_portrait(self, portrait: Portrait) -> Past:
        """Return the past with one more portrait; of those that are no longer among the latest few stay."""
        old, recent = self.portraits[:-_RECENT], (*self.portraits[-_RECENT:], portrait)
        while len(recent) > _RECENT:
            leaving, recent = recent[0], recent[1:]
            if not old or leaving.time - old[-1].time >= _APART_FRAMES:
                old = (*old, leaving)
        if len(old) > _OLDER:  # the first stays: it was painted
            old = (old[0], *old[2:])
        return Past((*old, *recent))

    def before(self, time: int) -> Past:
        """Return what was known before a time."""
        return Past(tuple(p for p in self.portraits if p.time < time))

    def state_dict(self) -> list[dict[str, Any]]:
        """Return what `from_state_dict` needs."""
        return [portrait.state_dict() for portrait in self.portraits]

    @classmethod
    def from_state_dict(cls, state: list[dict[str, Any]]) -> Self:
        """Return the past that `state_dict` described."""
        return cls(tuple(Portrait.from_state_dict(portrait) for portrait in state))
