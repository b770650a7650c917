"""Daughters that a person paints: who their mother is, and who a new object will be."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_xmem.engine.division.daughter_appearance import share_inside
from napari_xmem.engine.division.policies import PAINTED_ODDS
from napari_xmem.engine.division.trial import Decision, Trial, pack_mask, unpack_mask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_xmem.engine.division.new_ids import NewIds
    from napari_xmem.engine.division.trial_tracking import Host, Moment
    from napari_xmem.engine.scopes.region_masks import RegionMask

__all__ = ["KnowsNames", "PaintedBirths"]

#: A new object began in another if so much of its mask lies in that one's mask of the frame before, or its claim.
_INSIDE_SHARE = 0.35
#: The other goes on beside it if so much of its mask is left, with this confidence.
_LEFT_SHARE, _LEFT_CONFIDENCE = 0.25, 0.5
#: Odds that an object painted beside another that goes on is its daughter.
_BESIDE_ODDS = 0.6


class KnowsNames(Protocol):
    """Knows who will be painted."""

    def names(self, frame: int, masks: Sequence[RegionMask], goes_on: Sequence[int] = ()) -> dict[int, int] | None:
        """Return under which ids objects that begin on a frame will be painted; see `PaintedAhead.names`."""


class PaintedBirths:
    """Finds the mothers of objects that are painted where another was the frame before.

    An object that is painted for the first time, with a third of its mask or more in that of another object on the
    frame before, or in what that one claims here, is a daughter of that one if a second one is (odds 0.9), or if the
    other goes on (odds 0.6, since its mask may merely have leaked): because it is painted here as well, or because
    enough of it is left. Then it goes on under its id. An id that was never painted gives way to a painted one: it is
    the same cell. Else one object took the other's place, and nothing is said.
    """

    def __init__(self) -> None:
        self._last: dict[int, RegionMask] = {}

    def keep(self, masks: Sequence[RegionMask]) -> None:
        """Take in the masks of a frame."""
        self._last = {mask.object_id: mask for mask in masks}

    def last(self, object_id: int) -> RegionMask | None:
        """Return the mask of an object on the frame before; None if it had none."""
        return self._last.get(object_id)

    def find(self, host: Host, at: Moment, masks: Sequence[RegionMask], new_ids: NewIds) -> list[Decision]:
        """Return a division for every mother of objects that were painted on this frame for the first time."""
        begun = self._begun(host, at, masks)
        claims = {claim.object_id: claim for claim in at.claims if claim.object_id not in at.given}
        families: dict[int, list[RegionMask]] = {}
        for mask in begun:
            shares = {
                i: max(share_inside(mask, last, at.drift_px), share_inside(mask, claims[i]) if i in claims else 0.0)
                for i, last in self._last.items()
                if i in host.objects and i not in {m.object_id for m in begun}
            }
            mother = max(shares, key=lambda i: shares[i], default=None)
            if mother is not None and shares[mother] >= _INSIDE_SHARE:
                families.setdefault(mother, []).append(mask)
        found: list[Decision] = []
        for mother, children in families.items():
            children = sorted(children, key=lambda mask: -float((mask.probability > 0.5).sum()))
            ids = [mask.object_id for mask in children]
            if self._goes_on(mother, at):
                found += [self._decision(at, mother, (mother, i), buds=True) for i in ids]
            elif len(ids) > 1 or new_ids.gave(mother):
                found.append(self._decision(at, mother, tuple(ids)))
        return found

    def merged(self, host: Host, at: Moment, masks: Sequence[RegionMask]) -> list[Decision]:
        """Return a division for every object painted for the first time, back in time, over two that were there."""
        found = []
        for mask in self._begun(host, at, masks):
            inside = {
                i: share_inside(last, mask, (-at.drift_px[0], -at.drift_px[1]))
                for i, last in self._last.items()
                if i in host.objects and i not in at.given
            }
            pair = sorted((i for i in inside if inside[i] >= _INSIDE_SHARE), key=lambda i: -inside[i])[:2]
            if len(pair) == 2:
                found.append(self._decision(at, mask.object_id, tuple(pair), backward=True))
        return found

    def share_of_others(self, part: RegionMask, mother: int, drift_px: tuple[float, float]) -> float:
        """Return the share of a daughter's first mask that lay in masks of objects other than her mother before."""
        where = part.region
        before = replace(where, y=where.y - round(drift_px[0]), x=where.x - round(drift_px[1]))
        others = (last for i, last in self._last.items() if i != mother and last.region.meets(before))
        return min(1.0, sum(share_inside(part, last, drift_px) for last in others))

    def agreement_with_before(self, part: RegionMask, mother: int, drift_px: tuple[float, float]) -> float:
        """Return the Jaccard index of a daughter's first mask and her mother's mask of the frame before."""
        last = self._last.get(mother)
        if last is None:
            return 0.0
        inside = share_inside(part, last, drift_px)
        covered = share_inside(last, part, (-drift_px[0], -drift_px[1]))
        return 1 / (1 / inside + 1 / covered - 1) if inside and covered else 0.0

    def _begun(self, host: Host, at: Moment, masks: Sequence[RegionMask]) -> list[RegionMask]:
        """Return objects that were painted on this frame and are in no memory yet."""
        new = [
            mask for mask in masks if mask.object_id in at.given and not host.objects[mask.object_id].bank.object_ids
        ]
        return [mask for mask in new if self._last and bool((mask.probability > 0.5).any())]

    def _goes_on(self, mother: int, at: Moment) -> bool:
        seen, last = at.seen[mother], np.count_nonzero(self._last[mother].probability.cpu().numpy() > 0.5)
        if mother in at.given:
            return seen.area_px > 0
        return bool(seen.area_px >= _LEFT_SHARE * last) and seen.confidence >= _LEFT_CONFIDENCE

    def _decision(
        self, at: Moment, mother: int, daughters: tuple[int, ...], *, buds: bool = False, backward: bool = False
    ) -> Decision:
        trial = Trial(mother, daughters, at.frame, 0.0, 1.0, backward=backward, buds=buds, painted=True)
        return Decision(trial, _BESIDE_ODDS if buds else PAINTED_ODDS, at.frame)

    def state_dict(self) -> list[Any]:
        """Return what `load_state_dict` needs."""
        return [pack_mask(mask) for mask in self._last.values()]

    def load_state_dict(self, state: Sequence[Any]) -> None:
        """Go on where `state_dict` was taken."""
        self.keep([unpack_mask(mask) for mask in state])
