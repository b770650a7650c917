"""What a run may write: one process at a time, nothing replaced that is not its own, no input among it."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from napari_xmem.errors import OutputError
from napari_xmem.files import OccupiedError, output_lock

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

__all__ = ["OccupiedOutputError", "check_outputs", "finished_before", "holding", "may_replace", "wanted_outputs"]


class OccupiedOutputError(OutputError):
    """Another process is writing an output."""


def wanted_outputs(args: argparse.Namespace) -> list[str]:
    """Return the files and folders that a run is asked to write, labels first."""
    paths = (args.output, args.overview, args.scores, args.tracks, args.measure)
    return [path for path in paths if path is not None]


@contextmanager
def holding(args: argparse.Namespace) -> Iterator[None]:
    """Keep other processes from writing the same outputs; this is also the test whether they can be written at all.

    Raises
    ------
    OccupiedOutputError
        If another process is writing one of them.
    OutputError
        If nothing can be written there.
    """
    with ExitStack() as stack:
        for path in wanted_outputs(args):
            if not Path(path).absolute().parent.is_dir():
                continue  # said by `check_outputs`
            try:
                stack.enter_context(output_lock(path))
            except OccupiedError as error:
                raise OccupiedOutputError(f"{error.strerror}.") from error
            except OSError as error:
                raise OutputError(f"{path} cannot be written: {error.strerror or error}.") from error
        yield


def check_outputs(args: argparse.Namespace) -> None:
    """Check everything about outputs that can be known before the movie is opened.

    Sets ``args.own``: outputs that stand there already, but are of the unfinished run that is taken up.

    Raises
    ------
    OutputError
        If an output exists, is of the wrong kind, has no folder, is also an input, or an unfinished run is in the way.
    """
    from napari_xmem.io import WRITABLE, check_output, check_tracks_output
    from napari_xmem.session.checkpoint import RunCheckpoint

    checkpoint = RunCheckpoint(args.output)
    args.own = checkpoint.outputs[0] if args.resume else set()
    wanted = [(args.output, WRITABLE), (args.overview, ".png"), (args.scores, ".csv"), (args.measure, ".csv")]
    for path, suffixes in wanted:
        if path is not None:
            check_output(path, may_replace(args, path), suffixes, needs_folder=args.needs_folder)
    if args.tracks is not None:
        check_tracks_output(args.tracks, may_replace(args, args.tracks), needs_folder=args.needs_folder)
    paths = wanted_outputs(args)
    for path in paths:
        for source in (args.movie, args.seeds):
            _check_apart(path, source)
    if len({_real(path) for path in paths}) < len(paths):
        raise OutputError("two outputs have one name; give each a name of its own.")
    if checkpoint.exists and not args.resume and not args.overwrite and not args.dry_run:
        raise OutputError(
            f"{checkpoint.folder} holds {checkpoint.n_frames} finished frames of an interrupted run: add --resume to "
            "go on with it, or --overwrite to start afresh."
        )


def may_replace(args: argparse.Namespace, path: str) -> bool:
    """Return True if an output may take the place of what stands there."""
    return bool(args.overwrite) or Path(os.path.abspath(path)) in args.own


def finished_before(args: argparse.Namespace) -> bool:
    """Return True if all that is wanted stands there and no run is unfinished: nothing is left to do.

    What a run that was killed at its very end has left beside its outputs is removed.
    """
    from napari_xmem.session.checkpoint import RunCheckpoint

    checkpoint = RunCheckpoint(args.output)
    if (checkpoint.outputs[1] or not checkpoint.exists) and not args.dry_run:
        checkpoint.remove()
    return not checkpoint.exists and all(Path(path).exists() for path in wanted_outputs(args))


def _check_apart(output: str, source: str) -> None:
    """Raise if writing an output would harm an input: the same file, or a store that holds it."""
    target, given = _real(output), _real(_file_of(source))
    if target == given or target in given.parents:
        through = "" if source == output else f" ({source})"
        raise OutputError(f"{output} is also an input{through}; choose another name for the output.")


def _file_of(source: str) -> str:
    """Return the file of an input such as ``store.zarr:group/array``."""
    place, colon, _ = source.rpartition(":")
    return place if colon and not os.path.exists(source) and os.path.exists(place) else source


def _real(path: str) -> Path:
    return Path(os.path.realpath(path))
