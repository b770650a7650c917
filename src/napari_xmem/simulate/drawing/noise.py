"""Smooth random textures, curves and blurs that cost little."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F32 = NDArray[np.float32]

__all__ = ["TILE", "background", "blur", "mixed_tile", "sample", "tile", "walk"]

TILE = 256
"""Side of the texture tiles in pixels; a power of two, tiles are periodic."""


@lru_cache(maxsize=96)
def tile(scale_px: float, index: int = 0) -> F32:
    """Return a periodic tile of Gaussian noise.

    Parameters
    ----------
    scale_px : float
        Standard deviation in pixels of the Gaussian that smooths white noise.
    index : int
        Which of many; the same index always gives the same tile.

    Returns
    -------
    ndarray
        (TILE, TILE) float32 of mean 0 and standard deviation 1. Do not write to it.
    """
    rng = np.random.default_rng([index, round(scale_px * 1000), 77])
    f = np.fft.fftfreq(TILE)
    spectrum = np.exp(-2 * np.pi**2 * scale_px**2 * (f[:, None] ** 2 + f[None] ** 2))
    noise = np.fft.ifft2(np.fft.fft2(rng.standard_normal((TILE, TILE))) * spectrum).real
    noise = ((noise - noise.mean()) / noise.std()).astype(np.float32)
    noise.setflags(write=False)
    return noise


def mixed_tile(rng: np.random.Generator, scales_px: tuple[float, ...], weights: tuple[float, ...]) -> F32:
    """Return a weighted sum of random tiles, (TILE, TILE) float32, standard deviation about 1.

    Scales are rounded to half octaves so that tiles are shared between movies.
    """
    out = np.zeros((TILE, TILE), np.float32)
    for scale, weight in zip(scales_px, weights, strict=True):
        snapped = float(2 ** (np.round(2 * np.log2(max(scale, 0.5))) / 2))
        out += np.float32(weight) * tile(snapped, int(rng.integers(4)))
    return out / np.float32(np.sqrt(np.sum(np.square(weights))))


def sample(texture: F32, u: F32, v: F32) -> F32:
    """Read a periodic tile at positions in tile pixels (nearest).

    Parameters
    ----------
    texture : ndarray
        (TILE, TILE) float32.
    u, v : ndarray
        Column and row positions, same shape, above -2**20.
    """
    offset = np.float32(TILE * 4096)
    column = (u + offset).astype(np.int32) & (TILE - 1)
    row = (v + offset).astype(np.int32) & (TILE - 1)
    return texture.ravel().take(row * TILE + column)


def background(rng: np.random.Generator, shape: tuple[int, int], scale_px: float) -> F32:
    """Return smooth noise of the size of a frame, (Y, X) float32, standard deviation about 1."""
    step = max(scale_px / 4.0, 1e-3)
    texture = tile(4.0, int(rng.integers(8)))
    oy, ox = rng.uniform(0, TILE, 2)
    if step <= 1.0:
        rows = (np.arange(shape[0]) / step + oy).astype(int) % TILE
        columns = (np.arange(shape[1]) / step + ox).astype(int) % TILE
        return texture[np.ix_(rows, columns)]
    small = [int(n / step) + 3 for n in shape]
    rows = (np.arange(small[0]) + int(oy)) % TILE
    columns = (np.arange(small[1]) + int(ox)) % TILE
    up_y, up_x = (_linear_matrix(n, m, float(step)) for n, m in zip(shape, small, strict=True))
    return np.ascontiguousarray(up_y @ texture[np.ix_(rows, columns)] @ up_x.T)


def _linear_matrix(n_out: int, n_in: int, step: float) -> F32:
    position = np.arange(n_out) / step
    low = position.astype(int)
    weight = (position - low).astype(np.float32)
    matrix = np.zeros((n_out, n_in), np.float32)
    rows = np.arange(n_out)
    matrix[rows, low] = 1 - weight
    matrix[rows, np.minimum(low + 1, n_in - 1)] += weight
    return matrix


@lru_cache(maxsize=256)
def _decimated_blur(n: int, sigma_tenths: int) -> tuple[F32, F32]:
    sigma = sigma_tenths / 10
    step = sigma / 1.5
    m = int(np.ceil(n / step)) + 1
    centre = np.arange(m) * step
    inner = np.sqrt(max(sigma**2 - step**2 / 6, 0.25))
    down = np.exp(-0.5 * ((np.arange(n)[None] - centre[:, None]) / inner) ** 2)
    down /= down.sum(1, keepdims=True)
    return _linear_matrix(n, m + 1, step)[:, :m].copy(), down.astype(np.float32)


def blur(stack: F32, sigma_px: float) -> F32:
    """Blur the last two axes with a Gaussian; wide ones are computed on a coarse grid.

    Parameters
    ----------
    stack : ndarray
        (..., Y, X) float32.
    sigma_px : float
        Standard deviation in pixels; below 0.2 nothing happens. Frames are normalised at their border.
    """
    if sigma_px < 0.2:
        return stack
    if sigma_px < 3.0:
        sigma = (0.0,) * (stack.ndim - 2) + (sigma_px, sigma_px)
        return ndimage.gaussian_filter(stack, sigma, truncate=2.8, mode="nearest")
    tenths = round(sigma_px * 10)
    (up_y, down_y), (up_x, down_x) = (_decimated_blur(n, tenths) for n in stack.shape[-2:])
    return (up_y @ (down_y @ stack @ down_x.T) @ up_x.T).astype(np.float32, copy=False)


def walk(rng: np.random.Generator, frames: int, size: tuple[int, ...], memory: float) -> F32:
    """Return a stationary random walk with exponentially fading memory.

    Parameters
    ----------
    rng : Generator
        Source of randomness.
    frames : int
        Length T.
    size : tuple of int
        Shape of one step.
    memory : float
        Correlation of successive frames, 0 to 1.

    Returns
    -------
    ndarray
        (T, *size) float32 of standard deviation 1.
    """
    steps = rng.standard_normal((frames, *size), dtype=np.float32)
    fresh = np.float32(np.sqrt(max(1 - memory**2, 0.0)))
    for t in range(1, frames):
        steps[t] = np.float32(memory) * steps[t - 1] + fresh * steps[t]
    return steps
