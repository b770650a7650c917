"""Movies inside of stores: plates, stores of several images, and the labels that an OME-Zarr image carries."""

from __future__ import annotations

from pathlib import Path

from napari_xmem.errors import InputError

__all__ = ["in_store", "movies_in", "name_in_store", "seeds_in_store"]


def in_store(movie: str) -> tuple[str, str]:
    """Return a store and the path inside, "" where a movie names none."""
    head, colon, key = movie.rpartition(":")
    return (head, key.strip("/")) if colon and Path(head).suffix.lower() == ".zarr" else (movie, "")


def movies_in(movie: str) -> list[str]:
    """Return the movies of a store that holds several, such as the fields of a plate's wells; else the movie itself."""
    from napari_xmem.io.zarr_store import image_names

    if not movie.lower().endswith(".zarr"):
        return [movie]
    try:
        names = image_names(movie)
    except InputError:  # what is wrong with it is said when it is its turn
        return [movie]
    return [f"{movie}:{name}" for name in names] if len(names) > 1 else [movie]


def name_in_store(movie: str) -> str:
    """Return what the results of a movie in a store are called: plate_B_03_0."""
    store, key = in_store(movie)
    return "_".join([Path(store).stem.removesuffix(".ome"), *filter(None, key.split("/"))])


def seeds_in_store(movie: str, name: str) -> str | None:
    """Return the labels of that name that an OME-Zarr image carries, where it does."""
    store, key = in_store(movie)
    inside = "/".join([*filter(None, [key]), "labels", name])
    group = Path(store) / inside
    if Path(store).suffix.lower() != ".zarr" or not any(
        (group / n).is_file() for n in ("zarr.json", ".zgroup", ".zarray")
    ):
        return None
    return f"{store}:{inside}"
