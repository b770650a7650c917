"""``napari-xmem batch``: many movies, one after the other; one that fails does not stop the others."""

from __future__ import annotations

import argparse
import os
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_xmem.cli import propagate
from napari_xmem.cli.messages import collected_warnings, counted, say, say_error
from napari_xmem.cli.options import (
    add_model_options,
    add_quiet,
    add_setting,
    int_list,
    memory_config,
    run_settings,
)
from napari_xmem.cli.output_guard import OccupiedOutputError, finished_before, holding
from napari_xmem.errors import InputError, OutputError, XMemError

if TYPE_CHECKING:
    from collections.abc import Sequence

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

__all__ = ["add_parser", "run"]

_SUFFIXES = (".tif", ".tiff", ".npy", ".npz", ".zarr")
EXIT_SOME_FAILED = 1


@dataclass(frozen=True, slots=True)
class _Job:
    """One movie of the batch.

    Attributes
    ----------
    movie, seeds, output : Path
        Files; `seeds` is None where there are none.
    """

    movie: Path
    seeds: Path | None
    output: Path

    @property
    def name(self) -> str:
        """What to call it in messages."""
        return self.movie.name


def add_parser(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "batch",
        help="propagate seeds through every movie of a folder",
        description="Propagate through every movie NAME.tif (.npy, .npz, .zarr) that has labels in NAME_seeds.tif "
        "(.npy, .npz, .zarr) beside it. Movies whose result exists are skipped, interrupted ones go on where they "
        "were, and one that fails does not stop the others; the exit code is then 1.",
    )
    parser.add_argument("movies", metavar="FOLDER_OR_MOVIE", nargs="+", help="folders of movies, or movies")
    parser.add_argument(
        "-o", "--output", required=True, metavar="FOLDER", help="folder for the results; made if needed"
    )
    parser.add_argument(
        "--seeds-suffix", default="_seeds", metavar="TEXT", help="what seeds have after the movie's name"
    )
    parser.add_argument("--format", choices=("tif", "npy", "zarr"), default="tif", help="kind of the labels' files")
    parser.add_argument("--overview", action="store_true", help="also write a picture per movie")
    parser.add_argument("--scores", action="store_true", help="also write area and confidence per movie, as CSV")
    parser.add_argument("--axes", help="order of the movies' axes where their files don't say, such as TCYX")
    parser.add_argument("--channels", type=int_list, metavar="N,N", help="channels to use, up to three")
    parser.add_argument("--seed-frame", type=int, metavar="T", help="frame that single images of seeds belong to")
    parser.add_argument(
        "--fill-planes", action="store_true", help="volumes: first follow the seeds through the planes of their frame"
    )
    add_setting(parser, "direction")
    add_model_options(parser)
    parser.add_argument("--overwrite", action="store_true", help="do movies again whose result exists")
    parser.add_argument("--dry-run", action="store_true", help="check everything, write nothing")
    add_quiet(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Do all movies and say how it went."""
    from napari_xmem.memory import check_policies
    from napari_xmem.model import load_model

    check_policies(memory_config(args.memory))
    run_settings(args)
    jobs = _find_jobs(args)
    args.model = load_model(args.model, args.device)  # once for all
    failed: list[str] = []
    counts = {"done": 0, "done before": 0, "being done by another process": 0, "failed": 0}
    began = time.monotonic()
    for number, job in enumerate(jobs, 1):
        try:
            with warnings.catch_warnings(), collected_warnings(quiet=args.quiet):
                counts[_do(args, job, f"[{number}/{len(jobs)}] {job.name}")] += 1
        except OccupiedOutputError as error:
            counts["being done by another process"] += 1
            say_error(f"{job.name}: {error}", kind="note")
        except Exception as error:  # whatever is wrong with one movie, the others go on
            reason = str(error) if isinstance(error, XMemError) else f"{type(error).__name__}: {error}"
            say_error(f"{job.name}: {reason}")
            failed.append(job.name)
            counts["failed"] += 1
    if not args.quiet:
        _summarise(counts, failed, time.monotonic() - began)
    return EXIT_SOME_FAILED if failed else 0


def _do(args: argparse.Namespace, job: _Job, title: str) -> str:
    """Do a movie unless it is done; returns which of the two."""
    from napari_xmem.session.checkpoint import RunCheckpoint

    one = _arguments(args, job)
    with holding(one):
        unfinished = not finished_before(one) and RunCheckpoint(one.output).exists
        if job.output.exists() and not unfinished and not args.overwrite:
            return "done before"
        if not args.quiet:
            say(title)
        propagate.run(one)
    return "done"


def _arguments(args: argparse.Namespace, job: _Job) -> argparse.Namespace:
    """Return the arguments of `propagate` for one movie."""
    if job.seeds is None:
        raise InputError(
            f"there are no seeds {_stem(job.movie)}{args.seeds_suffix} ({', '.join(_SUFFIXES)}) beside it."
        )
    stem = job.output.parent / _stem(job.movie)
    one = argparse.Namespace(**vars(args))
    one.movie, one.seeds, one.output = str(job.movie), str(job.seeds), str(job.output)
    one.overview = f"{stem}_overview.png" if args.overview else None
    one.scores = f"{stem}_scores.csv" if args.scores else None
    one.start = one.stop = None
    one.needs_folder = not args.dry_run
    one.stacks_too = True
    one.resume = not args.overwrite
    one.overwrite = True  # the result is not there, or to be replaced; what lies beside it is of an earlier try
    return one


def _stem(movie: Path) -> str:
    return movie.stem.removesuffix(".ome")


def _find_jobs(args: argparse.Namespace) -> list[_Job]:
    """List the movies, each with its seeds and its result.

    Raises
    ------
    InputError
        If there are none.
    OutputError
        If two would have the same result, or the folder for results cannot be made.
    """
    movies: list[Path] = []
    for name in args.movies:
        place = Path(name)
        if not place.exists():
            raise InputError(f"{place} does not exist.")
        movies += _movies_in(place, args.seeds_suffix) if place.is_dir() and place.suffix != ".zarr" else [place]
    if not movies:
        kinds = ", ".join(_SUFFIXES)
        raise InputError(f"there are no movies ({kinds}) in {', '.join(args.movies)}.")
    folder = Path(args.output)
    jobs = [_Job(m, _seeds_of(m, args.seeds_suffix), folder / f"{_stem(m)}_labels.{args.format}") for m in movies]
    outputs = [job.output for job in jobs]
    twice = sorted({str(path) for path in outputs if outputs.count(path) > 1})
    if twice:
        raise OutputError(f"several movies would be written to {twice[0]}; do them one folder at a time.")
    _make(folder, only_check=args.dry_run)
    return jobs


def _make(folder: Path, *, only_check: bool) -> None:
    if only_check:
        there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            raise OutputError(f"{folder} cannot be made: {there} is {'not writable' if there.is_dir() else 'a file'}.")
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} cannot be made: {error.strerror or error}.") from error


def _movies_in(folder: Path, seeds_suffix: str) -> list[Path]:
    inside = [p for p in folder.iterdir() if p.suffix.lower() in _SUFFIXES and not p.name.startswith(".")]
    return sorted(p for p in inside if not _stem(p).endswith((seeds_suffix, "_labels")))


def _seeds_of(movie: Path, suffix: str) -> Path | None:
    kinds = (movie.suffix, ".ome.tif", ".ome.tiff", *_SUFFIXES)
    candidates = (movie.with_name(f"{_stem(movie)}{suffix}{kind}") for kind in kinds)
    return next((path for path in candidates if path.exists()), None)


def _summarise(counts: dict[str, int], failed: Sequence[str], seconds: float) -> None:
    parts = [f"{n} {name}" for name, n in counts.items() if n]
    say(f"{counted(sum(counts.values()), 'movie')} in {seconds:.0f} s: {', '.join(parts)}")
    for name in failed:
        say(f"failed: {name}")
