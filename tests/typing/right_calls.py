"""Calls that type checkers must take, with the types of what they give; checked with the rest, never run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, assert_type

import numpy as np
import torch
from numpy.typing import NDArray

import napari_xmem as nx
from napari_xmem.memory import EVICTIONS


class Youngest:
    """A policy without any types."""

    def worth(self, *, usage: Any, age_frames: Any, relevance: Any, contribution: Any, isolation: Any) -> Any:
        """Let the oldest go first."""
        return -age_frames


def settings() -> None:
    """Settings of memory and of runs."""
    nx.MemoryConfig(top_k=None, eviction="usage+coverage", potentiation="importance", prototype_selection="novelty")
    nx.MemoryConfig.paper(eviction="mix").replace(mix_age=0.0)
    nx.MemoryConfig(eviction=Youngest())
    nx.MemoryConfig(eviction=EVICTIONS.register("youngest", Youngest()))
    EVICTIONS.register("youngest", lambda config: Youngest())
    nx.PropagationConfig(direction="both", scope="local", percentiles=(1, 99.0), memory_budget_bytes=10**9)


def runs(frames: NDArray[np.uint16], seeds: NDArray[np.int32]) -> None:
    """Runs and what they cost."""
    result = nx.propagate(frames, {0: seeds}, model=Path("own.safetensors"), direction="both", progress=True)
    assert_type(result, nx.PropagationResult)
    nx.propagate("movie.tif", Path("seeds.tif"), axes="TCYX", channels=[1], memory=nx.MemoryConfig())
    nx.propagate(nx.open_movie("movie.tif"), nx.open_labels("seeds.tif"), progress=lambda done, total: None)
    nx.propagate(list(frames), [seeds], start=0)
    nx.propagate(torch.zeros(3, 64, 64), {0: torch.zeros(64, 64), 2: "seeds.tif"})
    for frame in nx.iter_propagate(frames, seeds, divisions="keep", entries="find"):
        assert_type(frame, nx.FrameResult)
        assert_type(frame.confidence, NDArray[np.float32])
    nx.forecast(frames, seeds, precision="float32", diameter_px=20)
    nx.propagate_volumes(frames, {0: seeds}, fill_planes=True)
    found = nx.find_similar(frames[0], seeds, region=(slice(0, 10), slice(None)))
    assert_type(found, nx.FoundObjects)
    network = nx.load_model("bundled", "cpu")
    nx.identify(frames[1], seeds, "day_one.xmem", model=network)


def results(result: nx.PropagationResult, truth: NDArray[np.int32]) -> None:
    """What comes out."""
    assert_type(result.frame(3), nx.FrameResult)
    assert_type(result.scores.frames, NDArray[np.int64])
    result.explain(3, y=1.5, x=2)
    nx.evaluate(nx.open_labels("labels.tif"), result)
    for frames in (None, 3, [1, 2]):
        nx.evaluate(result, truth, frames)
    nx.measure(None, result, result.lineage, scale=(0.3, 0.3), unit="um").to_csv("table.csv")
    with nx.LabelWriter("labels.zarr", (10, 64, 64), np.uint32, overwrite=True) as writer:
        writer.write(0, truth)


def sessions(frames: NDArray[np.uint16], seeds: NDArray[np.int32]) -> None:
    """Sessions."""
    session = nx.TrackingSession(frames, {0: seeds}, config=nx.PropagationConfig(scope="local"))
    result = session.run(progress=True)
    assert_type(result, nx.PropagationResult)
    assert_type(nx.TrackingSession.of_result(frames, result, seeds={0: seeds}), nx.TrackingSession)
    session.correct({3: seeds}, backward=False)
    session.lock([1, 2])
    session.lock(range(5))
    session.end_object(1, from_frame=3)
    session.divide(1, 3, daughters=(4, 5))
