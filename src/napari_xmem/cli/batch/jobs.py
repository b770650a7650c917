"""Which movies a batch consists of: folders, movies and patterns, each movie with its seeds and its result."""

from __future__ import annotations

import glob
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_xmem.cli.batch.manifest import is_manifest, read_manifest
from napari_xmem.errors import InputError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Job", "find_jobs", "make_folder"]

_SUFFIXES = (".tif", ".tiff", ".npy", ".npz", ".zarr")
_RESULT = "_labels"


@dataclass(frozen=True, slots=True)
class Job:
    """One movie of a batch.

    Attributes
    ----------
    movie : str
        File, folder or array inside a file.
    seeds : str or None
        The same; None where there are none.
    output : Path
        Labels to write.
    result : str
        What the names of its outputs begin with.
    name : str
        What to call it in messages.
    options : dict
        Options of this movie that are others than those of the batch, by their names in a namespace.
    """

    movie: str
    seeds: str | None
    output: Path
    result: str
    name: str
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def stem(self) -> Path:
        """What other outputs begin with."""
        return self.output.parent / self.result


def find_jobs(given: Sequence[str], output: str, seeds_suffix: str, kind: str) -> list[Job]:
    """List the movies, each once, with its seeds and its result.

    Parameters
    ----------
    given : sequence of str
        Folders of movies, movies, patterns such as ``day*/*.tif``, or manifests (.csv), see `read_manifest`. Files
        of seeds and results among them are no movies, whoever lists them: the shell, a pattern or a folder.
    output : str
        Folder for the results.
    seeds_suffix : str
        What seeds have after the movie's name.
    kind : str
        Ending of the results, without a dot.

    Raises
    ------
    InputError
        If something does not exist, there are no movies, or none of them has seeds.
    OutputError
        If two movies would have the same result.
    """
    folder = Path(output)
    jobs: list[Job] = []
    movies: dict[Path, None] = {}
    for text in given:
        if is_manifest(text):
            jobs += _listed(text, folder, seeds_suffix, kind)
        else:
            movies.update(dict.fromkeys(_movies_of(text, seeds_suffix)))
    jobs += [_found(movie, folder, seeds_suffix, kind) for movie in movies]
    if not jobs:
        raise InputError(f"there are no movies ({', '.join(_SUFFIXES)}) in {', '.join(given)}.")
    if not any(job.seeds for job in jobs):
        raise InputError(
            f"none of {len(jobs)} movies has seeds beside it; those of {jobs[0].name} are to be called "
            f"{jobs[0].result}{seeds_suffix}.tif (.npy, .npz, .zarr)."
        )
    outputs = Counter(job.output for job in jobs if job.seeds)
    twice = sorted(str(path) for path, n in outputs.items() if n > 1)
    if twice:
        raise OutputError(
            f"several movies would be written to {twice[0]}; do them one folder at a time, or give them names in a "
            "manifest."
        )
    return jobs


def _found(movie: Path, folder: Path, seeds_suffix: str, kind: str) -> Job:
    """Return the job of a movie that was found in a folder."""
    seeds, result = _seeds_of(movie, seeds_suffix), _stem(movie)
    return Job(
        str(movie), None if seeds is None else str(seeds), folder / f"{result}{_RESULT}.{kind}", result, movie.name
    )


def _listed(manifest: str, folder: Path, seeds_suffix: str, kind: str) -> list[Job]:
    """Return the jobs of a manifest; seeds that it does not name are looked for beside the movie."""
    jobs = []
    for row in read_manifest(manifest):
        movie = Path(row.movie)
        seeds = row.seeds or _seeds_of(movie, seeds_suffix)
        result = row.name or _stem(movie)
        job = Job(row.movie, None if seeds is None else str(seeds), folder / f"{result}{_RESULT}.{kind}", result,
                  row.name or movie.name, row.options)  # fmt: skip
        jobs.append(job)
    return jobs


def make_folder(folder: Path, *, only_check: bool) -> None:
    """Make the folder for results, or check that it could be made.

    Raises
    ------
    OutputError
        If it cannot.
    """
    if only_check:
        there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            raise OutputError(f"{folder} cannot be made: {there} is {'not writable' if there.is_dir() else 'a file'}.")
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} cannot be made: {error.strerror or error}.") from error


def _movies_of(text: str, seeds_suffix: str) -> Iterator[Path]:
    for place in _places(text):
        if place.suffix.lower() == ".zarr" or not place.is_dir():
            if _is_movie(place, seeds_suffix):
                yield place
            continue
        inside = [p for p in sorted(place.iterdir()) if not p.name.startswith(".")]
        movies = [p for p in inside if p.suffix.lower() in _SUFFIXES and _is_movie(p, seeds_suffix)]
        # Movies that are folders of images are known by the seeds beside them.
        movies += [p for p in inside if p.is_dir() and p not in movies and _seeds_of(p, seeds_suffix)]
        if _seeds_of(place, seeds_suffix):
            yield place
        else:
            yield from movies


def _places(text: str) -> list[Path]:
    if os.path.exists(text):
        return [Path(text)]
    if glob.has_magic(text):
        found = sorted(glob.glob(text, recursive=True))
        if not found:
            raise InputError(f"no file or folder fits {text}.")
        return [Path(name) for name in found]
    raise InputError(f"{text} does not exist.")


def _is_movie(path: Path, seeds_suffix: str) -> bool:
    return not _stem(path).endswith((seeds_suffix, _RESULT)) and path.suffix.lower() not in (".png", ".csv", ".json")


def _stem(movie: Path) -> str:
    return movie.name if movie.is_dir() and movie.suffix.lower() != ".zarr" else movie.stem.removesuffix(".ome")


def _seeds_of(movie: Path, suffix: str) -> Path | None:
    kinds = (*([movie.suffix] if not movie.is_dir() else []), ".ome.tif", ".ome.tiff", *_SUFFIXES, ".png")
    candidates = (movie.with_name(f"{_stem(movie)}{suffix}{kind}") for kind in kinds)
    return next((path for path in candidates if path.exists()), None)
