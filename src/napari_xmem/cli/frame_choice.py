"""Which frames are done, and which of them the seeds belong to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from napari_xmem.cli.terminal.printing import say_error
from napari_xmem.errors import InputError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

__all__ = ["check_seed_frame", "frame_range", "hint_at_direction", "hint_at_number", "seed_frame"]


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


def hint_at_number(args: argparse.Namespace, numbers: Sequence[int] | None, n_frames: int, taken: int) -> None:
    """Say so where a single image of seeds bears the number of another frame than the one it is taken for.

    Parameters
    ----------
    args : argparse.Namespace
        The command line; nothing is said where it names the frame.
    numbers : sequence of int or None
        Numbers in the names of the movie's frames, where they are files of their own.
    n_frames : int
        Frames of the movie.
    taken : int
        The frame that the seeds are taken for.
    """
    found = re.search(r"(?<!\d)(\d{2,})$", Path(str(args.seeds)).stem)
    if args.seed_frame is not None or args.quiet or found is None:
        return
    number = int(found[1])
    meant = numbers.index(number) if numbers and number in numbers else number
    if meant != taken and meant < n_frames:
        say_error(
            f"{args.seeds} is taken for frame {taken}; if it shows frame {meant}, as its name says, add "
            f"--seed-frame {meant}.",
            kind="note",
        )


def seed_frame(args: argparse.Namespace, start: int, stop: int) -> int:
    """Return the frame that a single image, or volume, of seeds belongs to."""
    if args.seed_frame is not None:
        return int(args.seed_frame)
    return stop - 1 if args.direction == "backward" else start
