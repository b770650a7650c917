"""Long movies that strain a memory: slow drift of appearance, bleaching, focus, absence, look-alikes."""

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
from napari_xmem.simulate.drawing.noise import blur
from napari_xmem.simulate.movie import SimulatedMovie, build_movie

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    F32 = NDArray[np.float32]

__all__ = ["SCENARIOS", "Scenario", "long_nuclei"]

Scenario = Literal["drift", "bleach", "focus", "return", "crowd"]

SCENARIOS: tuple[Scenario, ...] = get_args(Scenario)
"""Names that `long_nuclei` knows."""

_BLOCK = 64
"""Frames drawn at a time."""

_HABITS = Habits(step=0.04, persistence=0.5, spin=0.04, rough=0.04, morph=0.05, division=0.0, leash=0.01, pack=1.0)


@dataclass(frozen=True)
class _Course:
    """What changes over the movie, every array (T,) float32.

    Attributes
    ----------
    light, floor, blur_px : ndarray
        Factor on the light of nuclei, background light, blur in pixels.
    """

    light: F32
    floor: F32
    blur_px: F32


def long_nuclei(
    rng: np.random.Generator,
    *,
    frames: int,
    scenario: Scenario,
    size_px: tuple[int, int] = (256, 256),
    n_objects: int = 16,
    diameter_px: float = 30.0,
) -> SimulatedMovie:
    """Simulate nuclei for hundreds or thousands of frames.

    Parameters
    ----------
    rng : Generator
        Source of all randomness.
    frames : int
        Length T.
    scenario : {"drift", "bleach", "focus", "return", "crowd"}
        "drift": textures, brightness and size of every nucleus change slowly beyond recognition, the background rises.
        "bleach": three quarters of the light are lost. "focus": slow waves of blur. "return": a third of the nuclei
        vanishes for 120 frames (half of a shorter movie) and comes back. "crowd": look-alikes divide and fill the view.
    size_px, n_objects, diameter_px : tuple of int, int, float
        (Y, X), nuclei in view at the start, their mean diameter in pixels.

    Returns
    -------
    SimulatedMovie
        uint16 image (T, Y, X).

    Raises
    ------
    ConfigError
        Unknown scenario or no frames.
    """
    if scenario not in SCENARIOS:
        raise ConfigError(f"scenario is {scenario!r}, expected one of {', '.join(SCENARIOS)}.")
    if frames < 1:
        raise ConfigError(f"frames is {frames}, expected at least 1.")
    world = make_world(rng, frames, size_px, n_objects, diameter_px, density=(0.2, 0.4), stage="still", margin=0.3)
    habits, look, vary = _ways(scenario, frames)
    crowd = Crowd.start(rng, world.place(rng), diameter_px, habits, spread=vary / 2, vary=vary)
    course = _course(scenario, frames)
    image = np.zeros((frames, *size_px), np.uint16)
    owner = np.zeros((frames, *size_px), np.int32)
    event = _event(scenario, frames, rng)
    base = crowd.light.copy(), crowd.radius.copy()
    for start in range(0, frames, _BLOCK):
        stop = min(start + _BLOCK, frames)
        block = replace(world, frames=stop - start, stage=world.stage[start:stop])
        if start:
            crowd.step(rng, diameter_px, habits)

        def change(t: int, cells: Crowd, start: int = start) -> None:
            event(start + t, cells, base)

        drawing = render_bodies(np.random.default_rng(5), block, crowd, habits, look, change)
        owner[start:stop] = drawing.owner
        image[start:stop] = _expose(rng, drawing.light, course, start)
    return build_movie(f"long_{scenario}", image, owner, crowd.parent)


def _ways(scenario: Scenario, frames: int) -> tuple[Habits, BodyLook, float]:
    """Return behaviour, appearance, and how much nuclei differ."""
    look = BodyLook(grain=0.2, grain_scale=0.08, holes=0.3, dome=0.3, cleft=0.4)
    if scenario == "crowd":
        return (
            replace(_HABITS, division=1.6 / frames, step=0.06, leash=0.004),
            replace(look, grain=0.05, holes=0.0),
            0.04,
        )
    return _HABITS, look, 0.25


def _course(scenario: Scenario, frames: int) -> _Course:
    phase = np.linspace(0, 1, frames, dtype=np.float32)
    flat = np.ones_like(phase)
    light = np.float32(0.25) ** phase if scenario == "bleach" else flat
    floor = np.float32(0.05) + (np.float32(0.25) * phase if scenario == "drift" else 0 * phase)
    waves = np.sin(np.pi * phase * max(frames / 150, 1)) ** 2
    return _Course(light, floor, flat + (np.float32(3.0) * waves if scenario == "focus" else 0 * phase))


def _event(
    scenario: Scenario, frames: int, rng: np.random.Generator
) -> Callable[[int, Crowd, tuple[NDArray[np.float64], NDArray[np.float64]]], None]:
    """Return what happens to the cells at every frame."""
    pace = rng.uniform(1.0, 2.5, 4096) * np.pi
    start, length = frames // 5, min(120, max(frames // 2, 1))

    def drift(t: int, cells: Crowd, base: tuple[NDArray[np.float64], NDArray[np.float64]]) -> None:
        n = len(base[0])
        turn = pace[:n] * t / frames
        cells.light[:n] = base[0] * np.exp(0.8 * np.sin(turn))
        cells.radius[:n] = base[1] * (1 + 0.25 * np.sin(0.7 * turn))
        cells.texture[:n] += 0.08

    def leave(t: int, cells: Crowd, base: tuple[NDArray[np.float64], NDArray[np.float64]]) -> None:
        if t == start:
            cells.hidden[::3] = length

    def nothing(t: int, cells: Crowd, base: tuple[NDArray[np.float64], NDArray[np.float64]]) -> None:
        pass

    return {"drift": drift, "return": leave}.get(scenario, nothing)


def _expose(rng: np.random.Generator, light: F32, course: _Course, start: int) -> NDArray[np.uint16]:
    """Take the pictures of one block of frames."""
    for t in range(len(light)):
        frame = blur(light[t], float(course.blur_px[start + t]))
        light[t] = frame * course.light[start + t] + course.floor[start + t]
    camera = Camera(depth_bits=16, offset=200.0, span=8000.0, read_noise=0.012, shot_noise=0.03, uneven=0.0)
    return camera.expose(rng, light).astype(np.uint16)
