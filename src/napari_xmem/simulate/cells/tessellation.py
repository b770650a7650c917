"""Cells without gaps: every pixel belongs to a cell, borders move slowly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_xmem.simulate.drawing.canvas import Canvas
from napari_xmem.simulate.drawing.noise import background, walk

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_xmem.simulate.cells.world import World

    F32 = NDArray[np.float32]
    F64 = NDArray[np.float64]

__all__ = ["Tissue", "TissueHabits", "grow_tissue", "tessellate"]


@dataclass(frozen=True)
class TissueHabits:
    """How the cells of a tissue lie and move. Lengths in mean diameters, per frame.

    Attributes
    ----------
    even : float
        0 random centres, 1 regular ones.
    spread : float
        Standard deviation of log size.
    stretch : float
        Mean of log(long / short axis).
    step, memory : float
        Displacement per frame, and correlation of successive displacements.
    swell : float
        Change of log size per frame.
    spin : float
        Rotation per frame in radians.
    wavy, wavy_scale, wavy_change : float
        Displacement of borders by noise, its scale, and the share of it that is new in every frame.
    """

    even: float = 0.6
    spread: float = 0.25
    stretch: float = 0.3
    step: float = 0.04
    memory: float = 0.6
    swell: float = 0.03
    spin: float = 0.03
    wavy: float = 0.08
    wavy_scale: float = 0.3
    wavy_change: float = 0.05


@dataclass(frozen=True)
class Tissue:
    """Paths of all cells.

    Attributes
    ----------
    position : ndarray
        (T, N, 2) y, x in pixels of the world.
    radius : ndarray
        (T, N) pixels.
    angle : ndarray
        (T, N) radians.
    stretch : ndarray
        (N,) log(long / short axis).
    wobble : ndarray
        (T, 4) weights of the four warps.
    """

    position: F64
    radius: F64
    angle: F64
    stretch: F64
    wobble: F32


def grow_tissue(rng: np.random.Generator, world: World, habits: TissueHabits) -> Tissue:
    """Place cells in the world and let them move.

    Parameters
    ----------
    rng : Generator
        Source of randomness.
    world : World
        Size, drift, number of cells.
    habits : TissueHabits
        Behaviour.
    """
    span = world.high - world.low
    area = float(np.prod(span))
    pitch = np.sqrt(area / world.n_objects)
    rows, columns = (int(np.ceil(s / pitch)) for s in span)
    grid = np.stack(np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"), -1).reshape(-1, 2).astype(float)
    grid[:, 1] += 0.5 * (grid[:, 0] % 2)
    regular = world.low + (grid + 0.5) * pitch
    n = len(regular)
    start = regular + (1 - habits.even) * rng.uniform(-0.75, 0.75, (n, 2)) * pitch
    frames, diameter = world.frames, world.diameter_px
    steps = walk(rng, frames, (n, 2), habits.memory) * (habits.step * diameter)
    common = walk(rng, frames, (1, 2), 0.9) * (habits.step * diameter * 0.3)
    steps[0] = 0
    position = start + np.cumsum(steps + common, 0)
    swell = np.cumsum(walk(rng, frames, (n,), 0.7) * habits.swell, 0)
    radius = diameter / 2 * np.exp(rng.normal(0, habits.spread, n) + swell - swell[:1])
    angle = rng.uniform(0, np.pi, n) + np.cumsum(walk(rng, frames, (n,), 0.5) * habits.spin, 0)
    stretch = np.abs(rng.normal(habits.stretch, 0.4 * habits.stretch + 0.02, n))
    drift = 1 - habits.wavy_change
    return Tissue(position, radius, angle, stretch, walk(rng, frames, (4,), drift))


def tessellate(
    rng: np.random.Generator, world: World, tissue: Tissue, habits: TissueHabits
) -> tuple[NDArray[np.int32], F32]:
    """Assign every pixel to a cell.

    Returns
    -------
    owner, edge : ndarray
        (T, Y, X) int32 body + 1 everywhere; (T, Y, X) float32 distance in pixels to the nearest border.
    """
    shape = (world.frames, *world.size_px)
    owner, edge = np.zeros(shape, np.int32), np.zeros(shape, np.float32)
    scale = habits.wavy_scale * world.diameter_px
    warps = [background(rng, world.size_px, scale) for _ in range(4)]
    strength = np.float32(habits.wavy * world.diameter_px / np.sqrt(2))
    for t in range(world.frames):
        weights = tissue.wobble[t]
        warp_y = strength * (warps[0] + weights[0] * warps[1])
        warp_x = strength * (warps[2] + weights[1] * warps[3])
        canvas = Canvas(world.size_px, fill=True)
        _fill(canvas, tissue, t, world, warp_y, warp_x)
        owner[t], edge[t] = canvas.owner, canvas.edge()
    return owner, edge


def _fill(canvas: Canvas, tissue: Tissue, t: int, world: World, warp_y: F32, warp_x: F32) -> None:
    position = tissue.position[t] - world.stage[t]
    radius = tissue.radius[t]
    margin = 0.2 * world.diameter_px
    reach = 1.55 * radius * np.exp(tissue.stretch / 2) + margin
    across = 1.55 * radius * np.exp(-tissue.stretch / 2) + margin
    inside = ((position > -reach[:, None]) & (position < np.asarray(world.size_px) + reach[:, None])).all(1)
    for i in np.flatnonzero(inside).tolist():
        patch = canvas.patch(position[i, 0], position[i, 1], tissue.angle[t, i], float(reach[i]), float(across[i]))
        if patch is None:
            continue
        c, s = np.float32(np.cos(tissue.angle[t, i])), np.float32(np.sin(tissue.angle[t, i]))
        dy, dx = warp_y[patch.window], warp_x[patch.window]
        long, short = np.float32(np.exp(-tissue.stretch[i] / 2)), np.float32(np.exp(tissue.stretch[i] / 2))
        u = (patch.u + dx * c + dy * s) * long
        v = (patch.v + dy * c - dx * s) * short
        canvas.claim(patch, np.float32(radius[i]) - np.sqrt(u * u + v * v), int(i))
