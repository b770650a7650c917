"""Tables and plots of docs/memory.md from what memory_policies.py measured.

``python benchmarks/memory_report.py benchmarks/memory_policies.jsonl --images docs/images --page docs/memory.md``
prints the tables as Markdown, draws the plots, and puts the tables between the marks of the page. Means are over
movies; intervals are 95 % bootstrap intervals, movies drawn with replacement; differences are paired by movie.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

mpl.use("Agg")
from matplotlib import pyplot as plt

RESAMPLES = 10_000
MARKS = ("<!-- measured -->", "<!-- /measured -->")
CONTROLS = ("first frame only", "last frame only", "first + last frame", "no long-term memory", "unlimited memory")
LONG = ("drift", "bleach", "focus", "crowd", "absence")
Run = dict[str, Any]
Key = tuple[str, str]
Runs = dict[Key, dict[str, Run]]
PAPER: Key = ("paper", "base")
QUARTER: Key = ("quarter", "base")
OURS = "selection usage+novelty, eviction coverage"
SPLIT = "two frames and long-term memory, both"
OLD_DEFAULT: Key = ("default", "default with the paper's policies")


def read_runs(path: Path, fingerprint: str | None = None) -> tuple[Runs, str]:
    """Return {(group, setting): {movie: run}} of one model, and its fingerprint: that of the last run by default."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    wanted = fingerprint or rows[-1]["fingerprint"]
    runs: Runs = {}
    for row in rows:
        if row["fingerprint"] == wanted:
            runs.setdefault((row["group"], row["setting"]), {})[row["movie"]] = row
    return runs, wanted


def jaccard(run: Run) -> float:
    """Mean over frames."""
    return float(np.nanmean(np.array(run["jaccard"], float)))


def after_return(run: Run) -> float:
    """Mean Jaccard index of the objects that were gone for long, from their return on; NaN without such objects."""
    return float("nan") if run["after_return"] is None else float(run["after_return"])


def identity_after(run: Run) -> float:
    """Mean identity over the frames after the last on which nothing was there."""
    values = np.array(run["identity"], float)
    gone = np.flatnonzero(np.isnan(values))
    return float(np.nanmean(values[gone[-1] + 1 if len(gone) else 0 :]))


#: Title, scenarios, what is averaged.
COLUMNS: tuple[tuple[str, tuple[str, ...], Callable[[Run], float]], ...] = (
    ("return: J after it", ("return",), after_return),
    ("return: identity", ("return",), identity_after),
    ("cycle: J after it", ("cycle",), after_return),
    ("cycle: identity", ("cycle",), identity_after),
    ("five others: J", LONG, jaccard),
    ("dev movies: J", ("dev",), jaccard),
)


def of_scenarios(found: dict[str, Run], names: Sequence[str]) -> dict[str, Run]:
    """Pick the runs on movies of some scenarios."""
    return {movie: run for movie, run in sorted(found.items()) if movie.split("-", 1)[0] in names}


def interval(values: Iterable[float], seed: int = 0) -> tuple[float, float, float, int]:
    """Return mean over movies, its 95 % bootstrap interval (movies drawn with replacement), and how many movies."""
    known = np.array([v for v in values if not np.isnan(v)])
    if not len(known):
        return float("nan"), float("nan"), float("nan"), 0
    draws = np.random.default_rng(seed).choice(known, (RESAMPLES, len(known))).mean(1)
    low, high = np.percentile(draws, [2.5, 97.5])
    return float(known.mean()), float(low), float(high), len(known)


def differences(one: dict[str, Run], other: dict[str, Run], measure: Callable[[Run], float]) -> list[float]:
    """Return `measure` of `one` minus that of `other`, movie by movie."""
    return [measure(one[m]) - measure(other[m]) for m in sorted(one) if m in other]


def elements(found: dict[str, Run]) -> float:
    """Return the most elements per object, averaged over the simulated movies of one frame size."""
    chosen = of_scenarios(found, ("return", "cycle")) or found
    return float(np.mean([run["elements_per_object"] for run in chosen.values()]))


def _title(key: Key) -> str:
    titles = {PAPER: "paper", QUARTER: "a quarter, the paper's policies", ("default", "default"): "default"}
    return titles.get(key, key[1] + (" (a quarter)" if key[0] == "quarter" else ""))


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
            cells.append(f"{mean:.3f} ({low:.3f} to {high:.3f}), {n}" if n else "")
        lines.append(f"| {_title(key)} ({elements(runs[key]):.0f}) | {' | '.join(cells)} |")
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
            text = f"{mean:+.3f} ({low:+.3f} to {high:+.3f})"
            cells.append("" if not n else f"{f'**{text}**' if low > 0 or high < 0 else text}, {n}")
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def plot_size(runs: Runs, path: Path) -> None:
    """Draw the Jaccard index after return against elements per object."""
    figure, panels = plt.subplots(1, 2, figsize=(10, 4), layout="constrained", sharey=True)
    looks = {"control": ("0.45", "s"), "paper": ("tab:blue", "o"), "quarter": ("tab:orange", "o")}
    for panel, scenario in zip(panels, ("return", "cycle"), strict=True):
        for (group, name), found in runs.items():
            mean, low, high, n = interval(map(after_return, of_scenarios(found, (scenario,)).values()))
            if not n:
                continue
            colour, marker = looks.get(group, ("k", "*"))
            named = group == "control" or name in ("base", "default", OURS)
            error = [[mean - low], [high - mean]] if named else None
            place = elements(found), mean
            look = {"alpha": 1.0, "markersize": 7} if named else {"alpha": 0.4, "markersize": 4}
            panel.errorbar(*place, error, fmt=marker, color=colour, **look)
            if named:
                text = _title((group, name)).replace(OURS, "coverage")
                panel.annotate(text, place, (6, 5), textcoords="offset points", fontsize=7)
        panel.set(xscale="log", xlabel="most elements per object", title=scenario)
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("Jaccard index after the return")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def plot_time(runs: Runs, keys: Sequence[Key], path: Path) -> None:
    """Draw Jaccard index and identity over time, one column per scenario."""
    names = [n for n in ("return", "cycle", *LONG) if any(of_scenarios(found, (n,)) for found in runs.values())]
    figure, axes = plt.subplots(
        2, len(names), figsize=(2.6 * len(names) + 1, 5), sharey=True, squeeze=False, layout="constrained"
    )
    for row, what in enumerate(("jaccard", "identity")):
        for panel, name in zip(axes[row], names, strict=True):
            for key in keys:
                curves = [np.array(r[what], float) for r in of_scenarios(runs.get(key, {}), (name,)).values()]
                if curves:
                    panel.plot(np.mean(curves, 0), label=_title(key), linewidth=1.1)
            panel.set(title=name if row == 0 else "", xlabel="frame" if row else "")
            panel.grid(alpha=0.3)
        axes[row, 0].set_ylabel("Jaccard index" if what == "jaccard" else what)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=7)
    figure.savefig(path, dpi=90)
    plt.close(figure)


def plot_policies(runs: Runs, path: Path) -> None:
    """Draw what each policy changes at the paper's size, with intervals."""
    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    names = [name for group, name in runs if group == "paper" and name != "base"]
    for shift, scenario, colour in ((0.15, "return", "tab:red"), (-0.15, "cycle", "tab:blue")):
        for row, name in enumerate(names):
            both = (of_scenarios(runs["paper", name], (scenario,)), of_scenarios(runs[PAPER], (scenario,)))
            mean, low, high, n = interval(differences(*both, after_return))
            if n:
                error = [[mean - low], [high - mean]]
                axes.errorbar(mean, row + shift, xerr=error, fmt="o", color=colour, markersize=4)
        axes.plot([], [], "o", color=colour, label=scenario)
    axes.axvline(0, color="k", linewidth=0.8)
    axes.set(yticks=range(len(names)), xlabel="change of the Jaccard index after the return")
    axes.set_yticklabels(names, fontsize=8)
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3, axis="x")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def make_text(runs: Runs, fingerprint: str) -> str:
    """Return all tables as Markdown."""
    keys = [PAPER, ("paper", OURS), ("paper", SPLIT), QUARTER, ("quarter", OURS), ("default", "default"), OLD_DEFAULT]
    keys += [("control", name) for name in CONTROLS]
    n_movies = len({movie for found in runs.values() for movie in found})
    parts = [f"Weights of fingerprint `{fingerprint}`, {n_movies} movies; behind each interval the number of movies."]
    parts += [levels_table(runs, keys), "Change, paired by movie (bold: the interval excludes 0). At the paper's size:"]
    same = [(name, (group, name), PAPER) for group, name in runs if group == "paper" and name != "base"]
    parts += [differences_table(runs, same), "At a quarter of it, against the paper's policies at that size:"]
    small = [(name, (group, name), QUARTER) for group, name in runs if group == "quarter" and name != "base"]
    parts += [differences_table(runs, small), "Other sizes and controls against the paper's memory:"]
    rest = [(_title(key), key, PAPER) for key in runs if key[0] != "paper"]
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
        shown = [PAPER, ("paper", OURS), ("paper", SPLIT), ("quarter", OURS), *(("control", name) for name in CONTROLS)]
        plot_time(runs, shown, args.images / "memory_time.png")
        plot_policies(runs, args.images / "memory_policies.png")


if __name__ == "__main__":
    main()
