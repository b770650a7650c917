"""How much each policy of the memory manager is worth, on long simulated movies.

Appends one line per run to a JSON Lines file and skips what is there already, so that it can be stopped and run in
pieces: ``python benchmarks/memory_policies.py --jobs 2``. ``memory_report.py`` makes of it the tables and plots of
docs/memory.md.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem import MemoryConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["MOVIES", "SETTINGS", "Movie", "Setting", "run_one"]

#: The paper's frames, interval and prototypes for regions of 144 elements; long-term memory small enough to fill up.
PAPER_LIKE = MemoryConfig.paper(long_term_max_elements=640, permanent_seeds=True)
#: A quarter of its elements: 2 instead of 9 frames at rest, 196 long-term elements.
QUARTER = PAPER_LIKE.replace(working_min_frames=2, working_max_frames=3, num_prototypes=32, long_term_max_elements=196)

POLICIES: dict[str, dict[str, Any]] = {
    "selection novelty": {"prototype_selection": "novelty"},
    "selection usage+novelty": {"prototype_selection": "usage+novelty"},
    "eviction mix": {"eviction": "mix"},
    "reading importance": {"reading_importance_strength": 1.0},
    "seeds count e times": {"permanent_log_prior": 1.0},
    "eviction contribution": {"eviction": "contribution"},
    "eviction age": {"eviction": "age"},
    "selection uniform": {"prototype_selection": "uniform"},
    "potentiation importance": {"potentiation": "importance", "importance_strength": 1.0},
    "potentiation consistency": {"potentiation": "consistency", "consistency_strength": 1.0},
    "potentiation importance+consistency": {
        "potentiation": "importance+consistency",
        "importance_strength": 1.0,
        "consistency_strength": 1.0,
    },
    "eviction relevance": {"eviction": "relevance"},
}


@dataclass(frozen=True, slots=True)
class Movie:
    """A simulated movie: scenario of `napari_xmem.training.simulate.long`, seed, length."""

    scenario: str
    seed: int
    frames: int = 120

    @property
    def name(self) -> str:
        """Name in the results."""
        return f"{self.scenario}-{self.seed}"

    def make(self) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
        """Return movie and truth (T, 96, 96) uint16."""
        from napari_xmem.training.simulate.long import long_nuclei

        rng = np.random.default_rng(1000 + self.seed)
        made = long_nuclei(
            rng,
            frames=self.frames,
            scenario=self.scenario,  # type: ignore[arg-type]
            size_px=(96, 96),
            n_objects=3,
            diameter_px=36.0,
        )
        return made.image, made.labels


@dataclass(frozen=True, slots=True)
class Setting:
    """A memory to try; ``last_only`` forgets all frames but the newest, the seeded one too."""

    group: str
    name: str
    memory: MemoryConfig
    last_only: bool = False


MOVIES = (
    Movie("drift", 1),
    Movie("return", 1, 180),
    Movie("crowd", 1),
    Movie("bleach", 1),
    Movie("focus", 1),
    Movie("drift", 2),
    Movie("return", 2, 180),
    Movie("crowd", 2),
)

_EVERY = {"memory_interval_frames": 1, "long_term": False}
SETTINGS = (
    Setting("paper", "base", PAPER_LIKE),
    Setting("quarter", "base", QUARTER),
    Setting("control", "first frame only", PAPER_LIKE.replace(memory_interval_frames=10**6)),
    Setting("control", "first + last frame", PAPER_LIKE.replace(**_EVERY, working_min_frames=1, working_max_frames=2)),
    Setting("control", "no long-term memory", PAPER_LIKE.replace(long_term=False)),
    Setting("control", "unlimited memory", PAPER_LIKE.replace(long_term=False, permanent_seeds=False)),
    Setting("default", "default", MemoryConfig()),
    Setting("control", "last frame only", PAPER_LIKE.replace(**_EVERY, working_min_frames=1), last_only=True),
    *(Setting("quarter", name, QUARTER.replace(**changes)) for name, changes in POLICIES.items()),
    *(Setting("paper", name, PAPER_LIKE.replace(**changes)) for name, changes in POLICIES.items()),
)


def run_one(movie: Movie, setting: Setting, network: Any) -> dict[str, Any]:
    """Propagate the first frame's truth through a movie; returns scores, memory and time."""
    from napari_xmem.config import PropagationConfig
    from napari_xmem.engine import iter_run, prepare_run
    from napari_xmem.tracking.evaluation import evaluate

    image, truth = movie.make()
    # regions of 96 px, and pixels as they are
    config = PropagationConfig(
        memory=setting.memory,
        scope="local",
        device="cpu",
        diameter_px=network.config.nominal_diameter_px,
        max_displacement_px=12.0,
    )
    run = prepare_run(image, truth[0], network, config)
    labels, elements = np.zeros_like(truth), []
    begun = time.process_time()
    for result in iter_run(run, watch=_forget_all_but_newest if setting.last_only else None):
        labels[result.frame] = result.labels
        if result.memory is not None:
            elements.append(result.memory.sizes.total / max(1, len(result.object_ids)))
    seconds = time.process_time() - begun
    table = evaluate(labels, truth, frames=None)
    back = _returned(truth)
    after = [j for row in table.rows for i, j in zip(row.object_ids, row.jaccard, strict=True) if row.frame >= back(i)]
    return {
        "movie": movie.name,
        "group": setting.group,
        "setting": setting.name,
        "fingerprint": network.fingerprint,
        "jaccard": [round(row.mean_jaccard, 4) for row in table.rows],
        "identity": [round(row.identity, 4) for row in table.rows],
        "swaps": sum(row.swaps for row in table.rows),
        "after_return": round(float(np.mean(after)), 4) if after else None,
        "elements_per_object": round(float(max(elements)), 1),
        "cpu_seconds": round(seconds, 2),
        "memory": setting.memory.to_dict(),
    }


def _forget_all_but_newest(follower: Any, frame: int) -> None:
    for bank in follower.banks:
        held = {item.frame for item in bank.held_frames()}
        if len(held) > 1:
            bank.forget_frames(held - {max(held)})


def _returned(truth: NDArray[np.uint16]) -> Any:
    """Return a function from object to the frame where it is back after 20 or more frames of absence."""
    back: dict[int, float] = {}
    for i in np.unique(truth[0])[1:].tolist():
        here = np.flatnonzero((truth == i).any(axis=(1, 2)))
        gaps = np.flatnonzero(np.diff(here) > 20)
        back[i] = float(here[gaps[-1] + 1]) if len(gaps) else float("inf")
    return lambda i: back.get(i, float("inf"))


_NETWORK: list[Any] = []


def _start_worker(model: str) -> None:
    import torch

    from napari_xmem.model import load_model

    torch.set_num_threads(1)
    _NETWORK[:] = [load_model(model, "cpu")]


def _do(task: tuple[Movie, Setting]) -> dict[str, Any]:
    return run_one(*task, _NETWORK[0])


def _results(tasks: list[tuple[Movie, Setting]], model: str, jobs: int) -> Iterator[dict[str, Any]]:
    if jobs == 1:
        _start_worker(model)
        yield from map(_do, tasks)
        return
    with multiprocessing.get_context("spawn").Pool(jobs, _start_worker, (model,)) as pool:
        yield from pool.imap_unordered(_do, tasks)


def main() -> None:
    """Do the runs that are missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".jsonl"))
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 2) // 2))
    parser.add_argument("--movies", nargs="+", help=f"of {', '.join(m.name for m in MOVIES)}")
    parser.add_argument("--groups", nargs="+", help="of control, paper, quarter, default")
    parser.add_argument("--settings", nargs="+", help="names of settings")
    args = parser.parse_args()

    from napari_xmem.model import load_model

    fingerprint = load_model(args.model, "cpu").fingerprint
    lines = args.out.read_text().splitlines() if args.out.exists() else []
    done = {(r["movie"], r["group"], r["setting"], r["fingerprint"]) for r in map(json.loads, lines)}
    tasks = [
        (movie, setting)
        for setting in SETTINGS
        for movie in MOVIES
        if (movie.name, setting.group, setting.name, fingerprint) not in done
        and (not args.movies or movie.name in args.movies)
        and (not args.groups or setting.group in args.groups)
        and (not args.settings or setting.name in args.settings)
    ]
    print(f"{len(tasks)} runs to do, {len(done)} done before; model {fingerprint}", flush=True)
    for count, result in enumerate(_results(tasks, args.model, args.jobs), 1):
        with args.out.open("a") as file:
            file.write(json.dumps(result) + "\n")
        mean = np.nanmean(result["jaccard"])
        print(
            f"{count}/{len(tasks)} {result['movie']:10} {result['group']:8} {result['setting']:36} "
            f"J {mean:.3f}  {result['elements_per_object']:6.0f} elements  {result['cpu_seconds']:.1f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
