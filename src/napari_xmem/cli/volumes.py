"""``napari-xmem propagate`` on movies of volumes (T, Z, Y, X): plane after plane, one id per cell."""

from __future__ import annotations

import time
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.cli.checkpointing import keeping, saving_memory, watching
from napari_xmem.cli.frame_choice import check_seed_frame, frame_range, hint_at_direction, seed_frame
from napari_xmem.cli.options import engine_options, memory_config
from napari_xmem.cli.output_guard import wanted_outputs
from napari_xmem.cli.plan_report import report_plan
from napari_xmem.cli.run_facts import tell
from napari_xmem.cli.terminal.json_file import write_json
from napari_xmem.cli.terminal.printing import say
from napari_xmem.cli.terminal.progress import progress
from napari_xmem.cli.terminal.stopping import stopping_gently
from napari_xmem.cli.track_outputs import write_track_outputs
from napari_xmem.cli.volume_outputs import VolumeOutputs
from napari_xmem.errors import InputError
from napari_xmem.words import counted, frames_named, number_list

if TYPE_CHECKING:
    import argparse

    from numpy.typing import NDArray

    from napari_xmem.engine import Run
    from napari_xmem.engine.divisions_across_planes import PlaneDivisions
    from napari_xmem.engine.volume_runs import VolumeRuns
    from napari_xmem.io import Movie
    from napari_xmem.session.checkpoint import RunCheckpoint

__all__ = ["run"]


def run(args: argparse.Namespace, movie: Movie) -> int:
    """Check everything, then propagate in every seeded plane and write plane by plane."""
    from napari_xmem.config import PropagationConfig
    from napari_xmem.engine.volume_runs import VolumeRuns
    from napari_xmem.model import XMem, load_model

    config = PropagationConfig(memory=memory_config(args.memory), **engine_options(args))
    if config.entries == "find":
        raise InputError(f"--entries find is for frames (T, Y, X); {movie.path} holds volumes, shape {movie.shape}.")
    between = frame_range(args, movie.shape[0])
    volumes = _seeds(args, movie, between)
    network = args.model if isinstance(args.model, XMem) else load_model(args.model, device=args.device)
    runs = VolumeRuns.of(movie.data, volumes, network, config, args.channels)
    if args.fill_planes:
        runs = runs.with_seeds({t: _guessed(v) if args.dry_run else runs.filled(t) for t, v in volumes.items()})
    return _report_plan(args, movie, runs) if args.dry_run else _propagate(args, movie, runs, between)


def _seeds(args: argparse.Namespace, movie: Movie, between: tuple[int, int]) -> dict[int, NDArray[Any]]:
    """Read the seeds inside the frame range, frame to labels (Z, Y, X)."""
    from napari_xmem.engine.volume_runs import seed_volumes
    from napari_xmem.errors import SeedError
    from napari_xmem.io import open_labels

    start, stop = between
    labels = open_labels(args.seeds, volumes=True)
    check_seed_frame(args, labels.shape, 3)
    volumes = seed_volumes(labels.data, movie.shape[:4], seed_frame(args, start, stop))
    if not volumes:
        raise SeedError("seeds are empty: no voxel is above 0 on any frame; draw at least one object.")
    inside = {t: volume for t, volume in volumes.items() if start <= t < stop}
    if not inside:
        raise InputError(f"seeds lie on {frames_named(volumes)}, all outside frames {start} to {stop - 1}.")
    hint_at_direction(args, inside, start, stop)
    return inside


def _guessed(seeds: NDArray[Any]) -> NDArray[Any]:
    """Put the seeds of a frame on all its planes: the most that following them through z gives."""
    return np.broadcast_to(seeds.max(0), seeds.shape)


def _propagate(args: argparse.Namespace, movie: Movie, runs: VolumeRuns, between: tuple[int, int]) -> int:
    from napari_xmem.engine.divisions_across_planes import PlaneDivisions
    from napari_xmem.session.checkpoint import RunCheckpoint

    began = time.monotonic()
    checkpoint = RunCheckpoint(args.output, args.save_every)
    seen = PlaneDivisions()
    prepared = runs.tracked(seen) if runs.config.divisions == "track" else iter(runs)
    first = next(prepared)  # says what is wrong before anything is touched
    if not args.resume:
        checkpoint.remove()
    elif checkpoint.n_frames and not args.quiet:
        say(f"going on; {counted(checkpoint.n_frames, 'plane')} of frames finished before")
    planes = chain([first], prepared)
    with keeping(checkpoint), VolumeOutputs(args, movie, runs, between) as outputs:
        parts = _follow(args, planes, checkpoint, outputs, runs.n_results, seen)
        outputs.unite_divisions(lambda z, frame: parts[z].read(frame))
        checkpoint.name_outputs(wanted_outputs(args))
    write_track_outputs(args, movie, between, outputs.events)
    facts = outputs.facts(time.monotonic() - began)
    tell(args, facts)
    checkpoint.name_outputs(wanted_outputs(args), complete=True)
    checkpoint.remove()
    if not args.quiet:
        outputs.report(facts["seconds"])
    write_json(args.json, facts)
    return 0


def _follow(
    args: argparse.Namespace,
    planes: chain[tuple[int, Run]],
    checkpoint: RunCheckpoint,
    outputs: VolumeOutputs,
    n_results: int,
    seen: PlaneDivisions,
) -> dict[int, RunCheckpoint]:
    """Do plane after plane, each with a checkpoint of its own; returns these by plane."""
    from napari_xmem.engine import iter_run

    said: set[str] = set()
    parts: dict[int, RunCheckpoint] = {}
    with progress(n_results, "propagating", args.quiet, unit="plane") as bar, stopping_gently() as stop:
        for z, plan in planes:
            if plan.scope not in said and not args.quiet:
                said.add(plan.scope)
                say(f"scope {plan.scope_reason} (plane {z})")
            parts[z] = part = checkpoint.part(f"plane-{z:04d}")
            rest, kept = part.resume(plan) if args.resume else part.begin(plan)
            for result in kept:
                seen.add(result)
                outputs.write(z, result)
                bar.update()
            with saving_memory(part):
                for result in iter_run(rest, watch=watching(part, stop)):
                    part.keep(result)
                    seen.add(result)
                    outputs.write(z, result)
                    bar.update()
                    if stop.signal is not None and part.is_whole:
                        part.save_memory()
                        stop.obey()
            part.forget_memory()
    return parts


def _report_plan(args: argparse.Namespace, movie: Movie, runs: VolumeRuns) -> int:
    from napari_xmem.imaging import label_dtype, median_diameter_px, object_ids

    expected = runs.forecast()
    n_frames, n_planes, rows, columns = movie.shape[:4]
    source = runs.sources[0]
    ids = {i for volume in runs.volumes.values() for i in object_ids(volume)}
    seeds = [image for z in runs.planes for image in runs.seeds(z).values()]
    diameter = float(np.median([median_diameter_px(image) for image in seeds]))
    planes = "all planes, as far as they go" if args.fill_planes else f"planes {number_list(runs.planes)}"
    size = f"{counted(n_frames, 'frame')} of {counted(n_planes, 'plane')} of {rows} x {columns} px"
    return report_plan(
        args,
        expected,
        movie=f"{movie.path}: {size}, {counted(source.n_channels, 'channel')}, {source.dtype}",
        seeds=f"{counted(len(ids), 'object')} on {frames_named(runs.volumes)}, {planes}, "
        f"median diameter {diameter:.0f} px",
        model=runs.network.config.name,
        shape=movie.shape[:4],
        dtype=label_dtype(max(ids)),
        unit="plane",
    )
