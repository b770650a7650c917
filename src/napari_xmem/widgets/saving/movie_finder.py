"""Finding the movie of saved work: in the viewer, where it was, beside the file, or where a person says it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image

from napari_xmem.errors import SessionError, XMemError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from napari_xmem.widgets.saving.saved_work import SavedMovie

__all__ = ["find_movie"]


def find_movie(
    viewer: Any,
    saved: SavedMovie,
    facts: Mapping[str, Any],
    file: Path,
    ask: Callable[[str], str] | None = None,
) -> Any:
    """Return the image layer that holds the movie of saved work, opened if need be.

    Parameters
    ----------
    viewer : napari Viewer
        Its layers are looked at first.
    saved : SavedMovie
        Where it was.
    facts : mapping
        Its size, type and checksum, see `napari_xmem.session.archive.describe_movie`.
    file : Path
        The file of the work; the movie may have been moved along with it.
    ask : callable, optional
        Called with a sentence; returns where the movie is now, or "".

    Raises
    ------
    SessionError
        If it is not found.
    """
    for layer in reversed(list(viewer.layers)):
        if _is_movie(layer, saved, facts):
            return layer
    tried = list(_places(saved, file))
    problem = _missing(saved, tried)
    for place in tried:
        if place.exists():
            found = _opened(viewer, saved, facts, place)
            if found is not None:
                return found
            problem = f"{place} is another movie now: its size or its pixels differ from those of the saved one."
    if saved.sample is not None:
        found = _fitting(viewer.open_sample(*saved.sample), saved, facts)
        if found is not None:
            return found
    chosen = ask(problem) if ask is not None else ""
    if not chosen:
        raise SessionError(f"{problem} Open it in this window first, then open the saved work again.")
    found = _opened(viewer, saved, facts, Path(chosen))
    if found is None:
        raise SessionError(f"{chosen} is not the movie of this work: its size or its pixels differ.")
    return found


def _places(saved: SavedMovie, file: Path) -> Iterator[Path]:
    if saved.path is not None:
        yield Path(saved.path)
        beside = file.absolute().parent / Path(saved.path).name
        if beside != Path(saved.path):
            yield beside


def _missing(saved: SavedMovie, tried: list[Path]) -> str:
    if not tried:
        return f"The movie '{saved.name}' had no file when this was saved."
    return f"The movie {tried[0]} is not there any more."


def _opened(viewer: Any, saved: SavedMovie, facts: Mapping[str, Any], place: Path) -> Any:
    """Open a file; its layers are taken out again if none is the movie."""
    try:
        layers = viewer.open(str(place), plugin=saved.reader)
    except Exception as error:  # readers of other plugins raise what they like
        raise SessionError(f"The movie {place} cannot be opened: {error}") from error
    return _fitting(layers, saved, facts, viewer)


def _fitting(layers: Any, saved: SavedMovie, facts: Mapping[str, Any], viewer: Any = None) -> Any:
    found = next((layer for layer in layers if _is_movie(layer, saved, facts)), None)
    if viewer is not None and found is None:
        for layer in layers:
            viewer.layers.remove(layer)
    return found


def _is_movie(layer: Any, saved: SavedMovie, facts: Mapping[str, Any]) -> bool:
    if not isinstance(layer, Image):
        return False
    try:
        from napari_xmem.session.archive import describe_movie  # loads torch

        return bool(describe_movie(saved.view(layer).source(saved.channels)) == facts)
    except XMemError:
        return False
