"""The rest of a run that was stopped: what is left to do, with the memory it had."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_xmem.engine.passes import Pass

if TYPE_CHECKING:
    from napari_xmem.engine.follow import Follower
    from napari_xmem.engine.portable import StoredMemory
    from napari_xmem.engine.run import Run

__all__ = ["can_be_resumed", "frames_given_out", "rest_of_run"]


def can_be_resumed(run: Run) -> bool:
    """Tell whether memory is all that a run needs to go on; not where a pass holds results back for a later one."""
    return not any(part.held for part in run.passes)


def frames_given_out(run: Run, n_worked: int) -> list[int]:
    """List the frames whose results were given out when `n_worked` frames, over all passes, had been worked on."""
    out: list[int] = []
    for part in run.passes:
        out += part.frames[part.report_from : n_worked]
        n_worked = max(0, n_worked - len(part.frames))
    return out


def rest_of_run(run: Run, n_worked: int, memory: StoredMemory) -> Run:
    """Return what is left of a run after `n_worked` frames, over all passes: the same results as without the stop.

    Parameters
    ----------
    run : Run
        The whole run, prepared anew from the same input.
    n_worked : int
        Frames worked on before the stop, also those whose results were not given out.
    memory : StoredMemory
        Memory after the last of them.

    Raises
    ------
    MemoryBankError
        If the memory is of another model or scope.
    """
    memory.check(run.network.fingerprint, run.scope)
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
