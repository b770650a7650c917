"""Train small networks that differ in their strides only, and print docs/evidence/model.md's table of them.

python scripts/ablate_stride.py --data DATA --output strides

DATA is a folder of image archives; docs/model.md says under "Data" which, and where they come from.
May be stopped at any time; the same command goes on where it stood.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_xmem.engine import propagate
from napari_xmem.model import XMem, load_model
from napari_xmem.tracking.ancestry import labels_of_founders
from napari_xmem_training.loop import RunOptions, train
from napari_xmem_training.recipes import Recipe, get_recipe
from napari_xmem_training.suite.ablations import few_objects
from napari_xmem_training.suite.catalogue import suite_movies
from napari_xmem_training.suite.score import score_movie

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_xmem_training.suite.movie import SuiteMovie

KINDS = ("nuclei-dense", "yeast", "rods", "em-stack", "still-phase", "drosophila")
STEPS = 240


@dataclass(frozen=True)
class Row:
    """A row of the table: strides and scale, optimiser steps, CPU seconds to train and to follow, J per kind."""

    name: str
    steps: int
    training_s: float
    following_s: float
    jaccard: tuple[float, ...]


def stride_recipe(official: bool, steps: int = STEPS) -> Recipe:
    """Shorten the first part of ``cells-small``, for its own strides or for those of the official network.

    Parameters
    ----------
    official : bool
        True: strides (4, 8, 16); False: (2, 4, 8).
    steps : int
        Optimiser steps; three in ten are in larger regions, with the prior on places, at the size objects are
        followed at.
    """
    base = get_recipe("cells-small")
    late = 3 * steps // 10
    stages = (
        replace(base.stages[0], steps=steps - late, warmup_steps=steps // 8, learning_rate_end=5e-4),
        replace(
            base.stages[1], steps=late, learning_rate=5e-4, learning_rate_end=2e-5, others_compete=False, places=True,
            diameter_px=base.model.nominal_diameter_px, diameter_spread=0.3,
        ),
    )  # fmt: skip
    name = "strides-16" if official else "strides-8"
    return Recipe(name, replace(base.model, name=name, stem_pool=official), stages, base.seed)


def trained(recipe: Recipe, data_dir: Path | None, output: Path, budget_s: float | None) -> tuple[Path, float] | None:
    """Train or go on training; give the model's file and CPU seconds (without making clips), None if out of time."""
    folder = output / recipe.name
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / "cpu_seconds.json"
    seconds: dict[str, float] = json.loads(record.read_text()) if record.is_file() else {}
    last = time.process_time()

    def note(step: int, figures: dict[str, float]) -> None:
        nonlocal last
        now = time.process_time()
        seconds[str(step)], last = now - last, now
        if step % 20 == 0 or step == recipe.steps:
            record.write_text(json.dumps(seconds))
            print(f"{recipe.name}: step {step} of {recipe.steps}, loss {figures['loss']}", file=sys.stderr, flush=True)

    options = RunOptions(data_dir, folder, torch.device("cpu"), budget_s, validate_every=0)
    path = train(recipe, options, note)
    record.write_text(json.dumps(seconds))
    return None if path is None else (path, recipe.steps * float(np.mean(list(seconds.values()))))


def at_scale(model: Path, scale: float) -> XMem:
    """Load a network that sees objects `scale` times as large as it was trained for, with its prior to match."""
    network = load_model(str(model), "cpu")
    lengths = {name: scale * getattr(network.config, name) for name in ("nominal_diameter_px", "locality_px")}
    scaled = XMem(replace(network.config, **lengths))
    scaled.load_state_dict(network.state_dict())
    return scaled.requires_grad_(False).eval()


def follow(network: XMem, movies: Sequence[SuiteMovie]) -> tuple[float, tuple[float, ...]]:
    """Follow the seeds of movies with default settings: CPU seconds, J of the last column for each movie."""
    begun, jaccard = time.process_time(), []
    for movie in movies:
        result = propagate(movie.frames, np.asarray(movie.seeds), model=network, device="cpu")
        columns = score_movie(
            movie, labels_of_founders(result.labels, result.lineage.founder), network.config.name, 0.0
        ).columns
        jaccard.append(columns[max(columns)].mean)
    return time.process_time() - begun, tuple(jaccard)


def table(rows: Sequence[Row], kinds: Sequence[str]) -> str:
    """Return the rows as a markdown table."""
    head = ("strides", "optimiser steps", "training, CPU s", "following, CPU s", *kinds, "mean")
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for row in rows:
        cells = " | ".join(f"{value:.2f}" for value in row.jaccard)
        times = f"{row.training_s:.0f} | {row.following_s:.0f}"
        lines.append(f"| {row.name} | {row.steps} | {times} | {cells} | {np.mean(row.jaccard):.3f} |")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of the image archives; without it, simulated clips only")
    parser.add_argument("--output", type=Path, default=Path("strides"), help="folder of checkpoints and models")
    parser.add_argument("--steps", type=int, default=STEPS, help="optimiser steps of each network")
    parser.add_argument("--budget", type=float, metavar="S", help="stop each training after S seconds in this call")
    parser.add_argument("--kinds", nargs="+", help="kinds of the suite's movies")
    parser.add_argument("--objects", type=int, default=6, help="objects followed per movie")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    kinds = args.kinds or (KINDS if args.data else KINDS[:4])
    recipes = [stride_recipe(official, args.steps) for official in (False, True)]
    done = [trained(recipe, args.data, args.output, args.budget) for recipe in recipes]
    movies = [few_objects(next(iter(suite_movies(args.data, [kind]))), args.objects) for kind in kinds]
    rows: list[Row] = []
    for recipe, result in zip(recipes, done, strict=True):
        if result is None:
            sys.exit("Out of time; the same command goes on.")
        for scale in (1.0, 2.0) if recipe.model.stem_pool else (1.0,):
            name = str(recipe.model.strides) + (", objects twice as large" if scale == 2.0 else "")
            rows.append(Row(name, recipe.steps, result[1], *follow(at_scale(result[0], scale), movies)))
    print(table(rows, kinds))


if __name__ == "__main__":
    main()
