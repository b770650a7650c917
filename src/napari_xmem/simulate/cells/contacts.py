"""Bodies that push each other apart: every body is a row of discs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F64 = NDArray[np.float64]

__all__ = ["near_pairs", "push_discs", "push_rods"]


def near_pairs(position: F64, cutoff_px: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the two index columns of all pairs of points closer than `cutoff_px`."""
    pairs = cKDTree(position).query_pairs(cutoff_px, output_type="ndarray")
    return pairs[:, 0], pairs[:, 1]


def _overlap_force(position: F64, radius: F64, i: NDArray[np.int64], j: NDArray[np.int64]) -> F64:
    """Return for each pair the push on `i`, (P, 2): direction times overlap in pixels."""
    delta = position[i] - position[j]
    distance = np.sqrt((delta * delta).sum(1)) + 1e-6
    overlap = np.maximum(radius[i] + radius[j] - distance, 0.0)
    return delta * (overlap / distance)[:, None]


def _sum_at(index: NDArray[np.int64], values: F64, n: int) -> F64:
    return np.stack([np.bincount(index, values[:, 0], n), np.bincount(index, values[:, 1], n)], 1)


def push_discs(position: F64, radius: F64, *, rounds: int = 3, stiffness: float = 0.5) -> F64:
    """Return positions of discs after pushing overlapping ones apart.

    Parameters
    ----------
    position : ndarray
        (N, 2) y, x in pixels.
    radius : ndarray
        (N,) pixels.
    rounds : int
        Relaxation steps.
    stiffness : float
        Share of an overlap that each of the two gives way in one step; 0.5 resolves a lone pair at once.
    """
    n = len(position)
    if n < 2:
        return position
    i, j = near_pairs(position, float(2.2 * radius.max()))
    for _ in range(rounds):
        force = _overlap_force(position, radius, i, j) * stiffness
        position = position + _sum_at(i, force, n) - _sum_at(j, force, n)
    return position


def push_rods(
    position: F64, angle: F64, half: F64, radius: F64, *, rounds: int = 3, beads: int = 5, stiffness: float = 0.45
) -> tuple[F64, F64]:
    """Push overlapping rods apart; they give way and turn.

    Parameters
    ----------
    position, angle, half, radius : ndarray
        (N, 2) centre in pixels, (N,) direction in radians, (N,) half length of the axis, (N,) radius in pixels.
    rounds, beads, stiffness : int, int, float
        Relaxation steps, discs per rod, share of an overlap given way.

    Returns
    -------
    position, angle : ndarray
        As given, after the push.
    """
    n = len(position)
    if n < 2:
        return position, angle
    place = np.linspace(-1.0, 1.0, beads)
    owner = np.repeat(np.arange(n), beads)
    bead_radius = np.repeat(radius, beads)
    pairs = None
    for _ in range(rounds):
        axis = np.stack([np.sin(angle), np.cos(angle)], 1)
        offset = (place[None, :, None] * half[:, None, None]) * axis[:, None]
        bead = (position[:, None] + offset).reshape(-1, 2)
        if pairs is None:
            i, j = near_pairs(bead, float(2.4 * radius.max()))
            apart = owner[i] != owner[j]
            pairs = (i[apart], j[apart])
        force = _overlap_force(bead, bead_radius, *pairs) * stiffness
        push = (_sum_at(pairs[0], force, n * beads) - _sum_at(pairs[1], force, n * beads)).reshape(n, beads, 2)
        turn = (offset[..., 1] * push[..., 0] - offset[..., 0] * push[..., 1]).sum(1)
        inertia = (offset * offset).sum((1, 2)) + beads * radius * radius * 0.5
        position = position + push.sum(1) / 2.2
        angle = angle + np.clip(turn / inertia, -0.3, 0.3)
    return position, angle
