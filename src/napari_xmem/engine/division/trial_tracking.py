"""The world as it would be: objects on trial, followed beside those of a scope without touching them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import torch

from napari_xmem.engine.scopes.aggregation import aggregate_regions
from napari_xmem.engine.scopes.ownership import Ownership
from napari_xmem.engine.scopes.postprocess import postprocess_masks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence, Set

    from napari_xmem.engine.scopes.object_state import Observation, TrackedObject
    from napari_xmem.engine.scopes.region_masks import RegionMask
    from napari_xmem.engine.scopes.regions import Region

__all__ = ["Host", "Moment", "OtherWorld"]


class Host(Protocol):
    """What a scope does for objects on trial: the same as for its own."""

    @property
    def objects(self) -> dict[int, TrackedObject]:
        """Its objects."""

    def start_object(self, seed: RegionMask) -> TrackedObject:
        """Return an object with an empty memory."""

    def predict(self, objects: Mapping[int, TrackedObject], todo: Sequence[tuple[int, Region]]) -> list[RegionMask]:
        """Return what each object claims in its region on the frame at hand."""

    def memorise(
        self, objects: Mapping[int, TrackedObject], masks: Sequence[RegionMask], everyone: Sequence[RegionMask]
    ) -> None:
        """Remember `masks` of the frame at hand; `everyone` are all masks on it, these among them."""


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """One frame after the scope has settled its own objects.

    Attributes
    ----------
    frame : int
        Index in the movie.
    shape : tuple of 2 int
        Size of the scaled frame.
    picture_shape : tuple of 2 int
        The same without padding.
    drift_px : tuple of 2 float
        Its shift since the last one.
    claims : sequence of RegionMask
        What every object of the scope claims by itself.
    masks : list of RegionMask
        What each of them got.
    seen : dict of int to Observation
        Where each was seen; objects on trial are added.
    given : set of int
        Objects whose mask was painted on this frame, or that are known to be absent.
    memorise : bool
        The frame is remembered.
    last : bool
        No frame follows.
    unsettled : set of int
        Objects that hide each other, or did so lately: parts of their masks are no daughters.
    """

    frame: int
    shape: tuple[int, int]
    picture_shape: tuple[int, int]
    drift_px: tuple[float, float]
    claims: Sequence[RegionMask]
    masks: list[RegionMask]
    seen: dict[int, Observation]
    given: Set[int]
    memorise: bool
    last: bool
    unsettled: Set[int] = frozenset()


class OtherWorld:
    """Objects on trial, each with a memory of its own; in their world they replace some objects of the scope."""

    def __init__(self) -> None:
        self.objects: dict[int, TrackedObject] = {}
        self._ownership = Ownership()

    def follow(
        self, host: Host, at: Moment, todo: Sequence[tuple[int, Region]], replaced: Set[int]
    ) -> dict[int, RegionMask]:
        """Find all objects on trial, in competition with all objects of the scope but the `replaced` ones."""
        todo = [(i, region) for i, region in todo if i in self.objects]
        if not todo:
            return {}
        claims = [
            mask  # of those around: what happens elsewhere changes nothing here
            for mask in at.claims
            if mask.object_id not in replaced and any(mask.region.meets(region) for _, region in todo)
        ]
        claims += host.predict(self.objects, todo)
        self._ownership.move(at.drift_px, at.shape)
        given = set(at.given)
        shared = aggregate_regions(self._ownership.defend(claims, given), given, at.shape)
        masks, seen = postprocess_masks([mask for mask in shared if mask.object_id in self.objects], at.shape)
        found = {}
        for mask in masks:
            tracked = self.objects[mask.object_id]
            tracked.update(seen[mask.object_id], at.drift_px, seeded=False)
            if tracked.lost_frames:
                mask = replace(mask, probability=torch.zeros_like(mask.probability))
            found[mask.object_id] = mask
            at.seen[mask.object_id] = seen[mask.object_id]
        return found

    def begin(
        self, host: Host, at: Moment, masks: Sequence[RegionMask], heirs: Mapping[int, int] | None = None
    ) -> dict[int, RegionMask]:
        """Let objects on trial begin with these masks; `heirs` know all that an object of the scope knows."""
        _, seen = postprocess_masks(masks, at.shape)
        for mask in masks:
            known = (heirs or {}).get(mask.object_id)
            tracked = host.start_object(mask) if known is None else host.objects[known].fork(mask.object_id)
            tracked.update(seen[mask.object_id], at.drift_px, seeded=True)
            tracked.expected_px = tracked.centre_px
            self.objects[mask.object_id] = tracked
            at.seen[mask.object_id] = seen[mask.object_id]
        return {mask.object_id: mask for mask in masks}

    def remember(self, host: Host, at: Moment, rest: Sequence[RegionMask], tried: Mapping[int, RegionMask]) -> None:
        """Memorise the objects on trial; `rest` are the masks of the others in their world."""
        if not self.objects:
            self._ownership = Ownership()
            return
        everyone = [*rest, *(tried[i] for i in self.objects)]
        if at.memorise:
            sure = [tried[i] for i, tracked in self.objects.items() if not tracked.lost_frames]
            host.memorise(self.objects, sure, everyone)
        self._ownership.update(everyone, at.shape)

    def end(self, ids: Iterable[int]) -> dict[int, TrackedObject]:
        """Take objects out of this world, and return those that were in it."""
        return {i: self.objects.pop(i) for i in ids if i in self.objects}

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs: nested dicts and lists of plain values and tensors."""
        objects = [tracked.state_dict() for tracked in self.objects.values()]
        return {"objects": objects, "ownership": self._ownership.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any], restore: Callable[[Mapping[str, Any]], TrackedObject]) -> None:
        """Go on where `state_dict` was taken; `restore` makes an object from its state."""
        self.objects = {tracked.object_id: tracked for tracked in map(restore, state["objects"])}
        self._ownership.load_state_dict(state["ownership"])
