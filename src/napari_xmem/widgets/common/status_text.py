"""Sentences for the status line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_xmem.widgets.common.time_left import short_time
from napari_xmem.words import counted as count

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_xmem.engine import FrameResult

__all__ = [
    "count",
    "emptied_text",
    "forecast_text",
    "lost_objects",
    "outcome_text",
    "pace_text",
    "plan_text",
    "running_text",
    "some",
    "step_text",
]


#: Frames that take so many times as long as forecast, and at least so many seconds, are slow.
SLOW_FACTOR, SLOW_S = 1.5, 0.5
#: A run that gets less of a processor than this shares it with other programs.
BUSY_SHARE = 0.7


def some(numbers: Iterable[int], limit: int = 5) -> str:
    """Write numbers, the first few of many; consecutive ones as a span."""
    values = list(numbers)
    if len(values) > 2 and values == list(range(values[0], values[-1] + 1)):
        return f"{values[0]} to {values[-1]}"
    shown = ", ".join(map(str, values[:limit]))
    return shown if len(values) <= limit else f"{shown} and {len(values) - limit} more"


def plan_text(seeded: Sequence[int], n_objects: int, direction: str, first: int, last: int) -> str:
    """Say what Run will do."""
    low = min(seeded) if direction == "forward" else first
    high = max(seeded) if direction == "backward" else last
    return f"Ready to follow {count(n_objects, 'object')} on frames {low} to {high}."


def running_text(result: FrameResult, movie: str) -> str:
    """Say which frame was just done and what happened on it."""
    found = sum(1 for area in result.area_px if area)
    text = f"Following {count(found, 'object')} in '{movie}': frame {result.frame} done"
    lost = len(result.object_ids) - found
    return f"{text}, {lost} not found." if lost else f"{text}."


def pace_text(seconds_per_frame: float, forecast_s: float | None, share_of_processor: float) -> str:
    """Say that frames take longer than the forecast, and why if it is known; empty if they do not.

    Parameters
    ----------
    seconds_per_frame : float
        The pace of now.
    forecast_s : float, optional
        What was forecast; None: nothing was.
    share_of_processor : float
        Of the time since the run began, the share that a processor worked for this program, in units of one processor.
    """
    if not forecast_s or seconds_per_frame < SLOW_FACTOR * forecast_s or seconds_per_frame < SLOW_S:
        return ""
    why = ": other programs use the processor" if share_of_processor < BUSY_SHARE else ""
    return f"Frames take {_pace(seconds_per_frame)} instead of {_pace(forecast_s)}{why}."


def _pace(seconds: float) -> str:
    """Write the time of a frame: "40 ms", "0.5 s", "30 s"."""
    if seconds >= 10:
        return short_time(seconds)
    return f"{seconds:.1f} s" if seconds >= 0.1 else f"{1000 * seconds:.0f} ms"


def lost_objects(history: Sequence[FrameResult]) -> tuple[int, ...]:
    """Return objects that were not found on the last frame they were looked for."""
    found: dict[int, bool] = {}
    for result in history:
        found.update({i: bool(area) for i, area in zip(result.object_ids, result.area_px, strict=True)})
    return tuple(sorted(i for i, there in found.items() if not there))


def outcome_text(outcome: Any, history: Sequence[FrameResult]) -> tuple[str, str]:
    """Say how a run ended; returns the sentence and its role ("good", "bad" or "muted")."""
    frames = count(outcome.n_frames, "frame")
    if outcome.status == "failed":
        kept = f" What was done before ({frames}) stays." if outcome.n_frames and outcome.layer is not None else ""
        stop = "" if outcome.reason.endswith((".", "?", "!")) else "."
        return f"{outcome.reason}{stop}{kept}", "bad"
    if outcome.status == "stopped":
        reason = f": {outcome.reason}" if outcome.reason else ""
        kept = f" What is done ({frames}) stays." if outcome.n_frames and outcome.layer is not None else ""
        return f"Stopped{reason}.{kept}", "muted"
    if outcome.summary is not None:
        return f"{outcome.summary}", "good"
    lost = lost_objects(history)
    tail = f" Not found to the end: {count(len(lost), 'object')} ({some(lost)})." if lost else ""
    where = f" Result: the layer '{outcome.layer.name}'." if outcome.layer is not None else ""
    return f"Done: {frames} in {short_time(outcome.seconds)}.{where}{tail}", "good"


def step_text(step: Any, session: Any) -> str:
    """Say which step of a session was done or undone."""
    title = getattr(step, "title", "")
    done = session is not None and session.history.latest is step
    if done or not title:
        return f"{title[:1].upper()}{title[1:]}." if title else ""
    return f"Undone: {title}.{emptied_text(step)}"


def emptied_text(step: Any) -> str:
    """Say which frames have no result once a step is undone: those that it did first, in the place of a run."""
    frames = sorted(t for t, pair in step.frames.items() if pair.before is None)
    if not frames:
        return ""
    return (
        f" Frame {frames[0]} has no result now." if len(frames) == 1 else f" Frames {some(frames)} have no result now."
    )


def forecast_text(forecast: Any) -> str:
    """Say what a run will cost."""
    each = _pace(forecast.seconds_per_frame)
    need = f"{forecast.peak_bytes / 1e9:.1f} GB of memory"
    text = f"About {each} per frame on {forecast.device.upper()}, {short_time(forecast.seconds)} in all, {need}."
    if not forecast.fits:
        text += f" Only {forecast.free_bytes / 1e9:.1f} GB are free: choose the preset Little memory."
    return text
