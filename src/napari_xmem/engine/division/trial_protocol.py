"""What a scope asks of those who watch its objects and decide a few frames later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from napari_xmem.engine.division.trial_tracking import Host

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

    from napari_xmem.engine.cost.budget import Budget
    from napari_xmem.engine.division.delayed_results import DelayedResults
    from napari_xmem.engine.division.painted_births import KnowsNames
    from napari_xmem.engine.division.trial_tracking import Moment
    from napari_xmem.engine.scopes.object_state import TrackedObject
    from napari_xmem.engine.scopes.region_masks import RegionMask
    from napari_xmem.engine.scopes.regions import Region
    from napari_xmem.engine.scopes.tiling import EncodedFrame
    from napari_xmem.model import XMem

__all__ = ["ObjectsOnTrial", "SearchHost"]


class SearchHost(Host, Protocol):
    """A scope that may have encoded the whole of the frame at hand."""

    @property
    def network(self) -> XMem:
        """What it was encoded with."""

    @property
    def budget(self) -> Budget:
        """How much is computed at a time."""

    def region_for(self, centre_px: tuple[float, float], extent_px: tuple[float, float]) -> Region:
        """Return the region of an object of this place and size."""

    @property
    def image(self) -> Tensor:
        """The scaled, padded frame, ``(1, C, H, W)``."""

    @property
    def encoded(self) -> EncodedFrame:
        """The frame, as far as it was encoded."""


class ObjectsOnTrial(Protocol):
    """Objects on trial beside those of a scope: daughters, or cells that may have come in.

    `ahead` says who daughters are by frames that are painted later; None: nobody does.
    """

    ahead: KnowsNames | None

    @property
    def waiting(self) -> DelayedResults:
        """Results that may still change."""

    @property
    def objects(self) -> dict[int, TrackedObject]:
        """Those on trial."""

    @property
    def pending(self) -> int:
        """How many of the last frames may still change."""

    def searches(self, *, memorise: bool, last: bool) -> bool:
        """Return True if the whole of the next frame will be looked at; asked once per frame."""

    def reset(self) -> None:
        """Forget all trials."""

    def interrupt(self) -> None:
        """End all trials without a decision."""

    def take_decisions(self) -> Sequence[Any]:
        """Return what was decided since this was last asked, for `DelayedResults.apply`."""

    def advance(self, host: SearchHost, at: Moment, todo: Sequence[tuple[int, Region]]) -> list[RegionMask]:
        """Follow those on trial to this frame and decide; returns the masks of the frame."""

    def finish(self, host: SearchHost, at: Moment, masks: Sequence[RegionMask]) -> None:
        """Look at the frame once more after it was remembered; `masks` are those that `advance` returned."""

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs."""

    def load_state_dict(self, state: Mapping[str, Any], restore: Callable[[Mapping[str, Any]], TrackedObject]) -> None:
        """Go on where `state_dict` was taken."""
