"""The plots of docs/evidence/memory.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from memory_numbers import (
    LONG,
    OURS,
    PAPER,
    SPLIT,
    Key,
    Runs,
    after_return,
    differences,
    elements,
    interval,
    of_scenarios,
    title_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

mpl.use("Agg")
from matplotlib import pyplot as plt

__all__ = ["plot_policies", "plot_size", "plot_time"]


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
            named = group == "control" or name in ("base", "default", OURS, SPLIT)
            error = [[mean - low], [high - mean]] if named else None
            place = elements(found), mean
            look = {"alpha": 1.0, "markersize": 7} if named else {"alpha": 0.4, "markersize": 4}
            panel.errorbar(*place, error, fmt=marker, color=colour, **look)
            if named:
                text = title_of((group, name)).replace(OURS, "coverage").replace(SPLIT, "two frames, coverage")
                panel.annotate(text, place, (6, 5), textcoords="offset points", fontsize=7)
        panel.set(xscale="log", xlabel="most elements per object", title=scenario)
        panel.margins(x=0.25)
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("Jaccard index after the return")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def plot_time(runs: Runs, keys: Sequence[Key], path: Path) -> None:
    """Draw Jaccard index and identity over time, one column per scenario."""
    names = [n for n in ("return", "cycle", *LONG) if any(of_scenarios(runs.get(key, {}), (n,)) for key in keys)]
    figure, axes = plt.subplots(
        2, len(names), figsize=(2.6 * len(names) + 1, 5), sharey=True, squeeze=False, layout="constrained"
    )
    for row, what in enumerate(("jaccard", "identity")):
        for panel, name in zip(axes[row], names, strict=True):
            for number, key in enumerate(keys):
                curves = [np.array(r[what], float) for r in of_scenarios(runs.get(key, {}), (name,)).values()]
                if curves:
                    panel.plot(np.mean(curves, 0), label=title_of(key), color=f"C{number}", linewidth=1.1)
            panel.set(title=name if row == 0 else "", xlabel="frame" if row else "")
            panel.grid(alpha=0.3)
        axes[row, 0].set_ylabel("Jaccard index" if what == "jaccard" else what)
    named = {label: line for panel in axes[0] for line, label in zip(*panel.get_legend_handles_labels(), strict=True)}
    figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=4, fontsize=7)
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
