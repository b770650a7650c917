"""Types of what a script gives as a movie and as labels, for type checkers; at run time whatever works is taken."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias

__all__ = ["Frames", "Labels", "Seeds"]


class PixelArray(Protocol):
    """An array of numpy, dask, zarr, torch, xarray and others."""

    @property
    def shape(self) -> Any:
        """Length of each axis."""

    def __getitem__(self, key: Any, /) -> Any:
        """Return some of it."""


class OpenedFile(Protocol):
    """What `open_movie` and `open_labels` return."""

    @property
    def axes(self) -> str:
        """Order of the axes."""

    @property
    def data(self) -> Any:
        """Pixels."""


class FrameReader(Protocol):
    """What reads frame by frame."""

    def read(self, t: int, /) -> Any:
        """Return frame `t`."""


class Labelled(Protocol):
    """A result of a run."""

    @property
    def labels(self) -> Any:
        """Labels of all frames."""


#: A movie.
Frames: TypeAlias = PixelArray | OpenedFile | FrameReader | Sequence[Any] | str | os.PathLike[str]
#: Labels of some frames, or of all.
Seeds: TypeAlias = Mapping[Any, Any] | PixelArray | OpenedFile | Sequence[Any] | str | os.PathLike[str]
#: Labels of all frames, or the result of a run.
Labels: TypeAlias = PixelArray | OpenedFile | Labelled | Sequence[Any]
