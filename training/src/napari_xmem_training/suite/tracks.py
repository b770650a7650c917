"""Tracks and divisions on the suite's movies whose lineage is known, with other ways of tracking beside them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.engine import propagate
from napari_xmem.imaging import median_diameter_px
from napari_xmem.tracking import Lineage
from napari_xmem_training.suite.tracking_baselines import laptrack_links, split_naively

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_xmem.config import MemoryConfig, Scope
    from napari_xmem.model import XMem
    from napari_xmem.tracking.metrics import TrackingScores
    from napari_xmem_training.suite.movie import SuiteMovie

    Tracked = tuple[NDArray[Any], Lineage]

__all__ = ["TrackScore", "score_tracks", "tracks_table"]

#: Frames by which a division may be found too early or too late.
_TOLERANCE_FRAMES = 1


@dataclass(frozen=True)
class TrackScore:
    """Scores of the tracks of one method on one movie.

    Attributes
    ----------
    kind, movie, method : str
        What was scored.
    scores : TrackingScores
        Links, divisions and masks, daughters counted as cells of their own.
    seconds : float
        Time the method took.
    """

    kind: str
    movie: str
    method: str
    scores: TrackingScores
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able values."""
        about = {"kind": self.kind, "movie": self.movie, "method": self.method, "seconds": round(self.seconds, 2)}
        return {**about, **self.scores.to_dict()}


def score_tracks(movie: SuiteMovie, network: XMem, memory: MemoryConfig, scope: Scope) -> list[TrackScore]:
    """Follow a movie's seeds and score the tracks: ours, and what others make of our masks.

    Parameters
    ----------
    movie : SuiteMovie
        A movie with ``track_truth``.
    network : XMem
        The model.
    memory, scope
        See `napari_xmem.propagate`.

    Returns
    -------
    list of TrackScore
        "model"; "split": our masks with daughters under their mother's label, split naively; "laptrack": our masks
        linked by laptrack; "given": true masks linked by laptrack. None of a movie without a known lineage.
    """
    from napari_xmem.tracking.metrics import score_tracking

    if movie.track_truth is None:
        return []
    true, parents = movie.track_truth
    lineage = Lineage.from_labels(true, parents)
    cutoff_px = median_diameter_px(movie.seeds.astype(np.int64))

    def run(divisions: str) -> Any:
        return propagate(
            movie.frames, np.asarray(movie.seeds), model=network, memory=memory, scope=scope,
            device=str(network.device), divisions=divisions,  # type: ignore[arg-type]
        )  # fmt: skip

    ours: list[Tracked] = []

    def model() -> Tracked:
        result = run("track")
        ours.append((result.labels, result.lineage))
        return ours[0]

    def linked(labels: NDArray[Any]) -> Tracked:
        frames, tracks = laptrack_links(labels, cutoff_px)
        return np.stack(list(frames)), tracks

    methods: dict[str, Callable[[], Tracked]] = {
        "model": model,
        "split": lambda: split_naively(run("keep").labels),
        "laptrack": lambda: linked(ours[0][0]),
        "given": lambda: linked(true),
    }
    rows = []
    for name, method in methods.items():
        begun = time.perf_counter()
        labels, tracks = method()
        seconds = time.perf_counter() - begun
        rows.append(TrackScore(movie.kind, movie.name, name, score_tracking(labels, tracks, true, lineage), seconds))
    return rows


def tracks_table(rows: Sequence[TrackScore]) -> str:
    """Return a table with a line per kind and method: means over movies, divisions summed."""
    lines = [
        f"{'kind':14} {'method':8} {'TRA':>5} {'links':>5} {'J':>5} {'div F1':>6} {'right':>5} {'false':>5} {'of':>4}"
    ]
    for kind, method in dict.fromkeys((row.kind, row.method) for row in rows):
        found = [row.scores for row in rows if (row.kind, row.method) == (kind, method)]
        divisions = [d for s in found for d in s.divisions if d.tolerance_frames == _TOLERANCE_FRAMES]
        right, false, missed = (
            sum(getattr(d, name) for d in divisions)
            for name in ("true_positives", "false_positives", "false_negatives")
        )
        total = 2 * right + false + missed
        f1 = f"{2 * right / total:6.2f}" if total else f"{'-':>6}"
        means = " ".join(
            f"{np.mean([getattr(s, name) for s in found]):5.2f}" for name in ("tra", "links_kept", "mean_jaccard")
        )
        lines.append(f"{kind:14} {method:8} {means} {f1} {right:5d} {false:5d} {right + missed:4d}")
    return "\n".join(lines)
