"""Divisions while a movie is followed: parts are tried as daughters beside their mother until it is clear."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy import ndimage

from napari_xmem.engine.division.daughter_appearance import share_inside
from napari_xmem.engine.division.faint_sister import FaintSister, FormerPlaces
from napari_xmem.engine.division.mask_parts import fill_bays
from napari_xmem.engine.division.open_trials import OpenTrials
from napari_xmem.engine.division.painted_births import PaintedBirths
from napari_xmem.engine.division.policies import (
    DELAY_FRAMES,
    EARLY_LOOKS,
    PAINTED_ODDS,
    SURELY,
    SURELY_NOT,
    Budding,
    Evidence,
    TwoParts,
    WaistBefore,
    tempered,
)
from napari_xmem.engine.division.trial import Decision, Trial
from napari_xmem.engine.scopes.aggregation import others_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_xmem.engine.division.delayed_results import DelayedResults
    from napari_xmem.engine.division.faint_sister import AsksForSister
    from napari_xmem.engine.division.mask_parts import Parts
    from napari_xmem.engine.division.new_ids import NewIds
    from napari_xmem.engine.division.painted_births import KnowsNames
    from napari_xmem.engine.division.policies import AsksForBuds, Dates, Judge, Proposer
    from napari_xmem.engine.division.trial_tracking import Host, Moment
    from napari_xmem.engine.scopes.object_state import TrackedObject
    from napari_xmem.engine.scopes.region_masks import RegionMask
    from napari_xmem.engine.scopes.regions import Region

__all__ = ["DivisionTracker"]

#: Frames for which an object is not asked about after a trial found it whole.
_REST_FRAMES = 2
#: Areas of so many last frames are kept for each object.
_RECENT_FRAMES = 3
#: A piece with less than this share of a mask may be the tip of a daughter that is claimed but faintly.
_SCRAP_SHARE = 0.3
#: On the last frame, which nothing follows, only sure parts are a division: with a gap between them, or of a rod.
_LAST_FRAME_ODDS, _LAST_FRAME_ODDS_WAIST = 0.9, 0.97


class DivisionTracker:
    """Follows daughters on trial beside the objects of a scope, and decides.

    While a trial goes on nothing changes for the scope's objects: the daughters are followed in a world of their own,
    in which they stand in their mother's place and compete with all others. A trial that fails leaves no trace.

    Parameters
    ----------
    new_ids : NewIds
        Source of ids.
    proposer : Proposer, optional
        When to ask.
    judge : Judge, optional
        What to answer.
    budding : AsksForBuds, optional
        Whether the mother goes on beside a bud.
    sister : AsksForSister, optional
        When to ask about a daughter that the mother does not cover.
    dates : Dates, optional
        Whether daughters began on the frame before.

    Attributes
    ----------
    ahead : KnowsNames or None
        Knows under which ids daughters will be painted.
    """

    def __init__(
        self,
        new_ids: NewIds,
        proposer: Proposer | None = None,
        judge: Judge | None = None,
        budding: AsksForBuds | None = None,
        sister: AsksForSister | None = None,
        dates: Dates | None = None,
    ) -> None:
        self.new_ids = new_ids
        self.proposer = proposer or TwoParts()
        self.judge = judge or Evidence()
        self.budding = budding or Budding()
        self.sister = sister or FaintSister()
        self.dates = dates or WaistBefore()
        self.ahead: KnowsNames | None = None
        self._open = OpenTrials(new_ids)
        self.reset()

    def reset(self) -> None:
        """Forget all trials; ids that were given stay given."""
        self._open.reset()
        self._resting: dict[int, int] = {}
        self._recent: dict[int, tuple[float, ...]] = {}
        self._painted = PaintedBirths()
        self._former = FormerPlaces()
        self._hinted = False

    @property
    def waiting(self) -> DelayedResults:
        """Results that may still change."""
        return self._open.waiting

    @property
    def objects(self) -> dict[int, TrackedObject]:
        """Daughters on trial."""
        return self._open.objects

    @property
    def pending(self) -> int:
        """How many of the last frames may still change, the one worked on last among them."""
        return max(self._open.longest, int(self._hinted))

    def searches(self, *, memorise: bool, last: bool) -> bool:
        """Return False: nothing but the objects' regions is looked at."""
        return False

    def finish(self, host: Host, at: Moment, masks: Sequence[RegionMask]) -> None:
        """Do nothing: all was looked at before the frame was remembered."""

    def take_decisions(self) -> list[Decision]:
        """Return the divisions decided on since this was last asked."""
        return self._open.take_decisions()

    def interrupt(self) -> None:
        """End all trials without a decision: a frame on which nothing can be seen came between."""
        self._open.drop()
        self._hinted = False

    def advance(self, host: Host, at: Moment, todo: Sequence[tuple[int, Region]]) -> list[RegionMask]:
        """Follow the daughters on trial to this frame, decide, and ask about more objects.

        Parameters
        ----------
        host : Host
            The scope.
        at : Moment
            The frame.
        todo : sequence of (int, Region)
            Where the daughters on trial are looked for.

        Returns
        -------
        list of RegionMask
            Masks of this frame; daughters that were decided on stand in their mother's place, at the end.
        """
        self._open.drop_unfollowed({i for i, _ in todo}, at.given | at.unsettled, host)
        tried = self._open.follow(host, at, todo)
        self._former.move(at.drift_px)
        masks = self._decide(host, at, list(at.masks), tried)
        for decision in self._painted.find(host, at, masks, self.new_ids):
            masks = self._follow_painted(host, decision, masks)
        self._hinted = False
        if at.memorise or at.last:
            tried |= self._ask(host, at, masks)
        if at.last:
            masks = self._decide(host, at, masks, tried)
        self._open.remember(host, at, masks, tried)
        self._painted.keep(masks)
        self._note(host, at, masks)
        return masks

    def _note(self, host: Host, at: Moment, masks: Sequence[RegionMask]) -> None:
        """Take in how large every object is, and where it is as long as it has not shrunk."""
        whole = {}
        for mask in masks:
            seen, recent = at.seen[mask.object_id], self._recent.get(mask.object_id, ())
            usual = host.objects[mask.object_id].area_px
            if seen.area_px and not self.sister.shrank(seen.area_px, usual, recent):
                whole[mask.object_id] = seen.centre_px
            self._recent[mask.object_id] = (*recent, seen.area_px)[-_RECENT_FRAMES:]
        self._former.forget_all_but([mask.object_id for mask in masks])
        self._former.keep(whole)

    def _decide(
        self, host: Host, at: Moment, masks: list[RegionMask], tried: Mapping[int, RegionMask]
    ) -> list[RegionMask]:
        for mother, trial in list(self._open.by_mother.items()):
            odds, told = self.judge.odds(trial), trial.told(at.given)
            by_a_person = told or trial.painted
            if by_a_person:
                odds = max(odds, PAINTED_ODDS)
            early = len(trial.looks) >= EARLY_LOOKS
            final = at.last or len(trial.looks) > DELAY_FRAMES
            on_sight = _LAST_FRAME_ODDS_WAIST if trial.neck else _LAST_FRAME_ODDS
            needed = on_sight if len(trial.looks) == 1 and not by_a_person else 0.5
            if (early and odds <= SURELY_NOT) or (final and odds < needed):
                self._open.end(mother)
                self._resting[mother] = _REST_FRAMES
            elif told or (early and odds >= SURELY) or final:
                trial.painted |= told
                if told:
                    del trial.masks[at.frame]  # what was painted stands
                new = self._open.close(Decision(trial, tempered(odds, trial), at.frame))
                masks = self._divide(host, at, trial, masks, [tried[i] for i in trial.daughters if i in tried], new)
        return masks

    def _divide(
        self,
        host: Host,
        at: Moment,
        trial: Trial,
        masks: list[RegionMask],
        shown: list[RegionMask],
        new: dict[int, TrackedObject],
    ) -> list[RegionMask]:
        """Let the daughters take their mother's place, or a bud begin beside her; returns the masks of the frame."""
        first, other = trial.daughters
        if trial.kept or (self.new_ids.gave(first) and self.budding.buds(trial)):
            grown = new.pop(first)
            if trial.kept:
                host.objects[trial.mother] = heir = grown.fork(trial.mother)
                if trial.mother in at.given:
                    heir.update(at.seen[trial.mother], at.drift_px, seeded=True)
            self.new_ids.give_back([first])
            trial.buds, trial.daughters = True, (trial.mother, other)
            trial.masks = {t: (replace(one, object_id=trial.mother), two) for t, (one, two) in trial.masks.items()}
            host.objects.update(new)
            if trial.mother in at.given:
                return masks + shown[1:]
            kept = replace(shown[0], object_id=trial.mother)
            return [kept if mask.object_id == trial.mother else mask for mask in masks] + shown[1:]
        del host.objects[trial.mother]
        host.objects.update(new)
        return [mask for mask in masks if mask.object_id != trial.mother] + shown

    def _follow_painted(self, host: Host, decision: Decision, masks: list[RegionMask]) -> list[RegionMask]:
        """Let a mother end, or go on, whose daughters were painted on this frame."""
        trial = decision.trial
        if trial.mother in self._open.by_mother:
            self._open.end(trial.mother)
        self._open.decisions.append(decision)
        if trial.buds:
            return masks
        del host.objects[trial.mother]
        return [mask for mask in masks if mask.object_id != trial.mother]

    def _ask(self, host: Host, at: Moment, masks: Sequence[RegionMask]) -> dict[int, RegionMask]:
        """Begin a trial for every object that may have divided; returns the daughters' first masks."""
        begun: dict[int, RegionMask] = {}
        for mask in masks:
            i, tracked = mask.object_id, host.objects[mask.object_id]
            if self._resting.get(i, 0):
                self._resting[i] -= 1
                continue
            if i in self._open or i in at.given | at.unsettled or tracked.lost_frames or self.new_ids.n_left < 2:
                continue
            whole = fill_bays(mask.pixels, mask.region, at.picture_shape)
            parts = self.proposer.propose(whole, tracked.area_px, self._recent.get(i, ()))
            larger = mask if parts is None else _shown(mask, parts.first)
            sister = None
            if parts is None or (not parts.neck and parts.share < _SCRAP_SHARE):
                sister = self._faint_sister(at, larger, masks, tracked.area_px)
            if sister is not None:
                begun |= self._begin(host, at, mask, [larger, sister], 0.0, faint=True)
            elif parts is not None and (parts.waist or not (at.last and parts.neck)):
                begun |= self._begin(host, at, mask, _split(mask, parts), parts.neck)
                self._date_back(at, self._open.by_mother.get(i), whole)
            elif parts is None and not self._hinted:
                self._hinted = self.dates.hint(whole) is not None
        return begun

    def _date_back(self, at: Moment, trial: Trial | None, now: NDArray[np.float32]) -> None:
        """Let a trial that has just begun reach back to the frame before, if that showed the daughters already."""
        frame = self.waiting.last_unpainted
        before = None if trial is None or trial.painted or trial.kept else self._painted.last(trial.mother)
        if trial is None or frame is None or before is None:
            return
        parts = self.dates.hint(fill_bays(before.pixels, before.region, at.picture_shape))
        if parts is None or not self.dates.seen_before(parts, now):
            return
        pair = _split(before, parts)
        first = trial.masks[trial.frame][0]
        pair.sort(key=lambda half: -share_inside(first, half, at.drift_px))
        trial.masks[frame] = tuple(replace(mask, object_id=i) for mask, i in zip(pair, trial.daughters, strict=True))
        trial.frame = frame

    def _faint_sister(
        self, at: Moment, mask: RegionMask, masks: Sequence[RegionMask], usual_px: float
    ) -> RegionMask | None:
        """Return the daughter that a mother claims beside the one that she is followed as."""
        i = mask.object_id
        place, area = self._former.get(i), float(np.count_nonzero(mask.pixels > 0.5))
        if at.last or place is None or not self.sister.shrank(area, usual_px, self._recent.get(i, ())):
            return None
        claim = next((claim for claim in at.claims if claim.object_id == i and claim.region == mask.region), None)
        if claim is None:
            return None
        near = [m for m in masks if m.object_id != i and m.region.meets(mask.region)]
        owned = others_in(near, at.shape).numpy()[mask.region.slices] > 0.5
        centre = (place[0] - mask.region.y, place[1] - mask.region.x)
        body = self.sister.propose(mask.pixels, claim.pixels, owned, centre)
        if body is None:
            return None
        return _shown(replace(claim, probability=0.5 + claim.probability / 2), body)

    def _begin(
        self,
        host: Host,
        at: Moment,
        mask: RegionMask,
        halves: Sequence[RegionMask],
        neck: float,
        *,
        faint: bool = False,
    ) -> dict[int, RegionMask]:
        mother, ids = mask.object_id, self.new_ids.take(2)
        pair = [replace(half, object_id=i) for half, i in zip(halves, ids, strict=True)]
        named = {} if self.ahead is None else self.ahead.names(at.frame, pair, (mother,))
        if named is None:  # a person paints both as one
            self.new_ids.give_back(ids)
            return {}
        taken = (host.objects.keys() | self.objects.keys()) - {mother}
        named = {i: painted for i, painted in named.items() if painted not in taken}
        kept = [i for i, painted in named.items() if painted == mother]
        pair = sorted(pair, key=lambda part: part.object_id not in kept)
        own = {i: painted for i, painted in named.items() if i not in kept}
        self.new_ids.give_back(ids)
        spare = iter(self.new_ids.take(2 - len(own)))
        pair = [replace(part, object_id=own.get(part.object_id) or next(spare)) for part in pair]
        before = max(self._recent.get(mother, ()), default=0.0)
        area = sum(int((half.probability > 0.5).sum()) for half in pair)
        growth = area / before if before else 1.0
        daughters = (pair[0].object_id, pair[1].object_id)
        trial = Trial(mother, daughters, at.frame, neck, growth, kept=mother if kept else 0, faint=faint)
        trial.painted = len(named) == len(pair)
        trial.taken = max(self._painted.share_of_others(half, mother, at.drift_px) for half in pair)
        trial.stays = max(self._painted.agreement_with_before(half, mother, at.drift_px) for half in pair)
        return self._open.begin(host, at, trial, mask, pair)

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs: nested dicts and lists of plain values and tensors."""
        return self._open.state_dict() | {
            "resting": [list(item) for item in self._resting.items()],
            "recent": [[i, list(areas)] for i, areas in self._recent.items()],
            "last": self._painted.state_dict(),
            "former": self._former.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any], restore: Callable[[Mapping[str, Any]], TrackedObject]) -> None:
        """Go on where `state_dict` was taken; `restore` makes an object from its state."""
        self._open.load_state_dict(state, restore)
        self._resting = {int(i): int(n) for i, n in state["resting"]}
        self._recent = {int(i): tuple(areas) for i, areas in state["recent"]}
        self._painted.load_state_dict(state["last"])
        self._former.load_state_dict(state.get("former", []))


def _split(mask: RegionMask, parts: Parts) -> list[RegionMask]:
    """Give every pixel's probability to the part that is nearer."""
    nearer = ndimage.distance_transform_edt(~parts.first) <= ndimage.distance_transform_edt(~parts.second)
    return [_shown(mask, share) for share in (nearer, ~nearer)]


def _shown(mask: RegionMask, pixels: NDArray[np.bool_]) -> RegionMask:
    """Return some pixels of a mask."""
    return replace(mask, probability=mask.probability * torch.from_numpy(pixels).to(mask.probability.device).float())
