"""Cells spread on a surface: spindles, flat sheets and stars that crawl, stretch, round up and divide."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from napari_xmem.simulate.cells.contacts import push_rods

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F64 = NDArray[np.float64]

__all__ = ["ARMS", "SpreadCells", "SpreadHabits", "draw_spread_habits"]

ARMS = 3
"""Processes that a cell can have beside its two ends."""

KNOTS = 9
"""Free half widths along one side of a cell."""


@dataclass(frozen=True)
class SpreadHabits:
    """How spread cells behave. Lengths in mean diameters (of a disc of the same area), rates per frame.

    Attributes
    ----------
    aspect : float
        Mean of log(half length / half width).
    aspect_vary, aspect_change : float
        Its spread over cells and time, and how fast it changes (0 never, 1 drawn again every frame).
    ragged : float
        Irregularity of the sides.
    morph : float
        How fast sides and processes change, 0 to 1.
    taper : float
        1 ends as thin points, 0 blunt ends.
    arms : float
        Mean number of extra processes.
    step : float
        Displacement per frame.
    spin : float
        Rotation per frame in radians.
    round_share : float
        Share of cells that are round at the start.
    division : float
        Chance per cell and frame.
    mitosis : int
        Frames of rounding up, and of spreading afterwards.
    rounding : float
        Chance per cell and frame to round up or to spread.
    pack : float
        Strength of contacts, 0 to 1.
    """

    aspect: float = 0.9
    aspect_vary: float = 0.4
    aspect_change: float = 0.1
    ragged: float = 0.25
    morph: float = 0.15
    taper: float = 0.7
    arms: float = 1.0
    step: float = 0.08
    spin: float = 0.05
    round_share: float = 0.05
    division: float = 0.004
    mitosis: int = 4
    rounding: float = 0.004
    pack: float = 0.8


def draw_spread_habits(rng: np.random.Generator) -> SpreadHabits:
    """Draw how the cells of a movie behave."""
    coarse = rng.random() < 0.35
    return SpreadHabits(
        aspect=rng.uniform(0.2, 1.7),
        aspect_vary=rng.uniform(0.15, 0.5),
        aspect_change=rng.uniform(0.15, 0.5) if coarse else rng.uniform(0.02, 0.2),
        ragged=rng.uniform(0.08, 0.4),
        morph=rng.uniform(0.15, 0.45) if coarse else rng.uniform(0.02, 0.2),
        taper=rng.uniform(0.1, 1.0),
        arms=rng.uniform(0, 2.0),
        step=rng.uniform(0.1, 0.35) if coarse else float(np.exp(rng.uniform(np.log(0.01), np.log(0.12)))),
        spin=rng.uniform(0.02, 0.2),
        round_share=rng.uniform(0, 0.1) if rng.random() < 0.92 else rng.uniform(0.3, 0.9),
        division=rng.uniform(0, 0.02),
        mitosis=int(rng.integers(2, 6)),
        rounding=rng.uniform(0, 0.02),
        pack=rng.uniform(0.5, 1.0),
    )


@dataclass
class SpreadCells:
    """State of all cells, one row each; mothers and the dead stay as rows.

    Attributes
    ----------
    position, velocity : ndarray
        (N, 2) y, x in pixels; displacement per frame.
    angle, size, aspect : ndarray
        (N,) direction of the spine, diameter of a disc of the same area in pixels, log(half length / half width).
    sides : ndarray
        (N, 2, KNOTS) irregularity of the upper and the lower side, standard deviation 1.
    bend : ndarray
        (N,) curvature of the spine, standard deviation 1.
    arm_angle, arm_length : ndarray
        (N, ARMS) radians from the spine; length in half diameters, 0 or less for none.
    ball : ndarray
        (N,) 0 spread, 1 round.
    ball_goal : ndarray
        (N,) where `ball` goes to.
    countdown : ndarray
        (N,) frames until division.
    light, texture : ndarray
        (N,) contrast around 1; (N, 2) place in the texture tile.
    alive, parent : ndarray
        (N,) bool; (N,) row of the mother or -1.
    """

    position: F64
    velocity: F64
    angle: F64
    size: F64
    aspect: F64
    sides: F64
    bend: F64
    arm_angle: F64
    arm_length: F64
    ball: F64
    ball_goal: F64
    countdown: F64
    light: F64
    texture: F64
    alive: NDArray[np.bool_]
    parent: NDArray[np.int64]

    @classmethod
    def start(cls, rng: np.random.Generator, position: F64, diameter_px: float, habits: SpreadHabits) -> SpreadCells:
        """Create cells at positions (N, 2)."""
        n = len(position)
        ball = (rng.random(n) < habits.round_share).astype(float)
        waiting = rng.exponential(1 / habits.division, n) if habits.division > 0 else np.full(n, 1e9)
        cells = cls(
            position=position,
            velocity=np.zeros((n, 2)),
            angle=rng.uniform(0, 2 * np.pi, n),
            size=diameter_px * np.exp(rng.normal(0, 0.18, n)),
            aspect=habits.aspect + habits.aspect_vary * rng.normal(0, 1, n),
            sides=rng.normal(0, 1, (n, 2, KNOTS)),
            bend=rng.normal(0, 1, n),
            arm_angle=rng.uniform(-np.pi, np.pi, (n, ARMS)),
            arm_length=_arm_goal(rng, (n, ARMS), habits),
            ball=ball,
            ball_goal=ball.copy(),
            countdown=np.floor(waiting),
            light=np.exp(rng.normal(0, 0.2, n)),
            texture=rng.uniform(0, 256, (n, 2)),
            alive=np.ones(n, bool),
            parent=np.full(n, -1),
        )
        cells.settle(habits, rounds=12)
        return cells

    def __len__(self) -> int:
        return len(self.size)

    def half_axes(self) -> tuple[F64, F64]:
        """Return half length and half width in pixels, (N,) each; the area is that of a disc of diameter `size`."""
        aspect = np.exp(np.clip(self.aspect, 0.0, 2.3) * (1 - self.ball))
        fill = 0.62 + 0.165 * self.ball
        width = self.size * np.sqrt(np.pi / 4 / (4 * fill * aspect)) * (1 - 0.25 * self.ball)
        return width * aspect, width

    def step(self, rng: np.random.Generator, diameter_px: float, habits: SpreadHabits) -> None:
        """Advance by one frame."""
        n = len(self)
        axis = np.stack([np.sin(self.angle), np.cos(self.angle)], 1)
        crawl = rng.normal(0, habits.step, (n, 1)) * axis + 0.4 * habits.step * rng.normal(0, 1, (n, 2))
        self.velocity = 0.6 * self.velocity + 0.8 * crawl * diameter_px * (1 - 0.7 * self.ball)[:, None]
        self.position = self.position + self.velocity
        self.angle = self.angle + rng.normal(0, habits.spin, n)
        change = habits.aspect_change
        goal = habits.aspect + habits.aspect_vary * rng.normal(0, np.sqrt(2 / max(change, 0.02)), n)
        self.aspect = self.aspect + change * (goal - self.aspect)
        keep = 1 - habits.morph
        fresh = np.sqrt(1 - keep**2)
        self.sides = keep * self.sides + fresh * rng.normal(0, 1, self.sides.shape)
        self.bend = keep * self.bend + fresh * rng.normal(0, 1, n)
        self.arm_angle = self.arm_angle + rng.normal(0, 0.3 * habits.morph, self.arm_angle.shape)
        self.arm_length = keep * self.arm_length + habits.morph * _arm_goal(rng, self.arm_length.shape, habits, 1.6)
        flip = rng.random(n) < habits.rounding
        self.ball_goal = np.where(flip, 1 - self.ball_goal, self.ball_goal)
        self.countdown -= 1
        self.ball_goal = np.where(self.countdown < habits.mitosis, 1.0, self.ball_goal)
        pace = 1.0 / habits.mitosis
        self.ball = self.ball + np.clip(self.ball_goal - self.ball, -pace, 1.5 * pace)
        for i in np.flatnonzero((self.countdown < 0) & self.alive):
            self._divide(rng, int(i))
        self.settle(habits, rounds=2)

    def settle(self, habits: SpreadHabits, rounds: int) -> None:
        """Push overlapping cells apart and turn them along each other."""
        here = np.flatnonzero(self.alive)
        half, width = (axis[here] for axis in self.half_axes())
        radius = width * 0.9 * habits.pack
        inner = np.maximum(half * 0.85 - radius, 0.0)
        self.position[here], self.angle[here] = push_rods(
            self.position[here], self.angle[here], inner, radius, rounds=rounds, beads=5, stiffness=0.35
        )

    def _divide(self, rng: np.random.Generator, mother: int) -> None:
        for field in fields(self):
            column = getattr(self, field.name)
            setattr(
                self, field.name, np.concatenate([column, column[mother : mother + 1], column[mother : mother + 1]])
            )
        new = np.array([len(self) - 2, len(self) - 1])
        axis = rng.uniform(0, np.pi)
        away = np.array([np.sin(axis), np.cos(axis)]) * 0.36 * self.size[mother]
        self.position[new] += np.stack([away, -away]) * 0.8
        self.velocity[new] = np.stack([away, -away]) * 0.3
        self.size[new] *= 0.76
        self.angle[new] = axis + rng.normal(0, 0.4, 2)
        self.sides[new] = rng.normal(0, 1, (2, 2, KNOTS))
        self.texture[new] = rng.uniform(0, 256, (2, 2))
        self.ball[new], self.ball_goal[new] = 1.0, 0.0
        self.countdown[new] = 1e9
        self.parent[new] = mother
        self.alive[mother] = False


def _arm_goal(rng: np.random.Generator, shape: tuple[int, ...], habits: SpreadHabits, boost: float = 1.0) -> F64:
    present = rng.random(shape) < habits.arms / ARMS
    return np.where(present, rng.uniform(0.8, 2.2, shape) * boost, -0.4)
