"""Coloured textures: mottled, striped, spotted, shaded, or taken from real images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_xmem_training.clips.ops import Floats, resize

if TYPE_CHECKING:
    from napari_xmem_training.clips.store import Still

__all__ = ["draw_palette", "fractal", "texture"]


def fractal(rng: np.random.Generator, shape: tuple[int, int], slope: float) -> Floats:
    """Draw smooth noise with structure at every scale, 0..1.

    Parameters
    ----------
    rng : Generator
        Source of all randomness.
    shape : tuple of 2 int
        Height and width, pixels.
    slope : float
        How fast amplitude falls with frequency: 0.5 is rough, 1.5 smooth.
    """
    out = np.zeros(shape, np.float32)
    cells = 2
    while cells <= min(48, min(shape)):
        coarse = rng.standard_normal((cells, max(2, round(cells * shape[1] / shape[0]))), np.float32)
        out += resize(coarse, shape) * np.float32(cells**-slope)
        cells *= 2
    low, high = float(out.min()), float(out.max())
    return (out - low) / max(high - low, 1e-6)


def draw_palette(rng: np.random.Generator, near: Floats | None = None, spread: float = 0.08) -> Floats:
    """Draw three colours from dark to bright.

    Parameters
    ----------
    rng : Generator
        Source of all randomness.
    near : ndarray, shape (3, 3), optional
        Palette to stay close to.
    spread : float
        Distance from `near`.

    Returns
    -------
    ndarray, shape (3, 3), float32
        Rows are colours, 0..1.
    """
    if near is not None:
        return np.clip(near + rng.normal(0, spread, (1, 3)) + rng.normal(0, spread / 2, (3, 3)), 0, 1).astype(
            np.float32
        )
    base = rng.uniform(0.05, 0.95, 3)
    base = base.mean() + (base - base.mean()) * rng.uniform(0.1, 1.0)
    contrast = rng.uniform(0.05, 0.4)
    tint = rng.normal(0, 0.06, (3, 3))
    return np.clip(base + np.array([[-contrast], [0.0], [contrast]]) + tint, 0, 1).astype(np.float32)


def texture(rng: np.random.Generator, shape: tuple[int, int], palette: Floats, still: Still | None = None) -> Floats:
    """Draw a coloured texture.

    Parameters
    ----------
    rng : Generator
        Source of all randomness.
    shape : tuple of 2 int
        Height and width, pixels.
    palette : ndarray, shape (3, 3), float32
        Colours from dark to bright.
    still : Still, optional
        Real image a piece of which may serve.

    Returns
    -------
    ndarray, shape (h, w, 3), float32
        0..1.
    """
    how = str(rng.choice(["fractal", "stripes", "spots", "plain", "real"], p=[0.4, 0.15, 0.12, 0.15, 0.18]))
    if how == "real" and still is not None:
        value = _real(rng, still, shape)
    elif how == "stripes":
        value = _stripes(rng, shape)
    elif how == "spots":
        value = np.clip((fractal(rng, shape, 0.4) - rng.uniform(0.4, 0.65)) * 8 + 0.5, 0, 1)
    elif how == "plain":
        value = 0.5 + rng.uniform(0.02, 0.15) * (fractal(rng, shape, 1.0) - 0.5)
    else:
        value = fractal(rng, shape, float(rng.uniform(0.4, 1.4)))
    return _colour(np.asarray(value, np.float32), palette)


def _colour(value: Floats, palette: Floats) -> Floats:
    """Map 0..1 to the colours of a palette."""
    steps = np.linspace(0, 2, 256)
    table = np.stack([np.interp(steps, [0, 1, 2], palette[:, c]) for c in range(3)], -1).astype(np.float32)
    return table[(np.clip(value, 0, 1) * 255).astype(np.uint8)]


def _stripes(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    angle, period = rng.uniform(0, np.pi), float(np.exp(rng.uniform(np.log(4), np.log(40))))
    y = np.arange(shape[0], dtype=np.float32)[:, None]
    x = np.arange(shape[1], dtype=np.float32)[None]
    phase = (np.float32(np.sin(angle)) * y + np.float32(np.cos(angle)) * x) / np.float32(period)
    waves = np.sin(2 * np.pi * (phase + rng.uniform(0, 2) * fractal(rng, shape, 1.2)))
    return np.asarray(0.5 + 0.5 * np.clip(waves * rng.uniform(0.8, 4), -1, 1), np.float32)


def _real(rng: np.random.Generator, still: Still, shape: tuple[int, int]) -> Floats:
    """Cut a piece of a real image, stretched to 0..1, enlarged where the image is small."""
    zoom = float(rng.uniform(0.6, 2.0))
    size = [min(still.image.shape[k], max(8, round(shape[k] / zoom))) for k in (0, 1)]
    top, left = (int(rng.integers(still.image.shape[k] - size[k] + 1)) for k in (0, 1))
    piece = still.normalised(slice(top, top + size[0]), slice(left, left + size[1]))
    low, high = np.percentile(piece[::2, ::2], (2, 98))
    return resize(np.clip((piece - low) / max(high - low, 1e-3), 0, 1), shape)
