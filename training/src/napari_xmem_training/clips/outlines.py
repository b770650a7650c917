"""Outlines of drawn things, as soft masks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_xmem_training.clips.ops import Floats, blur, polygon_mask, resize

__all__ = ["blob", "capsule", "fill", "polygon", "vehicle"]

Points = npt.NDArray[np.float64]
_FINER = 2


def fill(points: Points, shape: tuple[int, int]) -> Floats:
    """Fill a closed outline with soft edges.

    Parameters
    ----------
    points : ndarray, shape (n, 2), float64
        y, x in pixels.
    shape : tuple of 2 int
        Height and width of the mask.

    Returns
    -------
    ndarray, shape (h, w), float32
        Covered share of every pixel, 0..1.
    """
    fine = (shape[0] * _FINER, shape[1] * _FINER)
    return resize(polygon_mask((points + 0.5) * _FINER - 0.5, fine), shape)


def _framed(points: Points) -> Floats:
    """Fill an outline about the origin in a picture just large enough whose middle is the origin."""
    half = np.ceil(np.abs(points).max(0)).astype(int) + 2
    shape = (int(2 * half[0] + 1), int(2 * half[1] + 1))
    return fill(points + half, shape)


def blob(rng: np.random.Generator, radius: float, rough: float) -> Floats:
    """Draw a smooth closed shape about the middle of the picture.

    Parameters
    ----------
    rng : Generator
        Source of all randomness.
    radius : float
        Mean radius in pixels.
    rough : float
        0 is an ellipse, 0.4 very lobed.
    """
    angle = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    order = np.arange(2, 8)
    size, phase = rng.normal(0, rough, 6) / order**0.8, rng.uniform(0, 2 * np.pi, 6)
    reach = radius * np.exp((size[:, None] * np.cos(order[:, None] * angle + phase[:, None])).sum(0))
    stretch = np.exp(rng.uniform(-0.35, 0.35))
    points = np.stack([reach * np.sin(angle) * stretch, reach * np.cos(angle) / stretch], -1)
    return _framed(points)


def polygon(rng: np.random.Generator, radius: float) -> Floats:
    """Draw a polygon of 3 to 8 corners about the middle of the picture; `radius` in pixels."""
    corners = int(rng.integers(3, 9))
    angle = np.sort(rng.uniform(0, 2 * np.pi / corners, corners) * 0.8 + np.arange(corners) * 2 * np.pi / corners)
    reach = radius * rng.uniform(0.7, 1.4, corners)
    return _framed(np.stack([reach * np.sin(angle), reach * np.cos(angle)], -1))


def capsule(length: float, start: float, stop: float) -> Floats:
    """Draw a limb: an upright bar with round ends about the middle of the picture.

    Parameters
    ----------
    length : float
        Distance between the middles of the ends, pixels.
    start, stop : float
        Radius at the upper and the lower end, pixels.
    """
    angle = np.linspace(0, np.pi, 13)
    top = np.stack([-length / 2 - start * np.sin(angle), -start * np.cos(angle)], -1)
    bottom = np.stack([length / 2 + stop * np.sin(angle), stop * np.cos(angle)], -1)
    return _framed(np.concatenate([top, bottom]))


def vehicle(rng: np.random.Generator, radius: float) -> Floats:
    """Draw a body with a cabin and two wheels about the middle of the picture; `radius` in pixels."""
    width, height = radius * rng.uniform(1.4, 1.9), radius * rng.uniform(0.35, 0.55)
    left, right = -width * rng.uniform(0.4, 0.8), width * rng.uniform(0.2, 0.7)
    roof = -height * rng.uniform(1.6, 2.4)
    body = np.array(
        [[height, -width], [-0.2 * height, -width], [-height, left * 1.2], [roof, left * 0.8], [roof, right * 0.7],
         [-height, right * 1.2], [-0.4 * height, width], [height, width]]
    )  # fmt: skip
    half = np.ceil(np.abs(body).max(0) + radius * 0.5).astype(int)
    mask = fill(body + half, (int(2 * half[0] + 1), int(2 * half[1] + 1)))
    ring = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    wheel = radius * rng.uniform(0.2, 0.32)
    for x in (-0.6 * width, 0.6 * width):
        points = np.stack([height + wheel * np.sin(ring), x + wheel * np.cos(ring)], -1) + half
        mask = np.maximum(mask, fill(points, (mask.shape[0], mask.shape[1])))
    return blur(mask, 0.5)
