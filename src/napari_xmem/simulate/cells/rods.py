"""Rod-shaped bacteria in growing, dividing colonies that push each other."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from napari_xmem.simulate.cells.contacts import push_rods

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F64 = NDArray[np.float64]

__all__ = ["RodHabits", "Rods", "draw_rod_habits", "grow_colonies"]


@dataclass(frozen=True)
class RodHabits:
    """How rods live. Lengths in rod widths.

    Attributes
    ----------
    width_px : float
        Width of a rod.
    birth, split : float
        Length, ends included, of a newborn rod and at division.
    growth : float
        Relative growth per frame.
    vary : float
        Relative variation of growth and division length.
    wiggle : float
        Random displacement per frame in widths.
    turn : float
        Random rotation per frame in radians.
    bend : float
        Curvature of the rods.
    snap : float
        Angle in radians by which daughters turn apart at division.
    """

    width_px: float = 12.0
    birth: float = 2.2
    split: float = 4.4
    growth: float = 0.05
    vary: float = 0.15
    wiggle: float = 0.05
    turn: float = 0.02
    bend: float = 0.05
    snap: float = 0.05


def draw_rod_habits(rng: np.random.Generator, diameter_px: float) -> RodHabits:
    """Draw habits; `diameter_px` is the diameter of a disc of the area of a mean rod."""
    birth = float(np.exp(rng.uniform(np.log(1.6), np.log(3.6))))
    mean = birth * 1.45
    width = diameter_px * np.sqrt(np.pi / 4 / mean)
    return RodHabits(
        width_px=float(width),
        birth=birth,
        split=2 * birth,
        growth=float(np.exp(rng.uniform(np.log(0.005), np.log(0.22)))),
        vary=rng.uniform(0.03, 0.25),
        wiggle=float(np.exp(rng.uniform(np.log(0.01), np.log(0.3)))),
        turn=rng.uniform(0.0, 0.06),
        bend=rng.uniform(0, 0.12) if rng.random() < 0.7 else rng.uniform(0.1, 0.3),
        snap=rng.uniform(0, 0.25),
    )


@dataclass
class Rods:
    """State of all rods, one row each; mothers stay as dead rows.

    Attributes
    ----------
    position, angle : ndarray
        (N, 2) y, x in pixels; (N,) radians.
    length : ndarray
        (N,) pixels, ends included.
    target : ndarray
        (N,) length in pixels at which the rod divides.
    rate : ndarray
        (N,) relative growth of this rod, around 1.
    width : ndarray
        (N,) pixels.
    bend : ndarray
        (N,) sideways displacement of the ends in half lengths.
    light : ndarray
        (N,) brightness around 1.
    age : ndarray
        (N,) frames since birth.
    pole : ndarray
        (N,) which end is the young one, where the sister lies: 1 or -1 along the axis, 0 unknown.
    texture : ndarray
        (N, 2) place in the texture tile.
    alive, parent : ndarray
        (N,) bool; (N,) int row of the mother or -1.
    """

    position: F64
    angle: F64
    length: F64
    target: F64
    rate: F64
    width: F64
    bend: F64
    light: F64
    age: F64
    pole: F64
    texture: F64
    alive: NDArray[np.bool_]
    parent: NDArray[np.int64]

    @classmethod
    def start(cls, rng: np.random.Generator, position: F64, habits: RodHabits) -> Rods:
        """Create one newborn to half-grown rod at each position (N, 2)."""
        n = len(position)
        width = habits.width_px
        return cls(
            position=np.asarray(position, float),
            angle=rng.uniform(0, np.pi, n),
            length=width * habits.birth * 2 ** rng.uniform(0, 0.95, n),
            target=width * habits.split * np.exp(rng.normal(0, habits.vary / 2, n)),
            rate=np.exp(rng.normal(0, habits.vary, n)),
            width=width * np.exp(rng.normal(0, 0.05, n)),
            bend=rng.normal(0, habits.bend, n),
            light=np.exp(rng.normal(0, 0.15, n)),
            age=np.full(n, 1e6),
            pole=np.zeros(n),
            texture=rng.uniform(0, 256, (n, 2)),
            alive=np.ones(n, bool),
            parent=np.full(n, -1),
        )

    def __len__(self) -> int:
        return len(self.length)

    def step(self, rng: np.random.Generator, habits: RodHabits, growth: float, *, rounds: int = 4) -> None:
        """Grow by `growth` (relative), wiggle, divide and push apart."""
        n = len(self)
        self.length = self.length * (1 + growth * self.rate)
        self.age += 1
        self.position = self.position + rng.normal(0, habits.wiggle * habits.width_px, (n, 2))
        self.angle = self.angle + rng.normal(0, habits.turn, n)
        self._divide(rng, habits, np.flatnonzero(self.alive & (self.length > self.target)))
        here = np.flatnonzero(self.alive)
        half = np.maximum(self.length - self.width, 0.0)[here] / 2
        self.position[here], self.angle[here] = push_rods(
            self.position[here], self.angle[here], half, self.width[here] * 0.5, rounds=rounds
        )

    def _divide(self, rng: np.random.Generator, habits: RodHabits, mothers: NDArray[np.int64]) -> None:
        if len(mothers) == 0:
            return
        rows = np.repeat(mothers, 2)
        n = len(self)
        for field in fields(self):
            column = getattr(self, field.name)
            setattr(self, field.name, np.concatenate([column, column[rows]]))
        new = np.arange(n, len(self))
        share = 0.5 + np.repeat(rng.normal(0, 0.03, len(mothers)), 2) * np.tile([1, -1], len(mothers))
        sign = np.tile([1.0, -1.0], len(mothers))
        axis = np.stack([np.sin(self.angle[new]), np.cos(self.angle[new])], 1)
        whole = self.length[new]
        self.position[new] += (sign * (1 - share) * whole / 2)[:, None] * axis
        self.length[new] = whole * share
        self.angle[new] += rng.normal(0, habits.snap, len(new))
        self.bend[new] = 0.5 * self.bend[new] + rng.normal(0, 0.7 * habits.bend, len(new))
        self.target[new] = habits.width_px * habits.split * np.exp(rng.normal(0, habits.vary / 2, len(new)))
        self.rate[new] = np.exp(rng.normal(0, habits.vary, len(new)))
        self.texture[new] = rng.uniform(0, 256, (len(new), 2))
        self.light[new] *= np.exp(rng.normal(0, 0.05, len(new)))
        self.age[new] = 0
        self.pole[new] = -sign
        self.parent[new] = rows
        self.alive[mothers] = False

    def newborn(self) -> None:
        """Forget the past: drop dead rows and lineage."""
        for field in fields(self):
            if field.name != "alive":
                setattr(self, field.name, getattr(self, field.name)[self.alive])
        self.alive = np.ones(len(self.length), bool)
        self.parent = np.full(len(self.length), -1)
        self.age = np.full(len(self.length), 1e6)


def grow_colonies(rng: np.random.Generator, centres: F64, n_rods: int, habits: RodHabits) -> Rods:
    """Grow colonies from single rods until there are about `n_rods` rods.

    Parameters
    ----------
    rng : Generator
        Source of randomness.
    centres : ndarray
        (K, 2) where the founders lie.
    n_rods : int
        Rods wanted.
    habits : RodHabits
        Behaviour.
    """
    rods = Rods.start(rng, centres, habits)
    for _ in range(400):
        if int(rods.alive.sum()) >= n_rods:
            break
        rods.step(rng, habits, 0.16, rounds=2)
        rods.newborn()
    for _ in range(2):
        rods.step(rng, habits, 0.0, rounds=4)
    rods.newborn()
    return rods
