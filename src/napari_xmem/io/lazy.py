"""What a reader returns, and arrays whose frames, or planes, are read when indexed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.imaging.reading import read_part

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_xmem.imaging.axes import AxisPlan

__all__ = ["LazyFrames", "LazyVolumes", "Opened"]


@dataclass(frozen=True, slots=True)
class Opened:
    """An array in the order of its file.

    Attributes
    ----------
    array : array_like
        ``shape``, ``dtype`` and indexing by a tuple of integers and full slices.
    axes : str or None
        One letter per axis where the file says, such as "TCYX".
    scale, unit
        Height and width of a pixel and their unit, where the file says.
    z_step : float or None
        Distance of two planes in the same unit, where the file says.
    frames : tuple of int or None
        Numbers of the frames in the names of their files, where there are such.
    frame_interval_s : float or None
        Seconds from one frame to the next, where the file says.
    """

    array: Any
    axes: str | None = None
    scale: tuple[float, float] | None = None
    unit: str | None = None
    z_step: float | None = None
    frames: tuple[int, ...] | None = None
    frame_interval_s: float | None = None


class LazyFrames:
    """An array (T, Y, X[, C]) over a file: a frame is read when it is indexed, and nothing is kept.

    Parameters
    ----------
    array : array_like
        The file's array.
    plan : AxisPlan
        Which of its axes is which.
    path : str
        The file, for messages.
    """

    def __init__(self, array: Any, plan: AxisPlan, path: str = "the movie") -> None:
        self._array, self._plan, self._path = array, plan, path
        self.shape: tuple[int, ...] = plan.canonical_shape
        self.dtype: np.dtype[Any] = np.dtype(array.dtype)
        self.ndim: int = len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self._read(t) for t in range(len(self)))

    def __getitem__(self, index: Any) -> NDArray[Any]:
        first, *rest = index if isinstance(index, tuple) else (index,)
        if first is Ellipsis:
            first, rest = slice(None), [Ellipsis, *rest]
        if isinstance(first, (int, np.integer)):
            t = int(first) + (len(self) if first < 0 else 0)
            if not 0 <= t < len(self):
                raise IndexError(f"frame {first} is outside 0 to {len(self) - 1}")
            return self._read(t)[tuple(rest)]
        chosen = np.arange(len(self))[first]
        frames = [self._read(int(t))[tuple(rest)] for t in chosen]
        return np.stack(frames) if frames else np.empty((0, *self.shape[1:]), self.dtype)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:], dtype=dtype)

    def _read(self, t: int) -> NDArray[Any]:
        return self._plan.order_frame(read_part(self._array, self._plan.index(t), f"{self._path}: frame {t}"))


class LazyVolumes:
    """An array (T, Z, Y, X[, C]) over a file: a plane is read when it is indexed, and nothing is kept.

    Parameters
    ----------
    array : array_like
        The file's array.
    plan : AxisPlan
        Which of its axes is which, in one plane.
    depth : int
        The array's axis of planes.
    path : str
        The file, for messages.
    """

    def __init__(self, array: Any, plan: AxisPlan, depth: int, path: str = "the movie") -> None:
        self._array, self._plan, self._depth, self._path = array, plan, depth, path
        n_frames, *inside = plan.canonical_shape
        self.shape: tuple[int, ...] = (n_frames, int(array.shape[depth]), *inside)
        self.dtype: np.dtype[Any] = np.dtype(array.dtype)
        self.ndim: int = len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> NDArray[Any]:
        t, z, *inside = (*index, slice(None)) if isinstance(index, tuple) else (index, slice(None))
        if isinstance(t, slice):
            return np.stack([self[(k, z, *inside)] for k in range(len(self))[t]])
        if isinstance(z, slice):
            return np.stack([self[(t, k, *inside)] for k in range(self.shape[1])[z]])
        t, z = range(len(self))[t], range(self.shape[1])[z]
        place = list(self._plan.index(t))
        place[self._depth] = z
        plane = read_part(self._array, tuple(place), f"{self._path}: plane {z} of frame {t}")
        return self._plan.order_frame(plane)[tuple(inside)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:], dtype=dtype)
