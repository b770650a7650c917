"""What memory_policies.py measured, read and summed up; for the tables and the plots."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

RESAMPLES = 10_000
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
    ("return and cycle: J after it", ("return", "cycle"), after_return),
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
    """Return the most elements per object, averaged over movies of one frame size."""
    chosen = of_scenarios(found, ("return", "cycle")) or found
    return float(np.mean([run["elements_per_object"] for run in chosen.values()]))


def title_of(key: Key) -> str:
    """Return what a setting is called."""
    titles = {PAPER: "paper", QUARTER: "a quarter, the paper's policies", ("default", "default"): "default"}
    return titles.get(key, key[1] + (" (a quarter)" if key[0] == "quarter" else ""))
