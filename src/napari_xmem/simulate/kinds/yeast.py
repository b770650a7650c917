"""Budding yeast: round touching cells with a bright or dark rim; buds grow and become cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_xmem.simulate.cells.contacts import push_discs
from napari_xmem.simulate.cells.crowd import outlines
from napari_xmem.simulate.cells.world import World, make_world
from napari_xmem.simulate.drawing.camera import draw_camera
from napari_xmem.simulate.drawing.canvas import Canvas, polar_depth
from napari_xmem.simulate.drawing.noise import background, blur, mixed_tile, sample
from napari_xmem.simulate.movie import SimulatedMovie, build_movie

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F32 = NDArray[np.float32]
    F64 = NDArray[np.float64]

__all__ = ["budding_yeast"]


@dataclass(frozen=True)
class _Look:
    """Light of a yeast cell: rings (depth in pixels, width, strength), interior, vacuole, texture, haze."""

    rings: tuple[tuple[float, float, float], ...]
    inside: float
    vacuole: float
    grain: float
    psf: float
    base: float


def budding_yeast(
    rng: np.random.Generator, *, frames: int, size_px: tuple[int, int], n_objects: int | None, diameter_px: float | None
) -> SimulatedMovie:
    """Simulate budding yeast in transmitted light (parameters as in `simulate`).

    A bud is an object of its own from its first frame; it is not counted as a division, because masks of yeast
    usually give it a label of its own.
    """
    stage = None if rng.random() < 0.5 else "still"
    world = make_world(rng, frames, size_px, n_objects, diameter_px, density=(0.25, 0.8), stage=stage)
    cells = _Cells(rng, world)
    look = _draw_look(rng, world.diameter_px)
    light, owner = _render(rng, world, cells, look)
    light += np.float32(rng.uniform(0, 0.02)) * background(rng, size_px, rng.uniform(2, 30))
    camera = draw_camera(rng, fluorescence=False)
    return build_movie("budding_yeast", camera.expose(rng, light), owner)


def _draw_look(rng: np.random.Generator, diameter_px: float) -> _Look:
    width = float(np.clip(rng.uniform(0.035, 0.08) * diameter_px, 1.0, 4.0))
    sign = 1.0 if rng.random() < 0.65 else -1.0
    strength = rng.uniform(0.12, 0.45)
    outer = rng.uniform(0.1, 0.8) * width
    rings = [
        (outer, width, -sign * strength),
        (outer + 2.0 * width, width * rng.uniform(0.8, 1.6), sign * strength * rng.uniform(0.2, 1.0)),
    ]
    if rng.random() < 0.6:
        rings.append((outer - 2.2 * width, 1.3 * width, sign * strength * rng.uniform(0.1, 0.8)))
    return _Look(
        rings=tuple(rings),
        inside=rng.uniform(-0.15, 0.15),
        vacuole=rng.uniform(-0.2, 0.25),
        grain=rng.uniform(0.01, 0.07),
        psf=rng.uniform(0.5, 1.3),
        base=rng.uniform(0.4, 0.6),
    )


class _Cells:
    """Round cells and their buds; a bud stays at its mother until it is grown."""

    def __init__(self, rng: np.random.Generator, world: World) -> None:
        self.rng = rng
        self.world = world
        n = world.n_objects
        clumps = rng.uniform(0.4, 0.95) if rng.random() < 0.7 else 0.0
        self.full = world.diameter_px / 2 * np.exp(rng.normal(0, 0.12, n))
        self.size = np.where(rng.random(n) < 0.2, rng.uniform(0.35, 1.0, n), 1.0)
        self.mother = np.full(n, -1)
        self.side = np.zeros(n)
        self.angle = rng.uniform(0, 2 * np.pi, n)
        self.stretch = np.abs(rng.normal(0, 0.16, n))
        self.shape = rng.normal(0, 1, (n, 5, 2))
        self.texture = rng.uniform(0, 256, (n, 2))
        self.position = push_discs(world.place(rng, clumps), self.full * self.size, rounds=15)
        self.growth = float(np.exp(rng.uniform(np.log(0.01), np.log(0.12))))
        self.budding = rng.uniform(0.0, 0.06)
        self.wiggle = float(np.exp(rng.uniform(np.log(0.003), np.log(0.06)))) * world.diameter_px
        for i in np.flatnonzero(rng.random(n) < rng.uniform(0.0, 0.4)).tolist():
            self._bud(int(i), float(rng.uniform(0.3, 0.75)))
        for _ in range(6):
            self._settle()

    @property
    def radius(self) -> F64:
        """Radii in pixels, (N,)."""
        return self.full * self.size

    def step(self) -> None:
        """Advance by one frame."""
        rng = self.rng
        self.position = self.position + rng.normal(0, self.wiggle, self.position.shape)
        self.size = np.minimum(self.size + self.growth * np.where(self.size < 1, 1.0, 0.0), 1.0)
        self.mother = np.where((self.size > 0.8) & (rng.random(len(self.size)) < 0.3), -1, self.mother)
        busy = np.zeros(len(self.size), bool)
        busy[self.mother[self.mother >= 0]] = True
        ready = (self.size >= 1) & ~busy & (rng.random(len(self.size)) < self.budding)
        for i in np.flatnonzero(ready).tolist():
            self._bud(int(i), 0.25)
        self._settle()

    def _settle(self) -> None:
        """Push cells apart and hold buds at their mothers."""
        child = np.flatnonzero(self.mother >= 0)
        if len(child):
            mother = self.mother[child]
            away = np.stack([np.sin(self.side[child]), np.cos(self.side[child])], 1)
            gap = (self.radius[mother] + 0.85 * self.radius[child])[:, None]
            self.position[child] = 0.6 * self.position[child] + 0.4 * (self.position[mother] + away * gap)
            self.side[child] = np.arctan2(*(self.position[child] - self.position[mother]).T)
        self.position = push_discs(self.position, self.radius * 0.97, rounds=3)

    def _bud(self, mother: int, size: float) -> None:
        rng = self.rng
        self.full = np.append(self.full, self.full[mother] * rng.uniform(0.85, 1.0))
        self.size = np.append(self.size, size)
        self.mother = np.append(self.mother, mother)
        self.side = np.append(self.side, rng.uniform(0, 2 * np.pi))
        self.angle = np.append(self.angle, self.side[-1])
        self.stretch = np.append(self.stretch, abs(rng.normal(0.08, 0.1)))
        self.shape = np.append(self.shape, rng.normal(0, 1, (1, 5, 2)), 0)
        self.texture = np.append(self.texture, rng.uniform(0, 256, (1, 2)), 0)
        away = np.array([np.sin(self.side[-1]), np.cos(self.side[-1])])
        place = self.position[mother] + away * (self.full[mother] * self.size[mother] + 0.85 * self.full[-1] * size)
        self.position = np.append(self.position, place[None], 0)


def _render(rng: np.random.Generator, world: World, cells: _Cells, look: _Look) -> tuple[F32, NDArray[np.int32]]:
    shape = (world.frames, *world.size_px)
    edges, inner, owner = np.zeros(shape, np.float32), np.zeros(shape, np.float32), np.zeros(shape, np.int32)
    texture = mixed_tile(rng, (2.0, 5.0), (1.0, 1.0))
    vacuoles = mixed_tile(rng, (8.0,), (1.0,))
    for t in range(world.frames):
        if t:
            cells.step()
        canvas = Canvas(world.size_px)
        _draw(canvas, inner[t], cells, world, look, (texture, vacuoles), world.stage[t])
        owner[t], edges[t] = canvas.owner, canvas.edge()
    light = np.float32(look.base) + inner
    for place, width, strength in look.rings:
        light += np.float32(strength) * np.exp(-np.square((edges - np.float32(place)) * np.float32(1 / width)))
    return blur(light, look.psf), owner


def _draw(
    canvas: Canvas, inner: F32, cells: _Cells, world: World, look: _Look, textures: tuple[F32, F32], stage: F32
) -> None:
    radius = cells.radius
    shapes = outlines(radius * np.exp(cells.stretch / 2), radius * np.exp(-cells.stretch / 2), cells.shape, 0.012)
    position = cells.position - stage
    margin = max(2.0, *(2.6 * width - place for place, width, _ in look.rings))
    for i in np.flatnonzero(
        (
            (position > -radius[:, None] * 1.4 - margin)
            & (position < np.asarray(world.size_px) + radius[:, None] * 1.4 + margin)
        ).all(1)
    ):
        patch = canvas.patch(position[i, 0], position[i, 1], cells.angle[i], float(shapes[i, 0].max() + margin))
        if patch is None:
            continue
        depth, _ = polar_depth(patch.u, patch.v, shapes[i])
        won = canvas.claim(patch, depth, int(i))
        oy, ox = (np.float32(c) for c in cells.texture[i])
        soft = np.clip(depth * np.float32(0.25), 0, 1)
        value = np.float32(look.inside) + np.float32(look.grain) * sample(textures[0], patch.u + ox, patch.v + oy)
        value += np.float32(look.vacuole) * (sample(textures[1], patch.u + ox, patch.v + oy) > 0.9)
        np.copyto(inner[patch.window], value * soft, where=won)
