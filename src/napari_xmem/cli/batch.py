"""``napari-xmem batch``: many movies, one after the other; one that fails does not stop the others."""

from __future__ import annotations

import argparse
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari_xmem
from napari_xmem.cli import propagate
from napari_xmem.cli.batch_jobs import Job, find_jobs, make_folder
from napari_xmem.cli.options import add_model_options, add_setting, int_list, memory_config, run_settings
from napari_xmem.cli.output_guard import OccupiedOutputError, finished_before, holding
from napari_xmem.cli.seed_forms import add_seed_forms
from napari_xmem.cli.terminal.json_file import check_json, write_json
from napari_xmem.cli.terminal.machine import environment_defaults
from napari_xmem.cli.terminal.messages import collected_warnings, say, say_error
from napari_xmem.cli.terminal.talk import add_talk
from napari_xmem.errors import XMemError
from napari_xmem.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

__all__ = ["add_parser", "run"]

_TRACKS = {"geff": "_tracks.geff", "csv": "_tracks.csv", "ctc": "_RES"}
EXIT_SOME_FAILED = 1
DONE, DONE_BEFORE, OCCUPIED, NO_SEEDS, FAILED = (
    "done", "done before", "being done by another process", "without seeds", "failed",
)  # fmt: skip


_EXAMPLES = """  napari-xmem batch movies -o results --scores --overview
  napari-xmem batch day1 day2/pos3.tif "day3/*.ome.tif" -o results --format zarr
  napari-xmem batch movies -o results --json report.json --log batch.log
"""
_FOREIGN = {
    "--start": "batch does whole movies; propagate has --start and --stop",
    "--stop": "batch does whole movies; propagate has --start and --stop",
    "--resume": "batch goes on by itself with what was interrupted; --overwrite does all again",
    "--seeds": "batch looks for the seeds beside each movie; --seeds-suffix says what they are called",
    "-v": "there are no levels of talk; --log FILE writes all that is said to a file",
    "--verbose": "there are no levels of talk; --log FILE writes all that is said to a file",
}


def add_parser(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "batch",
        help="propagate seeds through every movie of a folder",
        description="Propagate through every movie NAME.tif (.npy, .npz, .zarr) that has labels in NAME_seeds.tif "
        "(.npy, .npz, .zarr) beside it. Movies whose result exists are skipped, interrupted ones go on where they "
        "were, and one that fails does not stop the others; the exit code is then 1. A movie may be a folder of "
        "images. Movies without seeds are passed over. Several of these commands may share one folder of results.",
        examples=_EXAMPLES,
        foreign=_FOREIGN,
    )
    files = parser.add_argument_group("files")
    files.add_argument(
        "movies",
        metavar="FOLDER_OR_MOVIE",
        nargs="+",
        help="folders of movies, movies, or patterns such as 'day*/*.tif'",
    )
    files.add_argument("-o", "--output", required=True, metavar="FOLDER", help="folder for the results; made if needed")
    files.add_argument(
        "--seeds-suffix",
        default="_seeds",
        metavar="TEXT",
        help="what seeds have after the movie's name (default: %(default)s)",
    )
    files.add_argument(
        "--format",
        choices=("tif", "npy", "zarr"),
        default="tif",
        help="kind of the labels' files (default: %(default)s)",
    )
    files.add_argument("--overview", action="store_true", help="also write a picture per movie")
    files.add_argument("--scores", action="store_true", help="also write area and confidence per movie, as CSV")
    files.add_argument(
        "--tracks", choices=tuple(_TRACKS), help="also write tracks per movie; ctc: Cell Tracking Challenge"
    )
    files.add_argument("--measure", action="store_true", help="also write measurements per movie, as CSV")
    files.add_argument("--overwrite", action="store_true", help="do movies again whose result exists")
    files.add_argument("--dry-run", action="store_true", help="check everything, say what it costs, write nothing")
    reading = parser.add_argument_group("reading")
    reading.add_argument("--axes", help="order of the movies' axes where their files don't say, such as TCYX")
    reading.add_argument("--channels", type=int_list, metavar="N,N", help="channels to use, up to three")
    reading.add_argument(
        "--fill-planes", action="store_true", help="volumes: first follow the seeds through the planes of their frame"
    )
    add_seed_forms(reading)
    time_group = parser.add_argument_group("time")
    time_group.add_argument("--seed-frame", type=int, metavar="T", help="frame that single images of seeds belong to")
    add_setting(time_group, "direction")
    add_model_options(parser)
    add_talk(parser, "what became of each movie")
    environment_defaults(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Do all movies and say how it went."""
    from napari_xmem.memory import check_policies
    from napari_xmem.model import load_model

    check_policies(memory_config(args.memory))
    run_settings(args)
    check_json(args.json)
    jobs = find_jobs(args.movies, args.output, args.seeds_suffix, args.format)
    make_folder(Path(args.output), only_check=args.dry_run)
    args.model = load_model(args.model, args.device)  # once for all
    report: list[dict[str, Any]] = []
    began = time.monotonic()
    for number, job in enumerate(jobs, 1):
        begun = time.monotonic()
        state, reason = _attempt(args, job, f"[{number}/{len(jobs)}] {job.name}")
        report.append(
            {
                "movie": str(job.movie),
                "output": str(job.output),
                "state": state,
                "reason": reason,
                "seconds": round(time.monotonic() - begun, 3),
            }
        )
    counts = Counter(entry["state"] for entry in report)
    if not args.quiet:
        _summarise(counts, report, time.monotonic() - began)
    write_json(args.json, {"command": "batch", "version": napari_xmem.__version__, "movies": report, "states": counts})
    return EXIT_SOME_FAILED if counts[FAILED] else 0


def _attempt(args: argparse.Namespace, job: Job, title: str) -> tuple[str, str | None]:
    """Do a movie; returns what became of it, and why it failed."""
    if job.seeds is None:
        return NO_SEEDS, None
    try:
        with warnings.catch_warnings(), collected_warnings(quiet=args.quiet):
            return _do(args, job, title), None
    except OccupiedOutputError as error:
        say_error(f"{job.name}: {error}", kind="note")
        return OCCUPIED, str(error)
    except Exception as error:  # whatever is wrong with one movie, the others go on
        reason = str(error) if isinstance(error, XMemError) else f"{type(error).__name__}: {error}"
        say_error(f"{job.name}: {reason}")
        return FAILED, reason


def _do(args: argparse.Namespace, job: Job, title: str) -> str:
    """Do a movie unless it is done; returns which of the two."""
    from napari_xmem.session.checkpoint import RunCheckpoint

    one = _arguments(args, job)
    with holding(one):
        unfinished = not finished_before(one) and RunCheckpoint(one.output).exists
        if job.output.exists() and not unfinished and not args.overwrite:
            return DONE_BEFORE
        if not args.quiet:
            say(title)
        propagate.run(one)
    return DONE


def _arguments(args: argparse.Namespace, job: Job) -> argparse.Namespace:
    """Return the arguments of `propagate` for one movie."""
    one = argparse.Namespace(**vars(args))
    one.movie, one.seeds, one.output = str(job.movie), str(job.seeds), str(job.output)
    one.overview = f"{job.stem}_overview.png" if args.overview else None
    one.scores = f"{job.stem}_scores.csv" if args.scores else None
    one.tracks = f"{job.stem}{_TRACKS[args.tracks]}" if args.tracks else None
    one.measure = f"{job.stem}_measures.csv" if args.measure else None
    one.start = one.stop = one.json = None
    one.needs_folder = not args.dry_run
    one.stacks_too = True
    one.resume = not args.overwrite
    one.overwrite = True  # the result is not there, or to be replaced; what lies beside it is of an earlier try
    return one


def _summarise(counts: Counter[str], report: Sequence[dict[str, Any]], seconds: float) -> None:
    states = ", ".join(
        f"{counts[state]} {state}" for state in (DONE, DONE_BEFORE, OCCUPIED, NO_SEEDS, FAILED) if counts[state]
    )
    say(f"{counted(len(report), 'movie')} in {seconds:.0f} s: {states}")
    for entry in report:
        if entry["state"] in (NO_SEEDS, FAILED):
            say(f"{entry['state']}: {Path(entry['movie']).name}")
