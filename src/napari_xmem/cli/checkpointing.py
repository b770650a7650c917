"""Keeping what a run has done when it is stopped, killed or fails."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from napari_xmem.cli.terminal.printing import say_error
from napari_xmem.errors import InputError, OutputError
from napari_xmem.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_xmem.cli.terminal.stopping import StopRequest
    from napari_xmem.engine.scopes.base import TrackingScope, Watch
    from napari_xmem.session.checkpoint import RunCheckpoint

__all__ = ["keeping", "saving_memory", "watching"]


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
