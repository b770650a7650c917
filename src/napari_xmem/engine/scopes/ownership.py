"""Who held which pixel on the last frame: a pixel is not taken from an owner that still claims it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_xmem.engine.scopes.region_masks import RegionMask

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Set

    from numpy.typing import NDArray

__all__ = ["Ownership"]

#: Probability left to others where the last owner still claims a pixel.
_LEFT_TO_OTHERS = np.float32(0.02)


class Ownership:
    """The label image of the last frame, moved along with the drift of the whole frame.

    Objects are decoded independently of each other. Where two of them claim a pixel, the sharper claim would win, so
    that an object that has left, or one half of a division, gnaws at its neighbours and in the end swaps places with
    them. Objects move by less than their size from frame to frame: a pixel that was an object's own, and that this
    object still claims, stays its own.
    """

    def __init__(self) -> None:
        self._owner: NDArray[np.int32] | None = None

    def move(self, drift_px: tuple[float, float], frame_shape: tuple[int, int]) -> None:
        """Take over to the next frame: shift by the drift; forget all if the frame's size changed."""
        if self._owner is None or self._owner.shape != frame_shape:
            self._owner = None
            return
        for axis, step in enumerate(round(d) for d in drift_px):
            if step:
                self._owner = np.roll(self._owner, step, axis)
                lost = slice(0, step) if step > 0 else slice(step, None)
                self._owner[(lost, slice(None)) if axis == 0 else (slice(None), lost)] = 0

    def defend(self, masks: Sequence[RegionMask], given: Set[int]) -> list[RegionMask]:
        """Lower the claims of all but the last owner on the pixels that it still claims.

        Parameters
        ----------
        masks : sequence of RegionMask
            Each object's own probability, not yet aggregated.
        given : set of int
            Objects whose mask was painted on this frame; they are left as they are and own nothing here.
        """
        owner = self._owner
        if owner is None:
            return list(masks)
        held, claims = np.zeros(owner.shape, bool), []
        for mask in masks:
            window, pixels = mask.region.slices, mask.pixels
            mine = owner[window] == mask.object_id
            claims.append((mask, pixels, mine))
            if mask.object_id not in given:
                held[window] |= mine & (pixels > 0.5)
        out = []
        for mask, pixels, mine in claims:
            others = None if mask.object_id in given else held[mask.region.slices] & ~mine
            if others is None or not others.any():
                out.append(mask)
                continue
            lowered = np.where(others, np.minimum(pixels, _LEFT_TO_OTHERS), pixels)
            out.append(RegionMask.of(mask.object_id, mask.region, lowered))
        return out

    def update(self, masks: Sequence[RegionMask], frame_shape: tuple[int, int], lost: Set[int] = frozenset()) -> None:
        """Take in the aggregated masks of this frame.

        Where more than half of the objects are `lost`, the frame is dark or out of focus: they keep what they held, so
        that look-alikes that all come back at once, and are looked for far and wide, do not claim each other.
        """
        if not masks:
            return
        owner = np.zeros(frame_shape, np.int32)
        if self._owner is not None and self._owner.shape == owner.shape and 2 * len(lost) > len(masks):
            keeping = np.isin(self._owner, sorted(lost))
            owner[keeping] = self._owner[keeping]
        for mask in masks:
            owner[mask.region.slices][mask.pixels > 0.5] = mask.object_id
        self._owner = owner

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs."""
        return {"owner": None if self._owner is None else torch.from_numpy(self._owner)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        owner = state["owner"]
        self._owner = None if owner is None else owner.cpu().numpy().copy()
