"""Movies of cells in phase contrast."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_xmem.simulate.cells.spread import SpreadCells, draw_spread_habits
from napari_xmem.simulate.cells.world import make_world
from napari_xmem.simulate.drawing.camera import draw_camera
from napari_xmem.simulate.drawing.noise import background, walk
from napari_xmem.simulate.drawing.optics import phase_contrast
from napari_xmem.simulate.drawing.surface import draw_surface_look, render_spread
from napari_xmem.simulate.movie import SimulatedMovie, build_movie

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F32 = NDArray[np.float32]

__all__ = ["debris", "phase_cells"]


def phase_cells(
    rng: np.random.Generator, *, frames: int, size_px: tuple[int, int], n_objects: int | None, diameter_px: float | None
) -> SimulatedMovie:
    """Simulate spread cells in phase contrast, sparse to crowded (parameters as in `simulate`)."""
    world = make_world(rng, frames, size_px, n_objects, diameter_px, density=(0.15, 0.7), smallest_px=30)
    habits, look = draw_spread_habits(rng), draw_surface_look(rng)
    clumping = rng.uniform(0.2, 0.7) if rng.random() < 0.4 else 0.0
    cells = SpreadCells.start(rng, world.place(rng, clumping), world.diameter_px, habits)
    phase, owner = render_spread(rng, world, cells, habits, look)
    phase += debris(rng, world.frames, world.size_px, world.stage)
    light = phase_contrast(
        phase,
        halo_px=rng.uniform(0.03, 0.18) * world.diameter_px + 1.5,
        halo=rng.uniform(0.5, 1.5),
        psf_px=rng.uniform(0.5, 1.1),
        gain=rng.uniform(0.8, 1.8),
    )
    light += np.float32(rng.uniform(0, 0.02)) * background(rng, size_px, rng.uniform(1.5, 20))
    camera = draw_camera(rng, fluorescence=False)
    return build_movie("phase_cells", camera.expose(rng, light), owner, cells.parent)


def debris(
    rng: np.random.Generator, frames: int, size_px: tuple[int, int], stage: F32, amount: float | None = None
) -> F32:
    """Return unlabelled dirt: specks that stay or float, (T, Y, X) float32 phase shift in radians."""
    phase = np.zeros((frames, *size_px), np.float32)
    amount = float(rng.choice([0.0, rng.uniform(0, 4)])) if amount is None else amount
    n = rng.poisson(amount * np.prod(size_px) / 1e4 * 1.5)
    if n == 0:
        return phase
    place = rng.uniform(-20, np.asarray(size_px) + 20, (n, 2))
    floating = (rng.random(n) < 0.3)[None, :, None]
    path = place + np.cumsum(walk(rng, frames, (n, 2), 0.5), 0) * 2.0 * floating - stage[:, None]
    radius = rng.uniform(0.6, 2.5, n)
    height = rng.uniform(0.1, 0.6, n) * np.where(rng.random(n) < 0.15, 4, 1)
    for t in range(frames):
        for k in range(n):
            y, x = path[t, k]
            y0, x0 = max(int(y) - 5, 0), max(int(x) - 5, 0)
            window = phase[t, y0 : max(int(y) + 6, 0), x0 : max(int(x) + 6, 0)]
            if window.size == 0:
                continue
            dy = np.arange(y0, y0 + window.shape[0])[:, None] - y
            dx = np.arange(x0, x0 + window.shape[1])[None] - x
            window += (height[k] * np.exp(-(dy * dy + dx * dx) / (2 * radius[k] ** 2))).astype(np.float32)
    return phase
