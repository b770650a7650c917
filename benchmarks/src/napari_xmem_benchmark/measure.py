"""Timing of single cases; every case runs in a process of its own, so that its peak memory is its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from napari_xmem.config import Precision

__all__ = ["Case", "Clock", "interleave", "run_case"]


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the benchmark.

    Attributes
    ----------
    suite : str
        "read", "global", "local", "cutie", "quality" or "long".
    height, width : int
        Frame size in pixels.
    objects : int
        Number of objects.
    memory : {"empty", "full"}
        One memorised frame, or memory filled to its limits.
    repeats : int
        Timings per figure, of which the smallest counts.
    threads : int
        Threads of torch; 0: as torch chooses.
    device : str
        Where.
    precision : str
        Of the local scope.
    budget_bytes : int
        Budget of the local scope.
    only : str
        Run one side of a comparison alone, for its peak memory: "ours", "dense" or "" for both.
    frames : int
        Frames of the long movie.
    diameters : float
        Diameter of the objects of the local scope, in nominal diameters of the model.
    cycles : int
        How often the local scope is measured, from one consolidation to the next; the quickest counts.
    movie : str
        Name of a movie of the quality suite, or the path of an npz file with ``frames`` and ``labels``; in the local
        scope real cells instead of discs, see `napari_xmem_benchmark.real_movies.real_movie`.
    """

    suite: str
    height: int
    width: int
    objects: int
    memory: str = "full"
    repeats: int = 3
    threads: int = 1
    device: str = "cpu"
    precision: Precision = "auto"
    budget_bytes: int = 4 << 30
    only: str = ""
    frames: int = 10_000
    diameters: float = 0.8
    cycles: int = 1
    movie: str = ""

    def alone(self, side: str) -> Case:
        """Return the case with one side of the comparison."""
        return replace(self, only=side, repeats=1)


@dataclass(slots=True)
class Clock:
    """Seconds of calls by name; on a CPU seconds of the process, which other programs do not lengthen."""

    device: torch.device
    seconds: dict[str, list[float]] = field(default_factory=dict)
    wall: dict[str, list[float]] = field(default_factory=dict)

    def now(self) -> float:
        """Return the time."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
            return time.perf_counter()
        return time.process_time()

    def time(self, name: str, call: Any) -> Any:
        """Time one call under a name and return what it returns."""
        begun, wall = self.now(), time.perf_counter()
        result = call()
        self.seconds.setdefault(name, []).append(self.now() - begun)
        self.wall.setdefault(name, []).append(time.perf_counter() - wall)
        return result

    def best(self) -> dict[str, float]:
        """Return the smallest time of each name."""
        return {name: min(times) for name, times in self.seconds.items()}


def interleave(clock: Clock, calls: dict[str, Any], repeats: int) -> None:
    """Time several calls in turn, so that a busy machine slows all of them alike; each once before, unmeasured."""
    for call in calls.values():
        call()
    for _ in range(repeats):
        for name, call in calls.items():
            clock.time(name, call)


def run_case(case: Case, timeout_s: float = 3600) -> dict[str, Any]:
    """Run a case in a new process; returns its figures, or ``{"error": ...}``."""
    command = [sys.executable, "-m", "napari_xmem_benchmark", "--case", json.dumps(asdict(case))]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        return {"error": f"took more than {timeout_s:.0f} s"}
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        return {"error": (done.stderr.strip().splitlines() or ["no output"])[-1]}
    figures: dict[str, Any] = json.loads(lines[-1])
    return figures
