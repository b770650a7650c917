"""Runs workers, and starts another where one dies."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Report", "fuzz"]

_SILENT_S = 120.0


@dataclass(slots=True)
class Report:
    """What became of the cases of one kind.

    Attributes
    ----------
    counts : Counter
        Of "read" and "refused".
    faults : list of str
        All else: how it ended, and how to do it again.
    slowest_s : float
        Longest time of the processor.
    """

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest_s: float = 0.0

    @property
    def summary(self) -> str:
        """One line."""
        read, refused = self.counts["read"], self.counts["refused"]
        return f"{read} read, {refused} refused, {len(self.faults)} faults, slowest {self.slowest_s:.1f} s"


def fuzz(kind: str, count: int, seed: int, folder: Path, first: int = 0) -> Report:
    """Read `count` damaged files of a kind and report what became of each."""
    report, end = Report(), first + count
    while first < end:
        first = _one_worker(kind, first, end - first, seed, folder, report)
    return report


def _one_worker(kind: str, first: int, count: int, seed: int, folder: Path, report: Report) -> int:
    """Return the number of the next case, after one worker is done or dead."""
    here = Path(__file__).parent
    path = os.pathsep.join([str(here.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "PYTHONFAULTHANDLER": "1"}
    errors = folder.with_name(folder.name + ".stderr")
    command = [sys.executable, str(here / "worker.py"), kind, str(first), str(count), str(seed), str(folder)]
    with (
        errors.open("w+b") as said,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True, env=environment) as worker,
        selectors.DefaultSelector() as waiting,
    ):
        if worker.stdout is None:
            raise RuntimeError("no pipe")
        waiting.register(worker.stdout, selectors.EVENT_READ)
        begun: dict[str, object] | None = None
        next_case = first
        while waiting.select(_SILENT_S):
            line = worker.stdout.readline()
            if not line:
                break
            event = json.loads(line)
            if "outcome" not in event:
                begun = event
                continue
            next_case = event["case"] + 1
            report.slowest_s = max(report.slowest_s, event["seconds"])
            if event["outcome"] in ("read", "refused"):
                report.counts[event["outcome"]] += 1
            else:
                report.faults.append(_fault(kind, seed, begun, event["outcome"]))
            begun = None
        silent = worker.poll() is None and not _ended(worker)
        if silent:
            worker.kill()
        code = worker.wait()
        if begun is not None:
            said.seek(0)
            last = said.read().decode(errors="replace")[-1500:]
            how = f"was silent for {_SILENT_S:.0f} s" if silent else f"died with exit code {code}: {last}"
            report.faults.append(_fault(kind, seed, begun, how))
            return int(str(begun["case"])) + 1
        if code != 0:
            said.seek(0)
            raise RuntimeError(f"the worker for {kind} failed: {said.read().decode(errors='replace')[-3000:]}")
        return next_case if next_case > first else first + count


def _ended(worker: subprocess.Popen[str]) -> bool:
    try:
        worker.wait(5)
    except subprocess.TimeoutExpired:
        return False
    return True


def _fault(kind: str, seed: int, begun: dict[str, object] | None, how: str) -> str:
    about = begun or {}
    again = f"python -m fuzz {kind} --seed {seed} --first {about.get('case')} --cases 1"
    return f"{about.get('file')} ({about.get('damage')}): {how.strip()}\n    again: {again}"
