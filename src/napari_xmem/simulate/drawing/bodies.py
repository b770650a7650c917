"""Drawing a crowd of roundish cells: who owns the pixels, and how bright or thick the cells are there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_xmem.simulate.cells.crowd import Crowd, outlines
from napari_xmem.simulate.cells.world import World, draw_flow
from napari_xmem.simulate.drawing.canvas import Canvas, polar_depth
from napari_xmem.simulate.drawing.noise import mixed_tile, sample

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_xmem.simulate.cells.habits import Habits

    F32 = NDArray[np.float32]
    F64 = NDArray[np.float64]

__all__ = ["BodyLook", "Drawing", "render_bodies"]


@dataclass(frozen=True)
class BodyLook:
    """How the bodies of a crowd look; intensities as shares of a mean body.

    Attributes
    ----------
    grain, grain_scale : float
        Strength of the texture, and its scale in diameters.
    holes : float
        Darkness of spots such as nucleoli or vacuoles.
    dome : float
        0 flat, 1 falls to nothing at the outline.
    condense : float
        1: a nucleus, which condenses to a bright plate in mitosis; 0: a cell, which only rounds up.
    cleft : float
        Darkness of the line where two bodies touch.
    over : bool
        Bodies pass over each other.
    margin_px : float
        How far outside the outline edge distances are needed.
    """

    grain: float = 0.15
    grain_scale: float = 0.08
    holes: float = 0.0
    dome: float = 0.3
    condense: float = 1.0
    cleft: float = 0.2
    over: bool = False
    margin_px: float = 2.0


@dataclass(frozen=True)
class Drawing:
    """All frames of a crowd.

    Attributes
    ----------
    light : ndarray
        (T, Y, X) float32, brightness or thickness, about 0.5 in the middle of a body, 0 outside.
    owner : ndarray
        (T, Y, X) int32, body + 1.
    edge : ndarray
        (T, Y, X) float32, signed distance in pixels to the nearest outline or contact, negative outside.
    """

    light: F32
    owner: NDArray[np.int32]
    edge: F32


def render_bodies(
    rng: np.random.Generator,
    world: World,
    crowd: Crowd,
    habits: Habits,
    look: BodyLook,
    on_frame: Callable[[int, Crowd], None] | None = None,
) -> Drawing:
    """Let the crowd live, and draw every frame.

    Parameters
    ----------
    rng, world, crowd, habits, look : Generator, World, Crowd, Habits, BodyLook
        Randomness, view, cells (advanced in place), behaviour, appearance.
    on_frame : callable or None
        Called with the frame and the crowd before each frame is drawn; may change the crowd.
    """
    shape = (world.frames, *world.size_px)
    drawing = Drawing(np.zeros(shape, np.float32), np.zeros(shape, np.int32), np.zeros(shape, np.float32))
    scales = (look.grain_scale * 64, look.grain_scale * 160)
    first, second = (mixed_tile(rng, scales, (1.0, 0.8)) for _ in range(2))
    flow = draw_flow(rng, world, habits.flow)
    turn = rng.uniform(0.02, 0.3)
    for t in range(world.frames):
        if t:
            crowd.step(rng, world.diameter_px, habits, flow.at(crowd.position) if flow else None)
        if on_frame is not None:
            on_frame(t, crowd)
        canvas = Canvas(world.size_px)
        texture = np.float32(np.cos(turn * t)) * first + np.float32(np.sin(turn * t)) * second
        _draw(canvas, drawing.light[t], crowd, world, habits, look, texture, world.stage[t])
        drawing.owner[t], drawing.edge[t] = canvas.owner, canvas.edge()
    if look.cleft > 0.05:
        inner = np.maximum(drawing.edge, np.float32(0))
        np.multiply(
            drawing.light, 1 - np.float32(look.cleft) * np.exp(inner * inner * np.float32(-0.5)), out=drawing.light
        )
    return drawing


def _draw(
    canvas: Canvas, light: F32, crowd: Crowd, world: World, habits: Habits, look: BodyLook, texture: F32, stage: F32
) -> None:
    """Draw all bodies of a frame."""
    mitosis = crowd.mitotic(habits)
    form = _form(crowd, habits, look.condense)
    shapes = outlines(form.half_long, form.half_short, crowd.shape, form.rough)
    position = crowd.position - stage
    reach = shapes[:, 0].max(1) + look.margin_px
    inside = ((position > -reach[:, None]) & (position < np.asarray(world.size_px) + reach[:, None])).all(1)
    zoom = (64.0 / (2 * crowd.radius)).astype(np.float32)
    place = crowd.texture.astype(np.float32)
    for i in np.flatnonzero(crowd.alive & inside & (crowd.hidden == 0)).tolist():
        patch = canvas.patch(position[i, 0], position[i, 1], crowd.angle[i], reach[i])
        if patch is None:
            continue
        depth, relative = polar_depth(patch.u, patch.v, shapes[i])
        won = canvas.claim(patch, depth, i, over=look.over)
        grain = sample(texture, patch.u * zoom[i] + place[i, 0], patch.v * zoom[i] + place[i, 1])
        value = 1 + np.float32(look.grain * form.grain[i]) * grain
        if look.holes:
            dark = np.clip(np.float32(-2.4) - np.float32(2.5) * grain, 0, 1)
            value -= np.float32(look.holes * (1 - mitosis[i])) * dark
        value *= 1 - np.float32(look.dome) * np.square(relative)
        if form.ring[i] > 0:
            value *= 1 - np.float32(form.ring[i]) * np.exp(np.square(relative) * np.float32(-6))
        value *= np.float32(0.5 * form.light[i])
        np.copyto(light[patch.window], np.maximum(value, np.float32(0.03)), where=won)


class _Form(NamedTuple):
    """How bodies look now, (N,) each: half axes in pixels, irregularity, brightness, dark middle, texture."""

    half_long: F64
    half_short: F64
    rough: F64
    light: F64
    ring: F64
    grain: F64


def _form(crowd: Crowd, habits: Habits, condense: float) -> _Form:
    """Return how all bodies look, mitosis and death included."""
    mitosis = crowd.mitotic(habits)
    if habits.course is not None:
        seen = crowd.chromatin(habits.course)
        size = crowd.radius * np.sqrt(seen.area)
        stretch = crowd.stretch * (1 - seen.mitotic) + seen.stretch
        rough = habits.rough + 0.05 * mitosis
        light = crowd.light * seen.light
        return _Form(size * np.exp(stretch / 2), size * np.exp(-stretch / 2), rough, light, seen.ring, seen.grain)
    plate = condense * np.clip((mitosis - 0.6) / 0.4, 0, 1)
    death = np.minimum(crowd.dying / habits.mitosis, 2.0)
    size = crowd.radius * (1 - 0.18 * condense * mitosis) * (1 - 0.25 * death)
    stretch = crowd.stretch * (1 - np.clip(2 * mitosis, 0, 1)) + 0.55 * plate
    half_long = size * np.exp(stretch / 2) * (1 - 0.15 * plate)
    half_short = size * np.exp(-stretch / 2) * (1 - 0.25 * plate)
    glow = np.where(death > 0, 1 + 0.8 * np.sin(np.pi * death / 2), 1.0)
    light = crowd.light * (1 + (0.25 + 0.65 * condense) * mitosis) * glow
    rough = habits.rough * (1 - 0.6 * mitosis)
    return _Form(half_long, half_short, rough, light, np.zeros_like(light), 1 + condense * mitosis)
