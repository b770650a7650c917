"""Divisions while a movie is followed back in time: two cells that become one are its daughters."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_xmem.engine.division.backward_policies import OneBody, Sighting, TakenOver
from napari_xmem.engine.division.daughter_appearance import joined_claim, shared_claims
from napari_xmem.engine.division.mask_parts import find_parts
from napari_xmem.engine.division.open_trials import OpenTrials
from napari_xmem.engine.division.painted_births import PaintedBirths
from napari_xmem.engine.division.policies import (
    DELAY_FRAMES,
    EARLY_LOOKS,
    PAINTED_ODDS,
    SURELY,
    SURELY_NOT,
    tempered,
)
from napari_xmem.engine.division.trial import Decision, Trial
from napari_xmem.engine.scopes.postprocess import postprocess_masks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from napari_xmem.engine.division.backward_policies import JudgesMerges, Meeting, ProposesMerges
    from napari_xmem.engine.division.delayed_results import DelayedResults
    from napari_xmem.engine.division.new_ids import NewIds
    from napari_xmem.engine.division.painted_births import KnowsNames
    from napari_xmem.engine.division.trial_tracking import Host, Moment
    from napari_xmem.engine.scopes.object_state import TrackedObject
    from napari_xmem.engine.scopes.region_masks import RegionMask
    from napari_xmem.engine.scopes.regions import Region

__all__ = ["MergeTracker"]

#: Places of so many last frames are kept for each object.
_KEPT_FRAMES = 4
#: An object that is less sure than this was not seen.
_SEEN_CONFIDENCE = 0.5
#: Two objects whose claims have this Jaccard index claim the same.
_SHARED_IOU = 0.5


class MergeTracker:
    """Follows a mother on trial beside the two objects that seem to have become her, and decides.

    The counterpart of `DivisionTracker` where time runs backward. While a trial goes on nothing changes for the scope's
    objects: the mother is followed in a world of her own, in which she stands in her daughters' place. Results lag one
    frame behind even without a trial, since a birth belongs to the frame after the mother's last.

    Parameters
    ----------
    new_ids : NewIds
        Source of ids.
    proposer : ProposesMerges, optional
        When to ask.
    judge : JudgesMerges, optional
        What to answer.

    Attributes
    ----------
    ahead : KnowsNames or None
        Knows under which ids mothers will be painted.
    """

    def __init__(
        self, new_ids: NewIds, proposer: ProposesMerges | None = None, judge: JudgesMerges | None = None
    ) -> None:
        self.proposer = proposer or TakenOver()
        self.judge = judge or OneBody()
        self.ahead: KnowsNames | None = None
        self._open = OpenTrials(new_ids)
        self.reset()

    def reset(self) -> None:
        """Forget all trials; ids that were given stay given."""
        self._open.reset()
        self._places: dict[int, tuple[Sighting | None, ...]] = {}
        self._shared: dict[tuple[int, int], RegionMask] = {}
        self._painted = PaintedBirths()

    @property
    def waiting(self) -> DelayedResults:
        """Results that may still change."""
        return self._open.waiting

    @property
    def objects(self) -> dict[int, TrackedObject]:
        """Mothers on trial."""
        return self._open.objects

    @property
    def pending(self) -> int:
        """How many of the last frames may still change, the one worked on last among them."""
        return 1 + self._open.longest

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

    def advance(self, host: Host, at: Moment, todo: Sequence[tuple[int, Region]]) -> list[RegionMask]:
        """Follow the mothers on trial to this frame, decide, and ask about more pairs; see `DivisionTracker.advance`.

        A mother that was decided on stands in her daughters' place, at the end.
        """
        self._open.drop_unfollowed({i for i, _ in todo}, at.given, host)
        tried = self._open.follow(host, at, todo)
        self._note(at, host)
        masks = self._decide(host, at, list(at.masks), tried)
        for decision in self._painted.merged(host, at, masks):
            masks = self._follow_painted(host, decision, masks)
        if at.memorise or at.last:
            tried |= self._ask(host, at, masks)
        if at.last:
            masks = self._decide(host, at, masks, tried)
        self._open.remember(host, at, masks, tried)
        self._painted.keep(masks)
        return masks

    def _note(self, at: Moment, host: Host) -> None:
        """Take in where every object of the scope was seen by itself, and which of them claim the same."""
        self._shared = {
            (one.object_id, other.object_id): joined_claim(one, other, one.object_id)
            for one, other in shared_claims([c for c in at.claims if c.object_id not in at.given], _SHARED_IOU)
        }
        unsure = {i for pair in self._shared for i in pair}
        places = {}
        for i, tracked in host.objects.items():
            before = tuple(s and s.moved(at.drift_px) for s in self._places.get(i, ()))
            seen = at.seen[i]
            there = seen.area_px and not tracked.lost_frames and seen.confidence >= _SEEN_CONFIDENCE
            sighting = Sighting(seen.centre_px, seen.area_px) if there and i not in unsure else None
            places[i] = (*before, sighting)[-_KEPT_FRAMES:]
        self._places = places

    def _decide(
        self, host: Host, at: Moment, masks: list[RegionMask], tried: Mapping[int, RegionMask]
    ) -> list[RegionMask]:
        for mother, trial in list(self._open.by_mother.items()):
            odds, told = self.judge.odds(trial), trial.told(at.given)
            if told or trial.painted:
                odds = max(odds, PAINTED_ODDS)
            early = len(trial.looks) >= EARLY_LOOKS
            final = at.last or len(trial.looks) >= DELAY_FRAMES
            if (early and odds <= SURELY_NOT) or (final and odds < 0.5):
                self._open.end(mother)
            elif told or (early and odds >= SURELY) or final:
                trial.painted |= told
                if told:
                    del trial.masks[at.frame]  # what was painted stands
                new = self._open.close(Decision(trial, tempered(odds, trial), at.frame))
                masks = self._merge(host, at, trial, masks, [tried[mother]] if mother in tried else [], new)
        return masks

    def _merge(
        self,
        host: Host,
        at: Moment,
        trial: Trial,
        masks: list[RegionMask],
        shown: list[RegionMask],
        new: dict[int, TrackedObject],
    ) -> list[RegionMask]:
        """Let the mother take her daughters' place; returns the masks of the frame."""
        gone = trial.daughters
        if trial.kept:
            new = {trial.kept: new[trial.mother].fork(trial.kept)}
            shown = [replace(mask, object_id=trial.kept) for mask in shown]
            if trial.kept in at.given:
                new[trial.kept].update(at.seen[trial.kept], at.drift_px, seeded=True)
                shown = [mask for mask in masks if mask.object_id == trial.kept]
            trial.masks = {t: (replace(mask, object_id=trial.kept),) for t, (mask,) in trial.masks.items()}
            self._open.new_ids.give_back([trial.mother])
            trial.buds, trial.mother = True, trial.kept
            trial.daughters = (trial.kept, *(i for i in gone if i != trial.kept))
        for i in gone:
            del host.objects[i]
        host.objects.update(new)
        return [mask for mask in masks if mask.object_id not in gone] + shown

    def _follow_painted(self, host: Host, decision: Decision, masks: list[RegionMask]) -> list[RegionMask]:
        """Let two objects end back in time whose mother was painted on this frame."""
        gone = decision.trial.daughters
        for mother, trial in list(self._open.by_mother.items()):
            if set(gone) & set(trial.standing):
                self._open.end(mother)
        self._open.decisions.append(decision)
        for i in gone:
            del host.objects[i]
        return [mask for mask in masks if mask.object_id not in gone]

    def _ask(self, host: Host, at: Moment, masks: Sequence[RegionMask]) -> dict[int, RegionMask]:
        """Begin a trial for every pair that may have become one; returns the mothers' first masks."""
        begun: dict[int, RegionMask] = {}
        found = {mask.object_id: mask for mask in masks}
        free = {i: self._places[i] for i in found if i in self._places and i not in at.given and i not in self._open}
        shared = {pair: _sighting(mask, at.shape) for pair, mask in self._shared.items()}
        for meeting in self.proposer.propose(free, shared):
            if self._open.new_ids.n_left < 1 or meeting.one in self._open or meeting.other in self._open:
                continue
            whole = self._shared[meeting.one, meeting.other] if meeting.shared else found[meeting.one]
            begun |= self._begin(host, at, meeting, whole, [found[meeting.one], found[meeting.other]])
        return begun

    def _begin(
        self, host: Host, at: Moment, meeting: Meeting, whole: RegionMask, pair: Sequence[RegionMask]
    ) -> dict[int, RegionMask]:
        (mother,) = self._open.new_ids.take(1)
        daughters = (meeting.one, meeting.other)
        whole = replace(whole, object_id=mother)
        named = {} if self.ahead is None else self.ahead.names(at.frame, [whole], daughters) or {}
        painted = named.get(mother, 0)
        kept = painted if painted in daughters else 0
        if painted and not kept and painted not in host.objects and painted not in self.objects:
            self._open.new_ids.give_back([mother])
            mother, whole = painted, replace(whole, object_id=painted)
        parts = find_parts(whole.probability.cpu().numpy() > 0.5)
        neck = 1.0 if parts is None else parts.neck
        trial = Trial(mother, daughters, at.frame, neck, meeting.growth, backward=True, kept=kept)
        trial.painted = bool(kept) or mother == painted
        return self._open.begin(host, at, trial, whole, pair, {mother: meeting.one})

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs: nested dicts and lists of plain values and tensors."""
        places = [[i, [None if s is None else s.to_list() for s in kept]] for i, kept in self._places.items()]
        return self._open.state_dict() | {"places": places, "last": self._painted.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any], restore: Callable[[Mapping[str, Any]], TrackedObject]) -> None:
        """Go on where `state_dict` was taken; `restore` makes an object from its state."""
        self._open.load_state_dict(state, restore)
        self._places = {
            int(i): tuple(None if s is None else Sighting.from_list(s) for s in kept) for i, kept in state["places"]
        }
        self._painted.load_state_dict(state["last"])


def _sighting(mask: RegionMask, frame_shape: tuple[int, int]) -> Sighting:
    (seen,) = postprocess_masks([mask], frame_shape)[1].values()
    return Sighting(seen.centre_px, seen.area_px)
