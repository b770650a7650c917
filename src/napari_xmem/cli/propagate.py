"""``napari-xmem propagate``: labels on every frame from labels on some."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from napari_xmem.cli import volumes
from napari_xmem.cli.messages import counted, frame_list, progress, say
from napari_xmem.cli.options import add_model_options, add_quiet, add_setting, int_list, memory_config
from napari_xmem.cli.output_guard import check_outputs, finished_before, holding, wanted_outputs
from napari_xmem.cli.outputs import Outputs
from napari_xmem.cli.runs import check_seed_frame, engine_options, frame_range, keeping, seed_frame, watching
from napari_xmem.cli.stopping import stopping_gently
from napari_xmem.errors import InputError

if TYPE_CHECKING:
    import argparse

    import numpy as np
    from numpy.typing import NDArray

    from napari_xmem.imaging import FrameSource
    from napari_xmem.io import Movie
    from napari_xmem.session.checkpoint import RunCheckpoint

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "propagate",
        help="propagate seeds through a movie",
        description="Propagate the labels of some frames to all frames of a movie.",
    )
    parser.add_argument("movie", metavar="MOVIE", help=".tif, .npy, .npz[:name], .zarr[:path] or a folder of images")
    parser.add_argument(
        "--seeds",
        required=True,
        help="labels: a stack in which frames without labels are zero, or one frame (see --seed-frame)",
    )
    parser.add_argument(
        "--fill-planes", action="store_true", help="volumes: first follow the seeds through the planes of their frame"
    )
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help="labels to write: .tif, .npy or .zarr")
    parser.add_argument("--overview", metavar="PNG", help="also write a picture of frames with label outlines")
    parser.add_argument("--scores", metavar="CSV", help="also write area and confidence per object and frame")
    parser.add_argument("--axes", help="order of the movie's axes where its file doesn't say, such as TCYX")
    parser.add_argument("--channels", type=int_list, metavar="N,N", help="channels to use, up to three")
    parser.add_argument(
        "--seed-frame",
        type=int,
        metavar="T",
        help="frame that a single image of seeds belongs to; default: --start or 0, backward: the last",
    )
    add_setting(parser, "direction")
    add_setting(parser, "start", "T")
    add_setting(parser, "stop", "T")
    add_model_options(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace outputs that exist")
    parser.add_argument("--resume", action="store_true", help="go on with a run that was interrupted")
    parser.add_argument("--dry-run", action="store_true", help="check everything, write nothing")
    add_quiet(parser)
    parser.set_defaults(run=run, needs_folder=True, stacks_too=False)


def run(args: argparse.Namespace) -> int:
    """Propagate and write frame by frame."""
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
        return volumes.run(args, movie)
    if args.fill_planes:
        raise InputError(f"--fill-planes is for movies of volumes (T, Z, Y, X); {movie.path} has shape {movie.shape}.")
    source = FrameSource(movie.data, channels=args.channels)
    start, stop = frame_range(args, len(source))
    labels = open_labels(args.seeds)
    check_seed_frame(args, labels.shape, 2)
    seeds = normalise_seeds(labels.data, len(source), source.frame_shape, seed_frame(args, start, stop))
    if not any(start <= t < stop for t in seeds):
        raise InputError(f"seeds lie on frames {frame_list(seeds)}, all outside frames {start} to {stop - 1}.")
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
    from napari_xmem.session.checkpoint import RunCheckpoint

    began = time.monotonic()
    plan = prepare_run(source, seeds, args.model, PropagationConfig(memory=memory, **engine_options(args)))
    checkpoint = RunCheckpoint(args.output)
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
                if stop.signal is not None:
                    checkpoint.save_memory()
                    stop.obey()
        checkpoint.name_outputs(wanted_outputs(args))
    checkpoint.name_outputs(wanted_outputs(args), complete=True)
    checkpoint.remove()
    if not args.quiet:
        outputs.report(time.monotonic() - began)
    return 0


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
    say(f"movie   {movie.path}: {frames} of {rows} x {columns} px, {channels}, {source.dtype}")
    objects = counted(expected.n_objects, "object")
    say(f"seeds   {objects} on frames {frame_list(seeds)}, median diameter {diameter:.0f} px")
    say(f"model   {network.config.name}, on {expected.device}")
    say(f"scope   {expected.reason}")
    say(f"output  {args.output}: {(len(source), rows, columns)} {dtype.__name__}")
    say(f"cost    {expected.describe()}")
    say("dry run: nothing was written")
    return 0
