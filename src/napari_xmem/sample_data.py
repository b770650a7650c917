"""Small simulated movies with truth: for demos, tests and benchmarks. Nothing is downloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_xmem.simulate.cells.habits import Habits
    from napari_xmem.simulate.kinds.long import Scenario
    from napari_xmem.simulate.movie import SimulatedMovie

    Pair = tuple[NDArray[np.uint16], NDArray[np.uint16]]

__all__ = ["dividing_nuclei", "long_movie", "simulated_nuclei", "simulated_phase_contrast"]


def simulated_nuclei(
    frames: int = 20, size_px: tuple[int, int] = (288, 288), n_objects: int = 30, seed: int = 4
) -> Pair:
    """Return fluorescent nuclei that crawl, touch and divide.

    Parameters
    ----------
    frames, size_px, n_objects, seed : int, tuple of int, int, int
        Length T, (Y, X), nuclei in the first frame, and which movie; the same numbers give the same movie.

    Returns
    -------
    movie, truth : ndarray
        (T, Y, X) uint16 each. ``truth[0]`` are the seeds; daughters keep their mother's label.
    """
    from napari_xmem.simulate.cells.habits import Habits

    habits = Habits(step=0.035, flow=0.05, spin=0.04, elongation=0.3, rough=0.03, morph=0.05, pack=1.0, division=0.008)
    movie = _nuclei("nuclei", frames, size_px, n_objects, seed, habits, covered=0.42, density=0.4)
    return movie.image, movie.labels


def dividing_nuclei(
    frames: int = 24, size_px: tuple[int, int] = (288, 288), n_objects: int = 14, seed: int = 1
) -> SimulatedMovie:
    """Return stained nuclei that crawl, condense, part and grow back: some are there at first, many at the end.

    Parameters
    ----------
    frames, size_px, n_objects, seed : int, tuple of int, int, int
        As in `simulated_nuclei`.

    Returns
    -------
    SimulatedMovie
        ``bodies[0]`` are the seeds; in `bodies` daughters have ids of their own, `parents` says whose they are.
    """
    from napari_xmem.simulate.cells.habits import Habits
    from napari_xmem.simulate.cells.mitosis import MitosisCourse

    habits = Habits(
        step=0.03, flow=0.03, spin=0.04, elongation=0.3, rough=0.03, morph=0.05, division=0.03, course=MitosisCourse()
    )
    return _nuclei("mitosis", frames, size_px, n_objects, seed, habits, covered=0.14, density=0.2)


def _nuclei(
    kind: str,
    frames: int,
    size_px: tuple[int, int],
    n_objects: int,
    seed: int,
    habits: Habits,
    *,
    covered: float,
    density: float,
) -> SimulatedMovie:
    """Return nuclei that cover a share of the picture, photographed by the same camera."""
    from napari_xmem.simulate.cells.crowd import Crowd
    from napari_xmem.simulate.cells.world import make_world
    from napari_xmem.simulate.drawing.bodies import BodyLook, render_bodies
    from napari_xmem.simulate.drawing.camera import Camera
    from napari_xmem.simulate.kinds.nuclei import Glow
    from napari_xmem.simulate.movie import build_movie

    rng = np.random.default_rng(seed)
    diameter = float(np.sqrt(covered * np.prod(size_px) / max(n_objects, 1) * 4 / np.pi))
    world = make_world(rng, frames, size_px, n_objects, diameter, density=(density, density), stage="still", margin=0.5)
    crowd = Crowd.start(rng, world.place(rng, 0.15), diameter, habits, spread=0.1, vary=0.2)
    look = BodyLook(grain=0.16, grain_scale=0.07, holes=0.35, dome=0.25, cleft=0.5)
    drawing = render_bodies(rng, world, crowd, habits, look)
    light = Glow(psf_px=1.1, haze=0.18, haze_px=0.35 * diameter, floor=0.05, clutter=0.01).apply(rng, drawing.light)
    camera = Camera(depth_bits=16, offset=180.0, span=9000.0, read_noise=0.008, shot_noise=0.025, uneven=0.15)
    return build_movie(kind, camera.expose(rng, light), drawing.owner, crowd.parent)


def simulated_phase_contrast(
    frames: int = 20, size_px: tuple[int, int] = (320, 320), n_objects: int = 26, seed: int = 3
) -> Pair:
    """Return spread cells in phase contrast that crawl, stretch thin processes, and round up to divide.

    Parameters
    ----------
    frames, size_px, n_objects, seed : int, tuple of int, int, int
        As in `simulated_nuclei`.

    Returns
    -------
    movie, truth : ndarray
        (T, Y, X) uint16 each. ``truth[0]`` are the seeds; daughters keep their mother's label.
    """
    from napari_xmem.simulate.cells.spread import SpreadCells, SpreadHabits
    from napari_xmem.simulate.cells.world import make_world
    from napari_xmem.simulate.drawing.camera import Camera
    from napari_xmem.simulate.drawing.optics import phase_contrast
    from napari_xmem.simulate.drawing.surface import SurfaceLook, render_spread
    from napari_xmem.simulate.kinds.phase import debris
    from napari_xmem.simulate.movie import build_movie

    rng = np.random.default_rng(seed)
    diameter = float(np.sqrt(0.45 * np.prod(size_px) / max(n_objects, 1) * 4 / np.pi))
    world = make_world(rng, frames, size_px, n_objects, diameter, density=(0.5, 0.5), stage="still", margin=0.5)
    habits = SpreadHabits(aspect=0.9, arms=0.9, step=0.03, spin=0.03, morph=0.05, aspect_change=0.04, round_share=0.04)
    cells = SpreadCells.start(rng, world.place(rng), diameter, habits)
    look = SurfaceLook(lamella=0.2, rim=0.22, body=0.3, granules=0.35, nucleolus=0.3, ball=4.0)
    phase, owner = render_spread(rng, world, cells, habits, look)
    phase += debris(rng, frames, size_px, world.stage, amount=0.8)
    light = phase_contrast(phase, halo_px=6.0, halo=0.85, psf_px=0.7, gain=1.2)
    camera = Camera(
        depth_bits=16, offset=500.0, span=12000.0, read_noise=0.006, shot_noise=0.006, uneven=0.06, multiply=False
    )
    movie = build_movie("phase_cells", camera.expose(rng, light), owner, cells.parent)
    return movie.image, movie.labels


def long_movie(
    seed: int | np.random.Generator = 0,
    frames: int = 500,
    scenario: Scenario = "drift",
    size_px: tuple[int, int] = (256, 256),
    n_objects: int = 16,
) -> Pair:
    """Return a long movie of nuclei that strains a memory.

    Parameters
    ----------
    seed : int or Generator
        Which movie.
    frames : int
        Length T.
    scenario : {"drift", "bleach", "focus", "return", "crowd"}
        What makes it hard, see `napari_xmem.simulate.kinds.long.long_nuclei`.
    size_px, n_objects : tuple of int, int
        (Y, X), and nuclei in the first frame.

    Returns
    -------
    movie, truth : ndarray
        (T, Y, X) uint16 each; ``truth[0]`` are the seeds.

    Raises
    ------
    ConfigError
        Unknown scenario or no frames.
    """
    from napari_xmem.simulate.kinds.long import long_nuclei

    rng = np.random.default_rng(seed)
    movie = long_nuclei(rng, frames=frames, scenario=scenario, size_px=size_px, n_objects=n_objects)
    return movie.image, movie.labels
