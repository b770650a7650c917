"""A movie as something that is read one frame at a time."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.errors import InputError
from napari_xmem.imaging.axes import AxisPlan
from napari_xmem.imaging.reading import check_no_mask, read_part

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FrameSource", "known_shape"]

MAX_CHANNELS = 3
#: A last axis of four that is so long is columns rather than channels.
_NARROWEST_FRAME = 16


class FrameSource:
    """Read frames of a movie one at a time, never the whole.

    Parameters
    ----------
    frames : array_like
        (T, Y, X) or (T, Y, X, C), any numeric or bool dtype and byte order: numpy, memmap, dask, zarr, anything with
        ``shape``, ``dtype`` and indexing; or a sequence of frames (Y, X[, C]). Another `FrameSource` is taken over.
    channel_axis : int, optional
        Axis of the channels of a 4D array; the last where not given.
    channels : sequence of int, optional
        Channels to use, up to three; needed where there are more.
    min_frames : int
        Fewest frames accepted.

    Raises
    ------
    InputError
        If the array is a 2D image, too short, empty, not numeric, or has more than three channels and no choice.
    """

    def __init__(
        self,
        frames: Any,
        channel_axis: int | None = None,
        *,
        channels: Sequence[int] | None = None,
        min_frames: int = 2,
    ) -> None:
        if isinstance(frames, FrameSource):
            channels = frames._channels if channels is None else channels
            array, plan = frames._array, frames._plan
        else:
            frames = _opened(frames)
            array = frames if hasattr(frames, "shape") and hasattr(frames, "dtype") else _Listed(frames)
            plan = _plan(known_shape(array), channel_axis, min_frames, _named_axes(array), chosen=channels is not None)
        self._array: Any = array
        self._plan: AxisPlan = plan
        self.dtype: np.dtype[Any] = _native(_dtype_of(array, plan))
        self._channels: tuple[int, ...] | None = _choose_channels(channels, self._plan.n_channels)

    def __len__(self) -> int:
        return self._plan.n_frames

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self.read(t) for t in range(len(self)))

    def __repr__(self) -> str:
        return f"FrameSource(shape={self.shape}, dtype={self.dtype})"

    @property
    def frame_shape(self) -> tuple[int, int]:
        """Rows and columns of a frame, in pixels."""
        return self._plan.frame_shape

    @property
    def channels(self) -> tuple[int, ...] | None:
        """The channels that were chosen; None for all there are."""
        return self._channels

    @property
    def n_channels(self) -> int:
        """Channels that `read` returns: 1 (grey) to 3."""
        return self._plan.n_channels if self._channels is None else len(self._channels)

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, Y, X) or (T, Y, X, C)."""
        return (len(self), *self.frame_shape, *(() if self.n_channels == 1 else (self.n_channels,)))

    def read(self, t: int) -> NDArray[Any]:
        """Read frame `t` (0 to T - 1) as an ndarray (Y, X) or (Y, X, C) in native byte order.

        Raises
        ------
        InputError
            If `t` is outside the movie, or the frame cannot be read or has another shape than the first.
        """
        if not 0 <= t < len(self):
            raise InputError(f"frame {t} does not exist: the movie has frames 0 to {len(self) - 1}.")
        frame = self._plan.order_frame(read_part(self._array, self._plan.index(int(t)), f"frame {t}"))
        if self._channels is not None and frame.ndim == 3:
            frame = frame[..., list(self._channels)]
            frame = frame[..., 0] if len(self._channels) == 1 else frame
        return frame.astype(self.dtype, copy=False)


def known_shape(array: Any) -> tuple[int, ...]:
    """Return the shape of a movie.

    Raises
    ------
    InputError
        If a size is not known, as of some dask arrays, or if it is no array at all.
    """
    if not isinstance(array.shape, Iterable):
        raise InputError(f"frames are {type(array).__name__}, expected an array (T, Y, X[, C]).")
    shape = tuple(array.shape)
    if any(n != n for n in shape):  # dask writes NaN for what it does not know
        raise InputError(
            f"the movie has shape {shape}: dask does not know some of its sizes; let it find out with "
            "movie.compute_chunk_sizes(), then pass the movie again."
        )
    return tuple(int(n) for n in shape)


class _Listed:
    """A sequence of frames seen as an array indexed by (t, ...)."""

    def __init__(self, frames: Sequence[Any]) -> None:
        if isinstance(frames, (str, bytes)) or not isinstance(frames, Sequence) or not frames:
            raise InputError(
                f"frames are {type(frames).__name__}, expected an array (T, Y, X[, C]) or a list of frames (Y, X[, C])."
            )
        first = np.asarray(frames[0])
        if first.ndim not in (2, 3) or (first.ndim == 3 and first.shape[-1] > 4):
            raise InputError(
                f"the first of the listed frames has shape {first.shape}, expected (Y, X) or (Y, X, C); "
                "for a multiscale image pass its first level."
            )
        self._frames, self._frame_shape = frames, first.shape
        self.shape = (len(frames), *first.shape)
        self.dtype = np.result_type(*{np.asarray(frame).dtype for frame in frames[:64]})

    def __getitem__(self, index: tuple[Any, ...]) -> NDArray[Any]:
        check_no_mask(self._frames[index[0]], f"frame {index[0]}")
        frame = np.asarray(self._frames[index[0]])
        if frame.shape != self._frame_shape:
            raise InputError(f"frame {index[0]} has shape {frame.shape}, the first {self._frame_shape}.")
        return frame[index[1:]]


def _opened(frames: Any) -> Any:
    """Take the pixels out of what `open_movie` returned, and what numpy has to look at first."""
    if not hasattr(frames, "shape") and hasattr(getattr(frames, "data", None), "shape") and not hasattr(frames, "path"):
        raise InputError(f"frames are a {type(frames).__name__}; pass its pixels: .data.")
    if isinstance(frames, (str, bytes, os.PathLike)):
        raise InputError(
            f"frames are {type(frames).__name__}, expected an array (T, Y, X[, C]) or a list of frames (Y, X[, C]); "
            f"open a file first: open_movie({str(frames)[:80]!r})."
        )
    if hasattr(frames, "path") and hasattr(frames, "axes") and hasattr(frames, "data"):
        return frames.data
    return np.asarray(frames) if isinstance(frames, memoryview) else frames


def _named_axes(array: Any) -> str | None:
    """Return the axes that an array names itself, as xarray's do: "TYX" for dims ("time", "y", "x")."""
    dims = getattr(array, "dims", None)
    if not isinstance(dims, tuple) or not all(isinstance(name, str) and name for name in dims):
        return None
    axes = "".join(name[0] for name in dims).upper()
    return axes if len(set(axes)) == len(axes) and {"T", "Y", "X"} <= set(axes) <= set("TZCSYX") else None


def _order(shape: tuple[int, ...], channel_axis: int | None) -> str:
    """Name the axes of an array (T, Y, X) or (T, Y, X, C), with axes of length one anywhere before Y."""
    n = len(shape)
    if channel_axis is None and n > 3 and 1 in shape[:-2] and shape[-1] > MAX_CHANNELS + 1:
        long = [axis for axis in range(n - 2) if shape[axis] > 1]
        if len(long) <= 1:
            time = long[0] if long else 0
            unused = iter("CZQIRP")
            return "".join("T" if axis == time else next(unused) for axis in range(n - 2)) + "YX"
    if n == 4:
        axis = 3 if channel_axis is None else channel_axis % 4
        return "TYX"[:axis] + "C" + "TYX"[axis:]
    return "TYX"


def _plan(
    shape: tuple[int, ...],
    channel_axis: int | None,
    min_frames: int,
    named: str | None = None,
    *,
    chosen: bool = False,
) -> AxisPlan:
    if len(shape) == 2 or (len(shape) == 3 and channel_axis is not None):
        raise InputError(
            f"the movie has shape {shape}: that is a single 2D image; expected (T, Y, X) or (T, Y, X, C) with at least "
            f"{min_frames} frames."
        )
    axes = named if named is not None and channel_axis is None else _order(shape, channel_axis)
    if axes == "TYXC" and named is None and channel_axis is None and not chosen:
        _refuse_channels_first(shape)
    if len(shape) != len(axes) or len(shape) > 8:
        raise InputError(
            f'the movie has shape {shape}, expected (T, Y, X) or (T, Y, X, C); name its axes (axes="TCZYX"), or take '
            f"a part of it, such as "
            f"frames[:, 0], so that time, rows and columns are left."
        )
    if 0 in shape:
        raise InputError(f"the movie has shape {shape}: it holds no pixels.")
    plan = AxisPlan.from_axes(shape, axes)
    if plan.n_frames < min_frames:
        raise InputError(
            f"the movie has {plan.n_frames} frame, expected at least {min_frames}: there is nothing to propagate to. "
            f"If its order of axes is another one than {axes}, reorder it."
        )
    return plan


def _refuse_channels_first(shape: tuple[int, ...]) -> None:
    """Ask about a movie of four axes of which one of the first two looks like channels."""
    if len(shape) != 4 or shape[-1] < _NARROWEST_FRAME:
        return
    short = [axis for axis in (0, 1) if 1 < shape[axis] <= MAX_CHANNELS + 1]
    if len(short) == 1:
        axis = short[0]
        raise InputError(
            f"the movie has shape {shape}: axis {axis} of length {shape[axis]} looks like channels; say so with "
            f'axes="{"CTYX" if axis == 0 else "TCYX"}", or pass numpy.moveaxis(frames, {axis}, -1). Is it depth, use '
            "propagate_volumes."
        )
    raise InputError(
        f"the movie has shape {shape}, expected (T, Y, X) or (T, Y, X, C) with up to {MAX_CHANNELS} channels. Name "
        f"its axes, "
        'such as axes="TCYX" with channels=[0]; for volumes (T, Z, Y, X) use propagate_volumes; give several movies '
        "one by "
        "one."
    )


def _dtype_of(array: Any, plan: AxisPlan) -> np.dtype[Any]:
    if getattr(array, "requires_grad", False) is True:
        raise InputError("the movie is a tensor that requires grad; pass it detached: frames.detach().")
    if getattr(getattr(array, "device", None), "type", "cpu") == "meta":
        raise InputError("the movie is a tensor on the device meta, which holds no pixels.")
    try:
        return np.dtype(array.dtype)
    except TypeError:  # another library's dtype, torch's for example
        return np.asarray(array[plan.index(0)]).dtype


def _native(dtype: np.dtype[Any]) -> np.dtype[Any]:
    if dtype.kind not in "buif":
        raise InputError(f"the movie has dtype {dtype}, expected bool, integers or floats.")
    return dtype.newbyteorder("=")


def _choose_channels(channels: Sequence[int] | None, n_channels: int) -> tuple[int, ...] | None:
    if channels is None:
        if n_channels > MAX_CHANNELS:
            some = (
                "the colours of RGBA are channels=[0, 1, 2] or --channels 0,1,2"
                if n_channels == 4
                else "channels=[0, 1] or --channels 0,1"
            )
            raise InputError(
                f"the movie has {n_channels} channels, expected up to {MAX_CHANNELS}; choose some ({some}). "
                "If that axis is no channel axis, reorder the axes; for a movie of volumes (T, Z, Y, X) use "
                "propagate_volumes."
            )
        return None
    chosen = tuple(int(c) for c in channels)
    if not 1 <= len(chosen) <= MAX_CHANNELS or not all(0 <= c < n_channels for c in chosen):
        raise InputError(f"channels are {chosen}, expected 1 to {MAX_CHANNELS} numbers from 0 to {n_channels - 1}.")
    return None if n_channels == 1 else chosen
