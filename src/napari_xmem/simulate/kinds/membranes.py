"""Fluorescent cell outlines: tissue without gaps, and groups of cells with dark surroundings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_xmem.simulate.cells.crowd import Crowd
from napari_xmem.simulate.cells.habits import draw_habits
from napari_xmem.simulate.cells.tessellation import TissueHabits, grow_tissue, tessellate
from napari_xmem.simulate.cells.world import World, make_world
from napari_xmem.simulate.drawing.bodies import BodyLook, render_bodies
from napari_xmem.simulate.drawing.camera import draw_camera
from napari_xmem.simulate.drawing.noise import background
from napari_xmem.simulate.kinds.nuclei import draw_glow
from napari_xmem.simulate.movie import SimulatedMovie, build_movie

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F32 = NDArray[np.float32]

__all__ = ["membranes"]


def membranes(
    rng: np.random.Generator, *, frames: int, size_px: tuple[int, int], n_objects: int | None, diameter_px: float | None
) -> SimulatedMovie:
    """Simulate cells with labelled membranes (parameters as in `simulate`)."""
    tissue = rng.random() < 0.6
    density = (0.9, 1.1) if tissue else (0.3, 0.8)
    world = make_world(rng, frames, size_px, n_objects, diameter_px, density=density)
    owner, edge, inside, parent = _tissue(rng, world) if tissue else _groups(rng, world)
    width = np.float32(rng.uniform(0.7, 2.2))
    patchy = np.stack([background(rng, size_px, world.diameter_px * 0.25)] * frames)
    line = np.exp(-np.square(edge / width)) * np.clip(1 + np.float32(rng.uniform(0, 0.5)) * patchy, 0.15, 3)
    light = np.float32(rng.uniform(0.4, 0.9)) * line + np.float32(rng.uniform(0, 0.3)) * inside
    light = draw_glow(rng, world.diameter_px * 0.6, crisp=True).apply(rng, light.astype(np.float32))
    camera = draw_camera(rng, fluorescence=True)
    return build_movie("membranes", camera.expose(rng, light), owner, parent)


def _tissue(rng: np.random.Generator, world: World) -> tuple[NDArray[np.int32], F32, F32, NDArray[np.int64] | None]:
    jerky = rng.random() < 0.3
    habits = TissueHabits(
        even=rng.uniform(0.3, 0.95),
        spread=rng.uniform(0.05, 0.25),
        stretch=rng.uniform(0.0, 0.5),
        step=rng.uniform(0.04, 0.12) if jerky else rng.uniform(0.004, 0.04),
        memory=rng.uniform(0.2, 0.95),
        swell=rng.uniform(0.0, 0.05),
        spin=rng.uniform(0.0, 0.05),
        wavy=rng.uniform(0.0, 0.08),
        wavy_scale=rng.uniform(0.2, 0.6),
        wavy_change=rng.uniform(0.005, 0.1),
    )
    owner, edge = tessellate(rng, world, grow_tissue(rng, world, habits), habits)
    brightness = np.exp(rng.normal(0, 0.3, int(owner.max()) + 1)).astype(np.float32)
    return owner, edge, np.float32(0.5) * brightness.take(owner), None


def _groups(rng: np.random.Generator, world: World) -> tuple[NDArray[np.int32], F32, F32, NDArray[np.int64] | None]:
    habits = draw_habits(rng)
    position = world.place(rng, rng.uniform(0.2, 0.9))
    crowd = Crowd.start(rng, position, world.diameter_px, habits, spread=rng.uniform(0.05, 0.25), vary=0.3)
    look = BodyLook(
        grain=rng.uniform(0, 0.4), holes=rng.uniform(0, 0.6), dome=0.0, condense=0.0, cleft=0.0, margin_px=8.0
    )
    drawing = render_bodies(rng, world, crowd, habits, look)
    return drawing.owner, drawing.edge, drawing.light, crowd.parent
