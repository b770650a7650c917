"""Give the movies of a batch to a Dask cluster, and take in what becomes of them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_xmem.cli.batch.cluster.movie_task import run_movie
from napari_xmem.cli.batch.cluster.schedulers import open_cluster
from napari_xmem.cli.batch.one_movie import FAILED, OCCUPIED, Outcome, movie_arguments
from napari_xmem.cli.terminal.printing import say, say_error
from napari_xmem.cli.terminal.progress import progress
from napari_xmem.words import counted

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from napari_xmem.cli.batch.cluster.schedulers import Cluster
    from napari_xmem.cli.batch.jobs import Job
    from napari_xmem.cli.batch.report import BatchReport

__all__ = ["do_on_cluster"]

_PATHS = ("output", "movie", "seeds", "overview", "scores", "tracks", "measure", "record")
#: Arguments of the command, not of a run; some cannot be written as JSON.
_NOT_SENT = ("run", "movies", "scheduler", "report", "json", "log", "told")


@dataclass(frozen=True, slots=True)
class _Try:
    job: Job
    number: int = 1


def do_on_cluster(args: argparse.Namespace, jobs: list[Job], report: BatchReport) -> None:
    """Do all movies that have seeds; the report gets a row as soon as one is through.

    Parameters
    ----------
    args : Namespace
        Of ``batch``.
    jobs : list of Job
        All movies.
    report : BatchReport
        Takes in what becomes of them.
    """
    todo = [_Try(job) for job in jobs if job.seeds is not None]
    with open_cluster(args.scheduler, device=str(args.device), threads=args.threads) as cluster:
        if not args.quiet:
            say(f"{counted(len(todo), 'movie')} on {_described(cluster)}")
        with progress(len(todo), "movies done", args.quiet, unit="movie") as bar:
            waiting = _finish(args, cluster, report, bar, todo)
            # Those that another process was at may be theirs, or left by a worker that is no more.
            _finish(args, cluster, report, bar, waiting, last=True)


def _described(cluster: Cluster) -> str:
    workers = cluster.client.scheduler_info(n_workers=-1)["workers"]
    link = cluster.client.dashboard_link if "dashboard" in cluster.client.scheduler_info().get("services", {}) else ""
    gpus = ", a GPU each" if cluster.resources else ""
    return f"{counted(len(workers), 'worker')}{gpus}{f' ({link})' if link else ''}"


def _finish(
    args: argparse.Namespace, cluster: Cluster, report: BatchReport, bar: Any, todo: list[_Try], *, last: bool = False
) -> list[_Try]:
    """Do movies until each is through or was tried often enough; returns those that other processes are at."""
    occupied = []
    for tried, told in _outcomes(args, cluster, todo):
        known = {field.name: told[field.name] for field in fields(Outcome)}
        outcome = Outcome(**known)
        if outcome.state == OCCUPIED and not last:
            occupied.append(tried)
            continue
        if outcome.state == FAILED:
            say_error(f"{tried.job.name}: {outcome.reason}")
        elif not args.quiet:
            _pass_on(tried.job.name, told["said"])
        report.add(tried.job, outcome, told["seconds"], told["worker"], tried.number)
        bar.update()
    return occupied


def _outcomes(args: argparse.Namespace, cluster: Cluster, todo: list[_Try]) -> Iterator[tuple[_Try, dict[str, Any]]]:
    """Yield what became of movies, as they come; those that were lost are tried again in between."""
    from distributed import as_completed

    tries: dict[str, tuple[_Try, Any]] = {}

    def submit(tried: _Try) -> Any:
        future = cluster.client.submit(
            run_movie,
            _order(args, tried.job, cluster),
            key=f"{tried.job.result}-{uuid.uuid4().hex[:8]}",
            resources=cluster.resources,
            pure=False,
        )
        tries[future.key] = tried, future
        return future

    futures = as_completed([submit(tried) for tried in todo])
    try:
        for future in futures:
            tried, _ = tries.pop(future.key)
            told = _told(future)
            future.release()
            if told["state"] == FAILED and told["transient"] and tried.number <= args.retries:
                say_error(f"{tried.job.name}: {told['reason']}; it is tried again.", kind="note")
                futures.add(submit(replace(tried, number=tried.number + 1)))
                continue
            yield tried, told
    finally:
        cluster.client.cancel([future for _, future in tries.values()])


def _told(future: Any) -> dict[str, Any]:
    """Return what a task says; where it was lost with its worker, that."""
    lost: dict[str, Any] = {"state": FAILED, "facts": {}, "transient": True, "said": [], "worker": None, "seconds": 0.0}
    if future.cancelled():
        return {**lost, "reason": "the scheduler has forgotten it", "transient": False}
    error = future.exception()
    if error is None:
        told: dict[str, Any] = future.result()
        return told
    name = type(error).__name__
    if name == "KilledWorker":
        return {**lost, "reason": f"its worker was lost {getattr(error, 'allowed_failures', 0) + 1} times"}
    return {**lost, "reason": f"{name}: {error}"}


def _order(args: argparse.Namespace, job: Job, cluster: Cluster) -> dict[str, Any]:
    """Return what a worker is told, in words that JSON knows; paths hold wherever a worker stands."""
    one = vars(movie_arguments(args, job))
    arguments = {name: value for name, value in one.items() if name not in _NOT_SENT}
    for name in _PATHS:
        value = arguments[name]
        arguments[name] = None if value is None else _absolute(str(value))
    if Path(arguments["model"]).exists():
        arguments["model"] = _absolute(arguments["model"])
    return {
        "name": job.name,
        "arguments": {**arguments, "json": None, "log": None, "quiet": True},
        "threads": cluster.threads,
        "stalled_after_s": args.stalled_after,
        "gpus": list(cluster.gpus),
    }


def _absolute(path: str) -> str:
    return path if "://" in path else str(Path(path).absolute())


def _pass_on(name: str, lines: list[str]) -> None:
    """Say what a movie's process has warned of."""
    for line in lines:
        if line.startswith("napari-xmem: warning: "):
            say_error(f"{name}: {line.removeprefix('napari-xmem: warning: ')}", kind="warning")
