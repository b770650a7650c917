"""What a job tells the viewer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_xmem.engine import FrameResult
    from napari_xmem.errors import XMemError
    from napari_xmem.session import TrackingSession

__all__ = ["FrameDone", "NextSession", "Planned", "Questions", "Refused", "Stage"]


@dataclass(frozen=True, slots=True)
class Stage:
    """The job says what it is doing before the first frame."""

    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Planned:
    """Everything is checked and prepared; frames follow.

    Attributes
    ----------
    n_results : int
        Frames that will be yielded; for a correction at most.
    session : TrackingSession
        What does the work; corrections and questions go to it.
    recipe : dict
        Settings of the run; empty for a correction.
    whole : bool
        False if the session makes only a part of the result: one plane of many.
    """

    n_results: int
    session: TrackingSession
    recipe: dict[str, Any]
    whole: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class NextSession:
    """Another session goes on with the work: that of the next plane of many."""

    session: TrackingSession


@dataclass(frozen=True, slots=True, eq=False)
class FrameDone:
    """A frame is written into the result.

    Attributes
    ----------
    result : FrameResult
        Labels and scores of the frame.
    done, total : int
        Frames done and frames in all, as far as is known.
    """

    result: FrameResult
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Questions:
    """So many questions are left in the result; counted in the job's thread, since it takes a moment."""

    count: int


@dataclass(frozen=True, slots=True, eq=False)
class Refused:
    """Something that was asked for during a run cannot be done; the run goes on."""

    error: XMemError
