"""Cells that come in while a movie is followed: found where nobody is, tried for a few frames, then given an id."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.engine.discovery.entering_cell import Entry, EntryTrial
from napari_xmem.engine.discovery.frame_search import search_frame
from napari_xmem.engine.division import DELAY_FRAMES
from napari_xmem.engine.division.trial_tracking import OtherWorld
from napari_xmem.engine.scopes.aggregation import aggregate_regions
from napari_xmem.engine.scopes.region_masks import RegionMask

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_xmem.engine.division import DelayedResults, NewIds
    from napari_xmem.engine.division.painted_births import KnowsNames
    from napari_xmem.engine.division.trial_protocol import ObjectsOnTrial, SearchHost
    from napari_xmem.engine.division.trial_tracking import Host, Moment
    from napari_xmem.engine.given_detections import GivenDetections
    from napari_xmem.engine.scopes.object_state import TrackedObject
    from napari_xmem.engine.scopes.preprocess import FrameGeometry
    from napari_xmem.engine.scopes.regions import Region

__all__ = ["Newcomers"]

#: A cell is tried from this share of the confidence on that it must have in the end: some frames say more than one.
_TRIED_SHARE = 0.75
#: Smallest over largest area that a cell on trial may have.
_STEADY = 0.5
#: Share of its pixels that must stay nobody's else.
_FREE_SHARE = 0.6
#: Looks that a cell must have had where the movie ends early.
_FEWEST_LOOKS = 2
#: A lost object is found again within this many of its own diameters, more with each frame it was lost, up to so many.
_RETURN_DIAMETERS, _RETURN_GROWTH, _RETURN_LIMIT = 0.75, 0.25, 2.0
#: Ratio of areas up to which two masks may be of one object.
_RETURN_AREA = 2.0


class Newcomers:
    """Looks for new cells beside another who decides about a scope's objects; an `ObjectsOnTrial`.

    Every few frames what no object owns is searched with the memories of the painted objects (of all, once none of
    those is left). What is found is followed in a world of its own for `DELAY_FRAMES` frames, where it competes with
    all objects without touching them. It becomes an object if it was there on every frame, sure, steady in size, and
    on pixels that are nobody's.

    Parameters
    ----------
    inner : ObjectsOnTrial
        Decides about divisions; results wait for both in one place.
    new_ids : NewIds
        Source of ids, the one that `inner` has.
    geometry : FrameGeometry
        Sizes of the frames.
    min_confidence : float
        0 to 1; a cell that is less sure, on the mean of its frames, is none.
    interval_frames : int
        The frame is searched every so many frames.
    detections : GivenDetections, optional
        Labels of another program that say on every frame where a cell may be, in place of the search.
    """

    def __init__(
        self,
        inner: ObjectsOnTrial,
        new_ids: NewIds,
        geometry: FrameGeometry,
        min_confidence: float,
        interval_frames: int,
        detections: GivenDetections | None = None,
    ) -> None:
        self.inner, self.new_ids, self.geometry, self.detections = inner, new_ids, geometry, detections
        self.scaled_shape, self.min_confidence = geometry.scaled_shape, min_confidence
        self.interval_frames = interval_frames if detections is None else 1
        self._forget()

    def _forget(self) -> None:
        self.trials: dict[int, EntryTrial] = {}
        self._decided: list[Entry] = []
        self._world = OtherWorld()
        self._painted: set[int] = set()
        self._since: int | None = None
        self._search_now = self._has_searched = False

    def reset(self) -> None:
        """Forget all trials; ids that were given stay given."""
        self.inner.reset()
        self._forget()

    @property
    def ahead(self) -> KnowsNames | None:
        """Who says who daughters are, by frames that are painted later."""
        return self.inner.ahead

    @ahead.setter
    def ahead(self, ahead: KnowsNames | None) -> None:
        self.inner.ahead = ahead

    @property
    def waiting(self) -> DelayedResults:
        """Results that may still change."""
        return self.inner.waiting

    @property
    def objects(self) -> dict[int, TrackedObject]:
        """All objects on trial."""
        return self.inner.objects | self._world.objects

    @property
    def pending(self) -> int:
        """How many of the last frames may still change, the one worked on last among them."""
        return max([self.inner.pending, *(len(trial.confidence) for trial in self.trials.values())])

    def searches(self, *, memorise: bool, last: bool) -> bool:
        """Return True if the whole of the next frame will be looked at; asked once per frame."""
        self._since = self.interval_frames if self._since is None else self._since + 1
        self._search_now = memorise and not last and self._since >= self.interval_frames
        return self._search_now

    def take_decisions(self) -> list[Any]:
        """Return what was decided since this was last asked."""
        decided, self._decided = [*self.inner.take_decisions(), *self._decided], []
        return decided

    def interrupt(self) -> None:
        """End all trials without a decision: a frame on which nothing can be seen came between."""
        self.inner.interrupt()
        for i in list(self.trials):
            self._end(i)

    def advance(self, host: SearchHost, at: Moment, todo: Sequence[tuple[int, Region]]) -> list[RegionMask]:
        """Follow all objects on trial to this frame, decide, and search; see `DivisionTracker.advance`."""
        masks = self.inner.advance(host, at, todo)
        self._painted |= {i for i in at.given if i in host.objects}
        followed = {i for i, _ in todo}
        for i in [i for i in self.trials if i not in followed]:
            self._end(i)
        tried = self._world.follow(host, at, todo, set())
        for i, trial in self.trials.items():
            trial.add(at.frame, tried[i], at.seen[i].confidence, at.seen[i].area_px)
        return self._decide(host, at, masks, tried, _owners(masks, at.shape))

    def finish(self, host: SearchHost, at: Moment, masks: Sequence[RegionMask]) -> None:
        """Search the frame, if it is due, with all that memory holds by now; what is found goes on trial."""
        self.inner.finish(host, at, masks)
        if self._search_now:
            self._since = 0
            propose = self._search if self.detections is None else self._read
            propose(host, at, masks, _owners(masks, at.shape))
            self._has_searched = True
        tried = {i: trial.masks[at.frame] for i, trial in self.trials.items()}
        self._world.remember(host, at, masks, tried)

    # ---- decisions

    def _decide(
        self,
        host: Host,
        at: Moment,
        masks: list[RegionMask],
        tried: Mapping[int, RegionMask],
        owner: NDArray[np.int32],
    ) -> list[RegionMask]:
        for i, trial in list(self.trials.items()):
            tracked, mask = self._world.objects[i], tried[i]
            inside = (mask.probability > 0.5).cpu().numpy()
            free = np.count_nonzero(inside & (owner[mask.region.slices] == 0))
            lost = tracked.lost_frames or free < _FREE_SHARE * np.count_nonzero(inside)
            final = at.last or len(trial.confidence) > DELAY_FRAMES
            sure = trial.odds >= self.min_confidence and trial.steadiness >= _STEADY
            if lost or (final and not (sure and len(trial.confidence) >= _FEWEST_LOOKS)):
                self._end(i)
            elif final:
                masks = self._accept(host, at, trial, masks, mask)
                owner[mask.region.slices][inside] = i
        return masks

    def _accept(
        self, host: Host, at: Moment, trial: EntryTrial, masks: list[RegionMask], mask: RegionMask
    ) -> list[RegionMask]:
        """Let a cell be an object of the scope, or give its place to the lost object that it is."""
        i = trial.object_id
        del self.trials[i]
        new = self._world.end([i])[i]
        old = self._lost_object(host, trial, new)
        self._decided.append(Entry(trial, i if old is None else old, old is not None, at.frame))
        if old is None:
            host.objects[i] = new
            return [*masks, mask]
        self.new_ids.give_back([i])
        known = host.objects[old]
        known.lost_frames, known.hidden, known.velocity_px = 0, new.hidden, new.velocity_px
        known.centre_px, known.extent_px, known.cut = new.centre_px, new.extent_px, new.cut
        known.expected_px, known.surprises_px = new.expected_px, ()
        at.seen[old] = at.seen[i]
        return [replace(mask, object_id=old) if m.object_id == old else m for m in masks]

    def _lost_object(self, host: Host, trial: EntryTrial, new: TrackedObject) -> int | None:
        """Return the lost object that a cell is, by place and size: one that was lost before and is near."""
        found = None
        for i, known in host.objects.items():
            if known.lost_frames < len(trial.confidence) or not known.area_px or not new.area_px:
                continue
            grown = min(_RETURN_LIMIT, _RETURN_DIAMETERS + _RETURN_GROWTH * known.lost_frames)
            reach = grown * max(2 * math.sqrt(known.area_px / math.pi), *known.extent_px)
            ratio = max(known.area_px, new.area_px) / min(known.area_px, new.area_px)
            distance = math.dist(known.centre_px, new.centre_px)
            if ratio <= _RETURN_AREA and distance <= reach and (found is None or distance < found[0]):
                found = (distance, i)
        return None if found is None else found[1]

    def _end(self, object_id: int) -> None:
        """End a trial without a trace."""
        del self.trials[object_id]
        self._world.end([object_id])
        self.new_ids.give_back([object_id])

    # ---- the search

    def _search(self, host: SearchHost, at: Moment, masks: Sequence[RegionMask], owner: NDArray[np.int32]) -> None:
        """Search what is nobody's, and begin a trial for everything found."""
        examples = self._examples(host)
        if not examples or not owner.any():
            return
        taken = self._taken(owner, at.frame)
        allowed = np.zeros(at.shape, bool)
        allowed[: self.scaled_shape[0], : self.scaled_shape[1]] = True
        everyone = [*masks, *(trial.masks[at.frame] for trial in self.trials.values())]
        least = _TRIED_SHARE * self.min_confidence
        found = search_frame(host, examples, everyone, taken, allowed, self.scaled_shape, least)
        new = [RegionMask(0, c.region, c.probability) for c in found]
        self._begin(host, at, masks, new, [c.touches_border(self.scaled_shape) for c in found])

    def _read(self, host: SearchHost, at: Moment, masks: Sequence[RegionMask], owner: NDArray[np.int32]) -> None:
        """Begin a trial for every given detection that is nobody's."""
        if self.detections is None:
            return
        taken = self._taken(owner, at.frame)
        found = self.detections.proposals(at.frame, taken, self.geometry, host.region_for, _FREE_SHARE)
        self._begin(host, at, masks, [mask for mask, _ in found], [at_border for _, at_border in found])

    def _taken(self, owner: NDArray[np.int32], frame: int) -> NDArray[np.int32]:
        """Return who owns which pixel, those on trial too."""
        taken = owner.copy()
        for trial in self.trials.values():
            mask = trial.masks[frame]
            taken[mask.region.slices][(mask.probability > 0.5).cpu().numpy()] = trial.object_id
        return taken

    def _begin(
        self,
        host: SearchHost,
        at: Moment,
        masks: Sequence[RegionMask],
        found: Sequence[RegionMask],
        at_border: Sequence[bool],
    ) -> None:
        """Begin a trial for each mask; ids are given here."""
        found = found[: self.new_ids.n_left]
        if not found:
            return
        ids = self.new_ids.take(len(found))
        new = [replace(mask, object_id=i) for i, mask in zip(ids, found, strict=True)]
        settled = aggregate_regions([*masks, *new], {m.object_id for m in masks}, at.shape)[len(masks) :]
        begun = self._world.begin(host, at, settled)
        for i, entered in zip(ids, at_border, strict=False):
            seen = at.seen[i]
            how = "entered" if entered else "appeared"
            trial = EntryTrial(i, at.frame, how if self._has_searched else "found")
            trial.add(at.frame, begun[i], seen.confidence, seen.area_px)
            self.trials[i] = trial

    def _examples(self, host: Host) -> list[TrackedObject]:
        """Return whose memories say what is looked for: painted objects, or all where none of those is left."""
        there = [o for o in host.objects.values() if not o.lost_frames and o.bank.object_ids and o.area_px]
        return [o for o in there if o.object_id in self._painted] or there

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs: nested dicts and lists of plain values and tensors."""
        own: dict[str, Any] = {
            "trials": [trial.state_dict() for trial in self.trials.values()],
            "world": self._world.state_dict(),
            "painted": sorted(self._painted),
            "since": self._since,
            "has_searched": self._has_searched,
        }
        return self.inner.state_dict() | {"entries": own}

    def load_state_dict(self, state: Mapping[str, Any], restore: Callable[[Mapping[str, Any]], TrackedObject]) -> None:
        """Go on where `state_dict` was taken; `restore` makes an object from its state."""
        self.inner.load_state_dict(state, restore)
        self._forget()
        own = state.get("entries")
        if own is None:
            return
        trials = [EntryTrial.from_state_dict(trial) for trial in own["trials"]]
        self.trials = {trial.object_id: trial for trial in trials}
        self._world.load_state_dict(own["world"], restore)
        self._painted, self._since = {int(i) for i in own["painted"]}, own["since"]
        self._has_searched = bool(own["has_searched"])


def _owners(masks: Sequence[RegionMask], shape: tuple[int, int]) -> NDArray[np.int32]:
    """Return who owns which pixel of the scaled frame; 0 for nobody."""
    owner = np.zeros(shape, np.int32)
    for mask in masks:
        owner[mask.region.slices][(mask.probability > 0.5).cpu().numpy()] = mask.object_id
    return owner
