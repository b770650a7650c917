"""A run before its first frame: everything checked and resolved, network and movie with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_xmem.imaging import object_ids

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from napari_xmem.config import PropagationConfig
    from napari_xmem.engine.backward_finds import LateObjects
    from napari_xmem.engine.cost.network_cost import NetworkBytes
    from napari_xmem.engine.division.painted_births import KnowsNames
    from napari_xmem.engine.frame_order import Pass
    from napari_xmem.engine.given_detections import GivenDetections
    from napari_xmem.engine.scopes.base import TrackingScope
    from napari_xmem.engine.scopes.preprocess import NetworkInput
    from napari_xmem.imaging import FrameSource
    from napari_xmem.model import InferenceXMem

__all__ = ["Run"]


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A movie, seeds and settings, ready to be done; made by `prepare_run`.

    Attributes
    ----------
    source : FrameSource
        The movie.
    seeds : dict
        Frame to labels ``(Y, X)`` int64, inside the frame range.
    network : InferenceXMem
        The network, on its device, made fast.
    network_bytes : NetworkBytes
        What its parts hold at a time.
    config : PropagationConfig
        The settings.
    passes : list of Pass
        The order of frames.
    scope, scope_reason : str
        "local" or "global", and why.
    prepare : NetworkInput
        Turns frames into network input.
    dtype : numpy dtype
        Type of the labels.
    recipe : dict
        All settings, enough to repeat the run.
    absent : dict
        Seeded frame to objects known to be nowhere on it.
    begin : callable or None
        Called with each new scope, to fill its memory.
    first_new_id : int
        First id for objects that begin during the run: above all ids that were painted, on any frame.
    detections : GivenDetections or None
        Labels of another program that propose new cells.
    late : LateObjects or None
        What earlier passes found on frames of later ones, where that is kept from outside; such a run is done once.
    names : KnowsNames or None
        Knows who objects that begin are, from elsewhere.
    """

    source: FrameSource
    seeds: dict[int, NDArray[np.int64]]
    network: InferenceXMem
    network_bytes: NetworkBytes
    config: PropagationConfig
    passes: list[Pass]
    scope: str
    scope_reason: str
    prepare: NetworkInput
    dtype: Any
    recipe: dict[str, Any] = field(default_factory=dict)
    absent: dict[int, tuple[int, ...]] = field(default_factory=dict)
    begin: Callable[[TrackingScope], None] | None = None
    first_new_id: int = 1
    late: LateObjects | None = None
    detections: GivenDetections | None = None
    names: KnowsNames | None = None

    @property
    def n_results(self) -> int:
        """Frames that will be yielded."""
        return sum(len(part.frames) - part.report_from for part in self.passes)

    def known_by(self, frame: int) -> set[int]:
        """Return the objects seeded on `frame` or before."""
        return {i for t, labels in self.seeds.items() if t <= frame for i in object_ids(labels)}
