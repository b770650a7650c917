"""Run the suite: every movie, the model and the baselines."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.config import MemoryConfig, Scope
from napari_xmem.engine import propagate
from napari_xmem.model import load_model
from napari_xmem.tracking.ancestry import labels_of_founders
from napari_xmem_training.suite.baselines import BASELINES, FLOW_NAME
from napari_xmem_training.suite.catalogue import planned_movies
from napari_xmem_training.suite.score import MovieScore, score_movie
from napari_xmem_training.suite.table import SuiteReport
from napari_xmem_training.suite.tracks import TrackScore, score_tracks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_xmem.model import XMem
    from napari_xmem_training.suite.movie import SuiteMovie

    Progress = Callable[[int, int, str], None]
    Keep = Callable[[SuiteMovie, str, NDArray[Any]], None]

__all__ = ["SuiteOptions", "count_movies", "follow", "run_suite"]


@dataclass(frozen=True)
class SuiteOptions:
    """What is run.

    Attributes
    ----------
    model : str
        "bundled", "xmem" or a weights file.
    device : str
        See `napari_xmem.model.resolve_device`.
    data_dir : Path or None
        Folder of image archives and tracked movies; None: simulated kinds only.
    kinds : tuple of str
        Kinds to run; empty: all there are.
    baselines : bool
        Whether to run the baselines too.
    memory : MemoryConfig
        The memory manager's settings.
    scope : {"auto", "local", "global"}
        See `napari_xmem.propagate`.
    tracks : bool
        Whether to score tracks and divisions too, where the lineage is known, beside other ways of tracking.
    """

    model: str = "bundled"
    device: str = "auto"
    data_dir: Path | None = None
    kinds: tuple[str, ...] = ()
    baselines: bool = True
    memory: MemoryConfig = field(default_factory=MemoryConfig)
    scope: Scope = "auto"
    tracks: bool = False


def count_movies(options: SuiteOptions) -> int:
    """Return how many movies `run_suite` will make; errors as for `suite_movies`."""
    return len(planned_movies(options.data_dir, options.kinds))


def run_suite(options: SuiteOptions, progress: Progress | None = None, keep: Keep | None = None) -> SuiteReport:
    """Run the model and the baselines on every movie.

    Parameters
    ----------
    options : SuiteOptions
        What is run.
    progress : callable, optional
        Called with movies done, movies in all, and the name of the last one.
    keep : callable, optional
        Called with movie, method and labels, to look at them or draw them.

    Returns
    -------
    SuiteReport
        Tables and numbers.
    """
    plans = planned_movies(options.data_dir, options.kinds)
    network = load_model(options.model, options.device)
    scores: list[MovieScore] = []
    tracks: list[TrackScore] = []
    fingerprints: dict[str, int] = {}
    for done, make in enumerate(plans, 1):
        movie = make()
        fingerprints[movie.name] = movie.fingerprint
        methods: dict[str, Callable[[SuiteMovie], NDArray[Any]]] = {
            "model": lambda m: follow(m, network, options.memory, options.scope)
        }
        if options.baselines:
            methods |= BASELINES
        scores += _scored(movie, methods, keep)
        if options.tracks:
            tracks += score_tracks(movie, network, options.memory, options.scope)
        if progress:
            progress(done, len(plans), movie.name)
    about = {
        "model": network.config.name,
        "model_fingerprint": network.fingerprint,
        "device": str(network.device),
        "optical_flow": FLOW_NAME,
        "memory": options.memory.to_dict(),
        "scope": options.scope,
    }
    return SuiteReport(tuple(scores), fingerprints, about, tuple(tracks))


def _scored(
    movie: SuiteMovie, methods: dict[str, Callable[[SuiteMovie], NDArray[Any]]], keep: Keep | None
) -> list[MovieScore]:
    scores = []
    for name, method in methods.items():
        begun = time.perf_counter()
        labels = method(movie)
        scores.append(score_movie(movie, labels, name, time.perf_counter() - begun))
        if keep:
            keep(movie, name, labels)
    return scores


def follow(
    movie: SuiteMovie, network: XMem, memory: MemoryConfig | None = None, scope: Scope = "auto", **options: Any
) -> NDArray[Any]:
    """Propagate the seeds of a movie with default settings, but for `options` of `napari_xmem.propagate`.

    Daughters get the id of the painted cell that they descend from, as in the truth of the suite.
    """
    result = propagate(
        movie.frames, np.asarray(movie.seeds), model=network, memory=memory or MemoryConfig(), scope=scope,
        device=str(network.device), **options,
    )  # fmt: skip
    return labels_of_founders(result.labels, result.lineage.founder)
