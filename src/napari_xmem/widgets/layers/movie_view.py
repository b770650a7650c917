"""An image layer as a movie: which axis is time, which are channels, which plane."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.errors import InputError
from napari_xmem.imaging import FrameSource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["MovieView", "shown_index"]

TIME_NAMES = ("t", "time", "frame", "frames")
CHANNEL_NAMES = ("c", "ch", "channel", "channels")


@dataclass(frozen=True, slots=True, eq=False)
class MovieView:
    """What is followed in an image layer.

    Attributes
    ----------
    name : str
        Name of the layer.
    data : array-like
        Its array (level 0 of a multiscale one): leading axes, rows, columns and, for `rgb`, colours.
    leading : tuple of int
        Sizes of the axes before rows and columns.
    time_axis : int
        The axis along which objects are followed: time, or the slices of a z-stack.
    channel_axis : int or None
        An axis that holds channels, always seen together.
    plane : tuple of int
        Index on every leading axis; used for those that are neither time nor channels.
    frame_shape : tuple of 2 int
        Rows and columns.
    rgb : bool
        True if the last axis holds colours.
    """

    name: str
    data: Any
    leading: tuple[int, ...]
    time_axis: int
    channel_axis: int | None
    plane: tuple[int, ...]
    frame_shape: tuple[int, int]
    rgb: bool

    @classmethod
    def of_layer(
        cls,
        layer: Any,
        time_axis: int | None = None,
        channel_axis: int | None = None,
        plane: Sequence[int] | None = None,
    ) -> MovieView:
        """Look at an image layer.

        Parameters
        ----------
        layer : napari Image layer
            Grey or rgb, any number of leading axes.
        time_axis, channel_axis : int, optional
            Leading axes; guessed from axis labels, else time comes first and there are no channels.
        plane : sequence of int, optional
            Index on every leading axis for those that are neither, usually what the viewer shows.

        Raises
        ------
        InputError
            If the layer is a single image, or an axis does not exist.
        """
        data = layer.data[0] if layer.multiscale else layer.data
        shape = tuple(int(n) for n in data.shape)
        rgb = bool(layer.rgb)
        rows, columns = shape[-3:-1] if rgb else shape[-2:]
        leading, frame_shape = shape[: -3 if rgb else -2], (rows, columns)
        long = [axis for axis, size in enumerate(leading) if size > 1]
        if not long:
            raise InputError(
                f"'{layer.name}' is a single image of {frame_shape[0]} x {frame_shape[1]} pixels; "
                "open a movie or a stack with at least 2 frames."
            )
        labels = [str(label).lower() for label in layer.axis_labels]
        if time_axis is None:
            time_axis = next((a for a in long if labels[a] in TIME_NAMES), long[0])
        if time_axis not in long or (channel_axis is not None and channel_axis not in long):
            raise InputError(
                f"'{layer.name}' has axes of lengths {leading}; choose time and channels among the longer ones."
            )
        if channel_axis == time_axis:
            channel_axis = None
        fixed = tuple(plane) if plane is not None else (0,) * len(leading)
        return cls(layer.name, data, leading, time_axis, channel_axis, fixed, frame_shape, rgb)

    @staticmethod
    def channel_guess(layer: Any) -> int | None:
        """Return the axis whose label says that it holds channels."""
        labels = [str(label).lower() for label in layer.axis_labels]
        data = layer.data[0] if layer.multiscale else layer.data
        leading = data.shape[: -3 if layer.rgb else -2]
        return next((a for a, size in enumerate(leading) if size > 1 and labels[a] in CHANNEL_NAMES), None)

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return self.leading[self.time_axis]

    @property
    def n_channels(self) -> int:
        """Channels to choose from: 1 for grey; colours of an rgb layer are used as they are."""
        return 1 if self.channel_axis is None else self.leading[self.channel_axis]

    @property
    def plane_axes(self) -> tuple[int, ...]:
        """Leading axes longer than one that are neither time nor channels: one plane of them is followed."""
        taken = (self.time_axis, self.channel_axis)
        return tuple(a for a, size in enumerate(self.leading) if size > 1 and a not in taken)

    def in_planes(self) -> tuple[MovieView, ...]:
        """Return one view per plane along the axes that are neither time nor channels."""
        ranges = [range(size) if a in self.plane_axes else (0,) for a, size in enumerate(self.leading)]
        return tuple(replace(self, plane=plane) for plane in itertools.product(*ranges))

    def index(self, t: int) -> tuple[int | slice, ...]:
        """Return the index of frame `t` on the leading axes: all channels, the chosen plane."""
        return tuple(
            int(t) if a == self.time_axis else slice(None) if a == self.channel_axis else self._fixed(a)
            for a in range(len(self.leading))
        )

    def _fixed(self, axis: int) -> int:
        return min(max(int(self.plane[axis]), 0), self.leading[axis] - 1)

    def source(self, channels: Sequence[int] | None = None) -> FrameSource:
        """Return the frames for the engine, read one at a time.

        Parameters
        ----------
        channels : sequence of int, optional
            Up to three channels; needed where there are more.
        """
        if self.rgb and channels is None:
            channels = (0, 1, 2)
        return FrameSource(_Frames(self), channels=channels if self.rgb or self.n_channels > 1 else None)


class _Frames:
    """A movie view with shape (T, Y, X[, C]), indexed by frame."""

    def __init__(self, view: MovieView) -> None:
        self._view = view
        data = view.data
        colours = (int(data.shape[-1]),) if view.rgb else () if view.channel_axis is None else (view.n_channels,)
        if view.rgb and view.channel_axis is not None:
            raise InputError(f"'{view.name}' is an rgb layer with a further channel axis; split its channels first.")
        self.shape = (view.n_frames, *view.frame_shape, *colours)
        self.dtype = np.dtype(data.dtype)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        """Read frame ``index[0]``; further indices are whole slices."""
        frame = np.asarray(self._view.data[self._view.index(index[0])])
        return frame if self._view.channel_axis is None else np.moveaxis(frame, 0, -1)


def shown_index(layer: Any, point: Sequence[float]) -> tuple[int, ...]:
    """Return the data index of a layer at the viewer's `point` (``viewer.dims.point``), inside the layer."""
    shape = layer.data.shape if not layer.multiscale else layer.data[0].shape
    position = layer.world_to_data(tuple(point)[-layer.ndim :])
    return tuple(min(max(round(float(p)), 0), int(size) - 1) for p, size in zip(position, shape, strict=False))
