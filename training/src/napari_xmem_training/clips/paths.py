"""Random paths: how things move, turn, grow, bend, and how a tracker's window follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from napari_xmem_training.clips.ops import Floats

__all__ = ["Liveliness", "Motion", "random_motion", "rotation", "walk", "window_path"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Liveliness:
    """How much things change from frame to frame.

    Attributes
    ----------
    speed_px : float
        Typical displacement per frame.
    persistence : float
        0 is jerky, towards 1 is smooth.
    turn : float
        Rotation per frame in radians.
    grow, squeeze : float
        Change of log size and of log aspect ratio per frame.
    bend_px : float
        Elastic change per frame.
    """

    speed_px: float
    persistence: float
    turn: float
    grow: float
    squeeze: float
    bend_px: float

    @classmethod
    def draw(cls, rng: np.random.Generator, diameter_px: float) -> Liveliness:
        """Draw from nearly still to one diameter per frame; most clips are calm."""

        def log_uniform(low: float, high: float) -> float:
            return float(np.exp(rng.uniform(np.log(low), np.log(high))))

        fast = rng.random() < 0.1
        return cls(
            speed_px=log_uniform(0.25, 0.6) * diameter_px if fast else log_uniform(0.01, 0.25) * diameter_px,
            persistence=float(rng.choice([0.0, 0.6, 0.9])),
            turn=log_uniform(0.004, 0.2),
            grow=log_uniform(0.05, 0.14) if rng.random() < 0.1 else log_uniform(0.004, 0.05),
            squeeze=log_uniform(0.06, 0.18) if rng.random() < 0.18 else log_uniform(0.004, 0.07),
            bend_px=log_uniform(0.005, 0.06) * diameter_px,
        )


@dataclass(frozen=True)
class Motion:
    """Paths of `n` things over `T` frames.

    Attributes
    ----------
    shift : ndarray, shape (n, T, 2)
        Displacement (y, x) in pixels since frame 0.
    linear : ndarray, shape (n, T, 2, 2)
        Turn, growth and squeeze about the centre, acting on (y, x).
    bend : ndarray, shape (n, T, g, g, 2), float32
        Elastic displacement on a coarse grid over the thing, pixels; `g` is 4.
    """

    shift: Array
    linear: Array
    bend: Floats


def walk(rng: np.random.Generator, shape: tuple[int, ...], frames: int, persistence: float) -> Array:
    """Random walk with unit steps that starts at 0.

    Parameters
    ----------
    rng : Generator
        Source of all randomness.
    shape : tuple of int
        Independent walks.
    frames : int
        Length T.
    persistence : float
        Correlation of successive steps, 0 to below 1.

    Returns
    -------
    ndarray, shape (*shape, frames)
    """
    steps = rng.standard_normal((*shape, frames))
    for t in range(1, frames):
        steps[..., t] = persistence * steps[..., t - 1] + np.sqrt(1 - persistence**2) * steps[..., t]
    steps[..., 0] = 0.0
    return np.cumsum(steps, axis=-1)


def rotation(angle: Array) -> Array:
    """Matrices (..., 2, 2) that turn (y, x) by `angle` (...) radians."""
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([np.stack([c, -s], -1), np.stack([s, c], -1)], -2)


def random_motion(
    rng: np.random.Generator, n: int, frames: int, live: Liveliness, *, turned: bool = False, max_bend_px: float = 6.0
) -> Motion:
    """Draw paths for `n` things.

    Parameters
    ----------
    rng : Generator
        Source of all randomness.
    n, frames : int
        Number of things and length T.
    live : Liveliness
        How much changes per frame.
    turned : bool
        Start at a random angle, size and squeeze instead of as cut.
    max_bend_px : float
        Limit of the elastic displacement.
    """
    own = rng.uniform(0.3, 1.5, (n, 6))
    shift = walk(rng, (n, 2), frames, live.persistence) * (own[:, 0] * live.speed_px / 1.25)[:, None, None]
    jumps = (rng.random((n, 1, frames)) < 0.04) * (np.arange(frames) > 0)
    shift += np.cumsum(jumps * rng.standard_normal((n, 2, frames)) * 4 * live.speed_px, axis=-1)
    turn = walk(rng, (n,), frames, 0.7) * (own[:, 1] * live.turn)[:, None]
    grow = walk(rng, (n,), frames, 0.8) * (own[:, 2] * live.grow)[:, None]
    squeeze = walk(rng, (n,), frames, 0.7) * (own[:, 3] * live.squeeze)[:, None]
    axis = rng.uniform(0, np.pi, (n, 1))
    if turned:
        turn += rng.uniform(0, 2 * np.pi, (n, 1))
        grow += rng.uniform(-0.12, 0.12, (n, 1))
        squeeze += rng.uniform(-0.12, 0.12, (n, 1))
    grow, squeeze = 0.55 * np.tanh(grow / 0.55), 0.6 * np.tanh(squeeze / 0.6)
    stretch = np.exp(np.stack([grow + squeeze, grow - squeeze], -1))[..., None] * np.eye(2)
    linear = rotation(turn) @ rotation(axis) @ stretch @ rotation(-axis)
    bend = walk(rng, (n, 4, 4, 2), frames, 0.6) * (own[:, 4] * live.bend_px)[:, None, None, None, None]
    if turned:
        bend += (live.bend_px * 2) * rng.standard_normal((n, 4, 4, 2, 1))
    bend = max_bend_px * np.tanh(bend / max_bend_px)
    return Motion(np.moveaxis(shift, 1, 2), linear, np.moveaxis(bend, -1, 1).astype(np.float32))


def window_path(rng: np.random.Generator, centres: Array, window_px: int) -> Array:
    """Place a window as an imperfect tracker would.

    Parameters
    ----------
    rng : Generator
        Source of all randomness.
    centres : ndarray, shape (T, 2)
        True centre of the target per frame; NaN while it is absent (the window waits).
    window_px : int
        Side of the window.

    Returns
    -------
    ndarray, shape (T, 2)
        Top left corner of the window, whole pixels.
    """
    known = np.array(centres, np.float64)
    for t in range(1, len(known)):
        if np.isnan(known[t]).any():
            known[t] = known[t - 1]
    mode = rng.choice(4, p=[0.5, 0.25, 0.1, 0.15])
    limit = 0.125 * window_px
    if mode == 1:  # centred on where the target was a frame ago
        known[1:] = known[:-1].copy()
        limit = 0.06 * window_px
    elif mode == 2:
        limit = 0.28 * window_px
    offset = rng.uniform(-limit, limit, known.shape)
    if mode == 3:
        known[:] = known[0]
        offset[:] = offset[0]
    elif rng.random() < 0.5:  # an error that changes slowly
        offset = np.clip(offset[:1] + 0.3 * np.cumsum(offset - offset[:1], 0), -limit, limit)
    offset[0] = np.clip(offset[0], -0.19 * window_px, 0.19 * window_px)
    return np.round(known + offset - window_px / 2)
