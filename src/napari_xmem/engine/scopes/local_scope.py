"""The local scope: every object is followed inside its own region, with its own memory.

Look-alikes outside an object's reach cannot claim it, and cost grows with the area of the objects.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from napari_xmem.engine.cost.budget import Budget
from napari_xmem.engine.device_resources import to_device
from napari_xmem.engine.division import MergeTracker, Moment
from napari_xmem.engine.identity import FrameSeen, IdentityKeeper
from napari_xmem.engine.identity.rivals import contests_of
from napari_xmem.engine.scopes.aggregation import aggregate_regions
from napari_xmem.engine.scopes.frame_now import FrameNow, encode_view
from napari_xmem.engine.scopes.frame_quality import FrameGate, Verdict, convincing_share, may_be_written
from napari_xmem.engine.scopes.frame_view import PartialFrame, WholeFrame, view_of
from napari_xmem.engine.scopes.light import FrameLight
from napari_xmem.engine.scopes.memory_credit import credit_memory
from napari_xmem.engine.scopes.object_state import Observation, TrackedObject
from napari_xmem.engine.scopes.ownership import Ownership
from napari_xmem.engine.scopes.postprocess import postprocess_masks
from napari_xmem.engine.scopes.region_masks import FrameLabels, RegionMask, compose_dense, compose_labels
from napari_xmem.engine.scopes.regions import Region
from napari_xmem.engine.scopes.schedule import FramePlan, MemorySchedule
from napari_xmem.engine.scopes.search_regions import Search
from napari_xmem.engine.scopes.seed_masks import seed_regions, seed_rows
from napari_xmem.engine.scopes.stage_drift import DriftTracker
from napari_xmem.engine.scopes.unchanged_regions import STEADY_MATCH, VideoRate
from napari_xmem.imaging.blank import is_blank
from napari_xmem.memory import POSITION_CHANNELS, MemoryBank
from napari_xmem.memory.together import snapshot_together
from napari_xmem.model import inference_settings

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence, Set

    from numpy.typing import NDArray

    from napari_xmem.config import MemoryConfig
    from napari_xmem.engine.division.trial_protocol import ObjectsOnTrial
    from napari_xmem.engine.scopes.base import Undo
    from napari_xmem.engine.scopes.preprocess import FrameGeometry, NetworkInput
    from napari_xmem.memory import MemorySnapshot
    from napari_xmem.memory.distractors import Contest
    from napari_xmem.model import XMem

__all__ = ["LocalScope"]


class LocalScope:
    """One region, memory and sensory state per object, and one pass of the key encoder per frame; a `TrackingScope`.

    Works in pixels of the scaled frame, see `napari_xmem.engine.scopes.preprocess`.

    Parameters
    ----------
    network : XMem
        The network, in eval mode.
    memory : MemoryConfig
        The memory manager's settings, for each object's memory.
    prepare : NetworkInput, optional
        Turns frames of the movie into what the network sees; `advance` needs it, `step` does not.
    max_displacement_px : float, optional
        How far an object may move from where it is expected, beyond the drift of the whole frame, in pixels of the
        scaled frame; None: 0.8 of the model's nominal diameter, at least 32, and less for objects that have kept to
        what was expected for some frames.
    budget : Budget, optional
        How much is computed at a time; bounds memory and changes no number.
    divisions : ObjectsOnTrial, optional
        Lets daughters begin where an object divides, or backward a mother where two objects become one, and lets cells
        come in; None: objects stay what they are.
    """

    kind: ClassVar[str] = "local"

    def __init__(
        self,
        network: XMem,
        memory: MemoryConfig,
        prepare: NetworkInput | None = None,
        max_displacement_px: float | None = None,
        budget: Budget | None = None,
        divisions: ObjectsOnTrial | None = None,
    ) -> None:
        self.network = network
        self.memory = memory
        self.prepare = prepare
        self._detail = 1.0 if prepare is None else prepare.geometry.detail
        self.search = Search(network.config, max_displacement_px, self._detail)
        self.budget = budget or Budget.unplanned(network.device)
        self.divisions = divisions
        self.reset()

    def reset(self) -> None:
        """Forget everything: objects, memory, time."""
        self.objects: dict[int, TrackedObject] = {}
        self.schedule = MemorySchedule(self.memory)
        self.ownership = Ownership()
        self.drift = DriftTracker()
        self.gate = FrameGate()
        self.light = FrameLight()
        self.video_rate = VideoRate()
        backward = isinstance(self.divisions, MergeTracker)  # there two that become one are daughters
        self.identity = IdentityKeeper(self._detail * self.network.config.nominal_diameter_px, encounters=not backward)
        if self.divisions is not None:
            self.divisions.reset()

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Known objects, in order of first appearance."""
        return tuple(self.objects)

    @property
    def banks(self) -> tuple[MemoryBank, ...]:
        """The memory of each object."""
        return tuple(tracked.bank for tracked in self.objects.values())

    @property
    def memory_sizes(self) -> dict[str, int]:
        """Elements in each store, summed over objects."""
        sizes = [bank.sizes for bank in self.banks]
        return {
            name: sum(getattr(s, name) for s in sizes) for name in ("working", "long_term", "permanent", "distractor")
        }

    @property
    def expected_px(self) -> dict[int, tuple[float, float]]:
        """Where each object's centre was last expected, y and x in pixels of the scaled frame."""
        return {i: tracked.expected_px for i, tracked in self.objects.items()}

    def forget(self, object_id: int) -> Undo:
        """Stop following an object and free its memory; returns what undoes that."""
        tracked = self.objects.pop(object_id, None)

        def undo() -> None:
            if tracked is not None:
                self.objects[object_id] = tracked

        return undo

    def reconfigure(self, memory: MemoryConfig) -> None:
        """Go on with other memory settings from the next frame on."""
        for bank in self.banks:
            bank.reconfigure(memory)
        self.memory = self.schedule.config = memory

    def snapshot(self, index: int) -> MemorySnapshot | None:
        """Return the state of all objects' memory after frame `index`; None without objects."""
        return snapshot_together(self.banks, index) if self.objects else None

    def state_dict(self) -> dict[str, Any]:
        """Return all that is needed to go on exactly here; see `TrackingScope.state_dict`."""
        return {
            "objects": [tracked.state_dict() for tracked in self.objects.values()],
            "schedule": self.schedule.state_dict(),
            "ownership": self.ownership.state_dict(),
            "drift": self.drift.state_dict(),
            "gate": self.gate.state_dict(),
            "light": self.light.state_dict(),
            "video_rate": self.video_rate.state_dict(),
            "identity": self.identity.state_dict() | {"channels": self._n_channels},
            "divisions": None if self.divisions is None else self.divisions.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        device = self.network.device
        home = self.budget.bank_device or device

        def restored(tracked: Mapping[str, Any]) -> TrackedObject:
            return TrackedObject.from_state_dict(tracked, device, home)

        self.objects = {tracked.object_id: tracked for tracked in map(restored, state["objects"])}
        self.schedule.load_state_dict(state["schedule"])
        self.ownership.load_state_dict(state["ownership"])
        self.drift.load_state_dict(state["drift"])
        self.gate.load_state_dict(state["gate"])
        self.light.load_state_dict(state.get("light", {}))
        self.video_rate.load_state_dict(state.get("video_rate", {}))
        self.identity.load_state_dict(state["identity"])
        if self.divisions is not None and state.get("divisions") is not None:
            self.divisions.load_state_dict(state["divisions"], restored)

    def start_from(self, state: Mapping[str, Any], object_ids: Collection[int]) -> None:
        """Begin another movie with the memory of a state, of the objects that are seeded there."""
        home = self.budget.bank_device or self.network.device
        for tracked in state["objects"]:
            bank = MemoryBank.from_state_dict(tracked["bank"], home)
            for i in set(bank.object_ids) & set(object_ids):
                self.objects[i] = TrackedObject(i, bank, (0.0, 0.0), (0.0, 0.0), 0.0)

    @inference_settings()
    def advance(
        self,
        frame: NDArray[Any],
        index: int,
        seeds: NDArray[Any] | None = None,
        *,
        last: bool = False,
        absent: Collection[int] = (),
    ) -> FrameLabels:
        """Advance one frame of the movie; see `TrackingScope.advance`."""
        if self.prepare is None:
            raise ValueError("This scope was made without `prepare`, so it takes tensors only: use step().")
        geometry, reach = self.prepare.geometry, self.search.margin_px
        if seeds is not None:
            self.video_rate.decide(self.network, seeds, geometry, reach)
        view, shape = view_of(self.prepare, self.light, frame, index, sparse=self.video_rate.on), geometry.padded_shape
        drift = self.drift.advance(view.picture, reach, STEADY_MATCH if self.video_rate.on else 1.0)
        if seeds is None and is_blank(frame):
            return self._hold(geometry, Verdict("blank", drift))
        if seeds is None and not absent:
            verdict = self.gate.judge(view.picture, drift, reach, partial(self._agreement, view, index))
            if not verdict.believed:
                return self._hold(geometry, verdict)
            drift = verdict.drift_px
            if verdict.in_doubt:
                self.identity.question_all()
        given: list[RegionMask] = []
        if seeds is not None:
            given = seed_regions(seeds, geometry, lambda centre, extent: self.search.region_for(centre, extent, shape))
        painted = {mask.object_id for mask in given}
        given += [self.search.nowhere(self.objects[i], shape) for i in self.objects if i in absent and i not in painted]
        masks = self.advance_regions(view, given, last=last, frame=index, drift_px=drift)
        objects = view.where(masks)
        self.drift.focus_on(objects)
        self.gate.keep(view.picture, drift, objects)
        self.light.keep()
        found = compose_labels(masks, geometry.shape, geometry.scale)
        identity = np.array([self.objects[mask.object_id].identity for mask in masks], np.float32)
        moved = (drift[0] / geometry.scale, drift[1] / geometry.scale)
        sure = found.confidence * identity
        return replace(found, confidence=sure, events=self.identity.take_events(), drift_px=moved)

    def _agreement(self, view: WholeFrame | PartialFrame, index: int, drift_px: tuple[float, float]) -> float | None:
        """Look for all objects as if the frame had drifted so, without a trace; see `convincing_share`."""
        image = to_device(view.image, self.network.device)[None]
        shape = (image.shape[-2], image.shape[-1])
        todo = self.search.regions(self.objects, shape, drift_px, rate=self._rate)
        if not todo:
            return None
        encoded = encode_view(self, view, image, [r for _, r in todo], memorise=False, sparse=self.video_rate.on)
        found = FrameNow(self, image, encoded, FramePlan.only_looked_at(), index).predict(self.objects, todo)
        _, seen = postprocess_masks(aggregate_regions(found, set(), shape), shape)
        return convincing_share(self.objects, seen)

    def _hold(self, geometry: FrameGeometry, verdict: Verdict) -> FrameLabels:
        """Leave out a frame that is not believed: nothing is painted, and objects keep place and memory."""
        self.drift.skip()
        self.gate.hold()
        self.identity.skip()
        for tracked in self.objects.values():
            tracked.surprises_px = ()  # it may have moved on meanwhile: it is looked for as far as ever
        if self.divisions is not None:
            self.divisions.interrupt()
        return FrameLabels.of_nothing(geometry.shape, len(self.objects), verdict.reason, verdict.odds)

    @inference_settings()
    def step(
        self,
        image: Tensor,
        masks: Tensor | None = None,
        object_ids: Sequence[int] | None = None,
        *,
        last: bool = False,
        frame: int | None = None,
    ) -> Tensor:
        """Advance one frame given as a whole; see `napari_xmem.engine.Propagator.step`."""
        height, width = image.shape[-2:]
        stride = self.network.config.stride_px
        padding = (0, -width % stride, 0, -height % stride)
        shape = (height + padding[3], width + padding[1])
        rows = seed_rows(masks, object_ids, self.object_ids, (height, width))
        seeds = [self.search.seed_from_mask(i, F.pad(mask, padding), shape) for i, mask in rows.items()]
        view = WholeFrame(F.pad(image, padding), shape)
        found = self.advance_regions(view, seeds, last=last, frame=frame)
        return compose_dense(found, shape)[:, :height, :width].to(self.network.device)

    @inference_settings()
    def advance_regions(
        self,
        view: WholeFrame | PartialFrame,
        seeds: Sequence[RegionMask] = (),
        *,
        last: bool = False,
        frame: int | None = None,
        drift_px: tuple[float, float] = (0.0, 0.0),
    ) -> list[RegionMask]:
        """Advance one frame, with masks in regions of the scaled frame.

        Parameters
        ----------
        view : WholeFrame or PartialFrame
            The frame, sides multiples of the key stride.
        seeds : sequence of RegionMask
            Given masks; an empty one says that its object is absent here.
        last : bool
            No frame follows.
        frame : int, optional
            Index in the movie, kept as provenance.
        drift_px : tuple of 2 float
            Shift of the whole frame since the last one.

        Returns
        -------
        list of RegionMask
            Aggregated probabilities of all objects, in order of first appearance.
        """
        plan = self.schedule.plan(seeded=bool(seeds), last=last)
        index = self.schedule.time if frame is None else frame
        image = to_device(view.image, self.network.device)[None]
        shape = (image.shape[-2], image.shape[-1])
        given = {seed.object_id: seed for seed in seeds}
        rate = self._rate
        todo = self.search.regions(self.objects, shape, drift_px, set(given), rate, view.picture)
        on_trial = {} if self.divisions is None else self.divisions.objects
        tried = self.search.regions(on_trial, shape, drift_px, rate=rate)
        followed = {i for i, tracked in self.objects.items() if i not in given and tracked.bank.object_ids}
        known = {i: self.search.nowhere(self.objects[i], shape) for i in followed - {i for i, _ in todo}}
        every = self.memory.memory_interval_frames
        if rate is not None and not (given or tried or (plan.memorise and every > 1)):
            calm = {i: self.objects[i] for i, _ in todo if i not in self.identity.engaged}
            known |= rate.unchanged(calm, view.picture)
            todo = [(i, region) for i, region in todo if i not in known]
        regions = [*(region for _, region in todo), *(seed.region for seed in seeds), *(region for _, region in tried)]
        if self.divisions is not None and self.divisions.searches(memorise=plan.memorise, last=last):
            regions.append(Region(0, 0, *shape))
        encoded = encode_view(self, view, image, regions, memorise=plan.memorise, sparse=self.video_rate.on)
        frame_now = FrameNow(self, image, encoded, plan, index)
        spared = set(known)
        if rate is not None and every == 1:
            spared |= {i for i, tracked in self.objects.items() if not rate.due(tracked)}
        found = {m.object_id: m for m in frame_now.predict(self.objects, [one for one in todo if one[0] not in spared])}
        rest = replace(frame_now, plan=replace(plan, deep_update=False, normal_update=not last))
        found |= {m.object_id: m for m in rest.predict(self.objects, [one for one in todo if one[0] in spared])}
        for seed in seeds:
            self._adopt(seed)
        self.ownership.move(drift_px, shape)
        claims = [given.get(i) or known.get(i) or found[i] for i in self.objects]
        own = self.ownership.defend(claims, set(given))
        masks, seen = postprocess_masks(aggregate_regions(own, set(given), shape), shape)
        judged = self.identity.judge(
            FrameSeen(index, view.shrunk, shape, masks, seen, set(given), drift_px), self.objects
        )
        masks, seen = judged.masks, judged.seen
        if judged.moved:
            claims = [m if m.object_id in judged.moved else claim for m, claim in zip(masks, claims, strict=True)]
            found = {i: claim for i, claim in found.items() if i not in judged.moved}
        masks = [self._settle(mask, seen[mask.object_id], mask.object_id in given, drift_px) for mask in masks]
        credit_memory(self.objects, found, masks, self.network.config.stride_px)
        unsettled, inner = self.identity.unsettled | set(known), view.scaled_shape
        now = Moment(index, shape, inner, drift_px, claims, masks, seen, set(given), plan.memorise, last, unsettled)
        before = set(self.objects)
        if self.divisions is not None:
            masks = self.divisions.advance(frame_now, now, tried)
        self.ownership.update(masks, shape, {i for i, tracked in self.objects.items() if tracked.lost_frames})
        sure = [m for m in masks if m.object_id in given or self._is_sure(m.object_id, seen)]
        written = [m for m in sure if m.object_id in given or m.object_id not in spared]
        self.identity.keep(masks, {m.object_id: seen[m.object_id] for m in sure}, {m.object_id for m in written})
        if plan.memorise:
            frame_now.memorise(
                self.objects, written, masks, set(given), self._contests(claims, masks, seen, set(given), shape)
            )
        if rate is not None:
            rate.forget({*given, *judged.moved, *judged.refused})
            looked_at = [found[i] for i in self.objects if i in found and i not in judged.refused]
            rate.note(looked_at, self.objects, {m.object_id for m in written}, view.picture)
        if self.divisions is not None:
            self.divisions.finish(frame_now, now, masks)
        if rate is not None and self.objects.keys() - before:
            rate.give_up()
        return masks

    def _settle(self, mask: RegionMask, seen: Observation, given: bool, drift_px: tuple[float, float]) -> RegionMask:
        """Take in what was seen of an object; what is too little to be it is taken off the frame again."""
        tracked = self.objects[mask.object_id]
        tracked.update(seen, drift_px, seeded=given and seen.area_px > 0)
        if given or not tracked.lost_frames:
            return mask
        return RegionMask(mask.object_id, mask.region, torch.zeros_like(mask.probability))

    def _adopt(self, seed: RegionMask) -> None:
        """Start following an object that is seeded for the first time."""
        if seed.object_id not in self.objects:
            self.objects[seed.object_id] = self.start_object(seed)

    def start_object(self, seed: RegionMask) -> TrackedObject:
        """Return an object that begins in a region, with an empty memory; it is not followed yet."""
        config = self.network.config
        key_dim = config.key_dim + (POSITION_CHANNELS if config.locality_px else 0)
        bank = MemoryBank(self.memory, key_dim=key_dim, value_dim=config.value_dim, device=self.budget.bank_device)
        centre = (seed.region.y + seed.region.height / 2, seed.region.x + seed.region.width / 2)
        return TrackedObject(seed.object_id, bank, centre, (0.0, 0.0), 0.0)

    def _contests(
        self,
        claims: Sequence[RegionMask],
        masks: Sequence[RegionMask],
        seen: Mapping[int, Observation],
        given: Set[int],
        shape: tuple[int, int],
    ) -> dict[int, Contest]:
        """Say how objects fared against what looks like them, if memory keeps such frames."""
        if not self.memory.distractor_max_frames:
            return {}
        usual = {i: self.objects[i].area_px for i in self.objects}
        return contests_of(claims, masks, seen, usual, seen.keys() - given, shape)

    @property
    def _rate(self) -> VideoRate | None:
        return self.video_rate if self.video_rate.on else None

    @property
    def _n_channels(self) -> int:
        """Channels of the movie; 0: not known."""
        return 0 if self.prepare is None else len(self.prepare.normaliser.low)

    def _is_sure(self, object_id: int, seen: dict[int, Observation]) -> bool:
        if object_id in self.identity.engaged:
            return False
        return may_be_written(self.objects[object_id], seen[object_id])
