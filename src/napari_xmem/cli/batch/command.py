"""The command ``batch``: its options, and all movies one after the other, or handed to a cluster."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from napari_xmem.cli.batch.cluster.options import add_cluster_options, check_cluster_options
from napari_xmem.cli.batch.jobs import Job, find_jobs, make_folder
from napari_xmem.cli.batch.one_movie import FAILED, NO_SEEDS, Outcome, attempt, movie_arguments
from napari_xmem.cli.batch.report import BatchReport, check_report
from napari_xmem.cli.movie_options import add_reading, add_time
from napari_xmem.cli.options import add_model_options, add_save_every, memory_config, run_settings
from napari_xmem.cli.terminal.json_file import check_json
from napari_xmem.cli.terminal.threads import environment_defaults
from napari_xmem.cli.terminal.verbosity_options import add_talk

if TYPE_CHECKING:
    import argparse

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

__all__ = ["add_parser", "run"]

EXIT_SOME_FAILED = 1
_TRACKS = ("geff", "csv", "ctc")
_EXAMPLES = """  napari-xmem batch movies -o results --scores --overview
  napari-xmem batch day1 day2/pos3.tif "day3/*.ome.tif" -o results --format zarr
  napari-xmem batch movies -o results --json report.json --log batch.log
  napari-xmem batch manifest.csv -o results --scheduler local:4 --report results/report.csv
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
        help="folders of movies, movies, patterns such as 'day*/*.tif', or manifests: CSV with columns movie, seeds, "
        "name and options of the movie such as seed_frame",
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
    files.add_argument("--tracks", choices=_TRACKS, help="also write tracks per movie; ctc: Cell Tracking Challenge")
    files.add_argument("--measure", action="store_true", help="also write measurements per movie, as CSV")
    files.add_argument(
        "--report",
        type=Path,
        metavar="CSV",
        help="also write a table of all movies as CSV, and as JSON beside it, and NAME_run.json per movie",
    )
    files.add_argument("--overwrite", action="store_true", help="do movies again whose result exists")
    add_save_every(files)
    files.add_argument("--dry-run", action="store_true", help="check everything, say what it costs, write nothing")
    add_reading(parser)
    add_time(parser, frame_range=False)
    add_model_options(parser)
    add_cluster_options(parser)
    add_talk(parser, "what became of each movie")
    environment_defaults(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Do all movies and say how it went."""
    check_json(args.json)
    check_report(args.report)
    check_cluster_options(args)
    jobs = find_jobs(args.movies, args.output, args.seeds_suffix, args.format)
    _check_settings(args, jobs)
    make_folder(Path(args.output), only_check=args.dry_run)
    report = BatchReport(jobs, args.report, args.json)
    began = time.monotonic()
    for job in jobs:
        if job.seeds is None:
            report.add(job, Outcome(NO_SEEDS), 0.0)
    if args.scheduler is None or args.dry_run:
        _do_here(args, jobs, report)
    else:
        from napari_xmem.cli.batch.cluster.dispatch import do_on_cluster

        do_on_cluster(args, jobs, report)
    report.finish(time.monotonic() - began, quiet=args.quiet)
    return EXIT_SOME_FAILED if report.states[FAILED] else 0


def _check_settings(args: argparse.Namespace, jobs: list[Job]) -> None:
    """Raise `ConfigError` for settings that no run would take, those of single movies too."""
    from napari_xmem.memory import check_policies

    check_policies(memory_config(args.memory))
    run_settings(args)
    for job in jobs:
        if job.options:
            one = movie_arguments(args, job)
            check_policies(memory_config(one.memory))
            run_settings(one)


def _do_here(args: argparse.Namespace, jobs: list[Job], report: BatchReport) -> None:
    """Do the movies one after the other in this process."""
    from napari_xmem.model import load_model

    args.model = load_model(args.model, args.device)  # once for all
    for number, job in enumerate(jobs, 1):
        if job.seeds is None:
            continue
        begun = time.monotonic()
        outcome = attempt(movie_arguments(args, job), job.name, f"[{number}/{len(jobs)}] {job.name}")
        report.add(job, outcome, time.monotonic() - begun)
