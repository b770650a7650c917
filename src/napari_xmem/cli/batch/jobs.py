"""Which movies a batch consists of: folders, movies and patterns, each movie with its seeds and its result."""

from __future__ import annotations

import glob
import os
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_xmem.cli.batch.manifest import is_manifest, read_manifest
from napari_xmem.cli.batch.stores import in_store, movies_in, name_in_store, seeds_in_store
from napari_xmem.errors import InputError, OutputError
from napari_xmem.notices import warn
from napari_xmem.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_xmem.cli.batch.manifest import ManifestRow

__all__ = ["Job", "find_jobs", "make_folder"]

_SUFFIXES = (".tif", ".tiff", ".npy", ".npz", ".zarr")
_RESULT = "_labels"
#: So many folders are named in a message.
_NAMED = 4


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
    movies: dict[str, None] = {}
    for text in given:
        if is_manifest(text):
            jobs += [_job(row.movie, folder, seeds_suffix, kind, row) for row in read_manifest(text)]
        elif "://" in text:
            movies.update(dict.fromkeys(movies_in(text)))
        else:
            found = (movie for place in _movies_of(text, seeds_suffix) for movie in movies_in(str(place)))
            movies.update(dict.fromkeys(found))
    jobs += [_job(movie, folder, seeds_suffix, kind) for movie in movies]
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


def _job(movie: str, folder: Path, seeds_suffix: str, kind: str, row: ManifestRow | None = None) -> Job:
    """Return the job of a movie; seeds that no manifest names are looked for beside it."""
    store, key = in_store(movie)
    plain = name_in_store(movie) if key or "://" in movie else _stem(Path(movie))
    result = (row.name if row else "") or plain
    seeds = (row.seeds if row else "") or _seeds_for(movie, plain, seeds_suffix)
    name = (row.name if row else "") or f"{Path(store).name}{f':{key}' if key else ''}"
    return Job(movie, seeds, folder / f"{result}{_RESULT}.{kind}", result, name, row.options if row else {})


def _seeds_for(movie: str, plain: str, suffix: str) -> str | None:
    """Return the seeds of a movie: a file beside it, or labels that an OME-Zarr image carries."""
    store, key = in_store(movie)
    if "://" in movie:
        return None
    beside = _seeds_of(Path(store).with_name(f"{plain}.zarr") if key else Path(store), suffix)
    return str(beside) if beside is not None else seeds_in_store(movie, suffix.lstrip("_"))


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
            _mention_deeper_movies([p for p in inside if p.is_dir() and p not in movies], seeds_suffix)
            yield from movies


def _mention_deeper_movies(folders: Sequence[Path], seeds_suffix: str) -> None:
    """Say where movies with seeds lie one folder deeper than is looked."""
    found = {}
    for folder in folders:
        with suppress(OSError):  # a folder that may not be read is no reason to stop
            movies = [p for p in folder.iterdir() if p.suffix.lower() in _SUFFIXES and _is_movie(p, seeds_suffix)]
            there = sum(_seeds_of(movie, seeds_suffix) is not None for movie in movies)
            if there:
                found[folder] = there
    if found:
        named = ", ".join(map(str, list(found)[:_NAMED])) + (" ..." if len(found) > _NAMED else "")
        warn(
            f"{counted(sum(found.values()), 'movie')} with seeds in {named} not done: folders inside a folder are not "
            "looked into. Give them as well."
        )


def _places(text: str) -> list[Path]:
    if os.path.exists(text):
        place = Path(text)
        return [place if place.name not in ("", "..") else place.resolve()]  # what lies beside it has its name
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
