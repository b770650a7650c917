"""The benchmark of the memory's policies: runs side by side give what runs one by one give; the report is right."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from engine.simple_movies import disc_movie, tiny_network
from napari_xmem import MemoryConfig
from napari_xmem.config import PropagationConfig
from napari_xmem.engine import iter_run, prepare_run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _benchmarks_importable(monkeypatch: pytest.MonkeyPatch, repository: Path) -> None:
    monkeypatch.syspath_prepend(str(repository / "benchmarks"))
    for name in ("lockstep", "memory_movies", "memory_numbers", "memory_plots", "memory_policies", "memory_report"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def labels_of(run):
    return np.stack([result.labels for result in iter_run(run)])


def test_runs_side_by_side_give_what_runs_one_by_one_give():
    from lockstep import SharedInput, SharedNetwork

    frames, labels = disc_movie(2, 7, (64, 64), diameter=16)
    memories = [MemoryConfig(working_max_frames=4, num_prototypes=5), MemoryConfig(memory_interval_frames=3)]
    config = PropagationConfig(scope="local", device="cpu", precision="float32", diameter_px=16.0)
    alone = []
    for memory in memories:
        run = prepare_run(frames, labels[0], tiny_network(), replace(config, memory=memory))
        alone.append(labels_of(run))
    shared = SharedNetwork(tiny_network(), torch.float32)
    run = prepare_run(frames, labels[0], shared, config)
    run = replace(run, prepare=SharedInput(run.prepare))
    runs = [replace(run, config=replace(config, memory=memory)) for memory in memories]
    together = shared.run_together([lambda one=one: labels_of(one) for one in runs])
    for one, other in zip(alone, together, strict=True):
        assert (one == other).mean() > 0.999


def test_a_run_that_fails_does_not_hold_up_the_others():
    from lockstep import SharedNetwork

    frames, labels = disc_movie(2, 4, (64, 64), diameter=16)
    shared = SharedNetwork(tiny_network(), torch.float32)
    config = PropagationConfig(scope="local", device="cpu", precision="float32", diameter_px=16.0)
    run = prepare_run(frames, labels[0], shared, config)

    def fails():
        raise ValueError("no movie")

    with pytest.raises(ValueError, match="no movie"):
        shared.run_together([lambda: labels_of(run), fails])


def row(movie, group, setting, after, identity=(1.0, None, 0.5)):
    """Return one line of the benchmark; of three frames the second is empty."""
    jaccard = [0.9, None, after]
    counts = {"after_return": after, "swaps": 0, "elements_per_object": 40.0, "evicted": 3}
    names = {"movie": movie, "group": group, "setting": setting, "fingerprint": "abc"}
    return {**names, "jaccard": jaccard, "identity": list(identity), **counts}


def test_report_pairs_by_movie_and_marks_what_excludes_zero(tmp_path):
    import memory_numbers
    import memory_report

    rows = [row(f"return-{n}", "paper", "base", 0.1 * n) for n in range(1, 5)]
    rows += [row(f"return-{n}", "paper", "better", 0.1 * n + 0.2) for n in range(1, 5)]
    rows += [row(f"return-{n}", "paper", "as good", 0.1 * n + (-1) ** n * 0.1) for n in range(1, 4)]
    rows += [{**row("return-1", "paper", "base", 0.9), "fingerprint": "older"}]
    path = tmp_path / "runs.jsonl"
    path.write_text("\n".join(json.dumps(r) for r in reversed(rows)))
    runs, fingerprint = memory_numbers.read_runs(path)
    assert fingerprint == "abc"
    assert memory_numbers.after_return(runs["paper", "base"]["return-1"]) == pytest.approx(0.1)
    assert memory_numbers.identity_after(runs["paper", "base"]["return-1"]) == 0.5
    text = memory_report.make_text(runs, fingerprint)
    assert "`abc`, 4 movies" in text
    assert "| better | **+0.200 (+0.200 to +0.200)**, 4 | **+0.200 (+0.200 to +0.200)**, 4 |" in text
    line = next(line for line in text.splitlines() if line.startswith("| as good"))
    assert "**" not in line.split("|")[2] and ", 3 " in line


def test_interval_of_the_same_numbers_is_that_number():
    import memory_numbers

    assert memory_numbers.interval([0.5, 0.5, float("nan")]) == (0.5, 0.5, 0.5, 2)
    assert memory_numbers.interval([])[3] == 0
