"""A Dask cluster: one that runs already, workers on this computer, or jobs of Slurm."""

from __future__ import annotations

import logging
import os
import re
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_xmem.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Cluster", "open_cluster"]

_COUNTED = re.compile(r"(?P<what>local|slurm|.+\.ya?ml)(?::(?P<n>\d+))?", re.IGNORECASE)
_CORES_PER_WORKER = 4
_CONNECTING_S = 30
#: Workers of ours may die as often as they like; what counts is how often a movie's own process does.
_LOCAL_CONFIG = {
    "distributed.scheduler.allowed-failures": 10,
    "distributed.comm.timeouts.connect": f"{_CONNECTING_S}s",
    # On a busy machine a worker takes more than the usual 15 s to come back, and would be given up meanwhile.
    "distributed.deploy.lost-worker-timeout": "120s",
}
_REPLACING_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where tasks go.

    Attributes
    ----------
    client : distributed.Client
        Connected.
    threads : int
        Threads that a movie may compute on.
    gpus : tuple of str
        Devices to be shared out among workers of this computer, as CUDA names them; empty elsewhere.
    """

    client: Any
    threads: int = 1
    gpus: tuple[str, ...] = ()

    @property
    def resources(self) -> dict[str, float]:
        """What a movie takes of a worker: a GPU, where workers say that they have some."""
        workers = self.client.scheduler_info(n_workers=-1)["workers"].values()
        has_gpu = bool(self.gpus) or any(worker.get("resources", {}).get("GPU") for worker in workers)
        return {"GPU": 1} if has_gpu else {}


@contextmanager
def open_cluster(where: str, *, device: str, threads: int | None) -> Iterator[Cluster]:
    """Connect to a scheduler, or start one that ends with the block.

    Parameters
    ----------
    where : str
        As ``--scheduler`` describes it.
    device : str
        Device of the runs; "cpu": GPUs are left alone.
    threads : int, optional
        Threads per movie; None: those of Dask's worker threads, or a fair share of this computer.

    Raises
    ------
    InputError
        If there is no such scheduler, or none can be started.
    """
    import dask
    from distributed import Client

    counted = _COUNTED.fullmatch(where)
    with ExitStack() as stack:
        stack.enter_context(dask.config.set(_LOCAL_CONFIG))
        stack.enter_context(_quiet_logs())
        try:
            if counted and counted["what"].lower() == "local":
                yield stack.enter_context(_local(int(counted["n"] or 0), device, threads))
                return
            if counted:
                target = stack.enter_context(_slurm(counted["what"], int(counted["n"] or 1)))
                client = stack.enter_context(Client(target, timeout=_CONNECTING_S))
            elif where.lower().endswith(".json"):
                client = stack.enter_context(Client(scheduler_file=_existing(where), timeout=_CONNECTING_S))
            else:
                client = stack.enter_context(Client(where, timeout=_CONNECTING_S))
        except (OSError, ValueError, TypeError) as error:
            raise InputError(f"--scheduler {where}: there is no scheduler to be reached ({error}).") from error
        yield Cluster(client, threads or 1)


@contextmanager
def _local(n_workers: int, device: str, threads: int | None) -> Iterator[Cluster]:
    from distributed import Client, LocalCluster

    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    gpus = () if device == "cpu" else _gpus()
    n_workers = n_workers or len(gpus) or max(1, n_cores // _CORES_PER_WORKER)
    with (
        LocalCluster(
            n_workers=n_workers,
            threads_per_worker=1,
            processes=True,
            resources={"GPU": 1} if gpus else None,
            dashboard_address=":0" if find_spec("bokeh") else None,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster, timeout=_CONNECTING_S) as client,
        _replacing(lambda: cluster.scale(n_workers)),
    ):
        yield Cluster(client, threads or max(1, n_cores // n_workers), gpus)


@contextmanager
def _replacing(scale: Callable[[], None]) -> Iterator[None]:
    """Ask for all workers again and again: Dask gives a worker up that does not come back, and nobody else asks."""
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            scale()
            over.wait(_REPLACING_EVERY_S)

    asking = threading.Thread(target=ask, name="workers", daemon=True)
    asking.start()
    try:
        yield
    finally:
        over.set()
        asking.join()


def _gpus() -> tuple[str, ...]:
    import torch

    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    n = torch.cuda.device_count()
    return tuple(named.split(",")[:n]) if named else tuple(map(str, range(n)))


@contextmanager
def _slurm(what: str, n_jobs: int) -> Iterator[Any]:
    """Start workers as jobs of Slurm, set up in Dask's configuration under jobqueue.slurm."""
    import dask

    if find_spec("dask_jobqueue") is None:
        raise InputError('Slurm jobs need dask-jobqueue, which is not installed: pip install "napari-xmem[dask]".')
    from dask_jobqueue import SLURMCluster

    if what.lower() != "slurm":
        dask.config.set(_slurm_section(what))
    with SLURMCluster() as cluster:
        with _replacing(lambda: cluster.scale(jobs=n_jobs)):
            yield cluster


def _slurm_section(path: str) -> dict[str, Any]:
    import yaml

    try:
        found = yaml.safe_load(Path(_existing(path)).read_text(encoding="utf-8"))
        settings = found["jobqueue"]["slurm"]
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} cannot be read as a configuration of Dask ({type(error).__name__}: {error}); expected a section "
            "jobqueue with a section slurm in it."
        ) from error
    return {f"jobqueue.slurm.{name}": value for name, value in settings.items()}


def _existing(path: str) -> str:
    if not Path(path).is_file():
        raise InputError(f"--scheduler {path}: there is no such file.")
    return path


@contextmanager
def _quiet_logs() -> Iterator[None]:
    """Keep Dask from speaking of each worker that is lost: what becomes of movies is ours to say."""
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client", "distributed.nanny")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
