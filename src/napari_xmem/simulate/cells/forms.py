"""Outlines of spread cells in one frame: a spine with free sides, and tapering processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_xmem.simulate.cells.spread import KNOTS, SpreadCells, SpreadHabits
from napari_xmem.simulate.drawing.canvas import Patch, capsule_depth, spine_depth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F32 = NDArray[np.float32]
    F64 = NDArray[np.float64]

__all__ = ["Forms", "measure"]

_TABLE = 257


@dataclass(frozen=True)
class Forms:
    """Outlines of all cells.

    Attributes
    ----------
    half, width, bend : ndarray
        (N,) half length and half width in pixels; sideways displacement of the ends in half lengths.
    sides : ndarray
        (N, 3, K) float32, see `spine_depth`.
    arm_angle, arm_length : ndarray
        (N, ARMS) radians from the spine; pixels, 0 for none.
    tips : ndarray
        (N, ARMS, 2) y, x of the ends of processes, relative to the centre in pixels.
    body : ndarray
        (N, 2) half height and half width in pixels of the box around the spine.
    low, high : ndarray
        (N, 2) corners y, x of the box around everything, relative to the centre in pixels.
    """

    half: F64
    width: F64
    bend: F64
    sides: F32
    arm_angle: F64
    arm_length: F64
    tips: F64
    body: F64
    low: F64
    high: F64

    def depth(self, patch: Patch, i: int) -> F32:
        """Return the depth in spine and processes of cell `i`, (h, w) float32 pixels."""
        depth = np.full(patch.u.shape, -50, np.float32)
        tall, wide = self.body[i].tolist()
        box = patch.box((-tall, tall), (-wide, wide), 3)
        depth[box] = spine_depth(patch.u[box], patch.v[box], float(self.half[i]), float(self.bend[i]), self.sides[i])
        width = float(self.width[i])
        for k in np.flatnonzero(self.arm_length[i] > 0).tolist():
            y, x = self.tips[i, k].tolist()
            box = patch.box((min(0.0, y), max(0.0, y)), (min(0.0, x), max(0.0, x)), 0.3 * width + 3)
            arm = _arm_depth(patch.u[box], patch.v[box], self.arm_angle[i, k], float(self.arm_length[i, k]), width)
            np.maximum(depth[box], arm, out=depth[box])
        return depth


def measure(cells: SpreadCells, habits: SpreadHabits) -> Forms:
    """Return the outlines of all cells as they are now."""
    half, width = cells.half_axes()
    sides = _profiles(cells, half, width, habits)
    arms = np.maximum(cells.arm_length, 0) * (cells.size / 2 * (1 - cells.ball))[:, None]
    arms = np.where(arms > 0.6 * width[:, None], arms, 0)
    bend = 0.22 * cells.bend * (1 - cells.ball) * np.clip(cells.aspect, 0, 1)
    direction = cells.angle[:, None] + cells.arm_angle
    tips = np.stack([np.sin(direction), np.cos(direction)], -1) * arms[..., None]
    across = sides[:, :2].max((1, 2)) + np.abs(bend) * half
    c, s = np.abs(np.cos(cells.angle)), np.abs(np.sin(cells.angle))
    body = np.stack([s * half + c * across, c * half + s * across], 1)
    margin = 0.3 * width[:, None] + 3
    low = np.minimum(-body - 3, tips.min(1) - margin)
    high = np.maximum(body + 3, tips.max(1) + margin)
    return Forms(half, width, bend, sides, cells.arm_angle, arms, tips, body, low, high)


def _profiles(
    cells: SpreadCells, half: NDArray[np.float64], half_width: NDArray[np.float64], habits: SpreadHabits
) -> F32:
    """Return half widths on both sides and the steepness factor of all cells, (N, 3, _TABLE) float32."""
    s = np.linspace(-1, 1, _TABLE)
    knots = np.linspace(-1, 1, KNOTS)
    hat = np.maximum(1 - np.abs(s[None] - knots[:, None]) * (KNOTS - 1) / 2, 0)
    hat = hat * hat * (3 - 2 * hat)
    power = np.clip(habits.taper * (1 - cells.ball), 0, 1)[:, None, None]
    blunt = np.sqrt(np.maximum(1 - s * s, 0))
    thin = np.maximum(1 - np.abs(s) ** 1.3, 0) ** 1.5 * 1.25 + 0.06 * blunt
    base = (1 - power) * blunt + power * thin
    rough = habits.ragged * (1 - cells.ball)[:, None, None]
    sides = half_width[:, None, None] * base * np.clip(1 + rough * (cells.sides @ hat), 0.25, 2.2)
    slope = np.gradient(sides.mean(1), axis=1) * (_TABLE - 1) / (2 * half[:, None])
    return np.concatenate([sides, 1 / np.sqrt(1 + slope[:, None] ** 2)], 1).astype(np.float32)


def _arm_depth(u: F32, v: F32, angle: float, length: float, width: float) -> F32:
    """Return the depth in a tapering process that starts in the middle of the cell."""
    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    u, v = u * c + v * s, v * c - u * s
    half = length / 2
    taper = np.minimum(np.maximum(1 - u * np.float32(1 / length), np.float32(0.05)), np.float32(1))
    radius = np.float32(0.55 * width) * taper * taper + np.float32(1.2)
    return capsule_depth(u - np.float32(half), v + np.float32(0.1 / length) * u * u, half - 1, radius)
