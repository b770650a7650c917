"""What runs over movies and over movies of volumes share."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from napari_xmem.cli.options import run_settings
from napari_xmem.cli.terminal.json_file import write_json
from napari_xmem.cli.terminal.printing import say_error
from napari_xmem.errors import InputError, OutputError
from napari_xmem.words import counted

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator

    from napari_xmem.cli.terminal.stopping import StopRequest
    from napari_xmem.engine.scopes.base import TrackingScope, Watch
    from napari_xmem.session.checkpoint import RunCheckpoint

__all__ = [
    "check_seed_frame",
    "engine_options",
    "frame_range",
    "hint_at_direction",
    "keeping",
    "saving_memory",
    "seed_frame",
    "tell",
    "watching",
]


@contextmanager
def saving_memory(checkpoint: RunCheckpoint) -> Iterator[None]:
    """Save memory where a frame was not begun, so that memory is as the last one left it."""
    try:
        yield
    except (InputError, OutputError):
        with suppress(OutputError):
            checkpoint.save_memory()
        raise


@contextmanager
def keeping(checkpoint: RunCheckpoint) -> Iterator[None]:
    """Keep what is finished whatever happens, and say so."""
    try:
        with saving_memory(checkpoint):
            yield
    except BaseException:
        if checkpoint.exists:
            n = checkpoint.n_frames
            kept = f"{counted(n, 'finished frame')} {'is' if n == 1 else 'are'}" if n else "what was done is"
            note = f"{kept} kept in {checkpoint.folder}; run the same command with --resume to go on."
            say_error(note, kind="note")
        raise


def watching(checkpoint: RunCheckpoint, stop: StopRequest) -> Watch:
    """Return what follows a run from inside: it keeps the run, and stops it where the frame at hand has no result."""

    def watch(scope: TrackingScope, frame: int) -> None:
        checkpoint.watch(scope, frame)
        if stop.signal is not None and checkpoint.is_whole:
            checkpoint.save_memory()
            stop.obey()

    return watch


def engine_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return the options that `iter_propagate` and `forecast` share."""
    return {**run_settings(args), "start": args.start, "stop": args.stop}


def check_seed_frame(args: argparse.Namespace, shape: tuple[int, ...], single: int) -> None:
    """Raise `InputError` if --seed-frame is given for seeds that name their frames themselves.

    Parameters
    ----------
    args : Namespace
        ``seed_frame``, ``seeds``, and ``stacks_too``: there may be stacks among single images, as in batches.
    shape : tuple of int
        Shape of the seeds.
    single : int
        Dimensions of seeds of one frame.
    """
    if args.seed_frame is None or args.stacks_too or len(shape) <= single:
        return
    raise InputError(
        f"--seed-frame {args.seed_frame} is for seeds of a single frame, but {args.seeds} has shape {shape}: a stack, "
        "in which frames without labels are zero. Leave --seed-frame out, or give that frame's labels only."
    )


def frame_range(args: argparse.Namespace, n_frames: int) -> tuple[int, int]:
    """Return first frame and end (exclusive) of --start and --stop, or raise `InputError`."""
    start, stop = args.start or 0, n_frames if args.stop is None else args.stop
    if start < 0 or stop < 0:
        name, value = ("--start", start) if start < 0 else ("--stop", stop)
        raise InputError(
            f"{name} {value}: frames are counted from the first, which is 0; the movie's are 0 to {n_frames - 1}."
        )
    if not start < stop <= n_frames:
        raise InputError(
            f"--start {start} --stop {stop} give no frames of this movie, whose frames are 0 to {n_frames - 1}: "
            f"expected --start below --stop, and --stop at most {n_frames}."
        )
    return start, stop


def hint_at_direction(args: argparse.Namespace, seeded: Iterable[int], start: int, stop: int) -> None:
    """Say so where only a seeded frame itself will be labelled, since there is none after it in that direction."""
    frames = [t for t in seeded if start <= t < stop]
    if stop - start < 2 or args.quiet or not frames:
        return
    at_end = (args.direction == "forward" and min(frames) == stop - 1) or (
        args.direction == "backward" and max(frames) == start
    )
    if at_end:
        other = "backward" if args.direction == "forward" else "forward"
        say_error(
            f"the seeds lie on frame {frames[0]}, and there is no frame {'after' if other == 'backward' else 'before'} "
            f"it: nothing else will be labelled with --direction {args.direction}. Did you mean --direction {other} or "
            "both?",
            kind="note",
        )


def seed_frame(args: argparse.Namespace, start: int, stop: int) -> int:
    """Return the frame that a single image, or volume, of seeds belongs to."""
    if args.seed_frame is not None:
        return int(args.seed_frame)
    return stop - 1 if args.direction == "backward" else start


def tell(args: argparse.Namespace, facts: dict[str, Any]) -> None:
    """Write the record of a run that belongs to a batch, and hand it to whoever began the run.

    Parameters
    ----------
    args : Namespace
        ``record``, a file or None, and ``told``, a list that gets the facts, where there are such.
    facts : dict
        What was done, see ``--json``.
    """
    write_json(getattr(args, "record", None), facts)
    told = getattr(args, "told", None)
    if told is not None:
        told.append(facts)
