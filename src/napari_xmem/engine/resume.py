"""The rest of a run that was stopped: what is left to do, with the memory it had."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_xmem.engine.frame_order import Pass

if TYPE_CHECKING:
    from napari_xmem.engine.late_objects import HeldObjects
    from napari_xmem.engine.run import Run
    from napari_xmem.engine.scopes.follow import Follower
    from napari_xmem.engine.state_file import StoredMemory

__all__ = ["frames_given_out", "is_given_out", "rest_of_run"]


def is_given_out(run: Run, n_worked: int) -> bool:
    """Tell whether the frame worked on as number `n_worked` (from 1), over all passes, is given out."""
    for part in run.passes:
        if n_worked <= len(part.frames):
            return n_worked > part.report_from
        n_worked -= len(part.frames)
    return False


def frames_given_out(run: Run, n_worked: int) -> list[int]:
    """List the frames whose results were given out when `n_worked` frames, over all passes, had been worked on."""
    out: list[int] = []
    for part in run.passes:
        out += part.frames[part.report_from : n_worked]
        n_worked = max(0, n_worked - len(part.frames))
    return out


def rest_of_run(run: Run, n_worked: int, memory: StoredMemory, held: HeldObjects | None = None) -> Run:
    """Return what is left of a run after `n_worked` frames, over all passes: the same results as without the stop.

    Parameters
    ----------
    run : Run
        The whole run, prepared anew from the same input.
    n_worked : int
        Frames worked on before the stop, also those whose results were not given out.
    memory : StoredMemory
        Memory after the last of them.
    held : HeldObjects, optional
        What they found on frames of later passes; None: nothing.

    Raises
    ------
    MemoryBankError
        If the memory is of another model or scope.
    """
    memory.check(run.network.fingerprint, run.scope)
    run = replace(run, held=held)
    passes = list(run.passes)
    while passes and n_worked >= len(passes[0].frames):
        n_worked -= len(passes.pop(0).frames)
    if not passes or not n_worked:  # stopped between two passes: the next begins with a memory of its own
        return replace(run, passes=passes)
    first = passes[0]
    passes[0] = Pass(first.frames[n_worked:], max(0, first.report_from - n_worked), first.held)
    fresh = [memory.restore]

    def begin(follower: Follower) -> None:
        start = fresh.pop() if fresh else run.begin
        if start is not None:
            start(follower)

    return replace(run, passes=passes, begin=begin)
