"""Axis orders: which axis of an array is time, channel, row and column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ORDERS_TEXT", "AxisPlan"]

ORDERS_TEXT = "TYX, TYXC, TCYX, CTYX, ZYX or TZYX (T time, C channel, Z slice, Y row, X column)"


@dataclass(frozen=True, slots=True)
class AxisPlan:
    """How to take frame ``t`` out of an array of any order.

    Attributes
    ----------
    time : int
        Axis of time. A Z axis takes its place where there is no longer T: slices are then followed like frames.
    channel : int or None
        Axis of the channels (letters C and S), None for grey.
    y, x : int
        Axes of rows and columns.
    shape : tuple of int
        Shape of the array.
    """

    time: int
    channel: int | None
    y: int
    x: int
    shape: tuple[int, ...]

    @classmethod
    def from_axes(cls, shape: tuple[int, ...], axes: str) -> AxisPlan:
        """Read an axes text such as ``"TCYX"``; axes of length one may be left unused.

        Raises
        ------
        InputError
            If the text does not fit the shape, or if more than time, rows, columns and channels are longer than one.
        """
        axes = axes.upper().replace("S", "C", 1) if "C" not in axes.upper() else axes.upper()
        text = f"axes {axes!r} for an array of shape {tuple(shape)}"
        if len(axes) != len(shape):
            raise InputError(f"{text}: one letter per axis is needed, for example {ORDERS_TEXT}.")
        if len(set(axes)) != len(axes) or not set(axes) <= set("TZCSYXQIRP"):
            raise InputError(f"{text}: unknown or repeated letters; expected {ORDERS_TEXT}.")
        if not {"Y", "X"} <= set(axes):
            raise InputError(f"{text}: Y and X are both needed; expected {ORDERS_TEXT}.")
        long = {letter for letter, size in zip(axes, shape, strict=True) if size > 1 and letter not in "YXCS"}
        candidates = [letter for letter in "TZQIRP" if letter in long] or [c for c in "TZQIRP" if c in axes]
        if not candidates:
            raise InputError(f"{text}: no time axis, this is a single image; a movie of at least 2 frames is needed.")
        if len(long) > 1:
            names = ", ".join(sorted(long))
            hint = ", or read it as a movie of volumes (volumes=True)" if long == {"T", "Z"} else ""
            raise InputError(f"{text}: {names} are all longer than one; choose a single plane first{hint}.")
        both = [letter for letter in "CS" if letter in axes]
        if len(both) == 2:
            both = [letter for letter in both if shape[axes.index(letter)] > 1]
            if len(both) == 2:
                raise InputError(f"{text}: both C and S (samples) are longer than one; choose one of them first.")
        channel = axes.index(both[0]) if both else None
        if channel is not None and shape[channel] == 1:
            channel = None
        return cls(axes.index(candidates[0]), channel, axes.index("Y"), axes.index("X"), tuple(shape))

    @property
    def n_frames(self) -> int:
        """Length of the movie."""
        return self.shape[self.time]

    @property
    def n_channels(self) -> int:
        """Number of channels, 1 for grey."""
        return 1 if self.channel is None else self.shape[self.channel]

    @property
    def frame_shape(self) -> tuple[int, int]:
        """Rows and columns of a frame, in pixels."""
        return self.shape[self.y], self.shape[self.x]

    @property
    def canonical_shape(self) -> tuple[int, ...]:
        """Shape as (T, Y, X) or (T, Y, X, C)."""
        channels = () if self.channel is None else (self.n_channels,)
        return (self.n_frames, *self.frame_shape, *channels)

    def index(self, t: int) -> tuple[int | slice, ...]:
        """Return the index that takes frame `t` out of the array: whole rows, columns and channels, 0 elsewhere."""
        kept = {self.y, self.x, self.channel}
        return tuple(t if a == self.time else slice(None) if a in kept else 0 for a in range(len(self.shape)))

    def order_frame(self, frame: NDArray[Any]) -> NDArray[Any]:
        """Bring what `index` returned into the order (Y, X) or (Y, X, C), as a view."""
        left = sorted(a for a in (self.y, self.x, self.channel) if a is not None)
        wanted = [self.y, self.x] if self.channel is None else [self.y, self.x, self.channel]
        return np.transpose(frame, [left.index(a) for a in wanted])

    def order_array(self, array: NDArray[Any]) -> NDArray[Any]:
        """Bring a whole numpy array into the order (T, Y, X) or (T, Y, X, C), as a view."""
        kept = [self.time, self.y, self.x] + ([] if self.channel is None else [self.channel])
        view = array[tuple(slice(None) if a in kept else 0 for a in range(len(self.shape)))]
        left = sorted(kept)
        return np.transpose(view, [left.index(a) for a in kept])
