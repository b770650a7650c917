"""The space that the camera looks into: bigger than the view, so that cells enter and leave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_xmem.simulate.drawing.camera import stage_path

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F64 = NDArray[np.float64]

__all__ = ["Flow", "World", "draw_flow", "make_world"]


@dataclass(frozen=True)
class World:
    """The order for a movie, filled in.

    Attributes
    ----------
    frames : int
        Length T.
    size_px : tuple of int
        (Y, X) of the view.
    diameter_px : float
        Mean object diameter.
    stage : ndarray
        (T, 2) float32, what is subtracted from positions to get pixels of the view.
    low, high : ndarray
        (2,) corners of the world in pixels of the first view.
    n_objects : int
        Objects in the whole world at the start.
    """

    frames: int
    size_px: tuple[int, int]
    diameter_px: float
    stage: NDArray[np.float32]
    low: F64
    high: F64
    n_objects: int

    def place(self, rng: np.random.Generator, clumping: float = 0.0) -> F64:
        """Return starting positions, (n_objects, 2) y, x in pixels; one at least is well inside the first view.

        Parameters
        ----------
        rng : Generator
            Source of randomness.
        clumping : float
            0 is even, 1 is in tight groups.
        """
        n = self.n_objects
        position = rng.uniform(self.low, self.high, (n, 2))
        if clumping > 0:
            centres = rng.uniform(self.low, self.high, (max(n // 7, 1), 2))
            near = centres[rng.integers(len(centres), size=n)]
            position = near + (position - near) * (1 - clumping) * rng.uniform(0.3, 1.0, (n, 1))
        middle = np.abs(position / np.asarray(self.size_px) - 0.5).max(1) < 0.3
        if not middle.any():
            position += np.asarray(self.size_px) * rng.uniform(0.3, 0.7, 2) - position[0]
        return position


def make_world(
    rng: np.random.Generator,
    frames: int,
    size_px: tuple[int, int],
    n_objects: int | None,
    diameter_px: float | None,
    *,
    density: tuple[float, float],
    stage: str | None = None,
    margin: float = 0.8,
    smallest_px: float = 24.0,
) -> World:
    """Decide diameter, drift and number of objects.

    Parameters
    ----------
    rng : Generator
        Source of randomness.
    frames, size_px : int, tuple of int
        Length and (Y, X) of the movie.
    n_objects : int or None
        Objects wanted in the first view; None: drawn from `density`.
    diameter_px : float or None
        Mean diameter; None: `smallest_px` to 60, at most a third of the view.
    density : tuple of float
        Lowest and highest share of the area that objects cover.
    stage : str or None
        Kind of stage drift, None draws one.
    smallest_px : float
        Smallest diameter that is drawn.
    margin : float
        Diameters of world around what the camera will see.
    """
    side = min(size_px)
    if diameter_px is None:
        diameter_px = float(np.exp(rng.uniform(np.log(min(smallest_px, side / 4)), np.log(min(60, side / 3)))))
    path = stage_path(rng, frames, size_px, stage)
    low = path.min(0).astype(float) - margin * diameter_px
    high = path.max(0).astype(float) + np.asarray(size_px) + margin * diameter_px
    share = float(np.prod(high - low) / np.prod(size_px))
    if n_objects is None:
        cover = rng.uniform(*density) * np.prod(size_px)
        n_objects = int(max(round(cover / (np.pi / 4 * diameter_px**2)), 2))
    return World(frames, size_px, float(diameter_px), path, low, high, max(round(n_objects * share), 2))


@dataclass(frozen=True)
class Flow:
    """A smooth field of common motion: a few plane waves and a constant.

    Attributes
    ----------
    wave : ndarray
        (K, 2) wave vectors in radians per pixel.
    phase, amplitude : ndarray
        (K,) and (K, 2); amplitude in pixels per frame.
    """

    wave: F64
    phase: F64
    amplitude: F64

    def at(self, position: F64) -> F64:
        """Return the displacement per frame at (N, 2) positions, (N, 2) pixels."""
        return np.sin(position @ self.wave.T + self.phase) @ self.amplitude


def draw_flow(rng: np.random.Generator, world: World, speed: float) -> Flow | None:
    """Draw a flow of the given speed in diameters per frame, or None for 0."""
    if speed <= 0:
        return None
    length = rng.uniform(4, 14, (3, 1)) * world.diameter_px
    direction = rng.uniform(0, 2 * np.pi, (3, 1))
    wave = np.concatenate([np.sin(direction), np.cos(direction)], 1) * 2 * np.pi / length
    wave[0] = 0
    amplitude = rng.normal(0, speed * world.diameter_px / 1.5, (3, 2))
    return Flow(wave, rng.uniform(0, 2 * np.pi, 3), amplitude)
