"""Cells without stain: DIC, bright field, amoebae and organoids."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_xmem.simulate.cells.crowd import Crowd
from napari_xmem.simulate.cells.habits import draw_habits
from napari_xmem.simulate.cells.spread import SpreadCells, draw_spread_habits
from napari_xmem.simulate.cells.world import World, make_world
from napari_xmem.simulate.drawing.bodies import BodyLook, render_bodies
from napari_xmem.simulate.drawing.camera import draw_camera
from napari_xmem.simulate.drawing.noise import background, blur
from napari_xmem.simulate.drawing.optics import brightfield, dic, phase_contrast
from napari_xmem.simulate.drawing.surface import draw_surface_look, render_spread
from napari_xmem.simulate.kinds.nuclei import draw_glow
from napari_xmem.simulate.kinds.phase import debris
from napari_xmem.simulate.movie import SimulatedMovie, build_movie

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F32 = NDArray[np.float32]

__all__ = ["amoebae", "brightfield_cells", "dic_cells", "organoids"]


def dic_cells(
    rng: np.random.Generator, *, frames: int, size_px: tuple[int, int], n_objects: int | None, diameter_px: float | None
) -> SimulatedMovie:
    """Simulate cells that seem lit from one side (parameters as in `simulate`)."""
    world = make_world(rng, frames, size_px, n_objects, diameter_px, density=(0.2, 0.7), smallest_px=28)
    thickness, owner, parent = _thickness(rng, world)
    light = dic(
        thickness,
        direction=rng.uniform(0, 2 * np.pi),
        psf_px=rng.uniform(0.5, 1.3),
        gain=float(np.exp(rng.uniform(np.log(2.5), np.log(10)))),
        halo=rng.uniform(0, 0.12),
    )
    light += np.float32(rng.uniform(0, 0.03)) * background(rng, size_px, rng.uniform(1.5, 30))
    return build_movie("dic_cells", draw_camera(rng, fluorescence=False).expose(rng, light), owner, parent)


def brightfield_cells(
    rng: np.random.Generator, *, frames: int, size_px: tuple[int, int], n_objects: int | None, diameter_px: float | None
) -> SimulatedMovie:
    """Simulate cells in bright field, stained or with edges from defocus (parameters as in `simulate`)."""
    world = make_world(rng, frames, size_px, n_objects, diameter_px, density=(0.15, 0.6), smallest_px=28)
    thickness, owner, parent = _thickness(rng, world)
    stained = rng.random() < 0.4
    absorption = np.clip(thickness * np.float32(rng.uniform(0.4, 1.2) if stained else rng.uniform(0, 0.25)), 0, 0.85)
    light = brightfield(
        thickness,
        absorption,
        defocus=float(rng.choice([-1, 1])) * rng.uniform(0.5, 1.0),
        psf_px=rng.uniform(0.5, 1.5),
        gain=rng.uniform(0.5, 3.0) if stained else rng.uniform(1.5, 4.5),
    )
    light += np.float32(rng.uniform(0, 0.03)) * background(rng, size_px, rng.uniform(1.5, 30))
    return build_movie("brightfield_cells", draw_camera(rng, fluorescence=False).expose(rng, light), owner, parent)


def amoebae(
    rng: np.random.Generator, *, frames: int, size_px: tuple[int, int], n_objects: int | None, diameter_px: float | None
) -> SimulatedMovie:
    """Simulate cells that change shape strongly, fluorescent or in phase contrast (parameters as in `simulate`)."""
    world = make_world(rng, frames, size_px, n_objects, diameter_px, density=(0.1, 0.45))
    habits = replace(
        draw_habits(rng, jerky=0.4), rough=rng.uniform(0.1, 0.24), morph=rng.uniform(0.15, 0.6), division=0.004
    )
    position = world.place(rng)
    crowd = Crowd.start(
        rng, position, world.diameter_px, habits, spread=rng.uniform(0.1, 0.3), vary=rng.uniform(0.05, 0.4)
    )
    look = BodyLook(
        rng.uniform(0.05, 0.3),
        rng.uniform(0.04, 0.12),
        rng.uniform(0, 0.4),
        rng.uniform(0, 0.5),
        0.0,
        rng.uniform(0, 0.5),
    )
    drawing = render_bodies(rng, world, crowd, habits, look)
    fluorescence = rng.random() < 0.65
    if fluorescence:
        light = draw_glow(rng, world.diameter_px).apply(rng, drawing.light)
    else:
        phase = drawing.light * np.float32(rng.uniform(0.4, 1.6)) + debris(rng, frames, size_px, world.stage)
        light = phase_contrast(
            phase, halo_px=rng.uniform(3, 9), halo=rng.uniform(0.4, 1.0), psf_px=rng.uniform(0.5, 1.2)
        )
    camera = draw_camera(rng, fluorescence=fluorescence)
    return build_movie("amoebae", camera.expose(rng, light), drawing.owner, crowd.parent)


def organoids(
    rng: np.random.Generator, *, frames: int, size_px: tuple[int, int], n_objects: int | None, diameter_px: float | None
) -> SimulatedMovie:
    """Simulate few large bodies of many cells, with a lumen and a rim (parameters as in `simulate`)."""
    if diameter_px is None:
        diameter_px = min(size_px) * rng.uniform(0.28, 0.5)
    world = make_world(rng, frames, size_px, n_objects, diameter_px, density=(0.25, 0.6))
    habits = replace(
        draw_habits(rng, jerky=0.1),
        rough=rng.uniform(0.02, 0.12),
        morph=rng.uniform(0.01, 0.08),
        division=0.0,
        growth=rng.uniform(0, 0.03),
    )
    position = world.place(rng)
    crowd = Crowd.start(
        rng, position, world.diameter_px, habits, spread=rng.uniform(0.1, 0.35), vary=rng.uniform(0.05, 0.3)
    )
    look = BodyLook(
        rng.uniform(0.1, 0.45),
        rng.uniform(0.02, 0.06),
        rng.uniform(0, 0.5),
        rng.uniform(-0.6, 0.5),
        0.0,
        rng.uniform(0, 0.6),
        margin_px=8.0,
    )
    drawing = render_bodies(rng, world, crowd, habits, look)
    rim = np.exp(-np.square((drawing.edge - np.float32(1.5)) / np.float32(rng.uniform(1.5, 4.0))))
    body = drawing.light + np.float32(rng.uniform(-0.2, 0.5)) * rim * (drawing.owner > 0)
    fluorescence = rng.random() < 0.4
    if fluorescence:
        light = draw_glow(rng, world.diameter_px * 0.5).apply(rng, body)
    else:
        glare = np.exp(-np.square((drawing.edge + np.float32(3)) / np.float32(2.5))) * np.float32(rng.uniform(0, 0.25))
        light = np.float32(0.7) - np.float32(rng.uniform(0.3, 0.9)) * body + glare
        light = blur(light, rng.uniform(0.6, 1.8))
    camera = draw_camera(rng, fluorescence=fluorescence)
    return build_movie("organoids", camera.expose(rng, light), drawing.owner, crowd.parent)


def _thickness(rng: np.random.Generator, world: World) -> tuple[F32, NDArray[np.int32], NDArray[np.int64]]:
    """Return thickness (T, Y, X) float32, owners and mothers of round or of spread cells."""
    if rng.random() < 0.5:
        spread_habits = draw_spread_habits(rng)
        position = world.place(rng)
        cells = SpreadCells.start(rng, position, world.diameter_px, spread_habits)
        phase, owner = render_spread(rng, world, cells, spread_habits, replace(draw_surface_look(rng), ball=1.2))
        phase += debris(rng, world.frames, world.size_px, world.stage)
        return phase, owner, cells.parent
    habits = draw_habits(rng)
    position = world.place(rng, rng.uniform(0, 0.8))
    crowd = Crowd.start(
        rng, position, world.diameter_px, habits, spread=rng.uniform(0.05, 0.2), vary=rng.uniform(0.05, 0.2)
    )
    look = BodyLook(
        rng.uniform(0.05, 0.3),
        rng.uniform(0.02, 0.08),
        rng.uniform(0, 0.5),
        rng.uniform(0.5, 1.0),
        0.0,
        rng.uniform(0, 0.4),
    )
    drawing = render_bodies(rng, world, crowd, habits, look)
    return drawing.light + debris(rng, world.frames, world.size_px, world.stage), drawing.owner, crowd.parent
