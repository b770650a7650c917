"""Drawing spread cells: outline, and thickness of lamella, body, nucleus and granules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_xmem.simulate.cells.forms import Forms, measure
from napari_xmem.simulate.drawing.canvas import Canvas, Patch
from napari_xmem.simulate.drawing.noise import mixed_tile, sample

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_xmem.simulate.cells.spread import SpreadCells, SpreadHabits
    from napari_xmem.simulate.cells.world import World

    F32 = NDArray[np.float32]
    Pair = tuple[F32, F32]

__all__ = ["SurfaceLook", "draw_surface_look", "render_spread"]


@dataclass(frozen=True)
class SurfaceLook:
    """Phase shift in radians of the parts of a spread cell.

    Attributes
    ----------
    lamella, rim, body, nucleus, nucleolus, granules, grain, bulk, ball : float
        Flat sheet; its edge; the mound around the nucleus; dip at the nucleus; its dots; dark dots around it;
        roughness; what slender cells are thicker; a rounded cell.
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
    bulk: float = 0.2
    ball: float = 2.4


def draw_surface_look(rng: np.random.Generator) -> SurfaceLook:
    """Draw how the cells of a movie look."""
    return SurfaceLook(
        lamella=rng.uniform(0.08, 0.4),
        rim=rng.uniform(0.03, 0.5),
        rim_px=rng.uniform(1.2, 3.5),
        body=rng.uniform(0.05, 0.5),
        nucleus=rng.uniform(0.0, 0.2),
        nucleolus=rng.uniform(0.0, 0.5),
        granules=rng.uniform(0.0, 0.6),
        grain=rng.uniform(0.01, 0.09),
        bulk=rng.uniform(0.0, 0.45),
        ball=rng.uniform(1.8, 4.8),
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
        _draw(canvas, phase[t], cells, measure(cells, habits), look, (fine, dots), world.stage[t])
        owner[t] = canvas.owner
    return phase, owner


def _draw(
    canvas: Canvas,
    phase: F32,
    cells: SpreadCells,
    forms: Forms,
    look: SurfaceLook,
    textures: Pair,
    stage: F32,
) -> None:
    position = cells.position - stage
    inside = ((position + forms.high > 0) & (position + forms.low < np.asarray(canvas.shape))).all(1)
    shown = np.flatnonzero(cells.alive & inside)
    drawn: list[tuple[int, Patch, int]] = []
    for i in shown[np.argsort(cells.ball[shown], kind="stable")].tolist():
        (y0, x0), (y1, x1) = forms.low[i], forms.high[i]
        patch = canvas.patch_between(position[i, 0], position[i, 1], cells.angle[i], (y0, y1), (x0, x1))
        if patch is None:
            continue
        depth = forms.depth(patch, i)
        won = canvas.claim(patch, depth, i, over=bool(cells.ball[i] > 0.5))
        size = float(forms.half[i]), float(forms.width[i])
        phase[patch.window][won] = _thickness(patch.u[won], patch.v[won], depth[won], cells, i, size, look, textures)
        drawn.append((i, patch, int(np.count_nonzero(depth > 0))))
    for i, patch, n_pixels in drawn:
        lost, any_lost = canvas.keep_whole(patch, i, n_pixels)
        if any_lost:
            phase[patch.window][lost] = 0
    if look.rim:
        rim = np.float32(look.rim) * np.exp(-np.square(canvas.edge() * np.float32(1 / look.rim_px)))
        phase += rim * (canvas.owner > 0)


def _thickness(
    u: F32,
    v: F32,
    depth: F32,
    cells: SpreadCells,
    i: int,
    size: tuple[float, float],
    look: SurfaceLook,
    textures: Pair,
) -> F32:
    """Return the phase shift at points of cell `i`, (P,) float32 radians."""
    half, width = size
    ball = np.float32(cells.ball[i])
    oy, ox = np.float32(cells.texture[i, 0]), np.float32(cells.texture[i, 1])
    fine, dots = (sample(texture, u + ox, v + oy) for texture in textures)
    core = np.float32(0.35 * min(half, 1.6 * width))
    far = (u / (core * np.float32(2.2))) ** 2 + (v / np.float32(max(0.8 * width, 2))) ** 2
    mound = np.exp(-far)
    nucleus = (u / core) ** 2 + (v / min(core, np.float32(0.55 * width))) ** 2
    flat = np.float32(look.lamella) * (1 + np.float32(0.6) * mound * np.float32(look.body / 0.3))
    flat += np.float32(look.grain) * fine + np.float32(look.granules) * mound * (dots > 1.25)
    slender = np.float32(look.bulk * min(max(float(cells.aspect[i]), 0.0), 1.5))
    flat += slender * np.minimum(depth * np.float32(2 / max(width, 1.0)), np.float32(1))
    in_nucleus = nucleus < 1
    flat -= np.float32(look.nucleus) * in_nucleus
    flat += np.float32(look.nucleolus) * (in_nucleus & (fine > 1.3))
    flat *= np.float32(cells.light[i])
    if ball <= 0:
        return np.maximum(flat, np.float32(0.02))
    inwards = depth * np.float32(1 / max(width, 1.0))
    high = np.sqrt(np.minimum(np.maximum(inwards * np.float32(2.5), np.float32(0)), np.float32(1)))
    ring = np.exp(-np.square((inwards - np.float32(0.3)) * np.float32(5)))
    high *= (np.float32(0.6) + np.float32(0.4) * ring + np.float32(0.15) * fine) * np.float32(
        look.ball * cells.light[i]
    )
    return np.maximum(flat * (1 - ball) + high * ball, np.float32(0.02))
