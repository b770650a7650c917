"""Which movies a batch consists of: folders, movies and patterns, each movie with its seeds and its result."""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

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

    @property
    def stem(self) -> Path:
        """The result without "_labels" and ending: what other outputs begin with."""
        return self.output.parent / _stem(self.movie)


def find_jobs(given: Sequence[str], output: str, seeds_suffix: str, kind: str) -> list[Job]:
    """List the movies, each once, with its seeds and its result.

    Parameters
    ----------
    given : sequence of str
        Folders of movies, movies, or patterns such as ``day*/*.tif``. Files of seeds and results among them are no
        movies, whoever lists them: the shell, a pattern or a folder.
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
    movies = list(dict.fromkeys(movie for text in given for movie in _movies_of(text, seeds_suffix)))
    if not movies:
        raise InputError(f"there are no movies ({', '.join(_SUFFIXES)}) in {', '.join(given)}.")
    folder = Path(output)
    jobs = [Job(m, _seeds_of(m, seeds_suffix), folder / f"{_stem(m)}{_RESULT}.{kind}") for m in movies]
    if not any(job.seeds for job in jobs):
        first = _stem(movies[0])
        raise InputError(
            f"none of {len(jobs)} movies has seeds beside it; those of {movies[0].name} are to be called "
            f"{first}{seeds_suffix}.tif (.npy, .npz, .zarr)."
        )
    outputs = [job.output for job in jobs if job.seeds]
    twice = sorted({str(path) for path in outputs if outputs.count(path) > 1})
    if twice:
        raise OutputError(f"several movies would be written to {twice[0]}; do them one folder at a time.")
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
