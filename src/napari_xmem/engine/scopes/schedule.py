"""Which frames enter memory, and how sensory memory is refreshed on each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_xmem.config import MemoryConfig

__all__ = ["FramePlan", "MemorySchedule"]


@dataclass(frozen=True, slots=True)
class FramePlan:
    """What happens on one frame.

    Attributes
    ----------
    memorise : bool
        The frame enters memory.
    deep_update : bool
        Sensory memory is refreshed from the value encoder (only when the frame enters memory).
    normal_update : bool
        Sensory memory is updated by the decoder.
    counted : bool
        Memory counts who answers; not where a frame is only looked at.
    """

    memorise: bool
    deep_update: bool
    normal_update: bool
    counted: bool = True

    @classmethod
    def only_looked_at(cls) -> Self:
        """Return the plan of a frame that leaves no trace."""
        return cls(memorise=False, deep_update=False, normal_update=False, counted=False)


class MemorySchedule:
    """The time part of XMem's state machine.

    Time counts frames seen, whatever their index in the movie, so that backward runs and jumps work alike.

    Parameters
    ----------
    config : MemoryConfig
        `memory_interval_frames` and `deep_update_interval_frames`; may be replaced between frames.
    """

    def __init__(self, config: MemoryConfig) -> None:
        self.config = config
        self.time = -1
        self._last_memory = 0
        self._last_deep: int | None = None

    def plan(self, *, seeded: bool, last: bool) -> FramePlan:
        """Advance one frame and say what happens on it.

        Parameters
        ----------
        seeded : bool
            Masks are given: such a frame always enters memory.
        last : bool
            No frame follows: nothing needs to be remembered.
        """
        self.time += 1
        interval = self.config.deep_update_interval_frames
        due = self.time - self._last_memory >= self.config.memory_interval_frames
        memorise = (due or seeded) and not last
        if interval is None:
            deep = memorise
        else:
            since = interval if self._last_deep is None else self.time - self._last_deep
            deep = since >= interval and not last
        normal = not last and not (interval is None and deep)
        if memorise:
            self._last_memory = self.time
            if deep:
                self._last_deep = self.time
        return FramePlan(memorise, deep, normal)

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs."""
        return {"time": self.time, "last_memory": self._last_memory, "last_deep": self._last_deep}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        self.time, self._last_memory, self._last_deep = state["time"], state["last_memory"], state["last_deep"]
