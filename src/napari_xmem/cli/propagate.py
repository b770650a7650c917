"""``napari-xmem propagate``: labels on every frame from labels on some."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from napari_xmem.cli import volumes
from napari_xmem.cli.checkpointing import keeping, watching
from napari_xmem.cli.find_rest import with_the_rest
from napari_xmem.cli.frame_choice import check_seed_frame, frame_range, hint_at_direction, hint_at_number, seed_frame
from napari_xmem.cli.movie_options import add_reading, add_time
from napari_xmem.cli.options import add_model_options, add_save_every, engine_options, memory_config
from napari_xmem.cli.output_guard import check_outputs, finished_before, holding, wanted_outputs
from napari_xmem.cli.outputs import Outputs
from napari_xmem.cli.plan_report import report_plan
from napari_xmem.cli.run_facts import tell
from napari_xmem.cli.seed_options import chosen_seeds
from napari_xmem.cli.terminal.json_file import check_json, write_json
from napari_xmem.cli.terminal.printing import say, say_error
from napari_xmem.cli.terminal.progress import progress
from napari_xmem.cli.terminal.stopping import stopping_gently
from napari_xmem.cli.terminal.threads import environment_defaults
from napari_xmem.cli.terminal.verbosity_options import add_talk
from napari_xmem.cli.track_outputs import add_track_outputs, write_track_outputs
from napari_xmem.errors import InputError
from napari_xmem.words import counted, frames_named

if TYPE_CHECKING:
    import argparse

    import numpy as np
    from numpy.typing import NDArray

    from napari_xmem.engine.identity.identify_across_movies import Identification
    from napari_xmem.imaging import FrameSource
    from napari_xmem.io import Movie
    from napari_xmem.session.checkpoint import RunCheckpoint

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

__all__ = ["add_parser", "run"]


_EXAMPLES = """  napari-xmem propagate movie.tif --seeds seeds.tif -o labels.tif
  napari-xmem propagate movie.tif --seeds frame5.tif --seed-frame 5 --direction both -o labels.zarr
  napari-xmem propagate movie.tif --seeds seeds.tif -o labels.tif --scores scores.csv --overview overview.png
  napari-xmem propagate movie.tif --seeds seeds.tif -o labels.tif --dry-run      # what will it cost?
  napari-xmem propagate movie.tif --seeds seeds.tif -o labels.tif --resume       # go on after a stop
"""
_FOREIGN = {
    "*": "propagate takes one movie: a file, or a folder of images; for several movies there is batch",
    "-v": "there are no levels of talk; --log FILE writes all that is said to a file",
    "--verbose": "there are no levels of talk; --log FILE writes all that is said to a file",
}


def add_parser(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "propagate",
        help="propagate seeds through a movie",
        description="Propagate the labels of some frames to all frames of a movie.",
        examples=_EXAMPLES,
        foreign=_FOREIGN,
    )
    files = parser.add_argument_group("files")
    files.add_argument("movie", metavar="MOVIE", help=".tif, .npy, .npz[:name], .zarr[:path] or a folder of images")
    files.add_argument(
        "--seeds",
        required=True,
        help="labels: a stack in which frames without labels are zero, or one frame (see --seed-frame)",
    )
    files.add_argument("-o", "--output", required=True, metavar="OUT", help="labels to write: .tif, .npy or .zarr")
    files.add_argument("--overview", metavar="PNG", help="also write a picture of frames with label outlines")
    files.add_argument("--scores", metavar="CSV", help="also write area and confidence per object and frame")
    add_track_outputs(files)
    files.add_argument("--overwrite", action="store_true", help="replace outputs that exist")
    files.add_argument("--resume", action="store_true", help="go on with a run that was interrupted, if there is one")
    add_save_every(files)
    files.add_argument("--dry-run", action="store_true", help="check everything, say what it costs, write nothing")
    add_reading(parser)
    add_time(parser)
    add_model_options(parser)
    add_talk(parser, "what was done, or with --dry-run would be,")
    environment_defaults(parser)
    parser.set_defaults(run=run, needs_folder=True, stacks_too=False)


def run(args: argparse.Namespace) -> int:
    """Propagate and write frame by frame."""
    others = (args.movie, args.seeds, args.output, args.overview, args.scores, args.tracks, args.measure)
    check_json(args.json, (*others, args.detections, args.known))
    with holding(args):
        if finished_before(args) and args.resume and not args.overwrite:
            if not args.quiet:
                say(f"nothing is left to do: {' and '.join(wanted_outputs(args))} stand there already")
            return 0
        check_outputs(args)
        return _run(args)


def _run(args: argparse.Namespace) -> int:
    from napari_xmem.imaging import FrameSource, label_dtype, normalise_seeds
    from napari_xmem.io import open_labels, open_movie

    memory = memory_config(args.memory)
    movie = open_movie(args.movie, args.axes, volumes=True)
    if "Z" in movie.axes:
        if args.known:
            raise InputError("--known is for frames (T, Y, X).")
        if args.seeds_axes or args.use_frames or args.split_parts or args.fill_outlines:
            raise InputError("--seeds-axes, --use-frames, --split-parts and --fill-outlines are for frames (T, Y, X).")
        if args.find_rest or args.detections:
            raise InputError(
                f"--find-rest and --detections are for frames (T, Y, X); {movie.path} holds volumes, "
                f"shape {movie.shape}."
            )
        return volumes.run(args, movie)
    if args.fill_planes:
        raise InputError(f"--fill-planes is for movies of volumes (T, Z, Y, X); {movie.path} has shape {movie.shape}.")
    source = FrameSource(movie.data, channels=args.channels)
    start, stop = frame_range(args, len(source))
    labels = open_labels(args.seeds, args.seeds_axes)
    check_seed_frame(args, labels.shape, 2)
    if len(labels.shape) == 2:
        hint_at_number(args, movie.frames, len(source), seed_frame(args, start, stop))
    seeds = normalise_seeds(labels, len(source), source.frame_shape, seed_frame(args, start, stop))
    seeds = chosen_seeds(args, seeds, len(source))
    if not any(start <= t < stop for t in seeds):
        raise InputError(f"seeds lie on {frames_named(seeds)}, all outside frames {start} to {stop - 1}.")
    hint_at_direction(args, seeds, start, stop)
    seeds = with_the_rest(args, source, seeds, range(start, stop))
    if args.dry_run:
        dtype = label_dtype(max(int(frame.max()) for frame in seeds.values()))
        return _report_plan(args, movie, source, seeds, dtype, memory)
    return _propagate(args, movie, source, seeds, memory, (start, stop))


def _propagate(
    args: argparse.Namespace,
    movie: Movie,
    source: FrameSource,
    seeds: dict[int, NDArray[np.int64]],
    memory: Any,
    frame_range: tuple[int, int],
) -> int:
    from napari_xmem.config import PropagationConfig
    from napari_xmem.engine import iter_run, prepare_run
    from napari_xmem.engine.identity.identify_across_movies import with_known
    from napari_xmem.engine.inputs import odd_diameter
    from napari_xmem.io import open_labels
    from napari_xmem.session.checkpoint import RunCheckpoint

    began = time.monotonic()
    config = PropagationConfig(memory=memory, **engine_options(args))
    detections = None if args.detections is None else open_labels(args.detections).data
    plan = prepare_run(source, seeds, args.model, config, detections=detections)
    if (diameter := odd_diameter(plan, "--diameter-px is")) and not args.quiet:
        say_error(diameter, kind="note")
    if args.known:
        plan, found = with_known(plan, args.known)
        if not args.quiet:
            say(_names_told(found))
    checkpoint = RunCheckpoint(args.output, args.save_every)
    interrupted = args.resume and checkpoint.exists
    rest, kept = checkpoint.resume(plan) if args.resume else checkpoint.begin(plan)
    if not args.quiet:
        say(f"scope {plan.scope_reason}")
        if interrupted:
            say(_resumed(checkpoint, len(kept)))
    with keeping(checkpoint), Outputs(args, movie, plan, frame_range) as outputs:
        for result in kept:
            outputs.write(result)
        with progress(plan.n_results, "propagating", args.quiet, done=len(kept)) as bar, stopping_gently() as stop:
            for result in iter_run(rest, watch=watching(checkpoint, stop)):
                checkpoint.keep(result)
                outputs.write(result)
                bar.update()
                if stop.signal is not None and checkpoint.is_whole:
                    checkpoint.save_memory()
                    stop.obey()
        checkpoint.name_outputs(wanted_outputs(args))
    write_track_outputs(args, movie, frame_range, outputs.events)
    facts = outputs.facts(time.monotonic() - began)
    tell(args, facts)
    checkpoint.name_outputs(wanted_outputs(args), complete=True)
    checkpoint.remove()
    if not args.quiet:
        outputs.report(facts["seconds"])
    write_json(args.json, facts)
    return 0


def _names_told(found: Identification) -> str:
    told = (
        f"{label} is a stranger ({sure:.2f})" if name is None else f"{label} is {name} ({sure:.2f})"
        for (label, name), sure in zip(found.assignment.items(), found.confidence.values(), strict=True)
    )
    return f"known: {', '.join(told)}"


def _resumed(checkpoint: RunCheckpoint, n_kept: int) -> str:
    if n_kept:
        return f"going on after {counted(n_kept, 'finished frame')}"
    if checkpoint.n_worked:
        worked = counted(checkpoint.n_worked, "frame")
        return f"going on after {worked} of the way back, whose results come with the way forward"
    return "starting again from the first frame: the interrupted run was stopped before its memory was saved"


def _report_plan(
    args: argparse.Namespace,
    movie: Movie,
    source: FrameSource,
    seeds: dict[int, NDArray[np.int64]],
    dtype: Any,
    memory: Any,
) -> int:
    from napari_xmem.engine import forecast
    from napari_xmem.imaging import median_diameter_px
    from napari_xmem.model import XMem, load_model

    network = args.model if isinstance(args.model, XMem) else load_model(args.model, device=args.device)
    expected = forecast(source, seeds, model=network, memory=memory, **engine_options(args))
    diameter = median_diameter_px(next(iter(seeds.values())))
    rows, columns = source.frame_shape
    frames, channels = counted(len(source), "frame"), counted(source.n_channels, "channel")
    objects = counted(expected.n_objects, "object")
    return report_plan(
        args,
        expected,
        movie=f"{movie.path}: {frames} of {rows} x {columns} px, {channels}, {source.dtype}",
        seeds=f"{objects} on {frames_named(seeds)}, median diameter {diameter:.0f} px",
        model=network.config.name,
        shape=(len(source), rows, columns),
        dtype=dtype,
    )
