"""Pictures of a benchmark run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_xmem_benchmark.report import cutie_slope

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_xmem_benchmark.report import Row

__all__ = ["save_plots"]

_FULL, _EMPTY = "#3b6fb6", "#9dbde3"


def save_plots(folder: Path, rows: Sequence[Row]) -> list[Path]:
    """Draw what was measured into `folder`; returns the files written, none without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return []
    written = []
    for name, draw in _PLOTS.items():
        figure = Figure(figsize=(6.4, 4), layout="constrained")
        if draw(figure.add_subplot(), [row for row in rows if row.seconds]):
            written.append(folder / f"performance_{name}.png")
            figure.savefig(written[-1], dpi=110)
    return written


def _colours(rows: Sequence[Row]) -> dict[tuple[int, int], str]:
    """Return a colour for each frame size, the smallest first; the same in every picture."""
    shapes = {(row.case.height, row.case.width) for row in rows if row.case.suite == "local" and not row.case.movie}
    return {shape: f"C{number}" for number, shape in enumerate(sorted(shapes))}


def _objects(axes: Any, rows: Sequence[Row]) -> bool:
    """Seconds per frame over the number of objects, one line per frame size, and what Cutie would take."""
    local = [row for row in rows if row.case.suite == "local" and row.case.diameters < 1 and not row.case.movie]
    colours = _colours(rows)
    drawn = False
    for shape, colour in colours.items():
        for memory, line in (("full", "-"), ("empty", ":")):
            points = sorted(
                (row.case.objects, row.seconds["ours"])
                for row in local
                if (row.case.height, row.case.width) == shape and row.case.memory == memory
            )
            if len(points) > 1:
                label = f"local scope, {shape[0]} x {shape[1]}, memory {memory}"
                axes.plot(*zip(*points, strict=True), line, marker="o", ms=4, color=colour, label=label)
                drawn = True
    for shape, colour in colours.items():
        slope = cutie_slope(rows, *shape)
        if slope is not None:
            counts = [1, 5, 20, 124, 500]
            seconds = [slope[0] + slope[1] * n for n in counts]
            label = f"Cutie-small, {shape[0]} x {shape[1]}, from 1 and 5 objects"
            axes.plot(counts, seconds, "--", color=colour, label=label)
    axes.set(xscale="log", yscale="log", xlabel="objects", ylabel="CPU seconds per frame, one thread")
    if drawn:
        axes.legend(fontsize=7)
    return drawn


def _dense(axes: Any, rows: Sequence[Row]) -> bool:
    """How many times as fast as the dense formulation."""
    compared = [r for r in rows if r.case.suite in ("read", "global") and {"ours", "dense"} <= set(r.seconds)]
    names = [f"{_WORDS[r.case.suite]}\n{r.size}, {r.case.objects} obj., {r.case.memory} memory" for r in compared]
    bars = axes.barh(
        names,
        [r.seconds["dense"] / r.seconds["ours"] for r in compared],
        color=[_FULL if r.case.memory == "full" else _EMPTY for r in compared],
    )
    axes.bar_label(bars, fmt="%.1f", padding=2, fontsize=8)
    axes.tick_params(axis="y", labelsize=7)
    axes.axvline(1, color="k", lw=0.8)
    axes.set(xlabel="times as fast as the plain dense formulation")
    axes.margins(x=0.1)
    axes.invert_yaxis()
    return bool(compared)


def _area(axes: Any, rows: Sequence[Row]) -> bool:
    """Seconds per frame over the area of all regions."""
    local = [row for row in rows if row.case.suite == "local" and row.case.memory == "full" and not row.case.movie]
    for shape, colour in _colours(rows).items():
        chosen = [row for row in local if (row.case.height, row.case.width) == shape]
        points = [(row.figures["region_pixels"] / 1e6, row.seconds["ours"]) for row in chosen]
        if points:
            axes.scatter(*zip(*points, strict=True), s=18, color=colour, label=f"frames of {chosen[0].size} px")
    axes.set(xscale="log", yscale="log", xlabel="area of all regions, megapixels", ylabel="CPU seconds per frame")
    if local:
        axes.legend(fontsize=8)
    return len(local) > 2


def _long(axes: Any, rows: Sequence[Row]) -> bool:
    """Time per frame and resident memory through a long movie."""
    chosen = [row for row in rows if row.case.suite == "long"]
    if not chosen:
        return False
    figures, frames = chosen[-1].figures, chosen[-1].case.frames
    ends = [(i + 1) * frames // 10 for i in range(len(figures["seconds_by_tenth"]))]
    axes.plot(ends, [1000 * s for s in figures["seconds_by_tenth"]], "o-", color=_FULL, label="ms per frame")
    axes.set(xlabel="frame", ylabel="CPU ms per frame", ylim=(0, 1300 * max(figures["seconds_by_tenth"])))
    other = axes.twinx()
    other.plot(ends, [b / 1e6 for b in figures["resident_by_tenth"]], "s--", color="C1", label="resident MB")
    other.set(ylabel="resident memory, MB", ylim=(0, 1.3e-6 * max(figures["resident_by_tenth"])))
    lines = [*axes.get_lines(), *other.get_lines()]
    axes.legend(lines, [line.get_label() for line in lines], loc="lower right")
    return True


def _quality(axes: Any, rows: Sequence[Row]) -> bool:
    """Identity in both scopes."""
    chosen = [row for row in rows if row.case.suite == "quality"]
    places = range(len(chosen))
    for shift, scope, color in ((-0.2, "local", _FULL), (0.2, "global", _EMPTY)):
        values = [row.figures[scope]["identity"] for row in chosen]
        axes.bar([p + shift for p in places], values, 0.4, color=color, label=scope)
    axes.set_xticks(list(places), [row.figures["movie"] for row in chosen], rotation=20, fontsize=7)
    axes.set(ylabel="objects followed rightly (J > 0.5), mean over frames", ylim=(0, 1.05))
    axes.legend(loc="lower right")
    return bool(chosen)


_WORDS = {"read": "reading memory", "global": "whole frame"}
_PLOTS = {"objects": _objects, "dense": _dense, "area": _area, "long": _long, "quality": _quality}
