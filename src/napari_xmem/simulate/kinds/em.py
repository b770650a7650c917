"""Electron-microscopy stacks: cells cut slice by slice, dark membranes, mitochondria and vesicles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_xmem.simulate.cells.crowd import outlines
from napari_xmem.simulate.cells.tessellation import Tissue, TissueHabits, grow_tissue, tessellate
from napari_xmem.simulate.cells.world import World, make_world
from napari_xmem.simulate.drawing.camera import draw_camera
from napari_xmem.simulate.drawing.canvas import Canvas, polar_depth
from napari_xmem.simulate.drawing.noise import background, blur, mixed_tile, walk
from napari_xmem.simulate.movie import SimulatedMovie, build_movie

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F32 = NDArray[np.float32]

__all__ = ["em_stack", "em_varied"]


def em_stack(
    rng: np.random.Generator, *, frames: int, size_px: tuple[int, int], n_objects: int | None, diameter_px: float | None
) -> SimulatedMovie:
    """Simulate an EM stack followed along z (parameters as in `simulate`; a frame is a slice)."""
    stage = str(rng.choice(["still", "jitter", "drift"], p=[0.5, 0.35, 0.15]))
    world = make_world(rng, frames, size_px, n_objects, diameter_px, density=(0.9, 1.1), stage=stage, smallest_px=30)
    coarse = rng.random() < 0.5
    wavy_scale = rng.uniform(0.15, 0.6)
    habits = TissueHabits(
        even=rng.uniform(0.0, 0.7),
        spread=rng.uniform(0.1, 0.45),
        stretch=rng.uniform(0.05, 0.9),
        step=rng.uniform(0.05, 0.16) if coarse else rng.uniform(0.01, 0.05),
        memory=rng.uniform(0.5, 0.95),
        swell=rng.uniform(0.03, 0.12) if coarse else rng.uniform(0.005, 0.03),
        spin=rng.uniform(0.0, 0.1),
        wavy=rng.uniform(0.03, max(0.05, 0.42 * wavy_scale)),
        wavy_scale=wavy_scale,
        wavy_change=rng.uniform(0.02, 0.3) if coarse else rng.uniform(0.005, 0.05),
    )
    tissue = grow_tissue(rng, world, habits)
    owner, edge = tessellate(rng, world, tissue, habits)
    light = _stain(rng, world, tissue, owner, edge)
    if rng.random() < 0.35:
        owner = np.where(edge > rng.uniform(0.5, 1.8), owner, 0)
    camera = draw_camera(rng, fluorescence=False, noise=float(np.exp(rng.uniform(np.log(0.015), np.log(0.09)))))
    return build_movie("em_stack", camera.expose(rng, light), owner)


def em_varied(
    rng: np.random.Generator, *, frames: int, size_px: tuple[int, int], n_objects: int | None, diameter_px: float | None
) -> SimulatedMovie:
    """Simulate an EM stack with membranes of one of several kinds (parameters as in `simulate`).

    Double membranes with a bright gap, thick dark sheaths around some profiles, faint membranes in strong texture, or
    bright membranes in dark cells; profiles of very different sizes, coarse along z.
    """
    stage = str(rng.choice(["still", "jitter", "drift"], p=[0.4, 0.4, 0.2]))
    world = make_world(rng, frames, size_px, n_objects, diameter_px, density=(0.8, 1.2), stage=stage, smallest_px=30)
    habits = TissueHabits(
        even=rng.uniform(0.0, 0.6),
        spread=rng.uniform(0.25, 0.6),
        stretch=rng.uniform(0.05, 1.0),
        step=rng.uniform(0.02, 0.14),
        memory=rng.uniform(0.5, 0.95),
        swell=rng.uniform(0.01, 0.1),
        spin=rng.uniform(0.0, 0.12),
        wavy=rng.uniform(0.03, 0.12),
        wavy_scale=rng.uniform(0.2, 0.6),
        wavy_change=rng.uniform(0.01, 0.25),
    )
    tissue = grow_tissue(rng, world, habits)
    owner, edge = tessellate(rng, world, tissue, habits)
    light = _membranes(rng, world, tissue, owner, edge)
    if rng.random() < 0.4:
        owner = np.where(edge > rng.uniform(0.5, 2.0), owner, 0)
    camera = draw_camera(rng, fluorescence=False, noise=float(np.exp(rng.uniform(np.log(0.015), np.log(0.12)))))
    return build_movie("em_varied", camera.expose(rng, light), owner)


def _membranes(rng: np.random.Generator, world: World, tissue: Tissue, owner: NDArray[np.int32], edge: F32) -> F32:
    """Return the light that passes cells with membranes of a drawn kind, (T, Y, X) float32."""
    kind = str(rng.choice(["double", "sheath", "faint", "bright"]))
    n = tissue.position.shape[1]
    tint = np.concatenate([[0.0], rng.normal(0, rng.uniform(0.03, 0.12), n)]).astype(np.float32)
    light = np.float32(rng.uniform(0.5, 0.75)) + tint.take(owner)
    grain = rng.uniform(0.06, 0.14) if kind == "faint" else rng.uniform(0.02, 0.08)
    scale = rng.uniform(1.0, 3.0)
    for frame in light:
        frame += np.float32(grain) * background(rng, world.size_px, scale)
        frame += np.float32(0.5 * grain) * background(rng, world.size_px, 4 * scale)
    _organelles(rng, world, tissue, light, owner, edge)
    width = rng.uniform(0.9, 2.0)
    line = np.exp(-np.square(edge / np.float32(width)))
    if kind == "double":
        gap = rng.uniform(1.2, 2.6)
        pair = np.exp(-np.square((edge - np.float32(gap)) / np.float32(width)))
        light -= np.float32(rng.uniform(0.25, 0.5)) * pair
        light += np.float32(rng.uniform(0.0, 0.25)) * line
    elif kind == "sheath":
        thick = np.concatenate([[0.0], rng.uniform(2.0, 0.14 * world.diameter_px + 2, n) * (rng.random(n) < 0.45)])
        inside = np.clip(thick.astype(np.float32).take(owner) - edge, 0, 1)
        light -= np.float32(rng.uniform(0.3, 0.6)) * inside + np.float32(rng.uniform(0.2, 0.4)) * line
    elif kind == "faint":
        patchy = np.stack([background(rng, world.size_px, 0.5 * world.diameter_px) for _ in light])
        light -= np.float32(rng.uniform(0.14, 0.3)) * line * np.clip(1 + np.float32(0.5) * patchy, 0.1, 1.6)
    else:
        light = np.float32(0.55) * light + np.float32(rng.uniform(0.25, 0.5)) * line
    wander = walk(rng, world.frames, (1, 1), 0.5) * np.float32(rng.uniform(0, 0.06))
    return blur(np.clip(light, 0.02, 1), rng.uniform(0.4, 1.0)) + wander


def _stain(rng: np.random.Generator, world: World, tissue: Tissue, owner: NDArray[np.int32], edge: F32) -> F32:
    """Return the light that passes: membranes and organelles are dark, (T, Y, X) float32."""
    frames, size = world.frames, world.size_px
    n = tissue.position.shape[1]
    tint = np.concatenate([[0.0], rng.normal(0, rng.uniform(0.02, 0.1), n)]).astype(np.float32)
    light = np.float32(rng.uniform(0.6, 0.8)) + tint.take(owner)
    grain = rng.uniform(0.02, 0.09)
    scale = rng.uniform(1.0, 2.5)
    for t in range(frames):
        light[t] += np.float32(grain) * background(rng, size, scale) + np.float32(grain * 0.5) * background(
            rng, size, 3 * scale
        )
    _organelles(rng, world, tissue, light, owner, edge)
    width = rng.uniform(0.9, 2.4)
    oblique = np.stack([background(rng, size, world.diameter_px * 0.6) for _ in range(frames)])
    local = np.float32(width) * np.clip(1 + np.float32(0.35) * oblique, 0.6, 2.2)
    dark = np.float32(rng.uniform(0.3, 0.65))
    light -= dark * np.exp(-np.square(edge / local)) * np.clip(1.15 - np.float32(0.18) * local, 0.4, 1)
    brightness = walk(rng, frames, (1, 1), 0.5) * np.float32(rng.uniform(0, 0.05))
    return blur(np.clip(light, 0.05, 1), rng.uniform(0.4, 0.9)) + brightness


def _organelles(
    rng: np.random.Generator, world: World, tissue: Tissue, light: F32, owner: NDArray[np.int32], edge: F32
) -> None:
    """Draw mitochondria and vesicles inside the cells they belong to."""
    frames, n = tissue.position.shape[:2]
    count = rng.poisson(rng.uniform(0.3, 1.5) * n)
    if count == 0:
        return
    home = rng.integers(n, size=count)
    large = rng.random(count) < rng.uniform(0.2, 0.7)
    radius = np.where(large, rng.uniform(0.1, 0.2, count), rng.uniform(0.03, 0.07, count)) * world.diameter_px
    place = rng.normal(0, 0.45, (count, 2)) + np.cumsum(walk(rng, frames, (count, 2), 0.6) * 0.06, 0)
    life = rng.uniform(0, frames, count), rng.uniform(2, 3 + frames, count)
    harmonics = rng.normal(0, 1, (count, 5, 2))
    stretch = rng.uniform(0, 0.8, count)
    shapes = outlines(radius * np.exp(stretch / 2), radius * np.exp(-stretch / 2), harmonics, 0.08)
    darkness = np.where(large, rng.uniform(0.12, 0.4, count), rng.uniform(-0.1, 0.3, count))
    stripes = mixed_tile(rng, (1.2,), (1.0,))
    turn = rng.uniform(0, np.pi, count)
    for t in range(frames):
        size = np.sqrt(np.clip(1 - np.square((t - life[0]) / life[1]), 0, 1))
        centre = tissue.position[t, home] + place[t] * tissue.radius[t, home, None] - world.stage[t]
        canvas = Canvas(world.size_px)
        for k in np.flatnonzero(size > 0.3).tolist():
            patch = canvas.patch(centre[k, 0], centre[k, 1], turn[k], float(radius[k] * 1.8 + 2))
            if patch is None:
                continue
            depth, _ = polar_depth(patch.u, patch.v, shapes[k] * np.array([[size[k]], [1]], np.float32))
            mine = (depth > 0) & (owner[t][patch.window] == home[k] + 1) & (edge[t][patch.window] > 2.0)
            rim = np.exp(-np.square(depth - 1)) * np.float32(0.15)
            inside: F32 | np.float32 = np.float32(darkness[k])
            if large[k]:
                inside = inside * (1 + np.float32(0.3) * stripes[: depth.shape[0], : depth.shape[1]])
            light[t][patch.window] -= mine * (inside + rim)
