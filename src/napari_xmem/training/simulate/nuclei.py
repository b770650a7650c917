"""Fluorescent nuclei: dense or sparse, textured, dividing, out of focus."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_xmem.training.simulate.camera import draw_camera
from napari_xmem.training.simulate.canvas import Canvas, polar_depth
from napari_xmem.training.simulate.crowd import Crowd, Habits, outlines, scatter
from napari_xmem.training.simulate.movie import SimulatedMovie, build_movie
from napari_xmem.training.simulate.noise import background, blur, mixed_tile, sample, walk
from napari_xmem.training.simulate.world import World, draw_flow, make_world

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F32 = NDArray[np.float32]

__all__ = ["NucleiLook", "draw_habits", "draw_look", "finish_fluorescence", "nuclei", "render_nuclei", "sparse_nuclei"]


@dataclass(frozen=True)
class NucleiLook:
    """How nuclei and their surroundings look. Lengths in pixels, intensities as shares of a mean nucleus.

    Attributes
    ----------
    spread, vary : float
        Standard deviation of log radius and of log brightness between nuclei.
    grain, grain_scale : float
        Strength of the chromatin texture, and its scale in nuclear diameters.
    holes : float
        Darkness of nucleoli.
    dome : float
        0 flat, 1 bright middle.
    psf, haze, haze_sigma : float
        Blur; share of light that is spread widely, and how widely.
    floor, clutter, specks : float
        Background light, its mottling, and number of bright specks of debris per 10 000 pixels.
    focus : float
        Largest additional blur when the focus wanders.
    cleft : float
        Darkness of the line where two nuclei touch.
    over : bool
        Nuclei pass over each other.
    """

    spread: float = 0.12
    vary: float = 0.25
    grain: float = 0.15
    grain_scale: float = 0.08
    holes: float = 0.2
    dome: float = 0.3
    psf: float = 1.0
    haze: float = 0.1
    haze_sigma: float = 8.0
    floor: float = 0.05
    clutter: float = 0.02
    specks: float = 0.0
    focus: float = 0.0
    cleft: float = 0.2
    over: bool = False


def draw_habits(rng: np.random.Generator, *, jerky: float = 0.25) -> Habits:
    """Draw how the cells of a movie of round cells behave."""
    wild = rng.random() < jerky
    return Habits(
        step=float(np.exp(rng.uniform(np.log(0.12), np.log(0.45)))) if wild else float(np.exp(rng.uniform(np.log(0.008), np.log(0.12)))),
        persistence=rng.uniform(0, 0.9),
        flow=rng.uniform(0, 0.25) if rng.random() < 0.35 else 0.0,
        spin=float(np.exp(rng.uniform(np.log(0.01), np.log(0.25)))),
        elongation=rng.uniform(0.05, 0.6),
        rough=float(np.exp(rng.uniform(np.log(0.008), np.log(0.09)))),
        morph=rng.uniform(0.01, 0.3),
        pack=rng.uniform(0.8, 1.02) if rng.random() < 0.85 else 0.5,
        division=float(np.exp(rng.uniform(np.log(0.002), np.log(0.06)))),
        death=0.004 if rng.random() < 0.3 else 0.0,
        mitosis=int(rng.integers(2, 7)),
        growth=rng.uniform(0, 0.01) if rng.random() < 0.3 else 0.0,
    )


def draw_look(rng: np.random.Generator, diameter_px: float) -> NucleiLook:
    """Draw how the nuclei of a movie look."""
    return NucleiLook(
        spread=rng.uniform(0.05, 0.22),
        vary=float(np.exp(rng.uniform(np.log(0.08), np.log(0.6)))),
        grain=rng.uniform(0.03, 0.3),
        grain_scale=rng.uniform(0.03, 0.12),
        holes=rng.uniform(0, 0.5) if rng.random() < 0.5 else 0.0,
        dome=rng.uniform(0, 0.8),
        psf=rng.uniform(0.5, 1.3) if rng.random() < 0.7 else rng.uniform(1.3, 0.07 * diameter_px + 1.3),
        haze=rng.uniform(0, 0.35),
        haze_sigma=rng.uniform(0.15, 0.6) * diameter_px,
        floor=rng.uniform(0.0, 0.25),
        clutter=rng.uniform(0, 0.12) if rng.random() < 0.5 else 0.01,
        specks=rng.uniform(0, 4) if rng.random() < 0.3 else 0.0,
        focus=rng.uniform(0.5, 3.0) if rng.random() < 0.12 else 0.0,
        cleft=rng.uniform(0, 0.7),
        over=rng.random() < 0.1,
    )


def nuclei(
    rng: np.random.Generator, *, frames: int, size_px: tuple[int, int], n_objects: int | None, diameter_px: float | None
) -> SimulatedMovie:
    """Simulate dense fluorescent nuclei (parameters as in `simulate`)."""
    world = make_world(rng, frames, size_px, n_objects, diameter_px, density=(0.25, 0.75))
    return _movie("nuclei", rng, world, draw_habits(rng), clumping=float(rng.choice([0.0, rng.uniform(0.3, 0.8)])))


def sparse_nuclei(
    rng: np.random.Generator, *, frames: int, size_px: tuple[int, int], n_objects: int | None, diameter_px: float | None
) -> SimulatedMovie:
    """Simulate a few fluorescent nuclei with room to move (parameters as in `simulate`)."""
    world = make_world(rng, frames, size_px, n_objects, diameter_px, density=(0.06, 0.25))
    habits = draw_habits(rng, jerky=0.45)
    if rng.random() < 0.2:
        habits = replace(habits, pack=0.0)
    return _movie("sparse_nuclei", rng, world, habits, clumping=float(rng.choice([0.0, rng.uniform(0.2, 0.6)])))


def _movie(kind: str, rng: np.random.Generator, world: World, habits: Habits, clumping: float) -> SimulatedMovie:
    look = draw_look(rng, world.diameter_px)
    position = scatter(rng, world.n_objects, world.low, world.high, clumping)
    crowd = Crowd.start(rng, position, world.diameter_px, habits, spread=look.spread, vary=look.vary)
    light, owner = render_nuclei(rng, world, crowd, habits, look)
    camera = draw_camera(rng, fluorescence=True)
    return build_movie(kind, camera.expose(rng, light), owner, crowd.parent)


def render_nuclei(
    rng: np.random.Generator, world: World, crowd: Crowd, habits: Habits, look: NucleiLook
) -> tuple[F32, NDArray[np.int32]]:
    """Let the crowd live, and draw every frame.

    Returns
    -------
    light, owner : ndarray
        (T, Y, X) float32 light, a mean nucleus is about 0.5; (T, Y, X) int32 body + 1.
    """
    shape = (world.frames, *world.size_px)
    light, owner = np.zeros(shape, np.float32), np.zeros(shape, np.int32)
    scales = (look.grain_scale * 64, look.grain_scale * 160)
    first, second = (mixed_tile(rng, scales, (1.0, 0.8)) for _ in range(2))
    flow = draw_flow(rng, world, habits.flow)
    turn = rng.uniform(0.02, 0.3)
    for t in range(world.frames):
        if t:
            crowd.step(rng, world.diameter_px, habits, flow.at(crowd.position) if flow else None)
        canvas = Canvas(world.size_px)
        texture = np.float32(np.cos(turn * t)) * first + np.float32(np.sin(turn * t)) * second
        _draw(canvas, light[t], crowd, world, habits, look, texture, world.stage[t])
        owner[t] = canvas.owner
    return finish_fluorescence(rng, light, look), owner


def _draw(
    canvas: Canvas, light: F32, crowd: Crowd, world: World, habits: Habits, look: NucleiLook, texture: F32, stage: F32
) -> None:
    """Draw all nuclei of a frame."""
    mitosis = crowd.mitotic(habits)
    plate = np.clip((mitosis - 0.6) / 0.4, 0, 1)
    death = np.minimum(crowd.dying / habits.mitosis, 2.0)
    size = crowd.radius * (1 - 0.18 * mitosis) * (1 - 0.25 * death)
    stretch = crowd.stretch * (1 - np.clip(2 * mitosis, 0, 1)) + 0.55 * plate
    half_long, half_short = size * np.exp(stretch / 2) * (1 - 0.15 * plate), size * np.exp(-stretch / 2) * (1 - 0.25 * plate)
    shapes = outlines(half_long, half_short, crowd.shape, habits.rough)
    bright = crowd.light * (1 + 0.9 * mitosis) * np.where(death > 0, 1 + 0.8 * np.sin(np.pi * death / 2), 1)
    position = crowd.position - stage
    reach = shapes[:, 0].max(1) + 2
    inside = ((position > -reach[:, None]) & (position < np.asarray(world.size_px) + reach[:, None])).all(1)
    zoom = 64.0 / (2 * crowd.radius)
    for i in np.flatnonzero(crowd.alive & inside):
        patch = canvas.patch(*position[i], crowd.angle[i], reach[i])
        if patch is None:
            continue
        depth, relative = polar_depth(patch.u, patch.v, shapes[i])
        won = canvas.claim(patch, depth, i, over=look.over)
        grain = sample(texture, patch.u * np.float32(zoom[i]) + np.float32(crowd.texture[i, 0]), patch.v * np.float32(zoom[i]) + np.float32(crowd.texture[i, 1]))
        value = 1 + np.float32(look.grain * (1 + mitosis[i])) * grain
        if look.holes:
            value -= np.float32(look.holes * (1 - mitosis[i])) * (grain < -1.1)
        value *= 1 - np.float32(look.dome) * np.square(relative)
        value *= np.float32(0.5 * bright[i])
        np.copyto(light[patch.window], np.maximum(value, np.float32(0.03)), where=won)


def finish_fluorescence(rng: np.random.Generator, light: F32, look: NucleiLook) -> F32:
    """Add optics and surroundings to the light of fluorescent bodies, (T, Y, X) float32."""
    frames, *size = light.shape
    shape = (size[0], size[1])
    if look.specks:
        n = rng.poisson(look.specks * np.prod(shape) / 1e4)
        y, x = rng.integers(shape[0], size=n), rng.integers(shape[1], size=n)
        light[:, y, x] += rng.exponential(2.0, n).astype(np.float32)
    spread = blur(light, look.haze_sigma) if look.haze > 0.02 else None
    if look.focus > 0:
        sharp = np.abs(walk(rng, frames, (), 0.8)) * look.focus
        light = np.stack([blur(frame, float(look.psf + s)) for frame, s in zip(light, sharp, strict=True)])
    else:
        light = blur(light, look.psf)
    if spread is not None:
        light = light * np.float32(1 - look.haze) + spread * np.float32(look.haze)
    mottle = background(rng, shape, rng.uniform(2, 30))
    light += np.maximum(np.float32(look.floor) + np.float32(look.clutter) * mottle, np.float32(0))
    return light
