"""What runs over movies and over movies of volumes share."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from napari_xmem.cli.messages import say_error
from napari_xmem.errors import InputError, OutputError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from napari_xmem.cli.messages import StopRequest
    from napari_xmem.engine.follow import Follower
    from napari_xmem.engine.propagate import Watch
    from napari_xmem.session.journal import RunJournal

__all__ = ["engine_options", "frame_range", "keeping", "saving_memory", "seed_frame", "watching"]


@contextmanager
def saving_memory(journal: RunJournal) -> Iterator[None]:
    """Save memory where a frame was not begun, so that memory is as the last one left it."""
    try:
        yield
    except (InputError, OutputError):
        with suppress(OutputError):
            journal.save_memory()
        raise


@contextmanager
def keeping(journal: RunJournal) -> Iterator[None]:
    """Keep what is finished whatever happens, and say so."""
    try:
        with saving_memory(journal):
            yield
    except BaseException:
        if journal.exists:
            kept = f"{journal.n_frames} finished frames are" if journal.n_frames else "what was done is"
            note = f"{kept} kept in {journal.folder}; run the same command with --resume to go on."
            say_error(note, kind="note")
        raise


def watching(journal: RunJournal, stop: StopRequest) -> Watch:
    """Return what follows a run from inside: it keeps the run, and stops it where the frame at hand has no result."""

    def watch(follower: Follower, frame: int) -> None:
        journal.watch(follower, frame)
        if stop.signal is not None and journal.is_whole:
            journal.save_memory()
            stop.obey()

    return watch


def engine_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return the options that `iter_propagate` and `forecast` share."""
    names = (
        "device", "scope", "direction", "start", "stop", "diameter_px", "max_displacement_px", "precision",
        "memory_device",
    )  # fmt: skip
    budget = None if args.memory_budget is None else round(args.memory_budget * 1e9)
    return {**{name: getattr(args, name) for name in names}, "memory_budget_bytes": budget}


def frame_range(args: argparse.Namespace, n_frames: int) -> tuple[int, int]:
    """Return first frame and end (exclusive) of --start and --stop, or raise `InputError`."""
    start, stop = args.start or 0, n_frames if args.stop is None else args.stop
    if not 0 <= start < stop <= n_frames:
        raise InputError(
            f"--start {start} --stop {stop}: expected 0 <= start < stop <= {n_frames} (the movie's frames)."
        )
    return start, stop


def seed_frame(args: argparse.Namespace, start: int, stop: int) -> int:
    """Return the frame that a single image, or volume, of seeds belongs to."""
    if args.seed_frame is not None:
        return int(args.seed_frame)
    return stop - 1 if args.direction == "backward" else start
