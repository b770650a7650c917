"""Pictures of a training run, drawn with Pillow: no plotting library needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["draw_history"]

_SIZE = (960, 540)
_BOX = (70, 30, 890, 480)
_INK, _PALE = (40, 40, 40), (225, 225, 225)
_LOSS, _DICE, _VAL = (200, 80, 40), (225, 170, 60), (30, 100, 180)


def draw_history(history: Sequence[dict[str, Any]], path: Path) -> Path:
    """Draw loss and validation score over the steps of a run.

    Parameters
    ----------
    history : sequence of dict
        Rows with ``step`` and any of ``loss``, ``dice`` and ``val``, as kept by `TrainingState`.
    path : Path
        Picture to write (.png).
    """
    picture = Image.new("RGB", _SIZE, "white")
    draw = ImageDraw.Draw(picture)
    loss, dice, val = (_series(history, name) for name in ("loss", "dice", "val"))
    last = max((float(s[-1, 0]) for s in (loss, dice, val) if len(s)), default=1.0)
    top = float(np.ceil(10 * np.percentile(loss[:, 1], 98)) / 10) if len(loss) else 1.0
    _axes(draw, last, max(top, 0.1))
    for series, colour, high in ((loss, _LOSS, top), (dice, _DICE, top)):
        _line(draw, _smooth(series), colour, last, high)
    _line(draw, val, _VAL, last, 1.0, dots=True)
    names = (("loss", _LOSS), ("1 - Dice", _DICE), ("validation J (right)", _VAL))
    for n, (name, colour) in enumerate(names):
        draw.rectangle((90 + 190 * n, 10, 104 + 190 * n, 20), fill=colour)
        draw.text((110 + 190 * n, 8), name, fill=_INK, font=_font())
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)
    return path


def _series(history: Sequence[dict[str, Any]], name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Rows (step, value) of one figure, (N, 2)."""
    rows = [(row["step"], row[name]) for row in history if name in row]
    return np.array(rows, np.float64).reshape(-1, 2)


def _smooth(series: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Take a running mean over about a fortieth of the run."""
    width = max(1, len(series) // 40)
    if width == 1:
        return series
    kernel = np.ones(width) / width
    return np.stack([np.convolve(column, kernel, "valid") for column in series.T], 1)


def _axes(draw: ImageDraw.ImageDraw, last: float, top: float) -> None:
    left, upper, right, lower = _BOX
    for n in range(6):
        y = lower - (lower - upper) * n / 5
        draw.line((left, y, right, y), fill=_PALE)
        draw.text((left - 44, y - 7), f"{top * n / 5:.2f}", fill=_LOSS, font=_font())
        draw.text((right + 10, y - 7), f"{n / 5:.1f}", fill=_VAL, font=_font())
        x = left + (right - left) * n / 5
        draw.line((x, upper, x, lower), fill=_PALE)
        draw.text((x - 14, lower + 8), f"{last * n / 5:.0f}", fill=_INK, font=_font())
    draw.rectangle(_BOX, outline=_INK)
    draw.text(((left + right) / 2 - 15, lower + 28), "step", fill=_INK, font=_font())


def _line(
    draw: ImageDraw.ImageDraw,
    series: np.ndarray[Any, np.dtype[np.float64]],
    colour: tuple[int, int, int],
    last: float,
    top: float,
    dots: bool = False,
) -> None:
    left, upper, right, lower = _BOX
    x = left + (right - left) * series[:, 0] / max(last, 1.0)
    y = lower - (lower - upper) * np.clip(series[:, 1] / top, 0, 1)
    points = [(float(a), float(b)) for a, b in zip(x, y, strict=True)]
    if len(points) > 1:
        draw.line(points, fill=colour, width=2)
    for a, b in points if dots else ():
        draw.ellipse((a - 3, b - 3, a + 3, b + 3), fill=colour)


def _font() -> Any:
    return ImageFont.load_default(size=13)
