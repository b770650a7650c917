"""Words for messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["counted", "frames_named", "number_list"]


def counted(number: int, thing: str) -> str:
    """Write a number of things: 1 frame, 2 frames."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def number_list(numbers: Iterable[int], most: int | None = None) -> str:
    """Write numbers of frames or objects shortly: 1, 3-5, 9; of more than `most` pieces the first."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    shown = [str(first) if first == last else f"{first}-{last}" for first, last in runs[:most]]
    return ", ".join([*shown, "..."] if len(runs) > len(shown) else shown)


def frames_named(frames: Iterable[int], most: int | None = None) -> str:
    """Write which frames: frame 3, frames 1, 3-5."""
    numbers = list(frames)
    return f"{'frame' if len(numbers) == 1 else 'frames'} {number_list(numbers, most)}"
