"""``napari-xmem benchmark``: which cases, and where results go."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from napari_xmem.benchmark import cutie
from napari_xmem.benchmark.measure import Case, run_case
from napari_xmem.benchmark.report import Row, describe_machine, format_tables, save_plots, save_results
from napari_xmem.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main", "plan_cases"]

SIZES = {"small": (240, 432), "medium": (480, 854), "large": (704, 1104), "huge": (2048, 2048)}
_LOCAL = {"small": (1, 5, 20), "medium": (5, 20, 100), "large": (1, 5, 20, 124, 500), "huge": (5, 100, 500)}
_GLOBAL = {"small": (1, 5, 20), "medium": (1, 5), "large": (1,)}
SUITE_NAMES = ("read", "global", "local", "cutie", "long")


def plan_cases(suites: Sequence[str], *, quick: bool = False) -> list[Case]:
    """Return the cases of some suites; quick: one or two of each, some seconds long."""
    cases: list[Case] = []
    for suite in suites:
        if suite == "read":
            chosen = [("small", 5)] if quick else [("small", 5), ("medium", 1), ("medium", 5), ("large", 5)]
            cases += [Case("read", *SIZES[size], n) for size, n in chosen]
        elif suite == "global":
            sizes: dict[str, tuple[int, ...]] = {"small": (1,)} if quick else _GLOBAL
            cases += [Case("global", *SIZES[size], n, repeats=2) for size, counts in sizes.items() for n in counts]
            cases += [] if quick else [Case("global", *SIZES["medium"], 5, memory="empty", repeats=2)]
        elif suite == "local":
            local: dict[str, tuple[int, ...]] = {"small": (1, 5), "medium": (20,)} if quick else _LOCAL
            for memory in ("empty", "full"):
                cases += [Case("local", *SIZES[size], n, memory=memory) for size, ns in local.items() for n in ns]
        elif suite == "cutie":
            sizes = {"small": (1, 5)} if quick else {"medium": (1, 5), "large": (1, 5)}
            cases += [Case("cutie", *SIZES[size], n) for size, counts in sizes.items() for n in counts]
        else:
            cases.append(Case("long", 64, 96, 3, frames=300 if quick else 10_000))
    return cases


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="napari-xmem benchmark", description="Measure speed and memory.")
    parser.add_argument(
        "--suite",
        nargs="+",
        choices=SUITE_NAMES,
        default=["read", "global", "local", "cutie"],
        help="what to measure; 'long' (10,000 frames, some 10 minutes) only if named",
    )
    parser.add_argument("--quick", action="store_true", help="few small cases: about two minutes")
    parser.add_argument("-o", "--output", default="benchmark-results", metavar="FOLDER", help="for JSON, table, plots")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch; 0: as torch chooses")
    parser.add_argument("--device", default="cpu", help="for the suites local, cutie and long: cpu or cuda")
    parser.add_argument("--precision", default="auto", help="for the local scope: auto, float32, bfloat16, float16")
    parser.add_argument("--timeout", type=float, default=1800, metavar="S", help="longest time for one case")
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but the tables")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    args = _parser().parse_args(argv)
    if args.device not in ("cpu", "mps") and not args.device.startswith("cuda"):
        raise ConfigError(f"device is {args.device!r}, expected cpu, cuda, cuda:N or mps.")
    folder = Path(args.output)
    folder.mkdir(parents=True, exist_ok=True)
    suites = list(dict.fromkeys(args.suite))
    if "cutie" in suites and not cutie.available():
        suites.remove("cutie")
        _say(args, "Cutie is not installed (pip install 'napari-xmem[benchmark]'): its suite is left out.")
    rows = []
    cases = plan_cases(suites, quick=args.quick)
    for number, case in enumerate(cases, start=1):
        case = _on(case, args)
        _say(args, f"{number} of {len(cases)}: {case.suite}, {case.height} x {case.width} px, {case.objects} objects")
        rows.append(Row(case, run_case(case, args.timeout), _alone(case, args.timeout)))
        save_results(folder / "results.json", rows, describe_machine(args.threads, args.device))
    tables = format_tables(rows)
    (folder / "tables.md").write_text(tables, encoding="utf-8")
    sys.stdout.write(tables + "\n")
    for path in save_plots(folder, rows):
        _say(args, f"wrote {path}")
    return 0


def _on(case: Case, args: argparse.Namespace) -> Case:
    from dataclasses import replace

    device = args.device if case.suite in ("local", "cutie", "long") else "cpu"
    return replace(case, threads=args.threads, device=device, precision=args.precision)


def _alone(case: Case, timeout_s: float) -> dict[str, int]:
    """Return the peak memory of each side of a comparison, run alone."""
    if case.suite not in ("read", "global"):
        return {}
    figures = {side: run_case(case.alone(side), timeout_s) for side in ("ours", "dense")}
    return {side: found.get("peak_bytes", 0) for side, found in figures.items()}


def _say(args: argparse.Namespace, text: str) -> None:
    if not args.quiet:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
