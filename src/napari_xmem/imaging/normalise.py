"""Intensity normalisation of a whole movie: robust, the same for every frame."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from napari_xmem.errors import ConfigError, InputError
from napari_xmem.imaging.outliers import is_far, outlier_free, range_of_medians, sampled_medians
from napari_xmem.imaging.source import FrameSource
from napari_xmem.notices import warn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_xmem.imaging.brightness import BrightnessChange

__all__ = ["IntensityNormaliser", "NonFinitePixelsWarning"]

_SAMPLES_PER_FRAME = 1 << 18
CLIP_LOW, CLIP_HIGH = -0.5, 2.0
#: Limits are measured again without single pixels that lie this many times the range of the rest beyond it.
_FAR_OUT = 3.0


class NonFinitePixelsWarning(UserWarning):
    """A frame holds NaN or infinite pixels; they were treated as dark background.

    Attributes
    ----------
    frame : int or None
        Index of the frame, None where it is not known.
    count : int
        Number of such values.
    """

    def __init__(self, frame: int | None, count: int) -> None:
        self.frame, self.count = frame, count
        name = "a frame" if frame is None else f"frame {frame}"
        super().__init__(
            f"{name} holds {count} NaN or infinite values; they are treated as dark background, as on every frame."
        )


@dataclass(frozen=True, slots=True)
class IntensityNormaliser:
    """Map intensities of a movie so that two percentiles become 0 and 1, per channel.

    Attributes
    ----------
    low, high : tuple of float
        Intensities that become 0 and 1, one pair per channel; ``high > low``.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.low) != len(self.high) or not 1 <= len(self.low) <= 3:
            raise ConfigError(f"low and high have {len(self.low)} and {len(self.high)} values, expected 1 to 3 each.")
        if not all(low < high for low, high in zip(self.low, self.high, strict=True)):
            raise ConfigError(f"low {self.low} must be below high {self.high} in every channel.")

    @classmethod
    def fit(
        cls,
        source: FrameSource | NDArray[Any],
        percentiles: tuple[float, float] = (0.5, 99.8),
        max_frames: int = 16,
    ) -> Self:
        """Measure percentiles over up to `max_frames` frames spread evenly over the movie.

        Parameters
        ----------
        source : FrameSource or array_like
            The movie; frames are read one at a time. Arrays are wrapped in a `FrameSource`.
        percentiles : tuple of 2 float
            Percentiles in 0..100 that become 0 and 1. NaN and infinite values are left out. Where the two coincide
            (few bright pixels) minimum and maximum take their place; constant movies become 0 everywhere. Isolated
            pixels and lines that lie far beyond all the rest (hot pixels, failed divisions) are left out too.
        max_frames : int
            Frames to look at. Large frames are sampled on a regular grid.
        """
        source = source if isinstance(source, FrameSource) else FrameSource(source, min_frames=1)
        low, high = percentiles
        if not 0 <= low < high <= 100 or max_frames < 1:
            raise ConfigError(
                f"percentiles {percentiles} must rise within 0..100, max_frames {max_frames} be positive."
            )
        chosen = np.unique(np.linspace(0, len(source) - 1, min(max_frames, len(source))).round().astype(int))
        frames = [int(t) for t in chosen]
        sampled, medians = [], []
        for t in frames:
            frame = source.read(t)
            sampled.append(_sample(frame))
            medians.append([sampled_medians(plane) for plane in _planes(frame)])
        samples = np.concatenate(sampled)
        ranges = [
            _suspect_range(samples[:, c], list(channel), (low, high))
            for c, channel in enumerate(zip(*medians, strict=True))
        ]
        if any(ranges):
            samples = np.concatenate([_sample(_without_outliers(source.read(t), ranges)) for t in frames])
        limits = [_limits(samples[:, c], (low, high)) for c in range(samples.shape[1])]
        return cls(tuple(a for a, _ in limits), tuple(b for _, b in limits))

    @property
    def n_channels(self) -> int:
        """Channels of the movie this was fitted to, 1 to 3."""
        return len(self.low)

    def in_light(self, changes: Sequence[BrightnessChange]) -> Self:
        """Return what brings a frame, whose light differs by a change per channel, to the light of the movie."""
        spans = [high - low for low, high in zip(self.low, self.high, strict=True)]
        low = tuple(a + c.offset * span for a, span, c in zip(self.low, spans, changes, strict=True))
        high = tuple(a + c.gain * span for a, span, c in zip(low, spans, changes, strict=True))
        return replace(self, low=low, high=high)

    def to_rgb(self, frame: NDArray[Any], index: int | None = None) -> NDArray[np.float32]:
        """Normalise one frame.

        Parameters
        ----------
        frame : ndarray, (Y, X) or (Y, X, C), any numeric dtype
            C is the number of channels that was fitted.
        index : int, optional
            Index of the frame, for the warning about NaN or infinite values.

        Returns
        -------
        ndarray, (3, Y, X), float32
            0..1 between the percentiles, clipped to [-0.5, 2]. Grey is repeated, a missing third channel is 0.
            NaN and infinite values become 0, with a `NonFinitePixelsWarning`. Isolated pixels and lines beyond -1..2
            become what surrounds them, see `napari_xmem.imaging.outliers`.

        Raises
        ------
        InputError
            If the number of channels is another than was fitted.
        """
        planes = frame[None] if frame.ndim == 2 else np.moveaxis(frame, -1, 0)
        if frame.ndim not in (2, 3) or planes.shape[0] != self.n_channels:
            raise InputError(
                f"the frame has shape {frame.shape}; expected (Y, X) with {self.n_channels} channel(s), as in the "
                "movie whose intensities were measured."
            )
        rgb = np.zeros((3, *planes.shape[1:]), np.float32)
        bad = 0
        for c, plane in enumerate(planes):
            plane = _or(outlier_free(plane, self.low[c], self.high[c]), plane)
            bad += _normalise_into(rgb[c], plane, self.low[c], self.high[c])
        if self.n_channels == 1:
            rgb[1:] = rgb[0]
        if bad:
            warn(NonFinitePixelsWarning(index, bad), stacklevel=2)
        return rgb


def _normalise_into(out: NDArray[np.float32], plane: NDArray[Any], low: float, high: float) -> int:
    """Write the normalised plane to `out` and return how many values were not finite."""
    single = plane.dtype.kind in "bui" and plane.dtype.itemsize <= 2
    values: NDArray[np.floating[Any]] = plane.astype(np.float32 if single else np.float64)
    n_bad = 0
    if plane.dtype.kind == "f":
        bad = ~np.isfinite(values)
        n_bad = int(np.count_nonzero(bad))
        if n_bad:
            values[bad] = low
    np.subtract(values, low, out=values)
    np.multiply(values, 1.0 / (high - low), out=values)
    np.clip(values, CLIP_LOW, CLIP_HIGH, out=values)
    out[...] = values
    return n_bad


def _suspect_range(
    samples: NDArray[np.float64], medians: list[NDArray[np.float64]], percentiles: tuple[float, float]
) -> tuple[float, float] | None:
    """Return the range of medians of a channel if some sampled value lies far beyond it, else None."""
    limits = range_of_medians(medians, percentiles)
    return None if limits is None or is_far(samples[None], *limits, _FAR_OUT) is None else limits


def _planes(frame: NDArray[Any]) -> list[NDArray[Any]]:
    """Split a frame into its channels."""
    return [frame] if frame.ndim == 2 else list(np.moveaxis(frame, -1, 0))


def _without_outliers(frame: NDArray[Any], ranges: list[tuple[float, float] | None]) -> NDArray[Any]:
    """Return a frame without isolated pixels and lines beyond the ranges of its channels."""
    cleaned = [
        plane if limits is None else _or(outlier_free(plane, *limits, _FAR_OUT), plane)
        for plane, limits in zip(_planes(frame), ranges, strict=True)
    ]
    return cleaned[0] if frame.ndim == 2 else np.stack(cleaned, -1)


def _or(changed: NDArray[Any] | None, plane: NDArray[Any]) -> NDArray[Any]:
    return plane if changed is None else changed


def _sample(frame: NDArray[Any]) -> NDArray[np.float64]:
    """Take values of one frame on a regular grid, (n, C)."""
    planes = frame[..., None] if frame.ndim == 2 else frame
    step = max(1, int(np.ceil(np.sqrt(planes.shape[0] * planes.shape[1] / _SAMPLES_PER_FRAME))))
    return planes[::step, ::step].reshape(-1, planes.shape[-1]).astype(np.float64)


def _limits(values: NDArray[np.float64], percentiles: tuple[float, float]) -> tuple[float, float]:
    values = values[np.isfinite(values)]
    if values.size == 0:
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(values, percentiles))
    if not low < high:
        low, high = float(values.min()), float(values.max())
    # A constant movie, or one whose range is lost in the rounding of its values.
    if not high - low > 1e-12 * max(abs(low), abs(high)):
        high = low + max(1.0, abs(low))
    return low, high
