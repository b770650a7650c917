"""Threads to compute on, and the options that the environment sets."""

from __future__ import annotations

import argparse
import os

from napari_xmem.errors import ConfigError
from napari_xmem.words import counted

__all__ = [
    "add_threads",
    "busy_line",
    "environment_defaults",
    "settle_threads",
    "wait_passively",
]

#: Options that may be set for all commands, and the environment variables that set them.
VARIABLES = {"model": "NAPARI_XMEM_MODEL", "device": "NAPARI_XMEM_DEVICE", "threads": "NAPARI_XMEM_THREADS"}
#: More threads than any machine has use for.
MOST_THREADS = 1024


def add_threads(parser: argparse._ArgumentGroup | argparse.ArgumentParser) -> None:
    """Add --threads."""
    parser.add_argument(
        "--threads",
        type=_count,
        metavar="N",
        help="threads to compute on; default: one per core. On a machine that is busy with other things 1 costs least "
        "(NAPARI_XMEM_THREADS)",
    )


def environment_defaults(parser: argparse.ArgumentParser) -> None:
    """Take defaults of options from the environment, where it sets them."""
    given = {name: os.environ.get(variable) for name, variable in VARIABLES.items()}
    known = {action.dest for action in parser._actions}
    parser.set_defaults(**{name: value for name, value in given.items() if value and name in known})


def wait_passively() -> None:
    """Let threads that have nothing to do sleep instead of spin; to be called before torch is imported.

    On a busy machine spinning threads take two to six times the processor's time, and the run up to ten times as long.
    A setting that is there already (OMP_WAIT_POLICY) stays.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def settle_threads(n_threads: int | str | None) -> None:
    """Let torch compute on so many threads; None: on as many as it chooses.

    Raises
    ------
    ConfigError
        If the environment names no number above 0.
    """
    if n_threads is None:
        return
    try:
        number = _count(str(n_threads))
    except argparse.ArgumentTypeError as error:
        raise ConfigError(f"{VARIABLES['threads']}: {error}.") from error
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(number)
    import torch

    torch.set_num_threads(number)


def busy_line() -> str:
    """Say on how many threads a run will compute, and whether other programs want the same cores."""
    import torch

    n_threads, n_cores = torch.get_num_threads(), len(_cores())
    line = f"{counted(n_threads, 'thread')} on {counted(n_cores, 'core')}"
    try:
        load = os.getloadavg()[0]
    except (AttributeError, OSError):  # Windows
        return line
    if n_threads > 1 and load > n_cores:
        return f"{line}; others keep the machine busy (load {load:.1f}): expect longer, and less with --threads 1"
    return line


def _cores() -> set[int]:
    try:
        return os.sched_getaffinity(0)
    except AttributeError:  # not on Linux
        return set(range(os.cpu_count() or 1))


def _count(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    if number > MOST_THREADS:  # OpenMP would try to start them all, and the process would die of it
        raise argparse.ArgumentTypeError(f"{text!r} is too many, expected at most {MOST_THREADS}")
    return number
