"""The suite's report: a table to print, one for a document, and all numbers as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from napari_xmem_training.suite.score import FRAMES, MovieScore, interval
from napari_xmem_training.suite.tracks import tracks_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_xmem_training.suite.tracks import TrackScore

__all__ = ["KindScore", "SuiteReport", "markdown_table"]


@dataclass(frozen=True)
class KindScore:
    """One method on all movies of a kind; means over movies of means over objects.

    Attributes
    ----------
    kind, method : str
        What was scored.
    jaccard, identity : dict of int to float
        By column (1, 5, 10, 19).
    interval : tuple of 2 float
        95 % bootstrap interval of the last column's Jaccard index.
    swaps, losses, objects : int
        On the last column, summed over movies: objects covered by a neighbour's label, objects lost, objects scored.
    ghosts : float
        Share of absences that were painted; NaN without absences.
    seconds : float
        Time of all movies.
    """

    kind: str
    method: str
    jaccard: dict[int, float]
    identity: dict[int, float]
    interval: tuple[float, float]
    swaps: int
    losses: int
    objects: int
    ghosts: float
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-able values; NaN becomes None."""
        return {
            "kind": self.kind, "method": self.method,
            "jaccard": {str(c): _plain(v) for c, v in self.jaccard.items()},
            "identity": {str(c): _plain(v) for c, v in self.identity.items()},
            "interval": [_plain(v) for v in self.interval],
            "swaps": self.swaps, "losses": self.losses, "objects": self.objects,
            "ghosts": _plain(self.ghosts), "seconds": round(self.seconds, 2),
        }  # fmt: skip

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Build from `to_dict` output."""
        columns = {name: {int(c): _known(v) for c, v in values[name].items()} for name in ("jaccard", "identity")}
        low, high = (_known(v) for v in values["interval"])
        return cls(**{**values, **columns, "interval": (low, high), "ghosts": _known(values["ghosts"])})


@dataclass(frozen=True)
class SuiteReport:
    """All scores of a run; ``str(report)`` is a table.

    Attributes
    ----------
    scores : tuple of MovieScore
        One per movie and method.
    fingerprints : dict of str to int
        Checksum of every movie.
    about : dict
        Model, device and settings.
    tracks : tuple of TrackScore
        One per movie whose lineage is known and method, where they were asked for.
    """

    scores: tuple[MovieScore, ...]
    fingerprints: dict[str, int]
    about: dict[str, Any]
    tracks: tuple[TrackScore, ...] = ()

    @cached_property
    def kinds(self) -> tuple[KindScore, ...]:
        """Scores per kind and method, in order of the run."""
        pairs = dict.fromkeys((s.kind, s.method) for s in self.scores)
        kinds = dict.fromkeys(kind for kind, _ in pairs)
        order = [(kind, method) for kind in kinds for k, method in pairs if k == kind]
        return tuple(self._kind(kind, method) for kind, method in order)

    def _kind(self, kind: str, method: str) -> KindScore:
        movies = [s for s in self.scores if (s.kind, s.method) == (kind, method)]
        columns = [c for c in FRAMES if any(c in m.columns for m in movies)]
        rows = {c: [m.columns[c] for m in movies if c in m.columns] for c in columns}
        last = rows[columns[-1]] if columns else []
        ghosts = [m.ghosts for m in movies if not np.isnan(m.ghosts)]
        return KindScore(
            kind,
            method,
            {c: _mean([r.mean for r in found]) for c, found in rows.items()},
            {c: _mean([r.identity for r in found]) for c, found in rows.items()},
            interval([r.jaccard for r in last]),
            sum(r.swaps for r in last),
            sum(r.losses for r in last),
            sum(len(r.jaccard) for r in last),
            _mean(ghosts),
            sum(m.seconds for m in movies),
        )

    def __str__(self) -> str:
        lines = [
            f"{'kind':14} {'method':8} {'J@1':>5} {'J@5':>5} {'J@10':>5} {'J@19':>5}  {'95 %':>9}  "
            f"{'id@5':>5} {'id@19':>5} {'swaps':>5} {'lost':>5} {'of':>4} {'ghost':>5} {'s':>6}"
        ]
        shown = ""
        for k in self.kinds:
            cells = " ".join(_number(k.jaccard.get(c)) for c in FRAMES)
            low, high = k.interval
            limits = f"{low:.2f}-{high:.2f}"
            last = max(k.identity, default=0)
            lines.append(
                f"{k.kind if k.kind != shown else '':14} {k.method:8} {cells}  {limits:>9}  "
                f"{_number(k.identity.get(5))} {_number(k.identity.get(last))} {k.swaps:5d} {k.losses:5d} "
                f"{k.objects:4d} {_number(k.ghosts)} {k.seconds:6.1f}"
            )
            shown = k.kind
        for method, mean in self.means().items():
            lines.append(f"{'mean of kinds':14} {method:8} J@last {mean[0]:.3f}  id@last {mean[1]:.3f}")
        if self.tracks:
            lines += ["", tracks_table(self.tracks)]
        return "\n".join(lines)

    def means(self) -> dict[str, tuple[float, float]]:
        """Return J and identity on the last column, mean over kinds, per method."""
        out = {}
        for method in dict.fromkeys(s.method for s in self.scores):
            found = [k for k in self.kinds if k.method == method and k.jaccard]
            out[method] = (
                _mean([k.jaccard[max(k.jaccard)] for k in found]),
                _mean([k.identity[max(k.identity)] for k in found]),
            )
        return out

    def markdown(self) -> str:
        """Return the table for a document, see `markdown_table`."""
        return markdown_table(self.kinds)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values; NaN becomes None."""
        kinds = [k.to_dict() for k in self.kinds]
        movies = [
            {
                "movie": s.movie, "method": s.method, "seeds": s.objects,
                "frames": {str(c): {"frame": r.frame, "jaccard": _plain(r.mean), "identity": _plain(r.identity),
                                    "swaps": r.swaps, "losses": r.losses} for c, r in s.columns.items()},
            }
            for s in self.scores
        ]  # fmt: skip
        means = {m: [_plain(v) for v in pair] for m, pair in self.means().items()}
        return {"about": self.about, "means": means, "kinds": kinds, "movies": movies, "checksums": self.fingerprints,
                "tracks": [row.to_dict() for row in self.tracks]}  # fmt: skip

    def write(self, path: Path) -> None:
        """Write `to_dict` as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.to_dict(), indent=1) + "\n")


def markdown_table(kinds: Sequence[KindScore]) -> str:
    """Return a row per kind: J and identity of the model, J and identity of the baselines on the last column.

    Parameters
    ----------
    kinds : sequence of KindScore
        Of `SuiteReport.kinds`.
    """
    others = [m for m in dict.fromkeys(k.method for k in kinds) if m != "model"]
    head = ["kind", "objects", "J@1", "J@5", "J@10", "J@19 (95 %)", "id@19", "swaps / lost", "ghosts"]
    head += [f"{name}: J@19 / id@19" for name in others]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    table = {(k.kind, k.method): k for k in kinds}
    for kind in dict.fromkeys(k.kind for k in kinds):
        k = table[kind, "model"]
        last = max(k.jaccard)
        row = [kind, str(k.objects), *(_number(k.jaccard.get(c)).strip() for c in FRAMES[:3])]
        row.append(f"{k.jaccard[last]:.2f} ({k.interval[0]:.2f} to {k.interval[1]:.2f})")
        row += [f"{k.identity[last]:.2f}", f"{k.swaps} / {k.losses}", _number(k.ghosts).strip()]
        row += [f"{b.jaccard[last]:.2f} / {b.identity[last]:.2f}" for b in (table[kind, m] for m in others)]
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines)


def _mean(values: list[float]) -> float:
    known = [v for v in values if not np.isnan(v)]
    return float(np.mean(known)) if known else float("nan")


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)


def _known(value: float | None) -> float:
    return float("nan") if value is None else value


def _number(value: float | None) -> str:
    return f"{'-':>5}" if value is None or np.isnan(value) else f"{value:5.2f}"
