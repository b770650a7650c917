"""What a viewer adds to a session's file: the movie's layer, Labels layers, strokes, and what stood in the form."""

from __future__ import annotations

import json
import zipfile
import zlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from napari_xmem.errors import OutputError, SessionError
from napari_xmem.files import atomic_write
from napari_xmem.widgets.layers.movie_view import MovieView
from napari_xmem.widgets.saving.saved_layers import SavedLayer, pack_labels, place_of, unpack_labels

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from napari_xmem.session import TrackingSession

__all__ = ["FORMAT", "SavedMovie", "SavedWork", "read_parts", "read_work", "write_work"]

T = TypeVar("T")

#: Name and version of what is added.
FORMAT = "napari-xmem viewer 1"
_WORK = "viewer/desk.json"
_LAYERS = "viewer/layers"
_STROKES = "viewer/strokes"


@dataclass(frozen=True, slots=True)
class SavedMovie:
    """Where a movie comes from, and what of it is followed.

    Attributes
    ----------
    name : str
        Name of its layer.
    path, reader : str or None
        The file that the layer was opened from, and napari's name of what read it.
    sample : tuple of 2 str or None
        Plugin and name, for sample data.
    time_axis : int or None
        Axis that is time; None: as its labels say.
    channel_axis : int or None
        Axis that holds channels.
    plane : tuple of int or None
        Index on the leading axes.
    channels : tuple of int or None
        Channels that the model looks at.
    place : dict
        Scale, translation and so on.
    """

    name: str
    path: str | None
    reader: str | None
    sample: tuple[str, str] | None
    time_axis: int | None
    channel_axis: int | None
    plane: tuple[int, ...] | None
    channels: tuple[int, ...] | None
    place: dict[str, Any]

    @classmethod
    def of_layer(cls, layer: Any, movie: MovieView, channels: tuple[int, ...] | None) -> Self:
        """Describe the movie of an image layer."""
        source = layer.source
        path = None if source.path is None else str(Path(source.path).absolute())
        plane = tuple(int(n) for n in movie.plane)
        axes = movie.time_axis, movie.channel_axis
        return cls(layer.name, path, source.reader_plugin, source.sample, *axes, plane, channels, place_of(layer))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read what `dataclasses.asdict` gave, by way of JSON."""
        tuples = {
            name: None if values[name] is None else tuple(values[name]) for name in ("sample", "plane", "channels")
        }
        return cls(**{**values, **tuples})

    @property
    def has_file(self) -> bool:
        """True if it can be opened again by itself."""
        return self.path is not None or self.sample is not None

    def view(self, layer: Any) -> MovieView:
        """Look at a layer in the same way; raises `InputError` if its axes are others."""
        axis = MovieView.channel_guess(layer) if self.time_axis is None else self.channel_axis
        return MovieView.of_layer(layer, self.time_axis, axis, self.plane)


@dataclass(frozen=True, slots=True)
class SavedWork:
    """All that a viewer adds.

    Attributes
    ----------
    movie : SavedMovie
        The movie.
    layers : tuple of SavedLayer
        Labels layers of the movie.
    result : int or None
        Which of them the session writes into.
    seeds : int or None
        Which of them is chosen as seeds.
    settings : dict
        What stood in the form.
    shown : tuple of float
        Where the viewer's sliders stood.
    """

    movie: SavedMovie
    layers: tuple[SavedLayer, ...]
    result: int | None = None
    seeds: int | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    shown: tuple[float, ...] = ()


def write_work(
    path: str | os.PathLike[str],
    session: TrackingSession,
    work: SavedWork,
    data: Mapping[int, Any],
    strokes: Callable[[], Mapping[int, NDArray[Any]]],
) -> None:
    """Write a session with what the viewer adds, whole or not at all; a frame at hand is done first.

    Parameters
    ----------
    path : path-like
        The file; replaced if it exists.
    session : TrackingSession
        The session.
    work : SavedWork
        What is added.
    data : mapping
        Number of a layer to its data, for layers whose labels the session does not hold.
    strokes : callable
        Returns frame to labels (Y, X) where the result differs from the session; called when that is saved.

    Raises
    ------
    OutputError
        If it cannot be written; what stood there stays.
    """
    try:
        with atomic_write(path) as partial:
            session.save(partial)
            with zipfile.ZipFile(partial, "a") as file:
                for number, layer in enumerate(work.layers):
                    if number in data:
                        layer.write_planes(file, f"{_LAYERS}/{number}", data[number])
                for frame, labels in strokes().items():
                    file.writestr(f"{_STROKES}/{frame:06d}.npz", pack_labels(labels))
                facts = {"format": FORMAT, **asdict(work)}
                file.writestr(_WORK, json.dumps(facts, indent=1), zipfile.ZIP_DEFLATED)
    except OSError as error:
        raise OutputError(f"The work cannot be saved to {path}: {error}. Choose another place.") from error


def read_work(path: str | os.PathLike[str]) -> SavedWork | None:
    """Return what a viewer added to a session's file; None if it was saved without one.

    Raises
    ------
    SessionError
        If it is missing, damaged or no session.
    """

    def read() -> SavedWork | None:
        with zipfile.ZipFile(path) as file:
            if _WORK not in file.namelist():
                return None
            facts = json.loads(file.read(_WORK))
        if facts.pop("format") != FORMAT:
            raise ValueError("another version")
        layers = tuple(SavedLayer.from_dict(values) for values in facts.pop("layers"))
        work = SavedWork(**{**facts, "layers": layers, "movie": SavedMovie.from_dict(facts["movie"])})
        for number in (work.result, work.seeds):
            if number is not None and not 0 <= number < len(layers):
                raise ValueError(f"no layer {number}")
        return work

    return _reading(path, read)


def read_parts(
    path: str | os.PathLike[str], work: SavedWork, frame_shape: tuple[int, int]
) -> tuple[dict[int, NDArray[Any]], dict[int, NDArray[Any]]]:
    """Return data of all layers but the result, by their number, and strokes by frame.

    Raises
    ------
    SessionError
        If the file is damaged.
    OutputError
        If there is no room for a layer.
    """

    def read() -> tuple[dict[int, NDArray[Any]], dict[int, NDArray[Any]]]:
        with zipfile.ZipFile(path) as file:
            data = {
                number: layer.read_planes(file, f"{_LAYERS}/{number}")
                for number, layer in enumerate(work.layers)
                if number != work.result
            }
            strokes = {
                int(Path(member).stem): unpack_labels(file, member, frame_shape)
                for member in file.namelist()
                if member.startswith(f"{_STROKES}/")
            }
        return data, strokes

    return _reading(path, read)


def _reading(path: str | os.PathLike[str], read: Callable[[], T]) -> T:
    """Turn what goes wrong with a file into one sentence."""
    try:
        return read()
    except OSError as error:
        why = error.strerror or str(error)
        raise SessionError(f"{path} cannot be read: {why}. Choose a file that Save has written.") from error
    except (
        *(zipfile.BadZipFile, zlib.error, ValueError, KeyError, TypeError, AttributeError, IndexError),
        *(RuntimeError, NotImplementedError, RecursionError, EOFError),
    ) as error:
        if isinstance(error, (SessionError, OutputError)):
            raise
        raise SessionError(f"{path} is damaged, or no saved work of this version ({error}).") from error
