"""From a frame of the movie to what the network sees: intensities, scale, channels, padding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from napari_xmem.engine.scopes.resample import resize
from napari_xmem.imaging import IntensityNormaliser, local_contrast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_xmem.config import ModelConfig
    from napari_xmem.imaging import BrightnessChange

__all__ = ["FrameGeometry", "NetworkInput"]

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class FrameGeometry:
    """Size of the movie's frames and of the scaled, padded frames the network sees.

    Attributes
    ----------
    shape : tuple of 2 int
        Frame size of the movie.
    scale : float
        Pixels of the scaled frame per pixel of the movie.
    scaled_shape : tuple of 2 int
        Frame size after scaling.
    padded_shape : tuple of 2 int
        With rows and columns repeated below and to the right up to a multiple of the key stride.
    detail : float
        How many times the model's nominal diameter objects have on the scaled frame.
    """

    shape: tuple[int, int]
    scale: float
    scaled_shape: tuple[int, int]
    padded_shape: tuple[int, int]
    detail: float = 1.0

    @classmethod
    def fit(
        cls, shape: tuple[int, int], scale: float, stride_px: int, min_px: int = 32, detail: float = 1.0
    ) -> FrameGeometry:
        """Return the geometry for a frame size and scale; padded sides are at least `min_px`."""
        scaled = tuple(max(1, round(side * scale)) for side in shape)
        padded = tuple(-(-max(side, min_px) // stride_px) * stride_px for side in scaled)
        return cls(shape, scale, (scaled[0], scaled[1]), (padded[0], padded[1]), detail)


class NetworkInput:
    """Turns frames into network input, the same way for the whole movie.

    Parameters
    ----------
    model : ModelConfig
        Says which intensities and channels the network wants.
    normaliser : IntensityNormaliser
        Fitted on the movie.
    geometry : FrameGeometry
        Scale and padding.
    """

    def __init__(self, model: ModelConfig, normaliser: IntensityNormaliser, geometry: FrameGeometry) -> None:
        self.model = model
        self.normaliser = normaliser
        self.geometry = geometry

    def __call__(self, frame: NDArray[Any], index: int | None = None, light: Sequence[BrightnessChange] = ()) -> Tensor:
        """Return ``(C, H, W)`` float32 of the padded shape for one frame ``(Y, X)`` or ``(Y, X, channels)``.

        `light`: how its light differs from that of the movie, per channel; empty: not at all.
        """
        normaliser = self.normaliser.in_light(light) if light else self.normaliser
        rgb = torch.from_numpy(normaliser.to_rgb(frame, index))
        scaled = resize(rgb, self.geometry.scaled_shape)
        if self.model.intensity == "imagenet":
            mean, std = (_per_channel(v) for v in (_IMAGENET_MEAN, _IMAGENET_STD))
            image = (scaled.clamp(0, 1) - mean) / std
            return self._pad(image, "constant")
        if self.model.contrast_px:
            contrast = local_contrast(np.ascontiguousarray(scaled.mean(0).numpy()), self.model.contrast_px)
            scaled = torch.cat([scaled, torch.from_numpy(contrast)[None]])
        return self._pad(scaled, "replicate")

    def _pad(self, image: Tensor, mode: str) -> Tensor:
        (height, width), (full_height, full_width) = self.geometry.scaled_shape, self.geometry.padded_shape
        if (height, width) == (full_height, full_width):
            return image
        return F.pad(image[None], (0, full_width - width, 0, full_height - height), mode=mode)[0]


def _per_channel(values: Sequence[float]) -> Tensor:
    """Return one number per channel as ``(C, 1, 1)`` float32."""
    return torch.tensor(values, dtype=torch.float32, device="cpu")[:, None, None]
