"""In which order frames are done, and where in that order a run stands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from napari_xmem.errors import ConfigError, SeedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_xmem.config import Direction

__all__ = ["Pass", "frame_range", "is_yielded", "passes_left", "plan_passes", "yielded_frames"]


@dataclass(frozen=True, slots=True)
class Pass:
    """One run over consecutive frames in one direction.

    Attributes
    ----------
    frames : tuple of int
        Frames in the order they are done; the first is seeded.
    report_from : int
        Position in `frames` of the first frame whose result is yielded (earlier ones were yielded before).
    late : tuple of int
        Frames that a later pass will yield: only objects that are unknown there by then are kept.
    backward : bool
        It runs backward in time.
    """

    frames: tuple[int, ...]
    report_from: int = 0
    late: tuple[int, ...] = ()
    backward: bool = False


def frame_range(n_frames: int, start: int | None, stop: int | None) -> tuple[int, int]:
    """Check a frame range; returns first frame and end (exclusive)."""
    low = 0 if start is None else int(start)
    high = n_frames if stop is None else int(stop)
    if not 0 <= low < high <= n_frames:
        wrong = f"start is {low}" if not 0 <= low < n_frames else f"stop is {high}"
        raise ConfigError(
            f"{wrong}, but the movie has {n_frames} frames; expected 0 <= start < stop <= {n_frames} (start {start}, "
            f"stop "
            f"{stop}). Frames are counted from 0, and not from the end."
        )
    return low, high


def plan_passes(seeds: Mapping[int, Any], low: int, high: int, direction: Direction) -> list[Pass]:
    """Return the passes that carry every seed through the frames ``low .. high - 1``.

    Forward runs from the first seeded frame on, backward from the last one back. Both: with seeds on one frame, forward
    and then backward from it; with seeds on several frames, first backward from the last one, so that objects first
    painted late are known on earlier frames too, then forward.

    Raises
    ------
    SeedError
        If no seeded frame lies in the range.
    """
    inside = sorted(frame for frame in seeds if low <= frame < high)
    if not inside:
        raise SeedError(
            f"Seeds lie on frames {_some(sorted(seeds))}, none of them in the range {low} to {high - 1}. "
            "Widen the range or paint a seed inside it."
        )
    first, last = inside[0], inside[-1]
    forward = tuple(range(first, high))
    if direction == "forward":
        return [Pass(forward)]
    if direction == "backward":
        return [Pass(tuple(range(last, low - 1, -1)), backward=True)]
    if len(inside) == 1:
        back = tuple(range(first, low - 1, -1))
        return [Pass(forward), *([Pass(back, report_from=1, backward=True)] if len(back) > 1 else [])]
    back = tuple(range(last, low - 1, -1))
    late = tuple(range(first, last))
    return [Pass(back, report_from=last - first + 1, late=late, backward=True), Pass(forward)]


def is_yielded(passes: Sequence[Pass], n_worked: int) -> bool:
    """Return True if the frame worked on as number `n_worked` (from 1), over all passes, is yielded."""
    for part in passes:
        if n_worked <= len(part.frames):
            return n_worked > part.report_from
        n_worked -= len(part.frames)
    return False


def yielded_frames(passes: Sequence[Pass], n_worked: int) -> list[int]:
    """List the frames whose results were yielded when `n_worked` frames, over all passes, had been worked on."""
    out: list[int] = []
    for part in passes:
        out += part.frames[part.report_from : n_worked]
        n_worked = max(0, n_worked - len(part.frames))
    return out


def passes_left(passes: Sequence[Pass], n_worked: int) -> tuple[list[Pass], bool]:
    """Return what is left when `n_worked` frames, over all passes, were worked on, and whether a pass was interrupted.

    The first of the passes left goes on with the memory of the interrupted one; without an interrupted one it begins
    with a memory of its own.
    """
    left = list(passes)
    while left and n_worked >= len(left[0].frames):
        n_worked -= len(left.pop(0).frames)
    if not left or not n_worked:
        return left, False
    first = left[0]
    left[0] = replace(first, frames=first.frames[n_worked:], report_from=max(0, first.report_from - n_worked))
    return left, True


def _some(frames: list[int]) -> str:
    return ", ".join(map(str, frames[:5])) + (" ..." if len(frames) > 5 else "")
