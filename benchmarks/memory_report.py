"""Tables and plots of docs/memory.md from what memory_policies.py measured.

``python benchmarks/memory_report.py benchmarks/memory_policies.jsonl --images docs/images --page docs/memory.md``
prints the tables as Markdown, draws the plots, and puts the tables between the marks of the page.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

mpl.use("Agg")
from matplotlib import pyplot as plt

RESAMPLES = 10_000
MARKS = ("<!-- measured -->", "<!-- /measured -->")
CONTROLS = ("first frame only", "last frame only", "first + last frame", "no long-term memory", "unlimited memory")
Runs = dict[tuple[str, str], dict[str, dict[str, Any]]]


def read_runs(path: Path, fingerprint: str | None = None) -> Runs:
    """Return {(group, setting): {movie: run}} of one model: that of the last run, or `fingerprint`.

    Settings that were not tried on all movies are left out, so that all means are over the same movies.
    """
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    wanted = fingerprint or rows[-1]["fingerprint"]
    runs: Runs = {}
    for row in rows:
        if row["fingerprint"] == wanted:
            runs.setdefault((row["group"], row["setting"]), {})[row["movie"]] = row
    n_movies = max(map(len, runs.values()))
    return {key: found for key, found in runs.items() if len(found) == n_movies}


def jaccard(run: dict[str, Any]) -> float:
    """Mean over frames."""
    return float(np.nanmean(run["jaccard"]))


def identity(run: dict[str, Any]) -> float:
    """Mean over frames."""
    return float(np.nanmean(run["identity"]))


def late_jaccard(run: dict[str, Any]) -> float:
    """Mean over the last quarter of the frames."""
    return float(np.nanmean(run["jaccard"][-len(run["jaccard"]) // 4 :]))


def after_return(run: dict[str, Any]) -> float:
    """Mean of the objects that were gone for long, from their return on; NaN without such objects."""
    return float("nan") if run["after_return"] is None else float(run["after_return"])


def interval(values: Sequence[float], seed: int = 0) -> tuple[float, float, float]:
    """Return the mean over movies and its 95 % bootstrap interval (movies drawn with replacement)."""
    known = np.array([v for v in values if not np.isnan(v)])
    if not len(known):
        return float("nan"), float("nan"), float("nan")
    draws = np.random.default_rng(seed).choice(known, (RESAMPLES, len(known))).mean(1)
    low, high = np.percentile(draws, [2.5, 97.5])
    return float(known.mean()), float(low), float(high)


def elements(runs: dict[str, dict[str, Any]]) -> float:
    """Return the most elements per object, averaged over movies."""
    return float(np.mean([run["elements_per_object"] for run in runs.values()]))


def differences(one: dict[str, Any], other: dict[str, Any], measure: Callable[[dict[str, Any]], float]) -> list[float]:
    """Return `measure` of `one` minus that of `other`, movie by movie."""
    return [measure(one[m]) - measure(other[m]) for m in sorted(one) if m in other]


def levels_table(runs: Runs, keys: Sequence[tuple[str, str]]) -> str:
    """Return means with intervals, one line per memory."""
    lines = [
        "| memory | elements per object | Jaccard | last quarter | identity | after return |",
        "|---|---|---|---|---|---|",
    ]
    for key in keys:
        if key not in runs:
            continue
        found = runs[key].values()
        cells = []
        for measure in (jaccard, late_jaccard, identity, after_return):
            mean, low, high = interval([measure(run) for run in found])
            cells.append(f"{mean:.3f} ({low:.3f} to {high:.3f})")
        lines.append(f"| {_title(key)} | {elements(runs[key]):.0f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def policies_table(runs: Runs, group: str) -> str:
    """Return what each policy changes against the paper's three of the same size, paired by movie."""
    base = runs[group, "base"]
    lines = ["| policy | movies | Jaccard | last quarter | identity | after return |", "|---|---|---|---|---|---|"]
    for (other, name), found in runs.items():
        if other != group or name == "base":
            continue
        cells = []
        for measure in (jaccard, late_jaccard, identity, after_return):
            mean, low, high = interval(differences(found, base, measure))
            text = f"{mean:+.3f} ({low:+.3f} to {high:+.3f})"
            cells.append(f"**{text}**" if low > 0 or high < 0 else text)
        lines.append(f"| {name} | {len(set(found) & set(base))} | {' | '.join(cells)} |")
    return "\n".join(lines)


def scenarios_table(runs: Runs, keys: Sequence[tuple[str, str]]) -> str:
    """Return the mean Jaccard index per scenario."""
    names = sorted({movie.rsplit("-", 1)[0] for found in runs.values() for movie in found})
    lines = [f"| memory | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for key in keys:
        if key in runs:
            means = [[jaccard(r) for m, r in runs[key].items() if m.rsplit("-", 1)[0] == name] for name in names]
            cells = [f"{np.mean(values):.3f}" if values else "" for values in means]
            lines.append(f"| {_title(key)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _title(key: tuple[str, str]) -> str:
    titles = {("paper", "base"): "paper-like", ("quarter", "base"): "a quarter", ("default", "default"): "default"}
    return titles.get(key, key[1] if key[0] == "control" else f"{key[1]} ({key[0]})")


def plot_size(runs: Runs, path: Path) -> None:
    """Draw quality against elements per object."""
    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    looks = {
        "control": ("0.45", "s"),
        "paper": ("tab:blue", "o"),
        "quarter": ("tab:orange", "o"),
        "default": ("k", "*"),
    }
    for (group, name), found in runs.items():
        mean, low, high = interval([jaccard(run) for run in found.values()])
        colour, marker = looks[group]
        named = group == "control" or name in ("base", "default")
        error = [[mean - low], [high - mean]] if named else None
        size = 9 if named else 4
        axes.errorbar(
            elements(found), mean, error, fmt=marker, color=colour, markersize=size, alpha=1 if named else 0.5
        )
        if named:
            axes.annotate(
                _title((group, name)), (elements(found), mean), (6, 5), textcoords="offset points", fontsize=8
            )
    axes.set(xscale="log", xlabel="most elements per object", ylabel="Jaccard index, mean over movies")
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def plot_time(runs: Runs, keys: Sequence[tuple[str, str]], path: Path) -> None:
    """Draw the Jaccard index over time, one panel per scenario."""
    names = sorted({movie.rsplit("-", 1)[0] for found in runs.values() for movie in found})
    figure, axes = plt.subplots(1, len(names), figsize=(3 * len(names), 3), sharey=True, layout="constrained")
    for panel, name in zip(np.atleast_1d(axes), names, strict=True):
        for key in keys:
            curves = [r["jaccard"] for m, r in runs.get(key, {}).items() if m.rsplit("-", 1)[0] == name]
            if curves:
                panel.plot(_smooth(np.nanmean(curves, 0)), label=_title(key), linewidth=1.2)
        panel.set(title=name, xlabel="frame")
        panel.grid(alpha=0.3)
    np.atleast_1d(axes)[0].set_ylabel("Jaccard index")
    np.atleast_1d(axes)[-1].legend(fontsize=7)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _smooth(curve: NDArray[np.float64], width: int = 9) -> NDArray[np.float64]:
    padded = np.pad(curve, width // 2, mode="edge")
    return np.convolve(padded, np.full(width, 1 / width), mode="valid")


def plot_policies(runs: Runs, path: Path) -> None:
    """Draw what each policy changes, with intervals, at both sizes."""
    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    names = list(dict.fromkeys(name for group, name in runs if group in ("paper", "quarter") and name != "base"))
    for shift, group, colour in ((0.15, "quarter", "tab:orange"), (-0.15, "paper", "tab:blue")):
        for row, name in enumerate(names):
            if (group, name) not in runs:
                continue
            mean, low, high = interval(differences(runs[group, name], runs[group, "base"], jaccard))
            axes.errorbar(mean, row + shift, xerr=[[mean - low], [high - mean]], fmt="o", color=colour, markersize=4)
        axes.plot([], [], "o", color=colour, label="a quarter" if group == "quarter" else "paper-like size")
    axes.axvline(0, color="k", linewidth=0.8)
    axes.set(yticks=range(len(names)), xlabel="change of the Jaccard index against the paper's policies, 95 % interval")
    axes.set_yticklabels(names, fontsize=8)
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3, axis="x")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _against(runs: Runs, key: tuple[str, str]) -> str:
    parts = []
    for name, measure in (("Jaccard", jaccard), ("last quarter", late_jaccard), ("identity", identity)):
        mean, low, high = interval(differences(runs[key], runs["paper", "base"], measure))
        parts.append(f"{name} {mean:+.3f} ({low:+.3f} to {high:+.3f})")
    return ", ".join(parts)


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
    runs = read_runs(args.runs, args.fingerprint)
    if not runs:
        raise SystemExit(f"{args.runs} holds no run of that model.")
    keys = [("paper", "base"), ("quarter", "base"), ("default", "default"), *(("control", name) for name in CONTROLS)]
    text = "\n\n".join([levels_table(runs, keys), scenarios_table(runs, keys)])
    for group, title in (("quarter", "a quarter of its size"), ("paper", "paper-like size")):
        if (group, "base") in runs and sum(other == group for other, _ in runs) > 1:
            text += f"\n\nChange against the paper's policies, {title} (bold: the interval excludes 0):\n\n"
            text += policies_table(runs, group)
    if ("quarter", "base") in runs and ("paper", "base") in runs:
        text += "\n\nA quarter minus paper-like, paired by movie: " + _against(runs, ("quarter", "base")) + "."
    print(text)
    if args.page:
        _put(args.page, text)
    if args.images:
        args.images.mkdir(parents=True, exist_ok=True)
        plot_size(runs, args.images / "memory_size.png")
        plot_time(runs, keys[:2] + keys[3:], args.images / "memory_time.png")
        if any(name not in ("base", "default") for group, name in runs if group != "control"):
            plot_policies(runs, args.images / "memory_policies.png")


if __name__ == "__main__":
    main()
