"""Movies of stacks: every painted plane is followed through time, one after the other, by the same numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.errors import SeedError
from napari_xmem.imaging import label_dtype
from napari_xmem.widgets.jobs.job_messages import FrameDone, NextSession, Planned, Stage
from napari_xmem.widgets.jobs.networks import NETWORKS
from napari_xmem.widgets.jobs.session_loop import session_frames

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_xmem.engine.divisions_across_planes import PlaneDivisions
    from napari_xmem.engine.volume_runs import VolumeRuns
    from napari_xmem.widgets.jobs.prepare import PropagationJob
    from napari_xmem.widgets.jobs.threads import JobControl

__all__ = ["plane_by_plane"]


def plane_by_plane(control: JobControl, job: PropagationJob) -> Generator[Any, None, bool]:
    """Propagate in every painted plane; yields and returns as `propagation_job`."""
    from napari_xmem.engine.divisions_across_planes import PlaneDivisions
    from napari_xmem.session import TrackingSession

    runs = yield from _volume_runs(control, job)
    if runs is None:
        return False
    done, total, seen = 0, runs.n_results, PlaneDivisions()
    painted = label_dtype(max(int(volume.max()) for volume in runs.volumes.values()))
    prepared = runs.tracked(seen) if runs.config.divisions == "track" else iter(runs)
    for _ in runs.planes:
        if control.stopped:
            return False
        yield Stage("Looking at the movie")
        z, run = next(prepared)
        if not done:
            job.target.allocate(np.promote_types(painted, run.dtype))
        session = TrackingSession.of_run(run, write=job.target.in_plane(job.planes[z][0]).write)
        if not done:
            yield Planned(total, session, {**run.recipe, "scope_reason": run.scope_reason}, whole=False)
        else:
            yield NextSession(session)
        if not (yield from _counted_on(session_frames(control, session), done, total, seen)):
            return False
        done += run.n_results
    return True


def _volume_runs(control: JobControl, job: PropagationJob) -> Generator[Stage, None, VolumeRuns | None]:
    """Read the seeds of all planes, followed through z if asked for; returns None if stopped."""
    from napari_xmem.engine.volume_runs import VolumeRuns

    if job.fill_planes and len(job.movie.plane_axes) != 1:
        raise SeedError(f"'{job.movie.name}' has more than one further axis; follow in the plane on display instead.")
    yield Stage("Looking for painted planes")
    seeded = ((t, np.stack([seeds.read(t) for _, seeds in job.planes])) for t in job.planes[0][1].frames)
    volumes = {t: volume.astype(np.int64) for t, volume in seeded if volume.any()}
    if not volumes:
        raise SeedError(f"'{job.seeds.name}' holds no painted object; paint at least one object on one frame.")
    yield Stage("Loading the model")
    sources = tuple(movie.source(job.channels) for movie, _ in job.planes)
    runs = VolumeRuns(sources, volumes, NETWORKS.get(job.model, job.config.device), job.config)
    if not job.fill_planes:
        return None if control.stopped else runs
    filled = {}
    for t in volumes:
        yield Stage(f"Following the seeds of frame {t} through its planes")
        if control.stopped:
            return None
        filled[t] = runs.filled(t)
    return runs.with_seeds(filled)


def _counted_on(
    messages: Generator[Any, None, bool], done: int, total: int, seen: PlaneDivisions
) -> Generator[Any, None, bool]:
    """Pass messages on with frames counted over all planes; the planes after this one learn who has divided."""
    while True:
        try:
            message = next(messages)
        except StopIteration as end:
            return bool(end.value)
        if isinstance(message, FrameDone):
            seen.add(message.result)
            message = replace(message, done=done + message.done, total=total)
        yield message
