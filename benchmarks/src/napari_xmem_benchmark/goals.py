"""What was promised, and what came out: one line per goal, as far as its cases were measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_xmem_benchmark.report import cutie_slope

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_xmem_benchmark.report import Row

__all__ = ["Goal", "goals"]

Goal = tuple[str, str, str, bool]
"""What is measured, the goal, what was measured, and whether the goal is met."""

MEDIUM, LARGE, HUGE = (480, 854), (704, 1104), (2048, 2048)


def goals(rows: Sequence[Row]) -> list[Goal]:
    """Return the goals whose cases are among some measured rows."""
    return [*_dense(rows), *_many(rows), *_area(rows), *_long(rows), *_quality(rows)]


def _find(rows: Sequence[Row], suite: str, shape: tuple[int, int], objects: int, diameters: float = 0.8) -> Row | None:
    for row in rows:
        case = row.case
        found = (case.suite, (case.height, case.width), case.objects, case.memory, case.diameters)
        if found == (suite, shape, objects, "full", diameters) and row.seconds and not case.movie:
            return row
    return None


def _dense(rows: Sequence[Row]) -> Iterator[Goal]:
    for suite, least, what in (
        ("global", 1.8, "official network, global scope, full memory, 480 x 854, 5 objects: speed against dense"),
        ("read", 6.0, "reading full memory, 480 x 854, 5 objects: speed against dense"),
    ):
        row = _find(rows, suite, MEDIUM, 5)
        if row is not None:
            ratio = row.seconds["dense"] / row.seconds["ours"]
            yield what, f"at least {least:g} times", f"{ratio:.2f} times", ratio >= least
            gap = row.figures["largest_difference"]
            yield "the same: largest difference, float32 on both sides", "at most 1e-4", f"{gap:.1e}", gap <= 1e-4


def _many(rows: Sequence[Row]) -> Iterator[Goal]:
    crowd, more = _find(rows, "local", LARGE, 124), _find(rows, "local", LARGE, 500)
    if crowd is not None:
        seconds = crowd.seconds["ours"]
        yield "local scope, 704 x 1104, 124 objects: per frame", "at most 3 s", f"{seconds:.2f} s", seconds <= 3
        line = cutie_slope(rows, *LARGE)
        if line is not None:
            predicted = line[0] + 124 * line[1]
            ratio = predicted / seconds
            text = f"{ratio:.0f} times ({predicted:.0f} s predicted from {line[1]:.2f} s per object)"
            yield "the same against Cutie-small's cost per object", "at least 100 times", text, ratio >= 100
    if crowd is not None and more is not None:
        ratio = more.seconds["ours"] / crowd.seconds["ours"]
        yield "500 objects against 124", "at most 4.5 times", f"{ratio:.2f} times", ratio <= 4.5
    huge = _find(rows, "local", HUGE, 500)
    if huge is not None:
        peak = huge.figures["peak_bytes"] / 2**30
        yield "2048 x 2048, 500 objects: peak memory", "under 4 GiB", f"{peak:.2f} GiB", peak < 4


def _area(rows: Sequence[Row]) -> Iterator[Goal]:
    """Compare seconds per megapixel of regions between objects of several sizes, and between sizes of frames."""
    found = [_find(rows, "local", LARGE, 12, diameters) for diameters in (0.8, 1.6, 3.2)]
    each = [row.seconds["ours"] / row.figures["region_pixels"] * 1e6 for row in found if row is not None]
    if len(each) == 3:
        text = ", ".join(f"{seconds:.2f}" for seconds in each) + " s"
        what = "cost per megapixel of regions, objects of 0.8, 1.6 and 3.2 nominal diameters"
        yield what, "linear in area: no growth", text, max(each[1:]) <= 1.1 * each[0]
    large, huge = _find(rows, "local", LARGE, 124), _find(rows, "local", HUGE, 124)
    if large is not None and huge is not None:
        ratio = huge.seconds["ours"] / large.seconds["ours"]
        pixels = HUGE[0] * HUGE[1] / (LARGE[0] * LARGE[1])
        what = f"124 objects on 2048 x 2048 against 704 x 1104 ({pixels:.1f} times the pixels)"
        yield what, "not frame area x objects", f"{ratio:.2f} times", ratio < pixels / 2


def _long(rows: Sequence[Row]) -> Iterator[Goal]:
    for row in rows:
        if row.case.suite == "long" and row.seconds and row.case.frames >= 10_000:
            for what in ("time", "resident"):
                ratio = row.figures[f"{what}_last_over_second"]
                name = "time per frame" if what == "time" else "resident memory"
                text = f"10,000 frames: {name}, last thousand against second"
                yield text, "within 10 %", f"{100 * (ratio - 1):+.1f} %", abs(ratio - 1) <= 0.1


def _quality(rows: Sequence[Row]) -> Iterator[Goal]:
    chosen = [row for row in rows if row.case.suite == "quality" and row.seconds]
    if not chosen:
        return
    for key in ("jaccard", "identity"):
        local, whole = (sum(row.figures[scope][key] for row in chosen) / len(chosen) for scope in ("local", "global"))
        what = f"quality, {key}: mean over {len(chosen)} movies, local against global"
        yield what, "at least as good", f"{local:.3f} against {whole:.3f}", local >= whole
    alike = [row for row in chosen if row.figures["movie"].startswith("look-alikes")]
    if alike:
        local, whole = (sum(r.figures[scope]["identity"] for r in alike) / len(alike) for scope in ("local", "global"))
        yield "identity among look-alikes", "clearly better", f"{local:.3f} against {whole:.3f}", local > whole + 0.05
