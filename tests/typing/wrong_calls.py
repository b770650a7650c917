"""Calls that type checkers must refuse: mypy says "unused ignore" where one is taken.

Checked by ``mypy`` with the rest (pyproject.toml names this folder), never run. For pyright:
``pyright -p tests/typing/pyrightconfig.json``.
"""

from __future__ import annotations

from typing import Any

import napari_xmem as nx
from napari_xmem.memory import EVICTIONS


class NoPolicy:
    """Has no method of a policy."""


def settings() -> None:
    """Settings of memory and of runs."""
    nx.MemoryConfig(topk=20)  # type: ignore[call-arg]
    nx.MemoryConfig(top_k="20")  # type: ignore[arg-type]
    nx.MemoryConfig(eviction="usag")  # type: ignore[arg-type]
    nx.MemoryConfig(potentiation="Affinity")  # type: ignore[arg-type]
    nx.MemoryConfig(prototype_selection=None)  # type: ignore[arg-type]
    nx.MemoryConfig(eviction=NoPolicy())  # type: ignore[arg-type]
    nx.PropagationConfig(direction="sideways")  # type: ignore[arg-type]
    nx.PropagationConfig(percentiles=(1, 2, 3))  # type: ignore[arg-type]
    nx.MemoryConfig().top_k = 3  # type: ignore[misc]
    nx.MemoryConfig().replace(topk=20)  # type: ignore[call-arg]
    nx.MemoryConfig.paper(top_k="20")  # type: ignore[arg-type]
    nx.PropagationConfig().replace(directon="both")  # type: ignore[call-arg]
    EVICTIONS.register("mine", NoPolicy())  # type: ignore[arg-type]


def runs(frames: Any, seeds: Any, network: nx.ModelConfig) -> None:
    """Runs and what they cost."""
    nx.propagate(frames)  # type: ignore[call-arg]
    nx.propagate("movie.tif", None)  # type: ignore[arg-type]
    nx.propagate(3, seeds)  # type: ignore[arg-type]
    nx.iter_propagate(None, seeds)  # type: ignore[arg-type]
    nx.forecast(frames, 1)  # type: ignore[arg-type]
    nx.propagate_volumes(frames, None)  # type: ignore[arg-type]
    nx.propagate(frames, seeds, "bundled")  # type: ignore[call-arg]
    nx.propagate(frames, seeds, directon="both")  # type: ignore[call-arg]
    nx.propagate(frames, seeds, direction="sideways")  # type: ignore[arg-type]
    nx.propagate(frames, seeds, scope="Local")  # type: ignore[arg-type]
    nx.propagate(frames, seeds, memory={"top_k": 20})  # type: ignore[arg-type]
    nx.propagate(frames, seeds, model=network)  # type: ignore[arg-type]
    nx.propagate(frames, seeds, start="0")  # type: ignore[arg-type]
    nx.propagate(frames, seeds, channels=0)  # type: ignore[arg-type]
    nx.propagate(frames, seeds, precision="half")  # type: ignore[arg-type]
    nx.propagate(frames, seeds, progress=lambda done: None)  # type: ignore[arg-type, misc]
    nx.iter_propagate(frames, seeds, divisions="follow")  # type: ignore[arg-type]
    nx.forecast(frames, seeds, modle="bundled")  # type: ignore[call-arg]
    nx.propagate_volumes(frames, seeds, directon="both")  # type: ignore[call-arg]
    nx.iter_volumes(frames, seeds, fill_planes=2)  # type: ignore[arg-type]
    nx.find_similar("movie.tif", seeds)  # type: ignore[arg-type]
    nx.find_similar(frames, seeds, min_confidence="high")  # type: ignore[arg-type]
    nx.load_model(None)  # type: ignore[arg-type]
    nx.propogate(frames, seeds)  # type: ignore[attr-defined]


def results(result: nx.PropagationResult, frames: Any) -> None:
    """What comes out."""
    result.frame("3")  # type: ignore[arg-type]
    result.label  # type: ignore[attr-defined]  # noqa: B018
    result.explain(3, y=1)  # type: ignore[call-arg]
    result.scores.to_dataframes()  # type: ignore[attr-defined]
    nx.evaluate(result, 3)  # type: ignore[arg-type]
    nx.evaluate(result.labels, frames, frames="all")  # type: ignore[arg-type]
    nx.measure(frames, result, scale=0.3)  # type: ignore[arg-type]
    nx.open_movie(3)  # type: ignore[arg-type]
    nx.LabelWriter("labels.tif", 10)  # type: ignore[arg-type]
    nx.LabelWriter("labels.tif", (10, 64, 64), overwrit=True)  # type: ignore[call-arg]
    nx.write_tracks("tracks.csv", result, scale="um")  # type: ignore[arg-type]


def sessions(frames: Any, seeds: Any) -> None:
    """Sessions."""
    nx.TrackingSession(1, seeds)  # type: ignore[arg-type]
    nx.TrackingSession(frames, seeds, direction="both")  # type: ignore[call-arg]
    session = nx.TrackingSession(frames, seeds, config="fast")  # type: ignore[arg-type]
    nx.TrackingSession.of_labels(frames, seeds, modle="bundled")  # type: ignore[call-arg]
    nx.TrackingSession.of_result(frames, "result.npz")  # type: ignore[arg-type]
    session.run(progress=3)  # type: ignore[arg-type]
    session.correct(frames, forwards=True)  # type: ignore[call-arg]
    session.lock("all")  # type: ignore[arg-type]
    session.swap(1, 2)  # type: ignore[call-arg]
    session.end_object("1", 3)  # type: ignore[arg-type]
    session.divide(1, 3, daughters=2)  # type: ignore[arg-type]
