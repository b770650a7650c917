"""Who is who: what is remembered of each object's looks and way, and where that overrules what pixels say."""

from __future__ import annotations

from dataclasses import astuple, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy import ndimage

from napari_xmem.engine.identity.encounters import Encounters
from napari_xmem.engine.identity.likeness import Likeness, Track
from napari_xmem.engine.identity.portraits import Past, Scene
from napari_xmem.engine.identity.returns import Returns, common_change, probability
from napari_xmem.engine.identity.written_entries import WrittenEntry, contradicted
from napari_xmem.engine.scopes.object_state import Observation
from napari_xmem.engine.scopes.postprocess import postprocess_masks
from napari_xmem.engine.scopes.region_masks import RegionMask
from napari_xmem.tracking import Event, EventKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence, Set

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_xmem.engine.identity.encounters import Fragment, Outcome
    from napari_xmem.engine.scopes.object_state import TrackedObject

__all__ = ["FrameSeen", "IdentityKeeper", "Judged"]

#: Below this share of its usual area an object is no portrait of itself.
_PORTRAIT_SHARE = 0.5
#: So many last frames of the movie are known by their number.
_FRAMES_KNOWN = 64
#: After an encounter nobody divides for so many frames.
_REST_FRAMES = 3
#: What is unsure around a part of a mask belongs to it, so many pixels far.
_FRINGE_PX = 2
#: So many other objects say how the brightness of all has changed.
_COMPARED = 8
#: Log odds, before looks are compared, that objects are themselves on a frame that hardly matches the one before.
_SAME_FIELD = 2.0
#: With these no question is left.
_THEMSELVES = 4.0
#: Unless all have grown or shrunk by more than this, in area.
_MAGNIFIED = 1.4
_NOTHING = Observation(0.0, 0.0, (0.0, 0.0, 0.0, 0.0))


@dataclass(frozen=True, slots=True, eq=False)
class FrameSeen:
    """A frame as the pixels say.

    Attributes
    ----------
    frame : int
        Index in the movie.
    shrunk : callable
        Takes masks and a factor, and returns the scaled frame in gray, without padding, shrunk by that factor: at least
        around the masks, NaN elsewhere.
    shape : tuple of 2 int
        Size of the scaled frame, with padding.
    masks : sequence of RegionMask
        All objects, aggregated and cleaned.
    seen : mapping of int to Observation
        What is seen of each.
    given : set of int
        Objects that were painted, or are known to be absent.
    drift_px : tuple of 2 float
        Shift of the whole frame since the last one, in pixels of the scaled frame.
    """

    frame: int
    shrunk: Callable[[Sequence[RegionMask], int], NDArray[np.float32]]
    shape: tuple[int, int]
    masks: Sequence[RegionMask]
    seen: Mapping[int, Observation]
    given: Set[int]
    drift_px: tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """A frame's masks after it was decided who is who.

    Attributes
    ----------
    masks : list of RegionMask
        All masks, in their order.
    seen : dict of int to Observation
        What is seen of each.
    moved : set of int
        Objects that got what was somebody else's.
    refused : set of int
        Lost objects for which a stranger was found.
    """

    masks: list[RegionMask]
    seen: dict[int, Observation]
    moved: set[int] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)


class IdentityKeeper:
    """Keeps portraits of all objects, and decides after encounters and returns; a part of the local scope.

    Parameters
    ----------
    diameter_px : float
        Typical diameter of objects on the scaled frame.
    encounters : bool
        Decide after encounters; False: pixels decide.
    """

    def __init__(self, diameter_px: float, *, encounters: bool = True) -> None:
        self._watches = encounters
        self.factor = Scene.factor_for(diameter_px)
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.pasts: dict[int, Past] = {}
        self.encounters = Encounters()
        self.returns = Returns()
        self.events: list[Event] = []
        self._time = 0
        self._origin = (0.0, 0.0)
        self._frames: list[tuple[int, int]] = []
        self._parted: dict[int, int] = {}
        self._written: dict[int, tuple[WrittenEntry, ...]] = {}
        self._questioned: dict[int, tuple[int, float]] = {}
        self._question_all = False
        self._scene: Scene | None = None

    @property
    def engaged(self) -> set[int]:
        """Objects that hide each other: what is seen of them teaches nothing."""
        return self.encounters.engaged

    @property
    def unsettled(self) -> set[int]:
        """Objects that hide each other, or did so lately: parts of their masks are no daughters."""
        return self.engaged | {i for i, time in self._parted.items() if self._time - time <= _REST_FRAMES}

    def take_events(self) -> tuple[Event, ...]:
        """Return what was decided since this was last asked."""
        events, self.events = tuple(self.events), []
        return events

    def question_all(self) -> None:
        """Note that the next frame hardly matches what was before it: it may show others, who look alike."""
        self._question_all = True

    def skip(self) -> None:
        """Let a frame pass on which nothing is believed."""
        self._time += 1

    def judge(self, at: FrameSeen, objects: Mapping[int, TrackedObject]) -> Judged:
        """Decide who is who on a frame; `objects` are as they were before it."""
        self._time += 1
        y, x = (origin + drift / self.factor for origin, drift in zip(self._origin, at.drift_px, strict=True))
        self._origin = (y, x)
        self._frames = [*self._frames, (self._time, at.frame)][-_FRAMES_KNOWN:]
        scene = self._scene = Scene.of_shrunk(
            self._time, at.shrunk(at.masks, self.factor), at.masks, self.factor, self._origin
        )
        self._let_go(at.given, objects)
        gone = {i for i, tracked in objects.items() if i not in at.given and not tracked.is_there(at.seen[i])}
        judged = Judged(list(at.masks), dict(at.seen))
        before = self.engaged
        known = {i: past for i, past in self.pasts.items() if i not in at.given}
        outcomes = self.encounters.advance(scene, at.frame, known, gone) if self._watches else []
        for encounter in self.encounters.open:
            frames = [frame for time, frame in self._frames if time >= encounter.since]
            for i in set(encounter.members) - before:
                objects[i].bank.take_out(frames, "objects hid each other")
        for outcome in outcomes:
            judged = self._conclude(outcome, judged, at, objects)
        for i in gone:
            if not objects[i].lost_frames and i in self.pasts:
                self.returns.note_lost(i, self.pasts[i], scene, with_others=2 * len(gone) > len(objects) > 1)
        if self._question_all:
            self._question(judged, at.given | gone, objects, scene)
        self._question_all = False
        return self._without_strangers(judged, at, objects, scene)

    def keep(
        self, masks: Sequence[RegionMask], sure: Mapping[int, Observation], written: Set[int] | None = None
    ) -> None:
        """Take the portraits of objects that are surely themselves on the frame judged last, and note the odds.

        Parameters
        ----------
        masks : sequence of RegionMask
            All masks, final.
        sure : mapping of int to Observation
            What may enter memory of which objects.
        written : set of int, optional
            Those of which it does; None: of all.
        """
        if self._scene is None:
            return
        scene, self._scene = self._scene.showing(masks), None
        for mask in masks:
            i = mask.object_id
            if i not in sure or i in self.engaged:
                continue
            portrait, past = scene.portrait_of(mask), self.pasts.get(i, Past())
            if portrait is not None and portrait.area_px >= _PORTRAIT_SHARE * past.area_px:
                self.pasts[i] = past.with_portrait(portrait)
        for i, seen in sure.items():
            if written is not None and i not in written:
                continue
            entry = WrittenEntry(self._time, seen.confidence, seen.area_px)
            self._written[i] = (*self._written.get(i, ()), entry)[-_FRAMES_KNOWN:]

    def _let_go(self, given: Set[int], objects: Mapping[int, TrackedObject]) -> None:
        """Drop doubts about painted objects, and all that is known of those that are no longer followed."""
        unfollowed = set(self.pasts) - set(objects)
        self.encounters.drop(unfollowed | given)
        self.returns.forget(unfollowed | given)
        for i in unfollowed:
            del self.pasts[i]
            self._written.pop(i, None)
        self._parted = {i: t for i, t in self._parted.items() if i in objects and self._time - t <= _REST_FRAMES}
        for i in given & set(objects):
            objects[i].identity = 1.0
        self._questioned = {i: asked for i, asked in self._questioned.items() if i in objects and i not in given}

    def _question(self, judged: Judged, besides: Set[int], objects: Mapping[int, TrackedObject], scene: Scene) -> None:
        """Ask how far the looks of all objects are theirs, as they were before the first frame that hardly matched.

        Those who come back look like themselves, and are who they were.
        """
        here = [m for m in judged.masks if m.object_id in self.pasts and m.object_id not in besides | self.engaged]
        now = {m.object_id: p for m in here for p in [scene.portrait_of(m)] if p is not None}
        pasts = {}
        for i, past in self.pasts.items():
            since, _ = self._questioned.setdefault(i, (self._time, 1.0))
            known = past.before(since)
            pasts[i] = known if len(known) else past
        growth = float(np.median([portrait.area_px / pasts[i].area_px for i, portrait in now.items()])) if now else 1.0
        if not 1 / _MAGNIFIED <= growth <= _MAGNIFIED:  # then nothing looks as it did
            return
        change = common_change(pasts, now)
        for i, portrait in now.items():
            likeness = Likeness(pasts, max(1, self._time - pasts[i].last.time))
            odds = _SAME_FIELD + likeness.log_odds(portrait, i, change=change)
            since, doubted = self._questioned.pop(i)
            sure = 1.0 if odds >= _THEMSELVES else probability(odds)
            if sure < 1:
                self._questioned[i] = (since, sure)
            objects[i].identity = min(1.0, objects[i].identity / doubted * sure)

    def _conclude(
        self, outcome: Outcome, judged: Judged, at: FrameSeen, objects: Mapping[int, TrackedObject]
    ) -> Judged:
        """Give every member of an encounter its part, and say so."""
        for i, sure in outcome.sure.items():
            objects[i].identity *= sure
            self._parted[i] = self._time
        self.events.append(_encounter_event(outcome, at.frame))
        if not outcome.parts:
            return judged
        masks = {mask.object_id: mask for mask in judged.masks}
        new = [self._part(i, outcome.parts, masks) for i in outcome.encounter.members]
        new, seen = postprocess_masks(new, at.shape)
        moved = {i for i, part in outcome.parts.items() if part.label != i}
        hidden = {i: objects[part.label].hidden for i, part in outcome.parts.items()}
        for i in moved:
            y, x = Track.of(self.pasts[i].before(outcome.encounter.since)).velocity_px
            objects[i].relocate(seen[i], (y * self.factor, x * self.factor), at.drift_px)
            objects[i].hidden = hidden[i]
        masks |= {mask.object_id: mask for mask in new}
        in_order = [masks[mask.object_id] for mask in judged.masks]
        return replace(judged, masks=in_order, seen={**judged.seen, **seen}, moved=judged.moved | moved)

    def _part(self, object_id: int, parts: Mapping[int, Fragment], masks: Mapping[int, RegionMask]) -> RegionMask:
        """Return a member's mask: all that covers its part, and what is left of its own mask if it keeps its label."""
        part = parts[object_id]
        mask = masks[part.label]
        wanted = ndimage.binary_dilation(part.inside, iterations=_FRINGE_PX)
        taken = np.any([p.inside for i, p in parts.items() if i != object_id], axis=0)
        covered = [_pasted(masks[i], mask) for i in parts]
        probability = torch.stack(covered).sum(0).clamp(max=1.0) * self._on(mask, wanted & ~taken)
        if part.label == object_id:
            taken = ndimage.binary_dilation(taken, iterations=_FRINGE_PX)
            probability = torch.maximum(probability, mask.probability * self._on(mask, ~taken))
        return RegionMask(object_id, mask.region, probability)

    def _on(self, mask: RegionMask, pixels: NDArray[np.bool_]) -> Tensor:
        """Return pixels of a `Scene` as seen in a mask's region."""
        sides = zip((mask.region.y, mask.region.x), mask.region.shape, pixels.shape, strict=True)
        rows, columns = (np.minimum((begin + np.arange(n)) // self.factor, limit - 1) for begin, n, limit in sides)
        return torch.from_numpy(pixels[np.ix_(rows, columns)]).to(mask.probability.device)

    def _without_strangers(
        self, judged: Judged, at: FrameSeen, objects: Mapping[int, TrackedObject], scene: Scene
    ) -> Judged:
        """Take off what was found in the place of lost objects and is not they."""
        found = [
            mask
            for mask in judged.masks
            if objects[mask.object_id].lost_frames
            and mask.object_id not in at.given | judged.moved | self.engaged
            and mask.object_id in self.pasts
            and objects[mask.object_id].is_there(judged.seen[mask.object_id])
        ]
        if not found:
            return judged
        here = [m for m in judged.masks if not objects[m.object_id].lost_frames][:_COMPARED]
        now = {m.object_id: p for m in here for p in [scene.portrait_of(m)] if p is not None}
        refused = set()
        for mask in found:
            i, portrait = mask.object_id, scene.portrait_of(mask)
            odds = None if portrait is None else self.returns.judge(i, portrait, self.pasts, now)
            if odds is None or odds < 0:
                refused.add(i)
                continue
            objects[i].identity *= probability(odds)
            self.returns.forget({i})
            self._forget_contradicted(objects[i])
            away = f"after {objects[i].lost_frames} frames"
            self.events.append(Event(EventKind.RETURN, at.frame, (i,), probability(odds), detail=away))
        masks = [
            RegionMask(m.object_id, m.region, torch.zeros_like(m.probability)) if m.object_id in refused else m
            for m in judged.masks
        ]
        seen = {i: _NOTHING if i in refused else found for i, found in judged.seen.items()}
        return replace(judged, masks=masks, seen=seen, refused=refused)

    def _forget_contradicted(self, tracked: TrackedObject) -> None:
        """Take out of memory what led to the loss of an object that older memory has found again."""
        i = tracked.object_id
        times = contradicted(self._written.get(i, ()))
        if not times:
            return
        frames = [frame for time, frame in self._frames if time in times]
        if tracked.bank.take_out(frames, "lost after it, found again by older memory"):
            kept = tuple(p for p in self.pasts[i].portraits if p.time not in times)
            self.pasts[i] = Past(kept or self.pasts[i].portraits[:1])
            self._written[i] = tuple(w for w in self._written[i] if w.time not in times)

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs: nested dicts and lists of plain values and tensors."""
        return {
            "pasts": [[i, past.state_dict()] for i, past in self.pasts.items()],
            "encounters": self.encounters.state_dict(),
            "returns": self.returns.state_dict(),
            "time": self._time,
            "origin": list(self._origin),
            "frames": [list(pair) for pair in self._frames],
            "parted": [list(item) for item in self._parted.items()],
            "questioned": [[i, *asked] for i, asked in self._questioned.items()],
            "written": [[i, [astuple(w) for w in entries]] for i, entries in self._written.items()],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        self.reset()
        self.pasts = {int(i): Past.from_state_dict(past) for i, past in state["pasts"]}
        self.encounters.load_state_dict(state["encounters"])
        self.returns.load_state_dict(state["returns"])
        self._time, (y, x) = int(state["time"]), state["origin"]
        self._origin = (float(y), float(x))
        self._frames = [(int(time), int(frame)) for time, frame in state["frames"]]
        self._parted = {int(i): int(time) for i, time in state["parted"]}
        self._questioned = {int(i): (int(since), float(sure)) for i, since, sure in state.get("questioned", ())}
        self._written = {
            int(i): tuple(WrittenEntry(int(time), float(odds), float(area)) for time, odds, area in entries)
            for i, entries in state["written"]
        }


def _pasted(mask: RegionMask, onto: RegionMask) -> Tensor:
    """Return a mask's probability in the region of another; 0 beyond its own."""
    out = torch.zeros_like(onto.probability)
    a, b = mask.region, onto.region
    top, left = max(a.y, b.y), max(a.x, b.x)
    bottom, right = min(a.y + a.height, b.y + b.height), min(a.x + a.width, b.x + b.width)
    if top < bottom and left < right:
        part = mask.probability[top - a.y : bottom - a.y, left - a.x : right - a.x]
        out[top - b.y : bottom - b.y, left - b.x : right - b.x] = part
    return out


def _encounter_event(outcome: Outcome, frame: int) -> Event:
    encounter = outcome.encounter
    if not outcome.parts:
        detail = "never came apart"
    elif all(part.label == i for i, part in outcome.parts.items()):
        detail = "kept"
    elif len({part.label for part in outcome.parts.values()}) == len(outcome.parts):
        detail = "exchanged"
    else:
        detail = "reassigned"
    return Event(
        EventKind.ENCOUNTER, encounter.frame, encounter.members, min(1.0, outcome.odds), detail=detail, decided=frame
    )
