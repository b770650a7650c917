"""What became of the movies of a batch: rows of a table, as CSV and JSON."""

from __future__ import annotations

import csv
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari_xmem
from napari_xmem.cli.batch.one_movie import DONE, DONE_BEFORE, FAILED, NO_SEEDS, OCCUPIED
from napari_xmem.cli.terminal.json_file import write_json
from napari_xmem.cli.terminal.printing import say
from napari_xmem.errors import OutputError
from napari_xmem.files import atomic_write
from napari_xmem.words import counted

if TYPE_CHECKING:
    from napari_xmem.cli.batch.jobs import Job
    from napari_xmem.cli.batch.one_movie import Outcome

__all__ = ["BatchReport", "check_report"]

#: Facts of a run that are columns of the report.
_FACTS = (
    "n_frames", "n_planes", "n_objects", "n_divisions", "mean_confidence", "seconds", "peak_memory_bytes",
    "peak_device_memory_bytes", "version", "model", "weights",
)  # fmt: skip
_COLUMNS = ("movie", "seeds", "output", "state", "reason", "worker", "attempts", *_FACTS)


def check_report(path: Path | None) -> None:
    """Find out before anything is computed that --report cannot be written.

    Raises
    ------
    OutputError
        If it is no CSV file, a folder, has none, or is not writable.
    """
    if path is None:
        return
    if path.suffix.lower() != ".csv" or path.is_dir():
        raise OutputError(f"--report {path}: expected the name of a CSV file, such as report.csv.")
    folder = path.absolute().parent
    if folder.exists() and not os.access(path if path.exists() else folder, os.W_OK):
        raise OutputError(f"--report {path} is not writable; choose another place.")


class BatchReport:
    """Rows, one per movie, and the files they go to; those are rewritten with every row.

    Parameters
    ----------
    jobs : list of Job
        All movies, in the order of the report.
    table, facts : Path or None
        CSV, beside which the same is written as JSON; and the JSON file of --json.
    """

    def __init__(self, jobs: list[Job], table: Path | None, facts: Path | None) -> None:
        self._jobs, self._table, self._json = jobs, table, facts
        self._rows: dict[Path, dict[str, Any]] = {}

    def add(self, job: Job, outcome: Outcome, seconds: float, worker: str | None = None, attempts: int = 1) -> None:
        """Take in what became of a movie."""
        known = {name: outcome.facts[name] for name in _FACTS if name in outcome.facts}
        self._rows[job.output if job.seeds else Path(job.movie)] = {
            "movie": job.movie,
            "seeds": job.seeds,
            "output": str(job.output),
            "state": outcome.state,
            "reason": outcome.reason,
            "worker": worker,
            "attempts": attempts,
            "seconds": round(seconds, 3),
            **known,
        }
        if self._table is not None:
            self._write_table(self._table)

    @property
    def states(self) -> Counter[str]:
        """How many movies are in which state."""
        return Counter(row["state"] for row in self._rows.values())

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows there are, in the order of the movies."""
        keys = [job.output if job.seeds else Path(job.movie) for job in self._jobs]
        return [self._rows[key] for key in keys if key in self._rows]

    def finish(self, seconds: float, *, quiet: bool) -> None:
        """Write the files and say how it went."""
        if not quiet:
            self._summarise(seconds)
        if self._table is not None:
            self._write_table(self._table)
        write_json(self._json, self._facts())

    def _facts(self) -> dict[str, Any]:
        return {
            "command": "batch", "version": napari_xmem.__version__, "movies": self.rows(), "states": self.states,
        }  # fmt: skip

    def _write_table(self, path: Path) -> None:
        try:
            with atomic_write(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, _COLUMNS, restval="")
                writer.writeheader()
                writer.writerows(self.rows())
        except OSError as error:
            raise OutputError(f"{path} cannot be written: {error.strerror or error}.") from error
        write_json(path.with_suffix(".json"), self._facts())

    def _summarise(self, seconds: float) -> None:
        order = (DONE, DONE_BEFORE, OCCUPIED, NO_SEEDS, FAILED)
        states = ", ".join(f"{self.states[state]} {state}" for state in order if self.states[state])
        say(f"{counted(len(self._rows), 'movie')} in {seconds:.0f} s: {states}")
        for job, row in zip(self._jobs, self.rows(), strict=False):
            if row["state"] in (NO_SEEDS, FAILED):
                say(f"{row['state']}: {job.name}")
