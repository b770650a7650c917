"""Drawing spread cells: outline, and thickness of lamella, body, nucleus and granules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_xmem.training.simulate.canvas import Canvas, Patch, capsule_depth, spine_depth
from napari_xmem.training.simulate.noise import mixed_tile, sample
from napari_xmem.training.simulate.spread import ARMS, KNOTS, SpreadCells, SpreadHabits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_xmem.training.simulate.world import World

    F32 = NDArray[np.float32]

__all__ = ["SurfaceLook", "draw_surface_look", "render_spread"]

_TABLE = 257


@dataclass(frozen=True)
class SurfaceLook:
    """Phase shift in radians of the parts of a spread cell.

    Attributes
    ----------
    lamella, rim, body, nucleus, nucleolus, granules, grain, ball : float
        Flat sheet; its edge; the mound around the nucleus; dip at the nucleus; its dots; dark dots around it;
        roughness; a rounded cell.
    rim_px : float
        Width of the edge.
    """

    lamella: float = 0.2
    rim: float = 0.15
    rim_px: float = 2.0
    body: float = 0.25
    nucleus: float = 0.1
    nucleolus: float = 0.3
    granules: float = 0.3
    grain: float = 0.04
    ball: float = 2.4


def draw_surface_look(rng: np.random.Generator) -> SurfaceLook:
    """Draw how the cells of a movie look."""
    return SurfaceLook(
        lamella=rng.uniform(0.06, 0.32),
        rim=rng.uniform(0.03, 0.5),
        rim_px=rng.uniform(1.2, 3.5),
        body=rng.uniform(0.05, 0.5),
        nucleus=rng.uniform(0.0, 0.2),
        nucleolus=rng.uniform(0.0, 0.5),
        granules=rng.uniform(0.0, 0.6),
        grain=rng.uniform(0.01, 0.09),
        ball=rng.uniform(2.2, 7.0),
    )


def render_spread(
    rng: np.random.Generator, world: World, cells: SpreadCells, habits: SpreadHabits, look: SurfaceLook
) -> tuple[F32, NDArray[np.int32]]:
    """Let the cells live and draw them.

    Returns
    -------
    phase, owner : ndarray
        (T, Y, X) float32 phase shift in radians; (T, Y, X) int32 body + 1.
    """
    shape = (world.frames, *world.size_px)
    phase, owner = np.zeros(shape, np.float32), np.zeros(shape, np.int32)
    fine, dots = mixed_tile(rng, (1.4, 4.0), (1.0, 0.8)), mixed_tile(rng, (1.8, 1.0), (1.0, 0.3))
    for t in range(world.frames):
        if t:
            cells.step(rng, world.diameter_px, habits)
        canvas = Canvas(world.size_px)
        _draw(canvas, phase[t], cells, habits, look, (fine, dots), world.stage[t])
        owner[t] = canvas.owner
    return phase, owner


def _profiles(
    cells: SpreadCells, half: NDArray[np.float64], half_width: NDArray[np.float64], habits: SpreadHabits
) -> F32:
    """Return half widths on both sides and the steepness factor of all cells, (N, 3, _TABLE) float32."""
    s = np.linspace(-1, 1, _TABLE)
    knots = np.linspace(-1, 1, KNOTS)
    hat = np.maximum(1 - np.abs(s[None] - knots[:, None]) * (KNOTS - 1) / 2, 0)
    hat = hat * hat * (3 - 2 * hat)
    power = np.clip(habits.taper * (1 - cells.ball), 0, 1)[:, None, None]
    blunt = np.sqrt(np.maximum(1 - s * s, 0))
    thin = np.maximum(1 - np.abs(s) ** 1.3, 0) ** 1.5 * 1.25 + 0.06 * blunt
    base = (1 - power) * blunt + power * thin
    rough = habits.ragged * (1 - cells.ball)[:, None, None]
    sides = half_width[:, None, None] * base * np.clip(1 + rough * (cells.sides @ hat), 0.25, 2.2)
    slope = np.gradient(sides.mean(1), axis=1) * (_TABLE - 1) / (2 * half[:, None])
    return np.concatenate([sides, 1 / np.sqrt(1 + slope[:, None] ** 2)], 1).astype(np.float32)


def _draw(
    canvas: Canvas,
    phase: F32,
    cells: SpreadCells,
    habits: SpreadHabits,
    look: SurfaceLook,
    textures: tuple[F32, F32],
    stage: F32,
) -> None:
    half, width = cells.half_axes()
    profiles = _profiles(cells, half, width, habits)
    arms = np.maximum(cells.arm_length, 0) * (cells.size / 2 * (1 - cells.ball))[:, None]
    position = cells.position - stage
    bend = 0.22 * cells.bend * (1 - cells.ball) * np.clip(cells.aspect, 0, 1)
    long = np.maximum(half, arms.max(1)) + 3
    short = np.maximum(profiles[:, :2].max((1, 2)) + np.abs(bend) * half, arms.max(1)) + 3
    inside = ((position > -long[:, None]) & (position < np.asarray(canvas.shape) + long[:, None])).all(1)
    drawn: list[tuple[int, Patch, int]] = []
    shown = np.flatnonzero(cells.alive & inside)
    for i in shown[np.argsort(cells.ball[shown], kind="stable")].tolist():
        patch = canvas.patch(position[i, 0], position[i, 1], cells.angle[i], float(long[i]), float(short[i]))
        if patch is None:
            continue
        depth = _outline(patch, cells, i, (float(half[i]), float(width[i]), float(bend[i])), profiles[i], arms[i])
        won = canvas.claim(patch, depth, i, over=bool(cells.ball[i] > 0.5))
        phase[patch.window][won] = _thickness(
            patch.u[won], patch.v[won], depth[won], cells, i, float(half[i]), float(width[i]), look, textures
        )
        drawn.append((i, patch, int(np.count_nonzero(depth > 0))))
    for i, patch, n_pixels in drawn:
        lost, any_lost = canvas.keep_whole(patch, i, n_pixels)
        if any_lost:
            phase[patch.window][lost] = 0
    if look.rim:
        rim = np.float32(look.rim) * np.exp(-np.square(canvas.edge() * np.float32(1 / look.rim_px)))
        phase += rim * (canvas.owner > 0)


def _outline(
    patch: Patch, cells: SpreadCells, i: int, form: tuple[float, float, float], sides: F32, arms: NDArray[np.float64]
) -> F32:
    """Return the depth in spine and arms of a cell, (h, w) float32."""
    half, width, bend = form
    depth = np.full(patch.u.shape, -50, np.float32)
    c, s = abs(np.cos(cells.angle[i])), abs(np.sin(cells.angle[i]))
    across = float(sides[:2].max()) + abs(bend) * half
    tall, wide = s * half + c * across, c * half + s * across
    box = patch.box((-tall, tall), (-wide, wide), 3)
    depth[box] = spine_depth(patch.u[box], patch.v[box], half, bend, sides)
    for k in range(ARMS):
        length = float(arms[k])
        if length > 0.6 * width:
            angle = float(cells.arm_angle[i, k])
            y, x = length * np.sin(cells.angle[i] + angle), length * np.cos(cells.angle[i] + angle)
            box = patch.box((min(0.0, y), max(0.0, y)), (min(0.0, x), max(0.0, x)), 0.3 * width + 3)
            arm = _arm_depth(patch.u[box], patch.v[box], angle, length, width)
            np.maximum(depth[box], arm, out=depth[box])
    return depth


def _arm_depth(u: F32, v: F32, angle: float, length: float, width: float) -> F32:
    """Return the depth in a tapering process that starts in the middle of the cell."""
    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    u, v = u * c + v * s, v * c - u * s
    half = length / 2
    taper = np.minimum(np.maximum(1 - u * np.float32(1 / length), np.float32(0.05)), np.float32(1))
    radius = np.float32(0.55 * width) * taper * taper + np.float32(1.2)
    return capsule_depth(u - np.float32(half), v + np.float32(0.1 / length) * u * u, half - 1, radius)


def _thickness(
    u: F32,
    v: F32,
    depth: F32,
    cells: SpreadCells,
    i: int,
    half: float,
    width: float,
    look: SurfaceLook,
    textures: tuple[F32, F32],
) -> F32:
    """Return the phase shift at points of cell `i`, (P,) float32 radians."""
    ball = np.float32(cells.ball[i])
    oy, ox = np.float32(cells.texture[i, 0]), np.float32(cells.texture[i, 1])
    fine, dots = (sample(texture, u + ox, v + oy) for texture in textures)
    core = np.float32(0.35 * min(half, 1.6 * width))
    far = (u / (core * np.float32(2.2))) ** 2 + (v / np.float32(max(0.8 * width, 2))) ** 2
    mound = np.exp(-far)
    nucleus = (u / core) ** 2 + (v / min(core, np.float32(0.55 * width))) ** 2
    flat = np.float32(look.lamella) * (1 + np.float32(0.6) * mound * np.float32(look.body / 0.3))
    flat += np.float32(look.grain) * fine + np.float32(look.granules) * mound * (dots > 1.25)
    in_nucleus = nucleus < 1
    flat -= np.float32(look.nucleus) * in_nucleus
    flat += np.float32(look.nucleolus) * (in_nucleus & (fine > 1.3))
    flat *= np.float32(cells.light[i])
    if ball <= 0:
        return np.maximum(flat, np.float32(0.02))
    high = np.sqrt(np.clip(depth * np.float32(2 / max(width, 1.0)), 0, 1)) * np.float32(look.ball)
    return np.maximum(flat * (1 - ball) + high * ball * (1 + np.float32(0.08) * fine), np.float32(0.02))
