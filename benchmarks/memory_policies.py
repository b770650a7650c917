"""How much each policy of the memory manager is worth, on long movies.

Appends one line per run to a JSON Lines file and skips what is there already, so that it can be stopped and gone on
with at any time: ``python benchmarks/memory_policies.py``. All settings run through a movie together and share the
network's work (``lockstep.py``). ``memory_report.py`` makes of the lines the tables and plots of
docs/evidence/memory.md.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from memory_movies import MOVIES, Clip, Movie

from napari_xmem import MemoryConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_xmem.engine.scopes.base import TrackingScope

__all__ = ["SETTINGS", "Setting", "run_movie"]

#: The paper's frames in working memory and its policies. Its 10,000 long-term elements are full after 78 consolidations
#: of 128 prototypes, or 2,000 frames at its interval of 5; these are full after 4 of 20, or 30 frames.
PAPER = MemoryConfig.paper(permanent_seeds=True, memory_interval_frames=1, num_prototypes=20, long_term_max_elements=80)
#: A quarter of its elements: 2 instead of 9 frames at rest, 40 long-term elements.
QUARTER = PAPER.replace(working_min_frames=2, working_max_frames=3, num_prototypes=4, long_term_max_elements=40)

OURS = {"prototype_selection": "usage+novelty", "eviction": "coverage"}
IMPORTANCE = {"potentiation": "importance", "importance_strength": 1.0}
CONSISTENCY = {"potentiation": "consistency", "consistency_strength": 1.0}
POLICIES: dict[str, dict[str, Any]] = {
    "selection usage+novelty, eviction coverage": OURS,
    "eviction coverage": {"eviction": "coverage"},
    "eviction usage+coverage": {"eviction": "usage+coverage"},
    "eviction mix": {"eviction": "mix"},
    "eviction contribution": {"eviction": "contribution"},
    "eviction relevance": {"eviction": "relevance"},
    "eviction relevance+freshness": {"eviction": "relevance+freshness"},
    "eviction age": {"eviction": "age"},
    "selection usage+novelty": {"prototype_selection": "usage+novelty"},
    "selection novelty": {"prototype_selection": "novelty"},
    "selection uniform": {"prototype_selection": "uniform"},
    "potentiation importance": IMPORTANCE,
    "potentiation consistency": CONSISTENCY,
    "potentiation importance+consistency": {**IMPORTANCE, **CONSISTENCY, "potentiation": "importance+consistency"},
    "reading importance": {"reading_importance_strength": 1.0},
    "permanent prior 1": {"permanent_log_prior": 1.0},
    "permanent prior 2": {"permanent_log_prior": 2.0},
}
#: As much memory as the paper's, but 2 frames in the window and the rest long-term.
SPLIT = {"working_min_frames": 2, "working_max_frames": 3, "num_prototypes": 8, "long_term_max_elements": 780}
_AT_A_QUARTER = ("selection usage+novelty, eviction coverage", "eviction coverage", "selection usage+novelty")
_EVERY = {"memory_interval_frames": 1, "long_term": False}


@dataclass(frozen=True, slots=True)
class Setting:
    """A memory to try; ``last_only`` forgets all frames but the newest, the seeded one too."""

    group: str
    name: str
    memory: MemoryConfig
    last_only: bool = False


SETTINGS = (
    Setting("paper", "base", PAPER),
    Setting("quarter", "base", QUARTER),
    Setting("control", "first frame only", PAPER.replace(memory_interval_frames=10**6)),
    Setting("control", "last frame only", PAPER.replace(**_EVERY, working_min_frames=1), last_only=True),
    Setting("control", "first + last frame", PAPER.replace(**_EVERY, working_min_frames=1, working_max_frames=2)),
    Setting("control", "no long-term memory", PAPER.replace(long_term=False)),
    Setting("control", "unlimited memory", PAPER.replace(long_term=False, permanent_seeds=False)),
    Setting("default", "default", MemoryConfig()),
    Setting(
        "default", "default with the paper's policies", MemoryConfig(prototype_selection="usage", eviction="usage")
    ),
    Setting("paper", "two frames and long-term memory, both", PAPER.replace(**SPLIT, **OURS)),
    Setting("paper", "two frames and long-term memory", PAPER.replace(**SPLIT)),
    *(Setting("paper", name, PAPER.replace(**changes)) for name, changes in POLICIES.items()),
    *(Setting("quarter", name, QUARTER.replace(**POLICIES[name])) for name in _AT_A_QUARTER),
)


def run_movie(movie: Movie, settings: Sequence[Setting], network: Any) -> list[dict[str, Any]]:
    """Propagate the first frame's truth through a movie with every setting; returns scores and memory of each."""
    from lockstep import SharedInput, SharedNetwork

    from napari_xmem.config import PropagationConfig
    from napari_xmem.engine import prepare_run
    from napari_xmem.model.inference import choose_precision

    clip = movie.make()
    shared = SharedNetwork(network, choose_precision(network.device))
    config = PropagationConfig(
        scope="local", device="cpu", diameter_px=clip.diameter_px, max_displacement_px=clip.max_displacement_px
    )
    run = prepare_run(clip.image, clip.truth[0], shared, config)
    run = replace(run, prepare=SharedInput(run.prepare))

    def job(setting: Setting) -> Callable[[], dict[str, Any]]:
        own = replace(run, config=replace(run.config, memory=setting.memory))
        return lambda: _follow(own, clip, setting)

    rows = shared.run_together([job(setting) for setting in settings])
    return [
        {"movie": movie.name, "group": s.group, "setting": s.name, "fingerprint": network.fingerprint, **row}
        for s, row in zip(settings, rows, strict=True)
    ]


def _follow(run: Any, clip: Clip, setting: Setting) -> dict[str, Any]:
    """Do one run and score it."""
    from napari_xmem.engine import iter_run
    from napari_xmem.tracking.label_scores import evaluate

    truth = clip.truth
    labels, elements, evicted = np.zeros_like(truth), [0.0], 0
    for result in iter_run(run, watch=_forget_all_but_newest if setting.last_only else None):
        labels[result.frame] = result.labels
        if result.memory is not None:
            elements.append(result.memory.sizes.total / max(1, len(result.object_ids)))
            evicted = result.memory.totals.evicted
    rows = evaluate(labels, truth, frames=None).rows
    back = _returned(truth)
    after = [
        j for row in rows for i, j in zip(row.object_ids, row.jaccard, strict=True) if row.frame >= back.get(i, np.inf)
    ]
    return {
        "jaccard": [_rounded(row.mean_jaccard) for row in rows],
        "identity": [_rounded(row.identity) for row in rows],
        "swaps": sum(row.swaps for row in rows),
        "after_return": _rounded(np.mean(after)) if after else None,
        "elements_per_object": round(float(max(elements)), 1),
        "evicted": evicted,
        "memory": setting.memory.to_dict(),
    }


def _rounded(value: float) -> float | None:
    """Return what JSON can hold: None where nothing was there to score."""
    return None if np.isnan(value) else round(float(value), 4)


def _forget_all_but_newest(scope: TrackingScope, frame: int) -> None:
    for bank in scope.banks:
        held = {item.frame for item in bank.rows()}
        if len(held) > 1:
            bank.edit.forget_frames(held - {max(held)})


def _returned(truth: NDArray[np.uint16]) -> dict[int, int]:
    """Return the frame from which each object is back after 20 or more frames of absence."""
    back: dict[int, int] = {}
    for i in np.unique(truth[0])[1:].tolist():
        here = np.flatnonzero((truth == i).any(axis=(1, 2)))
        gaps = np.flatnonzero(np.diff(here) > 20)
        if len(gaps):
            back[i] = int(here[gaps[-1] + 1])
    return back


def main() -> None:
    """Do the runs that are missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".jsonl"))
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--movies", nargs="+", help=f"of {', '.join(m.name for m in MOVIES)}")
    parser.add_argument("--groups", nargs="+", help="of control, paper, quarter, default")
    parser.add_argument("--settings", nargs="+", help="names of settings")
    args = parser.parse_args()

    import torch

    from napari_xmem.model import load_model

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    network = load_model(args.model, "cpu")
    lines = args.out.read_text().splitlines() if args.out.exists() else []
    done = {(r["movie"], r["group"], r["setting"], r["fingerprint"]) for r in map(json.loads, lines)}
    print(f"model {network.fingerprint}, {len(done)} runs done before", flush=True)
    for movie in MOVIES:
        todo = [
            s
            for s in SETTINGS
            if (movie.name, s.group, s.name, network.fingerprint) not in done
            and (not args.groups or s.group in args.groups)
            and (not args.settings or s.name in args.settings)
        ]
        if not todo or (args.movies and movie.name not in args.movies):
            continue
        if not movie.is_there:
            print(f"{movie.name} is not here, skipped")
            continue
        begun, busy = time.perf_counter(), time.process_time()
        results = run_movie(movie, todo, network)
        with args.out.open("a") as file:
            file.writelines(json.dumps(result) + "\n" for result in results)
        spent = f"{time.process_time() - busy:.0f} s of processor time, {time.perf_counter() - begun:.0f} s"
        print(f"{movie.name}: {len(results)} runs in {spent}", flush=True)


if __name__ == "__main__":
    main()
