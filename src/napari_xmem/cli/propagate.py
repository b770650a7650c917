"""``napari-xmem propagate``: labels on every frame from labels on some."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_xmem.cli.messages import frame_list, progress, say
from napari_xmem.cli.options import add_model_options, add_quiet, int_list, memory_config
from napari_xmem.errors import InputError, OutputError

if TYPE_CHECKING:
    import argparse

    import numpy as np
    from numpy.typing import NDArray

    from napari_xmem.imaging import FrameSource
    from napari_xmem.io import Movie

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
    parser.add_argument("--direction", choices=("forward", "backward", "both"), default="forward")
    parser.add_argument("--start", type=int, metavar="T", help="first frame to label")
    parser.add_argument("--stop", type=int, metavar="T", help="frame to stop before")
    add_model_options(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace outputs that exist")
    parser.add_argument("--dry-run", action="store_true", help="check everything, write nothing")
    add_quiet(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Propagate and write frame by frame."""
    from napari_xmem.imaging import FrameSource, label_dtype, normalise_seeds
    from napari_xmem.io import open_labels, open_movie

    _check_outputs(args)
    memory = memory_config(args.memory)
    movie = open_movie(args.movie, args.axes)
    source = FrameSource(movie.data, channels=args.channels)
    start, stop = _frame_range(args, len(source))
    labels = open_labels(args.seeds)
    seeds = normalise_seeds(labels.data, len(source), source.frame_shape, _seed_frame(args, start, stop))
    if not any(start <= t < stop for t in seeds):
        raise InputError(f"seeds lie on frames {frame_list(seeds)}, all outside frames {start} to {stop - 1}.")
    dtype = label_dtype(max(int(frame.max()) for frame in seeds.values()))
    if args.dry_run:
        return _report_plan(args, movie, source, seeds, dtype, memory)
    return _propagate(args, movie, source, seeds, dtype, memory, (start, stop))


def _propagate(
    args: argparse.Namespace,
    movie: Movie,
    source: FrameSource,
    seeds: dict[int, NDArray[np.int64]],
    dtype: Any,
    memory: Any,
    frame_range: tuple[int, int],
) -> int:
    from napari_xmem.engine import iter_propagate
    from napari_xmem.io import LabelWriter
    from napari_xmem.io.overview import Overview
    from napari_xmem.io.scores import ScoreWriter

    began = time.monotonic()
    start, stop = frame_range
    results = iter_propagate(source, seeds, model=args.model, memory=memory, **_options(args))
    lost: set[int] = set()
    with ExitStack() as stack:
        writer = stack.enter_context(
            LabelWriter(args.output, (len(source), *source.frame_shape), dtype, args.overwrite, movie.scale, movie.unit)
        )
        scores = stack.enter_context(ScoreWriter(args.scores, args.overwrite)) if args.scores else None
        overview = Overview.of_range(source, start, stop) if args.overview else None
        bar = stack.enter_context(progress(stop - start, "propagating", args.quiet))
        n_done = 0
        for result in results:
            writer.write(result.frame, result.labels)
            if scores is not None:
                scores.write(result)
            if overview is not None:
                overview.add(result.frame, result.labels, result.seeded)
            lost |= {i for i, area in zip(result.object_ids, result.area_px, strict=True) if area == 0}
            n_done += 1
            bar.update()
    if overview is not None:
        overview.save(args.overview)
    if not args.quiet:
        n_objects = len({int(i) for frame in seeds.values() for i in _ids(frame)})
        say(
            f"{n_objects} objects on {n_done} frames in {time.monotonic() - began:.1f} s"
            + (f"; {len(lost)} of them not found on every frame" if lost else "")
        )
        for path in filter(None, (args.output, args.overview, args.scores)):
            say(f"wrote {path}")
    return 0


def _options(args: argparse.Namespace) -> dict[str, Any]:
    """Return the options that `iter_propagate` and `forecast` share."""
    names = ("device", "scope", "direction", "start", "stop", "diameter_px", "max_displacement_px", "precision")
    budget = None if args.memory_budget is None else round(args.memory_budget * 1e9)
    return {**{name: getattr(args, name) for name in names}, "memory_budget_bytes": budget}


def _check_outputs(args: argparse.Namespace) -> None:
    from napari_xmem.io import check_output

    wanted = [(args.output, None), (args.overview, ".png"), (args.scores, ".csv")]
    inputs = {Path(p).resolve() for p in (args.movie, args.seeds)}
    for path, suffixes in wanted:
        if path is None:
            continue
        check_output(path, args.overwrite) if suffixes is None else check_output(path, args.overwrite, suffixes)
        if Path(path).resolve() in inputs:
            raise OutputError(f"{path} is also an input; choose another name for the output.")


def _frame_range(args: argparse.Namespace, n_frames: int) -> tuple[int, int]:
    start, stop = args.start or 0, n_frames if args.stop is None else args.stop
    if not 0 <= start < stop <= n_frames:
        raise InputError(
            f"--start {start} --stop {stop}: expected 0 <= start < stop <= {n_frames} (the movie's frames)."
        )
    return start, stop


def _seed_frame(args: argparse.Namespace, start: int, stop: int) -> int:
    if args.seed_frame is not None:
        return int(args.seed_frame)
    return stop - 1 if args.direction == "backward" else start


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
    from napari_xmem.model import load_model

    network = load_model(args.model, device=args.device)
    expected = forecast(source, seeds, model=network, memory=memory, **_options(args))
    diameter = median_diameter_px(next(iter(seeds.values())))
    rows, columns = source.frame_shape
    say(
        f"movie   {movie.path}: {len(source)} frames of {rows} x {columns} px, {source.n_channels} channel(s), "
        f"{source.dtype}"
    )
    say(f"seeds   {expected.n_objects} objects on frames {frame_list(seeds)}, median diameter {diameter:.0f} px")
    say(f"model   {network.config.name}, on {expected.device}")
    say(f"scope   {expected.reason}")
    say(f"output  {args.output}: {(len(source), rows, columns)} {dtype.__name__}")
    say(f"cost    {expected.describe()}")
    say("dry run: nothing was written")
    return 0


def _ids(labels: NDArray[np.int64]) -> tuple[int, ...]:
    from napari_xmem.imaging import object_ids

    return object_ids(labels)
