"""Tables and JSON of a benchmark run."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

import napari_xmem
from napari_xmem.errors import InputError
from napari_xmem_benchmark.measure import Case

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Row", "cutie_slope", "describe_machine", "format_goals", "format_tables", "load_rows", "save_results"]


@dataclass(frozen=True, slots=True)
class Row:
    """A case, its figures, and the peak memory of each side alone."""

    case: Case
    figures: dict[str, Any]
    peaks: dict[str, int] = field(default_factory=dict)

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds by name; empty where the case failed."""
        return dict(self.figures.get("seconds", {}))

    @property
    def size(self) -> str:
        """Frame size."""
        return f"{self.case.height} x {self.case.width}"


def describe_machine(threads: int, device: str) -> dict[str, Any]:
    """Return what the numbers depend on."""
    processor = platform.processor() or platform.machine()
    flags: list[str] = []
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = dict(line.split(":", 1) for line in info.read_text().splitlines() if ":" in line)
        names = {key.strip(): value.strip() for key, value in lines.items()}
        processor = names.get("model name", processor)
        wanted = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
        flags = [flag for flag in names.get("flags", "").split() if flag in wanted]
    return {
        "processor": processor,
        "instructions": flags,
        "cores": os.cpu_count(),
        "threads": threads or torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else device,
        "system": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "napari_xmem": napari_xmem.__version__,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "clock": "wall" if device.startswith("cuda") else "CPU seconds of the process",
    }


def save_results(path: Path, rows: Sequence[Row], machine: dict[str, Any]) -> None:
    """Write everything as JSON."""
    content = {
        "machine": machine,
        "rows": [{"case": asdict(row.case), "figures": row.figures, "peaks": row.peaks} for row in rows],
    }
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")


def load_rows(path: Path) -> list[Row]:
    """Read what `save_results` wrote; nothing if there is no such file.

    Raises
    ------
    InputError
        If it holds something else.
    """
    if not path.exists():
        return []
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return [Row(Case(**row["case"]), row["figures"], row["peaks"]) for row in content["rows"]]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no result of this benchmark ({error}); choose another folder.") from error


def cutie_slope(rows: Sequence[Row], height: int, width: int) -> tuple[float, float] | None:
    """Return Cutie's seconds per frame without objects and per object, from its runs with 1 and more objects."""
    found = {
        row.case.objects: row.seconds["cutie"]
        for row in rows
        if row.case.suite == "cutie" and (row.case.height, row.case.width) == (height, width) and row.seconds
    }
    if len(found) < 2:
        return None
    low, high = min(found), max(found)
    slope = (found[high] - found[low]) / (high - low)
    return found[low] - slope * low, slope


def format_goals(lines: Sequence[tuple[str, str, str, bool]]) -> str:
    """Return what `napari_xmem_benchmark.goals.goals` found as a Markdown table; nothing without any."""
    if not lines:
        return ""
    head = ["measured", "goal", "result", "met"]
    body = [[what, goal, result, "yes" if met else "**no**"] for what, goal, result, met in lines]
    return "### Goals\n" + _table(head, body) + "\n\n"


def format_tables(rows: Sequence[Row]) -> str:
    """Return one Markdown table per suite."""
    parts = [
        maker(chosen) for suite, maker in _TABLES.items() if (chosen := [r for r in rows if r.case.suite == suite])
    ]
    failed = [
        f"* {row.case.suite}, {row.size}, {row.case.objects}: {row.figures['error']}"
        for row in rows
        if "error" in row.figures
    ]
    if failed:
        parts.append("### Failed\n" + "\n".join(failed))
    locals_ = [row for row in rows if row.case.suite == "local"]
    versus = [line for row in locals_ if (line := _against_cutie(row, rows))]
    if versus:
        head = ["frame", "objects", "memory", "Cutie-small, predicted s", "local s", "ratio"]
        parts.append("### Local scope against what Cutie-small's cost per object predicts\n" + _table(head, versus))
    return "\n\n".join(parts) + "\n"


def _against_cutie(row: Row, rows: Sequence[Row]) -> list[str] | None:
    line = cutie_slope(rows, row.case.height, row.case.width)
    if line is None or not row.seconds:
        return None
    predicted = line[0] + line[1] * row.case.objects
    ours = row.seconds["ours"]
    return [row.size, str(row.case.objects), row.case.memory, _s(predicted), _s(ours), f"{predicted / ours:.1f}"]


def _compared(title: str, rows: Sequence[Row]) -> str:
    head = [
        "frame",
        "objects",
        "elements",
        "dense s",
        "ours s",
        "ratio",
        "largest difference",
        "pixels > 1e-4",
        "dense GB",
        "ours GB",
    ]
    body = []
    for row in rows:
        seconds = row.seconds
        if {"ours", "dense"} <= set(seconds):
            difference = f"{row.figures.get('largest_difference', float('nan')):.1e}"
            body.append(
                [row.size, str(row.case.objects), str(row.figures["elements"]), _s(seconds["dense"]),
                 _s(seconds["ours"]), f"{seconds['dense'] / seconds['ours']:.2f}", difference,
                 f"{row.figures.get('share_over_1e-4', 0):.1e}",
                 _gb(row.peaks.get("dense")), _gb(row.peaks.get("ours"))]
            )  # fmt: skip
    return f"### {title}\n" + _table(head, body)


def _local_table(rows: Sequence[Row]) -> str:
    head = [
        "cells",
        "frame",
        "objects",
        "diameter",
        "memory",
        "elements per object",
        "region Mpx",
        "s per frame",
        "slowest frame s",
        "ms per object",
        "wall s",
        "precision",
        "peak GB",
    ]
    body = [
        [_cells(row), row.size, str(row.case.objects), _diameter(row), row.case.memory, str(row.figures["elements"]),
         f"{row.figures['region_pixels'] / 1e6:.2f}", _s(row.seconds["ours"]), _s(row.seconds["slowest"]),
         _s(1000 * row.seconds["ours"] / row.case.objects), _s(row.figures["wall_seconds_per_frame"]),
         row.figures["precision"],
         _gb(row.figures.get("device_peak_bytes", row.figures["peak_bytes"]))]
        for row in sorted(rows, key=lambda row: not row.case.movie) if row.seconds
    ]  # fmt: skip
    return "### Local scope, bundled model, default settings\n" + _table(head, body)


def _cells(row: Row) -> str:
    return Path(row.case.movie).name if row.case.movie else "discs"


def _diameter(row: Row) -> str:
    """Return the diameter of discs in nominal diameters, and by how much real cells were enlarged."""
    return f"scaled {row.figures['scale']:g} times" if row.case.movie else f"{row.case.diameters:g}"


def _cutie_table(rows: Sequence[Row]) -> str:
    head = ["frame", "objects", "plain s", "memorised s", "s per frame", "peak GB"]
    body = [
        [row.size, str(row.case.objects), _s(row.seconds["plain"]), _s(row.seconds["memorised"]),
         _s(row.seconds["cutie"]), _gb(row.figures["peak_bytes"])]
        for row in rows if row.seconds
    ]  # fmt: skip
    return "### Cutie-small (random weights)\n" + _table(head, body)


def _quality_table(rows: Sequence[Row]) -> str:
    head = ["movie", "frames", "objects", "J local", "J global", "identity local", "identity global", "swaps local",
            "swaps global", "s per frame local", "global"]  # fmt: skip
    body, sums = [], []
    for row in rows:
        if row.seconds:
            local, whole = row.figures["local"], row.figures["global"]
            sums.append([found[key] for key in ("jaccard", "identity") for found in (local, whole)])
            body.append(
                [row.figures["movie"], str(row.figures["frames"]), str(row.figures["seeded"]),
                 *(f"{number:.3f}" for number in sums[-1]), str(local["swaps"]), str(whole["swaps"]),
                 _s(row.seconds["local"]), _s(row.seconds["global"])]
            )  # fmt: skip
    if sums:
        means = [f"{sum(column) / len(sums):.3f}" for column in zip(*sums, strict=True)]
        body.append(["mean", "", "", *means, "", "", "", ""])
    return "### Quality of both scopes, bundled model, default settings\n" + _table(head, body)


def _long_table(rows: Sequence[Row]) -> str:
    head = ["frame", "objects", "frames", "s per frame, second tenth", "last tenth", "time ratio", "memory ratio"]
    body = [
        [row.size, str(row.case.objects), str(row.case.frames), _s(row.figures["seconds_by_tenth"][1]),
         _s(row.figures["seconds_by_tenth"][-1]), f"{row.figures['time_last_over_second']:.3f}",
         f"{row.figures['resident_last_over_second']:.3f}"]
        for row in rows if row.seconds
    ]  # fmt: skip
    return "### Long movie of small frames, local scope\n" + _table(head, body)


_TABLES: dict[str, Any] = {
    "read": lambda rows: _compared("Reading memory (working 10 frames and 10,000 long-term elements)", rows),
    "global": lambda rows: _compared("Global scope, official architecture, every fifth frame memorised", rows),
    "local": _local_table,
    "cutie": _cutie_table,
    "quality": _quality_table,
    "long": _long_table,
}


def _table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _s(seconds: float) -> str:
    return f"{seconds:.3g}"


def _gb(n_bytes: int | None) -> str:
    return f"{n_bytes / 1e9:.2f}" if n_bytes else "-"
