"""Movies of stacks: every painted plane is followed through time, one after the other, by the same numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.errors import SeedError
from napari_xmem.widgets.jobs.messages import FrameDone, NextSession, Planned, Stage
from napari_xmem.widgets.jobs.networks import NETWORKS
from napari_xmem.widgets.jobs.prepare import prepare_session
from napari_xmem.widgets.jobs.session_frames import session_frames
from napari_xmem.widgets.layers.seed_view import SeedView

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_xmem.widgets.jobs.prepare import PropagationJob
    from napari_xmem.widgets.jobs.threads import JobControl
    from napari_xmem.widgets.layers.movie_view import MovieView

    Planes = tuple[tuple[MovieView, SeedView], ...]

__all__ = ["plane_by_plane"]


def plane_by_plane(control: JobControl, job: PropagationJob) -> Generator[Any, None, bool]:
    """Propagate in every painted plane; yields and returns as `propagation_job`."""
    yield Stage("Looking for painted planes")
    planes = job.planes
    if job.fill_planes:
        planes = yield from _filled(control, job)
    painted = [(movie, seeds) for movie, seeds in planes if any(True for _ in seeds.painted())]
    if control.stopped:
        return False
    if not painted:
        raise SeedError(f"'{job.seeds.name}' holds no painted object; paint at least one object on one frame.")
    done = total = 0
    for movie, seeds in painted:
        session = yield from prepare_session(control, replace(job, movie=movie, seeds=seeds, planes=()))
        if session is None:
            return False
        run = session.current_run()
        if not total:
            job.target.allocate(run.dtype)
            total = run.n_results * len(painted)
            yield Planned(total, session, {**run.recipe, "scope_reason": run.scope_reason}, whole=False)
        else:
            yield NextSession(session)
        session.write = job.target.in_plane(movie).write
        if not (yield from _counted_on(session_frames(control, session), done, total)):
            return False
        done += run.n_results
    return True


def _counted_on(messages: Generator[Any, None, bool], done: int, total: int) -> Generator[Any, None, bool]:
    """Pass messages on with frames counted over all planes."""
    while True:
        try:
            message = next(messages)
        except StopIteration as end:
            return bool(end.value)
        yield replace(message, done=done + message.done, total=total) if isinstance(message, FrameDone) else message


def _filled(control: JobControl, job: PropagationJob) -> Generator[Stage, None, Planes]:
    """Follow the seeds of each painted frame through its planes; returns seeds of all planes."""
    from napari_xmem.engine import follow_through_z

    if len(job.movie.plane_axes) != 1:
        raise SeedError(f"'{job.movie.name}' has more than one further axis; follow in the plane on display instead.")
    yield Stage("Loading the model")
    network = NETWORKS.get(job.model, job.config.device)
    config = job.config
    sources = [movie.source(job.channels) for movie, _ in job.planes]
    filled: dict[int, NDArray[Any]] = {}
    for t in job.planes[0][1].frames:
        labels = np.stack([seeds.read(t) for _, seeds in job.planes])
        if not labels.any():
            continue
        yield Stage(f"Following the seeds of frame {t} through its planes")
        if control.stopped:
            return ()
        volume = np.stack([source.read(t) for source in sources])
        filled[t] = follow_through_z(
            volume,
            labels,
            model=network,
            **config.without_time(),
        )
    return tuple(
        (movie, SeedView(seeds.name, tuple(filled), lambda t, z=z: filled[t][z]))  # type: ignore[misc]
        for z, (movie, seeds) in enumerate(job.planes)
    )
