"""What a reader returns, and an array whose frames are read when indexed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_xmem.imaging.axes import AxisPlan

__all__ = ["LazyFrames", "Opened"]


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
    """

    array: Any
    axes: str | None = None
    scale: tuple[float, float] | None = None
    unit: str | None = None


class LazyFrames:
    """An array (T, Y, X[, C]) over a file: a frame is read when it is indexed, and nothing is kept.

    Parameters
    ----------
    array : array_like
        The file's array.
    plan : AxisPlan
        Which of its axes is which.
    """

    def __init__(self, array: Any, plan: AxisPlan) -> None:
        self._array, self._plan = array, plan
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
        return self._plan.order_frame(np.asarray(self._array[self._plan.index(t)]))
