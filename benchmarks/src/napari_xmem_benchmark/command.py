"""``napari-xmem benchmark``: which cases, and where results go."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from napari_xmem.cli.terminal.parser import Parser
from napari_xmem.errors import ConfigError
from napari_xmem_benchmark import cutie
from napari_xmem_benchmark.goals import goals
from napari_xmem_benchmark.measure import Case, run_case
from napari_xmem_benchmark.plots import save_plots
from napari_xmem_benchmark.quality import SIMULATED
from napari_xmem_benchmark.real_movies import movie_size
from napari_xmem_benchmark.report import Row, describe_machine, format_goals, format_tables, load_rows, save_results

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

__all__ = ["OBJECTS", "SIZES", "SUITE_NAMES", "main", "plan_cases"]

SIZES = {"small": (240, 432), "medium": (480, 854), "large": (704, 1104), "huge": (2048, 2048)}
OBJECTS = (1, 5, 20, 100, 500)
SUITE_NAMES = ("goals", "read", "global", "local", "real", "cutie", "quality", "long")
#: What takes some minutes, by suite; the rest of the matrix only if it is asked for.
_LOCAL = {"small": (1, 5, 20), "medium": (1, 5, 20, 100), "large": (1, 5, 20, 124, 500), "huge": (5, 100, 500)}
_WHOLE_FRAMES = {"small": (1, 5, 20), "medium": (1, 5), "large": (1, 5)}
_BOTH = ("empty", "full")


def plan_cases(
    suites: Sequence[str],
    *,
    quick: bool = False,
    objects: Sequence[int] = (),
    sizes: Sequence[str] = (),
    memory: Sequence[str] = _BOTH,
    movies: Sequence[str] = (),
) -> list[Case]:
    """Return the cases of some suites.

    Parameters
    ----------
    suites : sequence of str
        Names of `SUITE_NAMES`.
    quick : bool
        One or two of each, some seconds long.
    objects, sizes : sequence
        Of the suites read, global, local and cutie: every number of objects on every size of frame that is named here
        (names of `SIZES`). Neither: those that take some minutes. One of them: all of the other, see `OBJECTS`.
    memory : sequence of {"empty", "full"}
        Of the same suites.
    movies : sequence of str
        Further movies of the suite quality, see `napari_xmem_benchmark.quality.tracked_movie`; and those of the suite
        real, see `napari_xmem_benchmark.real_movies.real_movie`, each beside as many discs on frames of its size.
    """
    cases: list[Case] = []
    for suite in suites:
        if suite == "goals":
            cases += _goals()
        elif suite == "quality":
            cases += [Case("quality", 0, 0, 0, movie=name) for name in (*SIMULATED, *movies)][: 1 if quick else None]
        elif suite == "real":
            for name in movies:
                height, width, n = movie_size(name)
                cases += [Case("local", height, width, n, movie=name), Case("local", height, width, n)]
        elif suite == "long":
            cases.append(Case("long", 48, 64, 1, frames=300 if quick else 10_000))
        else:
            usual = _LOCAL if suite == "local" else _WHOLE_FRAMES
            if quick:
                usual = {"small": (1, 5)}
            if objects or sizes:
                usual = {size: tuple(objects or OBJECTS) for size in (sizes or SIZES)}
            fill = ("full",) if suite == "cutie" or quick else memory
            repeats = 2 if suite == "global" else 3
            cases += [
                Case(suite, *SIZES[size], n, memory=state, repeats=repeats)
                for state in fill
                for size, counts in usual.items()
                for n in counts
            ]
    return cases


def _goals() -> list[Case]:
    """Return the cases behind the promises of docs/evidence/performance.md."""
    medium, large, huge = SIZES["medium"], SIZES["large"], SIZES["huge"]
    return [
        Case("cutie", *large, 1),
        Case("local", *large, 124, cycles=3),
        Case("cutie", *large, 5),
        Case("local", *large, 500),
        Case("local", *huge, 500),
        *(Case("local", *large, 12, diameters=d) for d in (0.8, 1.6, 3.2)),
        Case("local", *huge, 124),
        Case("read", *medium, 5),
        Case("global", *medium, 5, repeats=2),
    ]


def _parser() -> Parser:
    parser = Parser(prog="napari-xmem benchmark", description="Measure speed and memory.")
    parser.add_argument(
        "--suite",
        nargs="+",
        choices=SUITE_NAMES,
        default=["read", "global", "local", "cutie"],
        help="what to measure; 'goals' is what docs/evidence/performance.md promises, 'real' the movies of --movies "
        "beside discs, 'long' 10,000 frames; default: read, global, local and cutie",
    )
    parser.add_argument("--quick", action="store_true", help="few small cases: about two minutes")
    parser.add_argument("--objects", nargs="+", type=int, default=[], metavar="N", help="numbers of objects")
    parser.add_argument("--frames", nargs="+", choices=tuple(SIZES), default=[], help=f"frame sizes: {_sizes()}")
    parser.add_argument(
        "--memory", nargs="+", choices=_BOTH, default=list(_BOTH), help="one memorised frame, or all full"
    )
    parser.add_argument(
        "--movies",
        nargs="+",
        default=[],
        metavar="NPZ",
        help="movies for the suites quality and real; real also takes FILE.npz:N, a still picture img_N with lab_N",
    )
    parser.add_argument("-o", "--output", default="benchmark-results", metavar="FOLDER", help="for JSON, table, plots")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch; 0: as torch chooses")
    parser.add_argument("--device", default="cpu", help="for all suites but read: cpu or cuda")
    parser.add_argument("--precision", default="auto", help="for the local scope: auto, float32, bfloat16, float16")
    parser.add_argument("--timeout", type=float, default=1800, metavar="S", help="longest time for one case")
    parser.add_argument("--resume", action="store_true", help="keep what FOLDER holds already and measure the rest")
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but the tables")
    return parser


def _sizes() -> str:
    return ", ".join(f"{name} {height} x {width}" for name, (height, width) in SIZES.items())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    parser = _parser()
    words = sys.argv[1:] if argv is None else argv
    parser.check_names(words)
    args = parser.parse_args(words)
    if args.device not in ("cpu", "mps") and not args.device.startswith("cuda"):
        raise ConfigError(f"device is {args.device!r}, expected cpu, cuda, cuda:N or mps.")
    folder = Path(args.output)
    folder.mkdir(parents=True, exist_ok=True)
    suites = list(dict.fromkeys(args.suite))
    rows = load_rows(folder / "results.json") if args.resume else []
    known = {row.case for row in rows if row.seconds}
    rows = [row for row in rows if row.seconds]
    cases = plan_cases(
        suites, quick=args.quick, objects=args.objects, sizes=args.frames, memory=args.memory, movies=args.movies
    )
    if any(case.suite == "cutie" for case in cases) and not cutie.available():
        cases = [case for case in cases if case.suite != "cutie"]
        _say(args, "Cutie is not installed (pip install './benchmarks[cutie]'): its cases are left out.")
    for number, case in enumerate(cases, start=1):
        case = _on(case, args)
        if case in known:
            continue
        _say(args, f"{number} of {len(cases)}: {_title(case)}")
        rows.append(Row(case, run_case(case, args.timeout), _alone(case, args.timeout)))
        save_results(folder / "results.json", rows, describe_machine(args.threads, args.device))
    tables = format_goals(goals(rows)) + format_tables(rows)
    (folder / "tables.md").write_text(tables, encoding="utf-8")
    sys.stdout.write(tables + "\n")
    for path in save_plots(folder, rows):
        _say(args, f"wrote {path}")
    return 0


def _title(case: Case) -> str:
    if case.suite == "quality":
        return f"quality, {case.movie}"
    if case.movie:
        return f"{case.suite}, {case.movie}, {case.objects} objects"
    return f"{case.suite}, {case.height} x {case.width} px, {case.objects} objects, memory {case.memory}"


def _on(case: Case, args: argparse.Namespace) -> Case:
    from dataclasses import replace

    device = args.device if case.suite != "read" else "cpu"
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
