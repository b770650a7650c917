"""Stained nuclei that divide as histones show it, and dim nuclei among bright ones."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_xmem.simulate.cells.crowd import Crowd
from napari_xmem.simulate.cells.habits import Habits, draw_habits
from napari_xmem.simulate.cells.mitosis import MitosisCourse, draw_mitosis_course
from napari_xmem.simulate.cells.world import World, make_world
from napari_xmem.simulate.drawing.bodies import BodyLook, render_bodies
from napari_xmem.simulate.drawing.camera import Camera, draw_camera
from napari_xmem.simulate.kinds.nuclei import Glow, draw_body_look, draw_glow
from napari_xmem.simulate.movie import SimulatedMovie, build_movie

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F64 = NDArray[np.float64]

__all__ = ["dim_nuclei", "mitosis"]


def mitosis(
    rng: np.random.Generator, *, frames: int, size_px: tuple[int, int], n_objects: int | None, diameter_px: float | None
) -> SimulatedMovie:
    """Simulate stained nuclei of which many divide, at every phase on frame 0 (parameters as in `simulate`)."""
    world = make_world(rng, frames, size_px, n_objects, diameter_px, density=(0.12, 0.6), stage=_calm(rng))
    course = draw_mitosis_course(rng)
    habits = replace(
        draw_habits(rng, jerky=0.15),
        course=course,
        division=rng.uniform(0.005, 0.05),
        elongation=rng.uniform(0.1, 0.5),
        pack=rng.uniform(0.85, 1.0),
    )
    crowd = Crowd.start(
        rng, world.place(rng, _clumping(rng)), world.diameter_px, habits,
        spread=rng.uniform(0.06, 0.2), vary=rng.uniform(0.1, 0.5),
    )  # fmt: skip
    crowd = _under_way(rng, crowd, world, habits, course, share=rng.uniform(0.1, 0.5))
    return _photographed("mitosis", rng, world, crowd, habits, draw_camera(rng, fluorescence=True))


def dim_nuclei(
    rng: np.random.Generator, *, frames: int, size_px: tuple[int, int], n_objects: int | None, diameter_px: float | None
) -> SimulatedMovie:
    """Simulate nuclei of which some are up to 20 times dimmer than others, in noise (parameters as in `simulate`)."""
    world = make_world(rng, frames, size_px, n_objects, diameter_px, density=(0.12, 0.65), stage=_calm(rng))
    course = draw_mitosis_course(rng)
    habits = replace(draw_habits(rng, jerky=0.15), course=course, division=rng.uniform(0.0, 0.02))
    crowd = Crowd.start(
        rng, world.place(rng, _clumping(rng)), world.diameter_px, habits, spread=rng.uniform(0.06, 0.2), vary=0.0
    )
    crowd.light = brightness(rng, len(crowd), ratio=float(np.exp(rng.uniform(np.log(4), np.log(20)))))
    crowd = _under_way(rng, crowd, world, habits, course, share=rng.uniform(0, 0.2))
    camera = _sensitive(rng, dimmest=0.5 * float(crowd.light.min()))
    return _photographed("dim_nuclei", rng, world, crowd, habits, camera)


def brightness(rng: np.random.Generator, n: int, ratio: float) -> F64:
    """Draw the light of `n` nuclei, (N,): the brightest is 2, the dimmest `ratio` times less, most in between."""
    place = rng.beta(*((1.0, 1.0) if rng.random() < 0.5 else (1.6, 0.8)), n)
    return 2.0 * np.exp(-np.log(ratio) * (1 - place))


def _calm(rng: np.random.Generator) -> str:
    return str(rng.choice(["still", "jitter", "drift"], p=[0.6, 0.25, 0.15]))


def _clumping(rng: np.random.Generator) -> float:
    return rng.uniform(0.2, 0.7) if rng.random() < 0.5 else 0.0


def _under_way(
    rng: np.random.Generator, crowd: Crowd, world: World, habits: Habits, course: MitosisCourse, share: float
) -> Crowd:
    """Put a share of the nuclei at moments of their mitosis spread evenly over all its phases.

    Those already divided by then are let through it before the first frame; nobody knows their mothers.
    """
    n = len(crowd)
    chosen = rng.random(n) < share
    chosen[int(rng.integers(n))] = True
    crowd.tilt = np.where(rng.random(n) < 0.3, rng.uniform(0.5, 1.0, n), rng.uniform(0, 0.25, n))
    moment = rng.uniform(-course.after, course.before + 0.35 * world.frames, n)
    before = int(np.ceil(course.after))
    crowd.countdown = np.where(chosen, np.round(moment), crowd.countdown + course.before) + before
    calm = replace(habits, death=0.0, hide=0.0, flow=0.0, step=0.3 * habits.step, growth=0.0)
    for _ in range(before):
        crowd.step(rng, world.diameter_px, calm)
    crowd.forget()
    return crowd


def _sensitive(rng: np.random.Generator, dimmest: float) -> Camera:
    """Draw a camera whose noise lets the dimmest nucleus be seen barely: one to four standard deviations."""
    camera = draw_camera(rng, fluorescence=True, noise=dimmest / rng.uniform(1.0, 4.0))
    return replace(camera, uneven=min(camera.uneven, 0.2), invert=False, span=max(camera.span, 60.0))


def _photographed(
    kind: str, rng: np.random.Generator, world: World, crowd: Crowd, habits: Habits, camera: Camera
) -> SimulatedMovie:
    look: BodyLook = replace(draw_body_look(rng), over=False)
    drawing = render_bodies(rng, world, crowd, habits, look)
    glow: Glow = replace(draw_glow(rng, world.diameter_px), floor=rng.uniform(0.0, 0.12), focus=0.0)
    light = glow.apply(rng, drawing.light)
    return build_movie(kind, camera.expose(rng, light), drawing.owner, crowd.parent)
