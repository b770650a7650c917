"""Propagating seeds: through one plane, or plane by plane through a movie of stacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_xmem.widgets.jobs.job_messages import Planned
from napari_xmem.widgets.jobs.planes import plane_by_plane
from napari_xmem.widgets.jobs.prepare import PropagationJob, prepare_session
from napari_xmem.widgets.jobs.session_loop import session_frames

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_xmem.widgets.jobs.threads import JobControl

__all__ = ["PropagationJob", "prepare_session", "propagation_job"]


def propagation_job(control: JobControl, job: PropagationJob) -> Generator[Any, None, bool]:
    """Propagate; yields `Stage`, `Planned`, `FrameDone` and `Refused`.

    Returns
    -------
    bool
        True if all frames were done, False if it was stopped.

    Raises
    ------
    XMemError
        If something given cannot be used, or a frame fails.
    """
    if job.planes:
        return (yield from plane_by_plane(control, job))
    session = yield from prepare_session(control, job)
    if session is None:
        return False
    run = session.current_run()
    job.target.allocate(run.dtype)
    yield Planned(run.n_results, session, {**run.recipe, "scope_reason": run.scope_reason})
    return (yield from session_frames(control, session))
