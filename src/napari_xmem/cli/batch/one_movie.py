"""One movie of a batch: its arguments, and what becomes of it, in this process."""

from __future__ import annotations

import argparse
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_xmem.cli import propagate
from napari_xmem.cli.output_guard import OccupiedOutputError, finished_before, holding
from napari_xmem.cli.terminal.printing import collected_warnings, say, say_error
from napari_xmem.cli.terminal.process_memory import forget_peak_memory
from napari_xmem.errors import OutOfMemoryError, OutputError, XMemError
from napari_xmem.files import parse_json

if TYPE_CHECKING:
    from napari_xmem.cli.batch.jobs import Job

__all__ = ["DONE", "DONE_BEFORE", "FAILED", "NO_SEEDS", "OCCUPIED", "Outcome", "attempt", "movie_arguments"]

_TRACKS = {"geff": "_tracks.geff", "csv": "_tracks.csv", "ctc": "_RES"}
DONE, DONE_BEFORE, OCCUPIED, NO_SEEDS, FAILED = (
    "done", "done before", "being done by another process", "without seeds", "failed",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a movie.

    Attributes
    ----------
    state : str
        DONE, DONE_BEFORE, OCCUPIED, NO_SEEDS or FAILED.
    reason : str or None
        Why it failed.
    facts : dict
        What was done, see ``--json`` of ``propagate``; of a movie that was done before: its record, if there is one.
    transient : bool
        It failed for something that may be otherwise another time or elsewhere: memory, a disk, a crash.
    """

    state: str
    reason: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    transient: bool = False


def movie_arguments(args: argparse.Namespace, job: Job) -> argparse.Namespace:
    """Return the arguments of `propagate` for one movie of a batch."""
    one = argparse.Namespace(**{"start": None, "stop": None, **vars(args), **job.options})
    one.memory = [*args.memory, *job.options.get("memory", ())]
    one.movie, one.seeds, one.output = job.movie, job.seeds, str(job.output)
    one.overview = f"{job.stem}_overview.png" if args.overview else None
    one.scores = f"{job.stem}_scores.csv" if args.scores else None
    one.tracks = f"{job.stem}{_TRACKS[args.tracks]}" if args.tracks else None
    one.measure = f"{job.stem}_measures.csv" if args.measure else None
    one.record = Path(f"{job.stem}_run.json") if args.report and not args.dry_run else None
    one.json = one.log = None
    one.needs_folder = not args.dry_run
    one.stacks_too = True
    one.afresh = args.overwrite
    one.resume = not args.overwrite
    one.overwrite = True  # the result is not there, or to be replaced; what lies beside it is of an earlier try
    return one


def attempt(one: argparse.Namespace, name: str, title: str) -> Outcome:
    """Do a movie unless it is done, and say what became of it; other errors than of the process end here.

    Parameters
    ----------
    one : Namespace
        See `movie_arguments`.
    name, title : str
        What to call the movie in messages, and what to say before it is begun.
    """
    try:
        with warnings.catch_warnings(), collected_warnings(quiet=one.quiet):
            return _do(one, title)
    except OccupiedOutputError as error:
        say_error(f"{name}: {error}", kind="note")
        return Outcome(OCCUPIED, str(error))
    except Exception as error:  # whatever is wrong with one movie, the others go on
        known = isinstance(error, XMemError)
        reason = str(error) if known else f"{type(error).__name__}: {error}"
        say_error(f"{name}: {reason}")
        return Outcome(FAILED, reason, transient=not known or isinstance(error, (OutOfMemoryError, OutputError)))


def _do(one: argparse.Namespace, title: str) -> Outcome:
    from napari_xmem.session.checkpoint import RunCheckpoint

    with holding(one):
        unfinished = not finished_before(one) and RunCheckpoint(one.output).exists
        if Path(one.output).exists() and not unfinished and not one.afresh:
            return Outcome(DONE_BEFORE, facts=_recorded(one.record))
        if not one.quiet:
            say(title)
        forget_peak_memory()
        one.told = []
        propagate.run(one)
    return Outcome(DONE, facts=one.told[-1] if one.told else {})


def _recorded(record: Path | None) -> dict[str, Any]:
    """Read what an earlier run has written about itself."""
    try:
        facts = {} if record is None else parse_json(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}
