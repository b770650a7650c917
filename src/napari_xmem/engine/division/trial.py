"""The hypothesis that an object has divided, and what speaks for it frame by frame."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Self

from napari_xmem.engine.division.daughter_appearance import Look
from napari_xmem.engine.scopes.region_masks import RegionMask
from napari_xmem.engine.scopes.regions import Region

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Set

__all__ = ["Decision", "Trial", "pack_mask", "unpack_mask"]

_PLAIN = ("mother", "frame", "neck", "growth", "backward", "buds", "kept", "painted", "faint", "taken", "stays")


@dataclass(slots=True)
class Trial:
    """Two daughters are followed beside their mother until it is clear which is true.

    Attributes
    ----------
    mother : int
        The object that may have divided.
    daughters : tuple of int
        Ids under which the two parts are followed, the larger first; one where an object merely goes on as another.
    frame : int
        First frame of the two parts: that on which they were asked about, or the one before.
    neck : float
        Width of the neck between the parts then, see `Parts`; backward that of the mother's first mask, 1 without one.
    growth : float
        Area of the mother's mask then over the largest of the frames before.
    looks : list of Look
        What was seen on this and the following frames.
    masks : dict of int to tuple of RegionMask
        Frame to the masks of those on trial: both daughters, or backward the mother.
    backward : bool
        Time runs backward: the one on trial is the mother, `frame` is the last on which she is one, and the daughters
        are given.
    buds : bool
        It was decided that the first of the two is the mother, who goes on under her own id: she has budded.
    kept : int
        Id under which the first of the two, or backward the mother, goes on as it will be painted; 0: none.
    painted : bool
        All those on trial will be painted under ids of their own.
    faint : bool
        The mother's mask was one of the daughters only, the other what she claimed without owning it.
    taken : float
        The larger of the shares of the daughters' first masks that lay in masks of others the frame before, 0 to 1.
    stays : float
        The larger Jaccard index of a daughter's first mask with the mother's mask of the frame before.
    """

    mother: int
    daughters: tuple[int, ...]
    frame: int
    neck: float
    growth: float
    looks: list[Look] = field(default_factory=list)
    masks: dict[int, tuple[RegionMask, ...]] = field(default_factory=dict)
    backward: bool = False
    buds: bool = False
    kept: int = 0
    painted: bool = False
    faint: bool = False
    taken: float = 0.0
    stays: float = 0.0

    def add(self, look: Look, masks: Sequence[RegionMask]) -> None:
        """Take in what was seen on one more frame."""
        self.looks.append(look)
        self.masks[look.frame] = tuple(masks)

    @property
    def standing(self) -> tuple[int, ...]:
        """Objects that stand as long as nothing is decided: the mother, or backward her daughters."""
        return self.daughters if self.backward else (self.mother,)

    @property
    def tried(self) -> tuple[int, ...]:
        """Objects on trial, that would take their place."""
        return (self.mother,) if self.backward else self.daughters

    def told(self, given: Set[int]) -> bool:
        """Return True if somebody of it is painted on this frame: a person decides."""
        return bool(given & {*self.tried, self.kept})

    @property
    def age_frames(self) -> int:
        """Over how many of the last frames it goes, the one worked on last among them."""
        return max(len(self.looks), len(self.masks))

    @property
    def before_px(self) -> float:
        """Area of the mother before, or backward of both daughters after, in pixels of the scaled frame."""
        first = self.looks[0]
        return (first.mother_px if self.backward else sum(first.areas_px)) / max(self.growth, 1e-6)

    @property
    def born(self) -> int:
        """First frame of the daughters."""
        return self.frame + 1 if self.backward else self.frame

    def state_dict(self) -> dict[str, Any]:
        """Return what `from_state_dict` needs: plain values and tensors."""
        plain = {name: getattr(self, name) for name in _PLAIN}
        return plain | {
            "daughters": list(self.daughters),
            "looks": [_plain(look) for look in self.looks],
            "masks": [[frame, *map(pack_mask, masks)] for frame, masks in self.masks.items()],
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """Return the trial that `state_dict` described."""
        known = dict(state)
        daughters = tuple(int(i) for i in known.pop("daughters"))
        looks = [_look(look) for look in state["looks"]]
        masks = {int(frame): tuple(map(unpack_mask, masks)) for frame, *masks in known["masks"]}
        return cls(**{**known, "daughters": daughters, "looks": looks, "masks": masks})


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """A trial that ended with a division.

    Attributes
    ----------
    trial : Trial
        What was decided on, with the masks of all frames but the last.
    odds : float
        Probability, 0 to 1, that it is a division.
    frame : int
        The frame on which it was decided.
    """

    trial: Trial
    odds: float
    frame: int


def pack_mask(mask: RegionMask) -> dict[str, Any]:
    """Return a mask as plain values and a tensor."""
    region = mask.region
    return {
        "object_id": mask.object_id,
        "region": [region.y, region.x, region.height, region.width],
        "probability": mask.probability,
    }


def unpack_mask(state: Mapping[str, Any]) -> RegionMask:
    """Return the mask that `pack_mask` described."""
    y, x, height, width = (int(n) for n in state["region"])
    return RegionMask(int(state["object_id"]), Region(y, x, height, width), state["probability"])


def _plain(look: Look) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(look).items()}


def _look(state: Mapping[str, Any]) -> Look:
    known: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in state.items()}
    return Look(**known)
