"""What ``--dry-run`` says: the movie, the seeds, the cost, and whether there is room for the result."""

from __future__ import annotations

import math
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.cli.terminal.json_file import write_json
from napari_xmem.cli.terminal.printing import say
from napari_xmem.cli.terminal.threads import busy_line
from napari_xmem.errors import OutputError

if TYPE_CHECKING:
    import argparse

    from napari_xmem.engine.cost.forecast import Forecast

__all__ = ["report_plan"]


def report_plan(
    args: argparse.Namespace,
    expected: Forecast,
    *,
    movie: str,
    seeds: str,
    model: str,
    shape: tuple[int, ...],
    dtype: Any,
    unit: str = "frame",
) -> int:
    """Say what a run would do, and return the exit code.

    Parameters
    ----------
    args : Namespace
        ``output`` and ``json``.
    expected : Forecast
        What it costs.
    movie, seeds, model : str
        Lines about these.
    shape : tuple of int
        Of the labels.
    dtype : dtype_like
        Of the labels.
    unit : str
        What the forecast counts.

    Raises
    ------
    OutputError
        If the labels need more room than there is.
    """
    labels = f"{tuple(shape)} {np.dtype(dtype).name}"
    lines = {
        "movie": movie,
        "seeds": seeds,
        "model": f"{model}, on {expected.device}",
        "scope": expected.reason,
        "output": f"{args.output}: {labels}",
        "disk": _room(args.output, math.prod(shape) * np.dtype(dtype).itemsize),
        "cost": expected.describe(unit),
        "threads": busy_line(),
    }
    for name, text in lines.items():
        say(f"{name:8}{text}")
    say("dry run: nothing was written")
    write_json(args.json, {"command": "propagate", "dry_run": True, **lines, "forecast": asdict(expected)})
    return 0


def _room(output: str, n_bytes: int) -> str:
    """Say how much room there is for labels of so many bytes."""
    place = Path(output).absolute().parent
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if Path(output).suffix.lower() == ".npy":
        if n_bytes > free:
            raise OutputError(
                f"{output} needs {_size(n_bytes)}, and {_size(free)} are free; .tif and .zarr are compressed."
            )
        return f"{_size(free)} free, of which the labels take {_size(n_bytes)}"
    return f"{_size(free)} free; the labels take less than {_size(n_bytes)}, since they are compressed"


def _size(n_bytes: float) -> str:
    units = ("bytes", "kB", "MB", "GB", "TB")
    power = min(len(units) - 1, int(math.log10(max(1, n_bytes)) // 3))
    return f"{n_bytes / 1000**power:.3g} {units[power]}"
