"""What every scope can do: follow the objects of a movie, one frame after the other."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from napari_xmem.config import MemoryConfig
    from napari_xmem.engine.division.trial_protocol import ObjectsOnTrial
    from napari_xmem.engine.scopes.light import FrameLight
    from napari_xmem.engine.scopes.region_masks import FrameLabels
    from napari_xmem.memory import MemoryBank, MemorySnapshot

__all__ = ["TrackingScope", "Undo", "Watch"]

#: Undoes what was done.
Undo = Callable[[], None]


class TrackingScope(Protocol):
    """Follows all objects of a movie; between two frames its memory may be looked at and changed.

    `GlobalScope` matches whole frames, as in the paper; `LocalScope` follows each object in a region of its own.
    """

    @property
    def kind(self) -> str:
        """The scope's name: "global" or "local"."""

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Known objects, in order of first appearance."""

    @property
    def banks(self) -> tuple[MemoryBank, ...]:
        """The memories: one for all objects, or one for each in the order of `object_ids`."""

    @property
    def memory_sizes(self) -> dict[str, int]:
        """Elements in each store, over all banks."""

    @property
    def divisions(self) -> ObjectsOnTrial | None:
        """What finds divisions and holds back results until they are decided; None: nothing does."""

    @property
    def light(self) -> FrameLight:
        """How the light of the latest frame differs from that of the frames before."""

    @property
    def expected_px(self) -> dict[int, tuple[float, float]]:
        """Where each object's centre was last expected, y and x in pixels of the scaled frame; empty if nowhere."""

    def advance(
        self,
        frame: NDArray[Any],
        index: int,
        seeds: NDArray[Any] | None = None,
        *,
        last: bool = False,
        absent: Collection[int] = (),
    ) -> FrameLabels:
        """Advance one frame of the movie.

        Parameters
        ----------
        frame : ndarray, shape (Y, X) or (Y, X, C)
            Pixels as they are read.
        index : int
            Index in the movie.
        seeds : ndarray, shape (Y, X), optional
            Labels painted on it.
        last : bool
            No frame follows: nothing is remembered.
        absent : collection of int
            Objects known to be nowhere on a painted frame.

        Returns
        -------
        FrameLabels
            Labels of all objects, with area and confidence of each in the order of `object_ids`.
        """

    def step(
        self,
        image: Tensor,
        masks: Tensor | None = None,
        object_ids: Sequence[int] | None = None,
        *,
        last: bool = False,
        frame: int | None = None,
    ) -> Tensor:
        """Advance one frame given as a tensor; see `napari_xmem.engine.Propagator.step`."""

    def forget(self, object_id: int) -> Undo:
        """Stop following an object and free its memory; returns what undoes that."""

    def reconfigure(self, memory: MemoryConfig) -> None:
        """Go on with other memory settings from the next frame on."""

    def reset(self) -> None:
        """Forget everything: objects, memory, time."""

    def snapshot(self, index: int) -> MemorySnapshot | None:
        """Return the state of memory after frame `index`; None if there is none."""

    def state_dict(self) -> dict[str, Any]:
        """Return all that is needed to go on exactly here: nested dicts and lists of plain values and tensors."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken: the same numbers follow."""

    def start_from(self, state: Mapping[str, Any], object_ids: Collection[int]) -> None:
        """Begin another movie with the memory of a state, of the objects that are seeded there."""


#: Called with the scope and the frame after every frame, also those that are not yielded.
Watch = Callable[[TrackingScope, int], None]
