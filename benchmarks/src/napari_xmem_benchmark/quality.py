"""Does following objects in regions of their own cost quality? Both scopes on the same movies, with the same model."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.engine import propagate
from napari_xmem.errors import InputError
from napari_xmem.model import load_model
from napari_xmem.tracking import evaluate
from napari_xmem.tracking.ancestry import labels_of_founders
from napari_xmem_benchmark.scenes import look_alikes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_xmem_benchmark.measure import Case

__all__ = ["SIMULATED", "TrackedMovie", "quality", "tracked_movie"]

#: The global scope takes seconds per frame: all movies together some minutes.
MOST_FRAMES = 8
SIMULATED = ("nuclei", "phase contrast", "look-alikes", "look-alikes, dense")


@dataclass(frozen=True, slots=True)
class TrackedMovie:
    """Frames ``(T, Y, X)``, truth ``(T, Y, X)`` whose first frame are the seeds, and which objects count on a frame."""

    name: str
    frames: NDArray[Any]
    truth: NDArray[Any]
    trusted: dict[int, list[int]] = field(default_factory=dict)


def tracked_movie(name: str) -> TrackedMovie:
    """Simulate one of `SIMULATED`, or read an npz file with ``frames`` and ``labels``.

    A file may also hold ``track_ids`` (n,), ``reliable`` (n,) and ``ok`` (n, T): which objects count, and on which
    frames.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    from napari_xmem.sample_data import simulated_nuclei, simulated_phase_contrast

    if name == "nuclei":
        return TrackedMovie(name, *simulated_nuclei(MOST_FRAMES, (176, 176), 16))
    if name == "phase contrast":
        return TrackedMovie(name, *simulated_phase_contrast(MOST_FRAMES, (208, 208), 11))
    if name in SIMULATED:
        dense = name.endswith("dense")
        return TrackedMovie(name, *look_alikes((168, 208), MOST_FRAMES, pitch_px=30 if dense else 42))
    try:
        with np.load(name, allow_pickle=False) as file:
            stored = {key: file[key] for key in ("frames", "labels", "track_ids", "reliable", "ok") if key in file}
        frames, truth = stored["frames"], stored["labels"]
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"{name}: cannot be read ({error}); expected an npz file with frames and labels.") from error
    trusted = {}
    if {"track_ids", "reliable", "ok"} <= set(stored):
        for t in range(len(truth)):
            trusted[t] = stored["track_ids"][stored["reliable"] & stored["ok"][:, t]].tolist()
    return TrackedMovie(Path(name).stem, frames[:MOST_FRAMES], truth[:MOST_FRAMES], trusted)


def quality(case: Case) -> dict[str, Any]:
    """Propagate the first frame's labels in both scopes with default settings; mean scores over frames, all swaps."""
    movie, network = tracked_movie(case.movie), load_model("bundled", case.device)
    figures: dict[str, Any] = {
        "seconds": {},
        "movie": movie.name,
        "frames": len(movie.frames),
        "seeded": int(np.unique(movie.truth[0]).size - 1),
        "model": network.fingerprint,
    }
    for scope in ("local", "global"):
        begun = time.process_time()
        result = propagate(
            movie.frames, {0: movie.truth[0]}, model=network, scope=scope, device=case.device, precision=case.precision
        )
        figures["seconds"][scope] = (time.process_time() - begun) / len(movie.frames)
        figures[scope] = {
            **_scores(movie, labels_of_founders(result.labels, result.lineage.founder)),
            "precision": result.recipe["precision"],
        }
    return figures


def _scores(movie: TrackedMovie, labels: NDArray[Any]) -> dict[str, float]:
    rows = []
    for t in range(1, len(movie.truth)):
        ids = movie.trusted.get(t)
        if ids is None or set(ids) & set(np.unique(movie.truth[0]).tolist()):
            rows.append(evaluate(labels, movie.truth, [t], 0, None, ids).rows[0])
    scored = [row for row in rows if row.jaccard]
    return {
        "jaccard": float(np.mean([row.mean_jaccard for row in scored])),
        "identity": float(np.mean([row.identity for row in scored])),
        "last_jaccard": scored[-1].mean_jaccard,
        "last_identity": scored[-1].identity,
        "swaps": sum(row.swaps for row in scored),
    }
