"""What the stage and the camera do to a movie: drift, light, bleaching, noise, digits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import fft

from napari_xmem.simulate.drawing.noise import background, walk

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F32 = NDArray[np.float32]

__all__ = ["Camera", "draw_camera", "stage_path"]


def stage_path(rng: np.random.Generator, frames: int, size_px: tuple[int, int], mode: str | None = None) -> F32:
    """Return where the stage stands in every frame.

    Parameters
    ----------
    rng : Generator
        Source of randomness.
    frames : int
        Length T.
    size_px : tuple of int
        (Y, X) of the view; no step is longer than a third of it, and the path stays within that distance.
    mode : {"still", "drift", "jitter", "jump", "wild"} or None
        Kind of drift; None draws one.

    Returns
    -------
    ndarray
        (T, 2) float32 y, x in pixels; the first row is 0.
    """
    side = min(size_px)
    mode = mode or str(rng.choice(["still", "drift", "jitter", "jump", "wild"], p=[0.45, 0.2, 0.15, 0.1, 0.1]))
    path = np.zeros((frames, 2), np.float32)
    if mode == "drift":
        speed = rng.normal(0, 0.02 * side, 2) + walk(rng, frames, (2,), 0.8) * rng.uniform(0, 0.01) * side
        path = np.cumsum(speed, 0).astype(np.float32)
    elif mode == "jitter":
        path = walk(rng, frames, (2,), 0.2) * np.float32(rng.uniform(0.3, 4.0))
    elif mode == "jump" and frames > 1:
        path[int(rng.integers(1, frames)) :] = rng.uniform(-0.3, 0.3, 2) * side
    elif mode == "wild":
        path = rng.uniform(-0.25, 0.25, (frames, 2)).astype(np.float32) * np.float32(side)
    path = path - path[0]
    limit = np.float32(side / 3)
    return (limit * (2 / np.pi) * np.arcsin(np.sin(path * (np.pi / 2) / limit))).astype(np.float32)


@dataclass(frozen=True)
class Camera:
    """How light becomes digits.

    Attributes
    ----------
    depth_bits : int
        8 or 16.
    offset, span : float
        Digit of no light, and digits between 0 and 1 of the image.
    read_noise, shot_noise : float
        Standard deviation of the noise at 0, and of the part that grows with the root of the light, in image units.
    uneven : float
        Strength of uneven illumination, 0 to 1.
    multiply : bool
        True: uneven light multiplies (fluorescence); False: it is added (transmitted light).
    gamma : float
        Exponent applied to light between 0 and 1.
    bleach : float
        Share of the light lost from the first to the last frame.
    flicker : float
        Standard deviation of the lamp's brightness.
    invert : bool
        Dark is bright.
    jpeg : float
        Quantisation step of 8 x 8 cosine blocks in image units; 0 for none.
    """

    depth_bits: int = 8
    offset: float = 10.0
    span: float = 180.0
    read_noise: float = 0.01
    shot_noise: float = 0.02
    uneven: float = 0.1
    multiply: bool = True
    gamma: float = 1.0
    bleach: float = 0.0
    flicker: float = 0.0
    invert: bool = False
    jpeg: float = 0.0

    def expose(self, rng: np.random.Generator, light: F32) -> NDArray[Any]:
        """Take the pictures.

        Parameters
        ----------
        rng : Generator
            Source of noise.
        light : ndarray
            (T, Y, X) float32, about 0 to 1; consumed.

        Returns
        -------
        ndarray
            (T, Y, X) uint8 or uint16.
        """
        frames = len(light)
        light *= self._lamp(rng, frames)[:, None, None]
        if self.uneven > 0:
            self._shade(rng, light)
        if self.gamma != 1.0:
            light = np.maximum(light, np.float32(0)) ** np.float32(self.gamma)
        light = self._noise(rng, light)
        if self.jpeg > 0:
            light = _compress(light, self.jpeg)
        if self.invert:
            light = np.float32(1) - light
        top = 255 if self.depth_bits == 8 else 65535
        digits = light * np.float32(self.span) + np.float32(self.offset + 0.5)
        return np.clip(digits, 0, top).astype(np.uint8 if self.depth_bits == 8 else np.uint16)

    def _lamp(self, rng: np.random.Generator, frames: int) -> F32:
        lamp = (1 - self.bleach) ** np.linspace(0, 1, frames) * (1 + self.flicker * rng.standard_normal(frames))
        return np.maximum(lamp, 0.05).astype(np.float32)

    def _shade(self, rng: np.random.Generator, light: F32) -> None:
        shape = light.shape[-2:]
        y = np.linspace(-1, 1, shape[0], dtype=np.float32)[:, None] - np.float32(rng.normal(0, 0.3))
        x = np.linspace(-1, 1, shape[1], dtype=np.float32)[None] - np.float32(rng.normal(0, 0.3))
        slope = rng.normal(0, 0.4, 2).astype(np.float32)
        shade = np.float32(0.5) - (y * y + x * x) * np.float32(rng.uniform(0, 0.6)) + slope[0] * y + slope[1] * x
        shade = shade + np.float32(0.2) * background(rng, shape, max(shape) / 3)
        if self.multiply:
            light *= np.clip(1 + np.float32(self.uneven) * shade, 0.15, None)
        else:
            light += np.float32(self.uneven) * shade

    def _noise(self, rng: np.random.Generator, light: F32) -> F32:
        noise = rng.standard_normal(light.shape, dtype=np.float32)
        shot = np.float32(self.shot_noise**2) * np.maximum(light, np.float32(0))
        noise *= np.sqrt(shot + np.float32(self.read_noise**2))
        noise += light
        return noise


def _compress(light: F32, step: float) -> F32:
    """Quantise 8 x 8 cosine blocks, coarser at high frequencies."""
    frames, height, width = light.shape
    h, w = height // 8 * 8, width // 8 * 8
    blocks = light[:, :h, :w].reshape(frames, h // 8, 8, w // 8, 8)
    ramp = np.arange(8, dtype=np.float32)
    table = np.float32(step) * (1 + ramp[:, None, None] + ramp[None, None, :])
    coefficients = fft.dctn(blocks, axes=(2, 4), norm="ortho")
    light[:, :h, :w] = fft.idctn(np.round(coefficients / table) * table, axes=(2, 4), norm="ortho").reshape(
        frames, h, w
    )
    return light


def draw_camera(rng: np.random.Generator, *, fluorescence: bool, noise: float | None = None) -> Camera:
    """Draw a camera at random.

    Parameters
    ----------
    rng : Generator
        Source of randomness.
    fluorescence : bool
        True: dark background, multiplicative shading, bleaching. False: transmitted light around 0.5.
    noise : float or None
        Standard deviation of the noise in image units; None draws one.
    """
    level = (
        float(np.exp(rng.uniform(np.log(0.004), np.log(0.07 if fluorescence else 0.035)))) if noise is None else noise
    )
    shot = rng.uniform(0.1, 1.0)
    bits = 8 if rng.random() < 0.6 else 16
    if bits == 8:
        span = rng.uniform(60, 240) if rng.random() < 0.8 else rng.uniform(25, 60)
        offset = rng.uniform(0, 25)
    else:
        span = float(np.exp(rng.uniform(np.log(150), np.log(30000))))
        offset = rng.uniform(0, 800)
    return Camera(
        depth_bits=bits,
        offset=offset,
        span=span,
        read_noise=level * (1 - 0.7 * shot),
        shot_noise=level * shot,
        uneven=float(rng.choice([0.0, rng.uniform(0, 0.5)])) if fluorescence else rng.uniform(0, 0.2),
        multiply=fluorescence,
        gamma=float(np.exp(rng.normal(0, 0.15))) if rng.random() < 0.5 else 1.0,
        bleach=rng.uniform(0, 0.6) if fluorescence and rng.random() < 0.3 else 0.0,
        flicker=rng.uniform(0, 0.06) if rng.random() < 0.3 else 0.0,
        invert=fluorescence and rng.random() < 0.06,
        jpeg=rng.uniform(0.004, 0.02) if rng.random() < 0.1 else 0.0,
    )
