"""Time left, estimated from the pace of the latest frames."""

from __future__ import annotations

import time
from collections import deque

__all__ = ["TimeLeft", "short_time"]


class TimeLeft:
    """Estimate the time left from the pace of the latest frames; pauses don't count.

    Parameters
    ----------
    total : int
        Frames in all.
    window : int
        Frames the pace is measured over.
    """

    def __init__(self, total: int, window: int = 12) -> None:
        self.total = total
        self.done = 0
        self._spans: deque[float] = deque(maxlen=window)
        self._last = time.monotonic()

    def step(self, done: int | None = None, total: int | None = None) -> None:
        """Count one frame; `done` and `total` replace the counts where they are known better."""
        now = time.monotonic()
        self._spans.append(now - self._last)
        self._last = now
        self.done = self.done + 1 if done is None else done
        self.total = self.total if total is None else total

    def restart_clock(self) -> None:
        """Forget the time since the last frame, after a pause."""
        self._last = time.monotonic()

    @property
    def seconds_per_frame(self) -> float:
        """Pace in seconds; 0 before the first frame."""
        return sum(self._spans) / len(self._spans) if self._spans else 0.0

    @property
    def seconds(self) -> float | None:
        """Time left in seconds; None before there is a pace."""
        return max(self.total - self.done, 0) * self.seconds_per_frame if self._spans else None

    def __str__(self) -> str:
        return "" if self.seconds is None else f"{short_time(self.seconds)} left"


def short_time(seconds: float) -> str:
    """Write a duration as a person would: "5 s", "2 min 10 s", "1 h 05 min"."""
    whole = round(seconds)
    if whole < 1:
        return "less than 1 s"
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole < 600 and whole % 60 else "")
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
