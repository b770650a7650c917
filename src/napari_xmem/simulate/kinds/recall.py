"""Movies in which only a long memory can tell who is who: nuclei come back with a look they had long before.

All nuclei leave the picture together (focus lost, stage moved away). They come back half a place further round, each as
far from its own old place as from its neighbour's, so that place says nothing; and those that change look neither like
on the first frame nor like on the last frames before they left, but like in between.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from napari_xmem.errors import ConfigError
from napari_xmem.simulate.cells.crowd import Crowd
from napari_xmem.simulate.cells.habits import Habits
from napari_xmem.simulate.cells.world import make_world
from napari_xmem.simulate.drawing.bodies import BodyLook, render_bodies
from napari_xmem.simulate.drawing.camera import Camera
from napari_xmem.simulate.movie import SimulatedMovie, build_movie

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F64 = NDArray[np.float64]

__all__ = ["RECALLS", "Recall", "Timing", "recall_nuclei", "recall_timing"]

Recall = Literal["pulse", "cycle"]

RECALLS: tuple[Recall, ...] = get_args(Recall)
"""Names that `recall_nuclei` knows."""

_HABITS = Habits(step=0.02, persistence=0.5, spin=0.04, rough=0.04, morph=0.05, division=0.0, leash=0.2, pack=0.0)
_LOOK = BodyLook(grain=0.2, grain_scale=0.08, holes=0.3, dome=0.3, cleft=0.4)
_FADE_FRAMES = 6
_PULSE = (15, 38)
_CYCLE_FRAMES = 60


@dataclass(frozen=True, slots=True)
class Timing:
    """When what happens, in frames.

    Attributes
    ----------
    leave, back, frames : int
        First frame without nuclei, first frame with them again, length of the movie.
    """

    leave: int
    back: int
    frames: int


def recall_timing(scenario: Recall) -> Timing:
    """Return when nuclei leave and come back; `ConfigError` for an unknown scenario."""
    if scenario not in RECALLS:
        raise ConfigError(f"scenario is {scenario!r}, expected one of {', '.join(RECALLS)}.")
    return Timing(88, 192, 204) if scenario == "pulse" else Timing(100, 124, 138)


def recall_nuclei(
    rng: np.random.Generator,
    scenario: Recall,
    *,
    size_px: tuple[int, int] = (80, 80),
    n_objects: int = 2,
    diameter_px: float = 27.0,
) -> SimulatedMovie:
    """Simulate nuclei that leave and come back with a look of long before.

    Parameters
    ----------
    rng : Generator
        Source of randomness.
    scenario : {"pulse", "cycle"}
        "pulse": every other nucleus lights up (or darkens) for 23 frames, is as before for 50 frames, is away with all
        others for 104 frames, and pulses again when it comes back. "cycle": its light drifts slowly through one cycle
        of 60 frames, stays for 40 frames, and drifts half a cycle on while all are away for 24 frames. The others keep
        a brightness in between.
    size_px, n_objects, diameter_px : tuple of int, int, float
        (Y, X), nuclei on a ring around the middle, mean diameter in pixels.

    Returns
    -------
    SimulatedMovie
        uint16 image (T, Y, X), T from `recall_timing`.

    Raises
    ------
    ConfigError
        Unknown scenario.
    """
    timing = recall_timing(scenario)
    world = make_world(rng, timing.frames, size_px, n_objects, diameter_px, density=(0.2, 0.4), stage="still", margin=0)
    turn = float(rng.uniform(0, 2 * np.pi))
    before = _ring(size_px, n_objects, turn)
    after = _ring(size_px, n_objects, turn + float(rng.choice([-1, 1])) * np.pi / n_objects)
    crowd = Crowd.start(rng, before.copy(), diameter_px, _HABITS, spread=0.05, vary=0.0)
    light = _light(rng, scenario, timing, n_objects)
    radius = crowd.radius.copy()

    def change(t: int, cells: Crowd) -> None:
        cells.light[:] = light[t]
        cells.radius[:] = radius
        if t == timing.leave:
            cells.hidden[:] = timing.back - timing.leave
        if t == timing.back - 1:
            cells.home, cells.position = after.copy(), after.copy()

    drawing = render_bodies(rng, replace(world, n_objects=n_objects), crowd, _HABITS, _LOOK, change)
    camera = Camera(depth_bits=16, offset=200.0, span=8000.0, read_noise=0.012, shot_noise=0.03, uneven=0.0)
    image = camera.expose(rng, drawing.light + np.float32(0.05)).astype(np.uint16)
    return build_movie(f"recall_{scenario}", image, drawing.owner, crowd.parent)


def _ring(size_px: tuple[int, int], n: int, turn: float) -> F64:
    """Return (n, 2) places around the middle of the view."""
    angle = turn + 2 * np.pi * np.arange(n) / n
    middle = np.asarray(size_px) / 2
    return np.asarray(middle + 0.27 * min(size_px) * np.stack([np.sin(angle), np.cos(angle)], 1), np.float64)


def _light(rng: np.random.Generator, scenario: Recall, timing: Timing, n: int) -> F64:
    """Return the brightness of every nucleus on every frame, (T, n)."""
    middle, contrast = rng.uniform(0.65, 0.8), rng.uniform(0.75, 0.95) * rng.choice([-1, 1])
    t = np.arange(timing.frames, dtype=np.float64)
    if scenario == "cycle":
        away = np.clip((t - timing.leave) / (timing.back - timing.leave), 0, 1)
        wave = -np.cos(2 * np.pi * (np.minimum(t / _CYCLE_FRAMES, 1) + away / 2))
    else:
        wave = np.full(timing.frames, -1.0)
        for start, sign in ((_PULSE[0], 2.0), (_PULSE[1], -2.0), (timing.leave + _FADE_FRAMES, 2.0)):
            wave += sign * np.clip((t - start) / _FADE_FRAMES, 0, 1)
    strength = np.where(np.arange(n) % 2 == 0, contrast, 0.0)
    return np.asarray(middle * np.exp(wave[:, None] * strength), np.float64)
