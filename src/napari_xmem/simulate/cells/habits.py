"""How a crowd of roundish cells behaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_xmem.simulate.cells.mitosis import MitosisCourse

__all__ = ["Habits", "draw_habits"]


@dataclass(frozen=True)
class Habits:
    """How the cells of one movie behave. Lengths are in mean cell diameters, rates per frame.

    Attributes
    ----------
    step : float
        Standard deviation of the displacement per frame.
    persistence : float
        Correlation of successive displacements.
    flow : float
        Speed of the common, smoothly varying flow.
    spin : float
        Standard deviation of the rotation per frame in radians.
    elongation : float
        Mean of log(long axis / short axis).
    rough : float
        Irregularity of outlines, share of the radius.
    morph : float
        How fast outlines change: 0 never, 1 a new outline every frame.
    pack : float
        Share of the radius that contacts respect; 0 lets cells cross.
    division, death : float
        Chance per cell and frame.
    mitosis : int
        Frames that the rounding before, and the recovery after a division take.
    growth : float
        Growth of the radius per frame.
    hide : float
        Chance per cell and frame to vanish for a few frames (`hide_frames` on average) and come back.
    hide_frames : float
        Mean length of an absence.
    leash : float
        Share of the way back to where the cell started, per frame; 0 lets it wander.
    course : MitosisCourse or None
        Mitosis as stained chromatin shows it, instead of a rounding over `mitosis` frames.
    """

    step: float = 0.05
    persistence: float = 0.6
    flow: float = 0.0
    spin: float = 0.05
    elongation: float = 0.25
    rough: float = 0.05
    morph: float = 0.1
    pack: float = 0.95
    division: float = 0.01
    death: float = 0.0
    mitosis: int = 4
    growth: float = 0.0
    hide: float = 0.0
    hide_frames: float = 2.0
    leash: float = 0.0
    course: MitosisCourse | None = None


def draw_habits(rng: np.random.Generator, *, jerky: float = 0.25) -> Habits:
    """Draw how the round cells of a movie behave; `jerky` is the chance of large steps between frames."""
    low, high = (0.12, 0.45) if rng.random() < jerky else (0.008, 0.12)
    return Habits(
        step=float(np.exp(rng.uniform(np.log(low), np.log(high)))),
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
        hide=rng.uniform(0.01, 0.08) if rng.random() < 0.2 else 0.0,
        hide_frames=rng.uniform(1, 3),
    )
