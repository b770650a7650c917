"""Movies of bacterial colonies, in phase contrast and in fluorescence."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_xmem.simulate.cells.rods import RodHabits, Rods, draw_rod_habits, grow_colonies
from napari_xmem.simulate.cells.world import World, make_world
from napari_xmem.simulate.drawing.camera import draw_camera
from napari_xmem.simulate.drawing.canvas import Canvas, capsule_depth
from napari_xmem.simulate.drawing.noise import background, blur, mixed_tile, sample
from napari_xmem.simulate.drawing.optics import phase_contrast
from napari_xmem.simulate.movie import SimulatedMovie, build_movie

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F32 = NDArray[np.float32]

__all__ = ["rods_fluorescence", "rods_phase", "rods_septate"]


@dataclass(frozen=True)
class _Look:
    """How rods look: strength of texture, of the septum's notch, of the darker rim, brightness spread, roundness.

    `septum` is for how many frames sisters stay joined without a gap, `line` how dark the wall between them is.
    """

    grain: float
    notch: float
    rim: float
    vary: float
    dome: float
    septum: float = 0.0
    line: float = 0.0


def rods_phase(
    rng: np.random.Generator, *, frames: int, size_px: tuple[int, int], n_objects: int | None, diameter_px: float | None
) -> SimulatedMovie:
    """Simulate a colony of bacteria in phase contrast: dark rods, bright gaps (parameters as in `simulate`)."""
    world, habits, rods = _colony(rng, frames, size_px, n_objects, diameter_px)
    look = _Look(
        rng.uniform(0, 0.25), rng.uniform(0.2, 0.8), rng.uniform(-0.2, 0.3), rng.uniform(0, 0.12), rng.uniform(0.3, 1)
    )
    thickness, owner = _render(rng, world, rods, habits, look)
    width = habits.width_px
    psf = rng.uniform(0.04, 0.14) * width
    light = phase_contrast(
        thickness * np.float32(rng.uniform(0.5, 1.0)),
        halo_px=rng.uniform(0.35, 1.2) * width,
        halo=rng.uniform(0.3, 0.95),
        psf_px=psf,
        gain=rng.uniform(0.6, 1.3),
    )
    light += np.float32(rng.uniform(0, 0.03)) * background(rng, size_px, rng.uniform(3, 30))
    camera = draw_camera(rng, fluorescence=False)
    return build_movie("rods_phase", camera.expose(rng, light), owner, rods.parent)


def rods_septate(
    rng: np.random.Generator, *, frames: int, size_px: tuple[int, int], n_objects: int | None, diameter_px: float | None
) -> SimulatedMovie:
    """Simulate rods in phase contrast whose daughters stay joined by a faint wall (parameters as in `simulate`)."""
    world, habits, rods = _colony(rng, frames, size_px, n_objects, diameter_px)
    habits = replace(habits, growth=float(np.clip(habits.growth, 0.02, 0.1)), snap=rng.uniform(0, 0.06))
    look = _Look(
        rng.uniform(0, 0.2), rng.uniform(0.0, 0.12), rng.uniform(-0.2, 0.2), rng.uniform(0, 0.12),
        rng.uniform(0.2, 0.8), rng.uniform(3, 12), rng.uniform(0.05, 0.5),
    )  # fmt: skip
    thickness, owner = _render(rng, world, rods, habits, look)
    width = habits.width_px
    light = phase_contrast(
        thickness * np.float32(rng.uniform(0.6, 1.3)),
        halo_px=rng.uniform(0.5, 2.0) * width,
        halo=rng.uniform(0.5, 1.4),
        psf_px=rng.uniform(0.04, 0.1) * width,
        gain=rng.uniform(0.8, 1.6),
    )
    camera = draw_camera(rng, fluorescence=False)
    return build_movie("rods_septate", camera.expose(rng, light), owner, rods.parent)


def rods_fluorescence(
    rng: np.random.Generator, *, frames: int, size_px: tuple[int, int], n_objects: int | None, diameter_px: float | None
) -> SimulatedMovie:
    """Simulate a colony of fluorescent bacteria (parameters as in `simulate`)."""
    world, habits, rods = _colony(rng, frames, size_px, n_objects, diameter_px)
    look = _Look(
        rng.uniform(0.02, 0.35),
        rng.uniform(0.2, 0.9),
        rng.uniform(-0.1, 0.5),
        rng.uniform(0.05, 0.4),
        rng.uniform(0, 0.9),
    )
    light, owner = _render(rng, world, rods, habits, look)
    width = habits.width_px
    glow = blur(light, rng.uniform(0.5, 2.0) * width)
    light = np.float32(0.5) * blur(light, rng.uniform(0.05, 0.16) * width)
    light += np.float32(rng.uniform(0, 0.25)) * glow + np.float32(rng.uniform(0, 0.15))
    camera = draw_camera(rng, fluorescence=True)
    return build_movie("rods_fluorescence", camera.expose(rng, light), owner, rods.parent)


def _colony(
    rng: np.random.Generator, frames: int, size_px: tuple[int, int], n_objects: int | None, diameter_px: float | None
) -> tuple[World, RodHabits, Rods]:
    world = make_world(rng, frames, size_px, n_objects, diameter_px, density=(0.12, 0.6))
    habits = draw_rod_habits(rng, world.diameter_px)
    n_founders = int(rng.integers(1, 5)) if rng.random() < 0.7 else max(world.n_objects // 3, 1)
    n_founders = min(n_founders, world.n_objects)
    middle = (world.low + world.high) / 2
    spread = (world.high - world.low) * (0.42 if n_founders > 1 else 0.12)
    centres = middle + rng.uniform(-1, 1, (n_founders, 2)) * spread
    rods = grow_colonies(rng, centres, world.n_objects, habits)
    focus = np.asarray(size_px) * rng.uniform(0.3, 0.7, 2)
    rods.position += focus - rods.position[rng.integers(len(rods))]
    return world, habits, rods


def _render(
    rng: np.random.Generator, world: World, rods: Rods, habits: RodHabits, look: _Look
) -> tuple[F32, NDArray[np.int32]]:
    """Let the rods live and draw them: (T, Y, X) float32 thickness (1 in the middle of a rod), int32 owners."""
    shape = (world.frames, *world.size_px)
    thickness, owner = np.zeros(shape, np.float32), np.zeros(shape, np.int32)
    texture = mixed_tile(rng, (3.0, 8.0), (1.0, 0.7))
    for t in range(world.frames):
        if t:
            rods.step(rng, habits, habits.growth)
        canvas = Canvas(world.size_px)
        _draw(canvas, thickness[t], rods, world, look, texture, world.stage[t])
        owner[t] = canvas.owner
    return thickness, owner


def _draw(canvas: Canvas, thickness: F32, rods: Rods, world: World, look: _Look, texture: F32, stage: F32) -> None:
    position = rods.position - stage
    reach = rods.length * (0.5 + 0.2 * np.abs(rods.bend)) + 3
    inside = ((position > -reach[:, None]) & (position < np.asarray(world.size_px) + reach[:, None])).all(1)
    ripe = np.clip((rods.length / rods.target - 0.8) / 0.2, 0, 1)
    bright = 1 + look.vary * np.log(rods.light) / 0.15
    for i in np.flatnonzero(rods.alive & inside).tolist():
        patch = canvas.patch(
            position[i, 0],
            position[i, 1],
            rods.angle[i],
            reach[i],
            rods.width[i] / 2 + rods.length[i] * 0.25 * abs(rods.bend[i]) + 2,
        )
        if patch is None:
            continue
        radius = np.float32(rods.width[i] / 2)
        half = max(float(rods.length[i] / 2 - radius), 0.5)
        u = patch.u
        v = patch.v - np.float32(rods.bend[i] / max(half, 1.0)) * (u * u - np.float32(half * half / 3))
        local: F32 | float = float(radius)
        if ripe[i] > 0:
            local = radius * (1 - np.float32(look.notch * ripe[i]) * np.exp(-np.square(u / (0.35 * radius))))
        joined = max(0.0, 1 - float(rods.age[i]) / look.septum) * float(radius) if look.septum else 0.0
        young = float(rods.pole[i])
        depth = capsule_depth(u - np.float32(young * joined / 2), v, half + joined / 2, local)
        won = canvas.claim(patch, depth, i)
        rise = np.clip(depth / radius, 0, 1)
        value = 1 - np.float32(look.dome) * np.square(1 - rise)
        value += np.float32(look.rim) * (rise < np.float32(0.35))
        if look.grain:
            value += np.float32(look.grain) * sample(
                texture, u + np.float32(rods.texture[i, 0]), v + np.float32(rods.texture[i, 1])
            )
        if joined and look.line:
            wall = u - np.float32(young * (half + radius))
            value *= 1 - np.float32(look.line) * np.exp(-np.square(wall / (np.float32(0.25) * radius)))
        value *= np.float32(bright[i])
        np.copyto(thickness[patch.window], np.maximum(value, np.float32(0.05)), where=won)
