"""Which memory elements voted for the label of a pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from napari_xmem.errors import InputError
from napari_xmem.words import counted

if TYPE_CHECKING:
    from napari_xmem.memory import MemoryVote

__all__ = ["Explains", "Explanation", "LeftBehind"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Who voted for the label of a pixel.

    Attributes
    ----------
    frame : int
        Frame of the pixel.
    y, x : float
        The pixel.
    object_id : int
        Object that was asked for.
    votes : tuple of MemoryVote
        Largest weight first; weights of all that answered sum to 1. Places are in pixels of the movie.
    exact : bool
        True if memory is as it was when the frame was asked for; False if a somewhat earlier state stood in.
    painted : bool
        The frame was seeded or corrected: its label was given, and memory was not asked.
    cell_px : float
        Side of the square of the movie that one element stands for.
    """

    frame: int
    y: float
    x: float
    object_id: int
    votes: tuple[MemoryVote, ...]
    exact: bool = True
    painted: bool = False
    cell_px: float = 1.0

    def __repr__(self) -> str:
        painted = ", painted" if self.painted else ""
        return (
            f"Explanation(frame {self.frame}, y {self.y:g}, x {self.x:g}, object {self.object_id}, "
            f"{counted(len(self.votes), 'vote')}{painted})"
        )

    def share_of(self, store: str) -> float:
        """Return the weight that came from one store: working, long_term, permanent or distractor."""
        return sum(vote.weight for vote in self.votes if vote.store == store)


class Explains(Protocol):
    """What can say which memory elements voted for a pixel."""

    def explain(self, frame: int, y: float, x: float, object_id: int | None = None) -> Explanation:
        """Answer `PropagationResult.explain`."""


class LeftBehind:
    """Stands for the explainer in a result that was copied or sent to another process."""

    def explain(self, frame: int, y: float, x: float, object_id: int | None = None) -> Explanation:
        """Say why nothing can be explained."""
        raise InputError(
            "This result was pickled or copied, and the movie and the network that explain() needs were left behind. "
            "Ask the result that propagate() returned, or save a session (TrackingSession.save)."
        )
