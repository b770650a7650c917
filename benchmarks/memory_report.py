"""Tables and plots of docs/evidence/memory.md from what memory_policies.py measured.

``python benchmarks/memory_report.py benchmarks/memory_policies.jsonl --images docs/images --page
docs/evidence/memory.md`` prints the tables as Markdown, draws the plots, and puts the tables between the marks of the
page. Means are over movies; intervals are 95 % bootstrap intervals, movies drawn with replacement; differences are
paired by movie.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from memory_numbers import (
    COLUMNS,
    CONTROLS,
    OLD_DEFAULT,
    OURS,
    PAPER,
    QUARTER,
    SPLIT,
    Key,
    Runs,
    differences,
    elements,
    interval,
    of_scenarios,
    read_runs,
    title_of,
)
from memory_plots import plot_policies, plot_size, plot_time

if TYPE_CHECKING:
    from collections.abc import Sequence

#: No interval is given for fewer movies.
FEWEST = 4
MARKS = ("<!-- measured -->", "<!-- /measured -->")


def _head(first: str, runs: Runs) -> tuple[list[str], list[int]]:
    used = [n for n, (_, names, _) in enumerate(COLUMNS) if any(of_scenarios(found, names) for found in runs.values())]
    return [f"| {first} | {' | '.join(COLUMNS[n][0] for n in used)} |", "|---" * (len(used) + 1) + "|"], used


def levels_table(runs: Runs, keys: Sequence[Key]) -> str:
    """Return means with intervals, one line per memory."""
    lines, used = _head("memory (most elements per object)", runs)
    for key in keys:
        if key not in runs:
            continue
        cells = []
        for number in used:
            _, names, measure = COLUMNS[number]
            mean, low, high, n = interval(map(measure, of_scenarios(runs[key], names).values()))
            around = f" ({low:.3f} to {high:.3f})" if n >= FEWEST else ""
            cells.append(f"{mean:.3f}{around}, {n}" if n else "")
        lines.append(f"| {title_of(key)} ({elements(runs[key]):.0f}) | {' | '.join(cells)} |")
    return "\n".join(lines)


def differences_table(runs: Runs, pairs: Sequence[tuple[str, Key, Key]]) -> str:
    """Return what one memory changes against another, paired by movie; bold: the interval excludes 0."""
    lines, used = _head("change", runs)
    for title, one, other in pairs:
        if one not in runs or other not in runs:
            continue
        cells = []
        for number in used:
            _, names, measure = COLUMNS[number]
            both = of_scenarios(runs[one], names), of_scenarios(runs[other], names)
            mean, low, high, n = interval(differences(*both, measure))
            text = f"{mean:+.3f} ({low:+.3f} to {high:+.3f})" if n >= FEWEST else f"{mean:+.3f}"
            sure = n >= FEWEST and (low > 0 or high < 0)
            cells.append("" if not n else f"{f'**{text}**' if sure else text}, {n}")
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def make_text(runs: Runs, fingerprint: str) -> str:
    """Return all tables as Markdown."""
    keys = [PAPER, ("paper", OURS), ("paper", SPLIT), QUARTER, ("quarter", OURS), ("default", "default"), OLD_DEFAULT]
    keys += [("control", name) for name in CONTROLS]
    n_movies = len({movie for found in runs.values() for movie in found})
    parts = [f"Weights of fingerprint `{fingerprint}`, {n_movies} movies; behind each mean the number of movies."]
    parts += [levels_table(runs, keys), "Change, paired by movie (bold: the interval excludes 0), at the paper's size:"]
    same = [(name, (group, name), PAPER) for group, name in runs if group == "paper" and name != "base"]
    parts += [differences_table(runs, same), "At a quarter of it, against the paper's policies at that size:"]
    small = [(name, (group, name), QUARTER) for group, name in runs if group == "quarter" and name != "base"]
    parts += [differences_table(runs, small), "Other sizes and controls against the paper's memory:"]
    rest = [(title_of(key), key, PAPER) for key in runs if key[0] != "paper"]
    rest.append(("default against default with the paper's policies", ("default", "default"), OLD_DEFAULT))
    return "\n\n".join([*parts, differences_table(runs, rest)])


def _put(page: Path, text: str) -> None:
    """Replace what stands between the marks of the page."""
    before, found, rest = page.read_text().partition(MARKS[0])
    _, closed, after = rest.partition(MARKS[1])
    if not (found and closed):
        raise SystemExit(f"{page} lacks the marks {MARKS[0]} and {MARKS[1]}.")
    page.write_text(f"{before}{MARKS[0]}\n\n{text}\n\n{MARKS[1]}{after}")


def main() -> None:
    """Print the tables, write the plots."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--page", type=Path, help="Markdown page with the marks")
    parser.add_argument("--fingerprint", help="which model; default: that of the last run")
    args = parser.parse_args()
    runs, fingerprint = read_runs(args.runs, args.fingerprint)
    if PAPER not in runs:
        raise SystemExit(f"{args.runs} holds no run of the paper's memory with that model.")
    text = make_text(runs, fingerprint)
    print(text)
    if args.page:
        _put(args.page, text)
    if args.images:
        args.images.mkdir(parents=True, exist_ok=True)
        plot_size(runs, args.images / "memory_size.png")
        shown = [PAPER, ("paper", OURS), ("paper", SPLIT), ("quarter", OURS), ("default", "default"), OLD_DEFAULT]
        shown += [("control", name) for name in CONTROLS]
        plot_time(runs, shown, args.images / "memory_time.png")
        plot_policies(runs, args.images / "memory_policies.png")


if __name__ == "__main__":
    main()
