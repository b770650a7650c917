"""Fluorescent nuclei: dense or sparse, textured, dividing, out of focus."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_xmem.simulate.cells.crowd import Crowd
from napari_xmem.simulate.cells.habits import Habits, draw_habits
from napari_xmem.simulate.cells.world import World, make_world
from napari_xmem.simulate.drawing.bodies import BodyLook, render_bodies
from napari_xmem.simulate.drawing.camera import draw_camera
from napari_xmem.simulate.drawing.noise import background, blur, walk
from napari_xmem.simulate.movie import SimulatedMovie, build_movie

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F32 = NDArray[np.float32]

__all__ = ["Glow", "draw_body_look", "draw_glow", "nuclei", "sparse_nuclei"]


@dataclass(frozen=True)
class Glow:
    """Optics and surroundings of fluorescent bodies; a mean body has light 0.5.

    Attributes
    ----------
    psf_px, haze, haze_px : float
        Blur; share of light that is spread widely, and how widely.
    floor, clutter : float
        Background light and its mottling.
    specks : float
        Bright dots of debris per 10 000 pixels.
    focus : float
        Additional blur in pixels when the focus wanders.
    """

    psf_px: float = 1.0
    haze: float = 0.1
    haze_px: float = 8.0
    floor: float = 0.05
    clutter: float = 0.02
    specks: float = 0.0
    focus: float = 0.0

    def apply(self, rng: np.random.Generator, light: F32) -> F32:
        """Return the light that reaches the camera, (T, Y, X) float32; `light` is consumed."""
        shape = (light.shape[1], light.shape[2])
        if self.specks:
            n = rng.poisson(self.specks * np.prod(shape) / 1e4)
            y, x = rng.integers(shape[0], size=n), rng.integers(shape[1], size=n)
            light[:, y, x] += rng.exponential(2.0, n).astype(np.float32)
        spread = blur(light, self.haze_px) if self.haze > 0.02 else None
        if self.focus > 0:
            extra = np.abs(walk(rng, len(light), (), 0.8)) * self.focus
            light = np.stack([blur(frame, float(self.psf_px + e)) for frame, e in zip(light, extra, strict=True)])
        else:
            light = blur(light, self.psf_px)
        if spread is not None:
            light = light * np.float32(1 - self.haze) + spread * np.float32(self.haze)
        mottle = background(rng, shape, rng.uniform(2, 30))
        light += np.maximum(np.float32(self.floor) + np.float32(self.clutter) * mottle, np.float32(0))
        return light


def draw_glow(rng: np.random.Generator, diameter_px: float, *, crisp: bool = False) -> Glow:
    """Draw optics and surroundings of a fluorescence movie; `crisp` for structures finer than a nucleus."""
    return Glow(
        psf_px=rng.uniform(0.5, 1.3) if crisp or rng.random() < 0.7 else rng.uniform(1.3, 0.07 * diameter_px + 1.3),
        haze=rng.uniform(0, 0.35),
        haze_px=rng.uniform(0.15, 0.6) * diameter_px,
        floor=rng.uniform(0.0, 0.25),
        clutter=rng.uniform(0, 0.03 if crisp else 0.12) if rng.random() < 0.5 else 0.01,
        specks=rng.uniform(0, 4) if rng.random() < 0.3 else 0.0,
        focus=rng.uniform(0.5, 1.5 if crisp else 3.0) if rng.random() < 0.12 else 0.0,
    )


def draw_body_look(rng: np.random.Generator) -> BodyLook:
    """Draw how the nuclei of a movie look."""
    return BodyLook(
        grain=rng.uniform(0.03, 0.3),
        grain_scale=rng.uniform(0.03, 0.12),
        holes=rng.uniform(0, 0.5) if rng.random() < 0.5 else 0.0,
        dome=rng.uniform(0, 0.8) ** 1.5,
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
    position = world.place(rng, clumping)
    vary = float(np.exp(rng.uniform(np.log(0.08), np.log(0.6))))
    crowd = Crowd.start(rng, position, world.diameter_px, habits, spread=rng.uniform(0.05, 0.22), vary=vary)
    drawing = render_bodies(rng, world, crowd, habits, draw_body_look(rng))
    light = draw_glow(rng, world.diameter_px).apply(rng, drawing.light)
    camera = draw_camera(rng, fluorescence=True)
    return build_movie(kind, camera.expose(rng, light), drawing.owner, crowd.parent)
