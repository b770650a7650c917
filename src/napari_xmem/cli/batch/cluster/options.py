"""Options of ``batch`` about the cluster that does the movies."""

from __future__ import annotations

import math
from importlib.util import find_spec
from typing import TYPE_CHECKING

from napari_xmem.errors import ConfigError, InputError

if TYPE_CHECKING:
    import argparse

__all__ = ["add_cluster_options", "check_cluster_options"]

_STALLED_AFTER_S = 900.0


def add_cluster_options(parser: argparse.ArgumentParser) -> None:
    """Add --scheduler, --retries and --stalled-after."""
    group = parser.add_argument_group("cluster")
    group.add_argument(
        "--scheduler",
        metavar="WHERE",
        help="do the movies with Dask: local[:N] workers on this computer, tcp://HOST:PORT or FILE.json of a scheduler "
        "that runs, slurm[:N] jobs as Dask's configuration says, or FILE.yaml[:N] with such a configuration",
    )
    group.add_argument(
        "--retries",
        type=int,
        default=2,
        metavar="N",
        help="how often a movie is tried again whose process or worker was lost (default: %(default)s)",
    )
    group.add_argument(
        "--stalled-after",
        type=float,
        default=_STALLED_AFTER_S,
        metavar="SECONDS",
        help="a movie without a new frame for so long is stopped and tried again (default: %(default)g)",
    )


def check_cluster_options(args: argparse.Namespace) -> None:
    """Check the options of the cluster.

    Raises
    ------
    ConfigError
        If a number is out of its range.
    InputError
        If Dask is not installed.
    """
    if args.retries < 0:
        raise ConfigError(f"--retries is {args.retries}, expected 0 or more.")
    if not (math.isfinite(args.stalled_after) and args.stalled_after > 0):
        raise ConfigError(f"--stalled-after is {args.stalled_after:g}, expected seconds above 0.")
    if args.scheduler is not None and find_spec("distributed") is None:
        raise InputError('--scheduler needs Dask, which is not installed: pip install "napari-xmem[dask]".')
