"""A crowd of roundish cells: motion, contacts, outlines, division and death."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from napari_xmem.simulate.cells.contacts import push_discs
from napari_xmem.simulate.cells.mitosis import Chromatin, chromatin, separation
from napari_xmem.simulate.drawing.canvas import BINS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_xmem.simulate.cells.habits import Habits
    from napari_xmem.simulate.cells.mitosis import MitosisCourse

    F64 = NDArray[np.float64]

__all__ = ["Crowd", "outlines"]

_HARMONICS = np.arange(2, 7)


@dataclass
class Crowd:
    """State of all cells, one row per cell; dead cells stay as rows.

    Attributes
    ----------
    position, velocity : ndarray
        (N, 2) y, x in pixels, and per frame.
    angle, radius, stretch : ndarray
        (N,) direction of the long axis, root of the product of the half axes in pixels, log(long / short axis).
    shape : ndarray
        (N, H, 2) cosine and sine parts of the outline's harmonics.
    light : ndarray
        (N,) own brightness around 1.
    texture : ndarray
        (N, 2) where in the texture tile the cell is.
    countdown : ndarray
        (N,) frames until division; far in the future for most.
    age : ndarray
        (N,) frames since birth by division; large for cells that were there before.
    dying : ndarray
        (N,) frames since death began; 0 alive.
    hidden : ndarray
        (N,) frames for which the cell stays invisible.
    home : ndarray
        (N, 2) where the cell started.
    alive : ndarray
        (N,) bool.
    parent : ndarray
        (N,) row of the mother, -1 for none.
    tilt : ndarray
        (N,) 0: a metaphase plate is seen from its side, 1: from its pole.
    apart : ndarray
        (N, 2) from the middle of a pair of daughters to this one, in pixels at the distance of one.
    """

    position: F64
    velocity: F64
    angle: F64
    radius: F64
    stretch: F64
    shape: F64
    light: F64
    texture: F64
    countdown: F64
    age: F64
    dying: F64
    hidden: F64
    home: F64
    alive: NDArray[np.bool_]
    parent: NDArray[np.int64]
    tilt: F64
    apart: F64

    @classmethod
    def start(
        cls, rng: np.random.Generator, position: F64, diameter_px: float, habits: Habits, *, spread: float, vary: float
    ) -> Crowd:
        """Create cells at the given positions.

        Parameters
        ----------
        rng : Generator
            Source of randomness.
        position : ndarray
            (N, 2) y, x in pixels.
        diameter_px : float
            Mean diameter.
        habits : Habits
            Behaviour.
        spread : float
            Standard deviation of log radius.
        vary : float
            Standard deviation of log brightness.
        """
        n = len(position)
        waiting = rng.exponential(1 / habits.division, n) if habits.division > 0 else np.full(n, 1e9)
        radius = diameter_px / 2 * np.exp(rng.normal(0, spread, n))
        if habits.pack > 0:
            position = push_discs(position, radius * habits.pack, rounds=15)
        return cls(
            position=position,
            velocity=rng.normal(0, habits.step * diameter_px, (n, 2)),
            angle=rng.uniform(0, 2 * np.pi, n),
            radius=radius,
            stretch=np.abs(rng.normal(habits.elongation, 0.5 * habits.elongation + 0.03, n)),
            shape=rng.normal(0, 1, (n, len(_HARMONICS), 2)),
            light=np.exp(rng.normal(0, vary, n)),
            texture=rng.uniform(0, 256, (n, 2)),
            countdown=np.floor(waiting),
            age=np.full(n, 1e6),
            dying=np.zeros(n),
            hidden=np.zeros(n),
            home=position.copy(),
            alive=np.ones(n, bool),
            parent=np.full(n, -1),
            tilt=np.zeros(n),
            apart=np.zeros((n, 2)),
        )

    def __len__(self) -> int:
        return len(self.radius)

    def step(self, rng: np.random.Generator, diameter_px: float, habits: Habits, flow: F64 | None = None) -> None:
        """Advance by one frame.

        Parameters
        ----------
        rng : Generator
            Source of randomness.
        diameter_px : float
            Mean diameter, the unit of the habits' lengths.
        habits : Habits
            Behaviour.
        flow : ndarray or None
            (N, 2) displacement in pixels that the surroundings add.
        """
        n = len(self)
        rho = habits.persistence
        kick = rng.normal(0, habits.step * diameter_px * np.sqrt(1 - rho**2), (n, 2))
        self.velocity = rho * self.velocity + kick
        self.position = self.position + self.velocity * np.where(self.mitotic(habits) > 0, 0.3, 1.0)[:, None]
        if flow is not None:
            self.position = self.position + flow
        if habits.leash > 0:
            self.position = self.position + habits.leash * (self.home - self.position)
        self.hidden = np.maximum(self.hidden - 1, 0)
        if habits.hide > 0:
            leaves = (self.hidden == 0) & (rng.random(n) < habits.hide)
            self.hidden += leaves * np.ceil(rng.exponential(habits.hide_frames, n))
        self.angle = self.angle + rng.normal(0, habits.spin, n)
        self.radius = self.radius * (1 + habits.growth + 0.02 * (self.age < 12))
        keep = 1 - habits.morph
        self.shape = keep * self.shape + np.sqrt(1 - keep**2) * rng.normal(0, 1, self.shape.shape)
        self.countdown -= 1
        self.age += 1
        if habits.death > 0:
            self.dying = np.where((self.dying > 0) | (rng.random(n) < habits.death), self.dying + 1, 0)
            self.alive &= self.dying <= 2 * habits.mitosis
        for i in np.flatnonzero((self.countdown < 0) & self.alive & (self.dying == 0)):
            self._divide(rng, int(i), habits.course)
        if habits.course is not None:
            self._part(habits.course)
        if habits.pack > 0 and len(self) > 1:
            here = np.flatnonzero(self.alive)
            radius = self.radius[here] * habits.pack
            if habits.course is not None:
                radius = radius * np.sqrt(self.chromatin(habits.course).area[here])
            self.position[here] = push_discs(self.position[here], radius, rounds=3)

    def chromatin(self, course: MitosisCourse) -> Chromatin:
        """Return what the chromatin of every nucleus looks like."""
        return chromatin(course, self.countdown, self.age, self.tilt)

    def forget(self) -> None:
        """Drop the dead and who was whose mother: what was before the first frame is not known."""
        for field in fields(self):
            if field.name != "alive":
                setattr(self, field.name, getattr(self, field.name)[self.alive])
        self.alive = np.ones(len(self.radius), bool)
        self.parent = np.full(len(self.radius), -1)

    def _part(self, course: MitosisCourse) -> None:
        """Move the daughters of anaphase as far apart as they are by now."""
        for i in np.flatnonzero((self.age > 0) & (self.age <= np.ceil(course.anaphase)) & self.alive):
            further = separation(course, float(self.age[i])) - separation(course, float(self.age[i]) - 1)
            self.position[i] += 0.5 * further * self.apart[i]

    def mitotic(self, habits: Habits) -> F64:
        """Return how far every cell is in mitosis: (N,) 0 not at all, 1 at the moment of division."""
        if habits.course is not None:
            return self.chromatin(habits.course).mitotic
        before = np.clip(1 - self.countdown / habits.mitosis, 0, 1)
        after = np.clip(1 - self.age / habits.mitosis, 0, 1)
        return np.maximum(before, after)

    def _divide(self, rng: np.random.Generator, mother: int, course: MitosisCourse | None) -> None:
        """Replace a cell by two daughters on both sides of its short axis."""
        for field in fields(self):
            column = getattr(self, field.name)
            setattr(
                self, field.name, np.concatenate([column, column[mother : mother + 1], column[mother : mother + 1]])
            )
        a, b = len(self) - 2, len(self) - 1
        axis = self.angle[mother] + np.pi / 2
        away = np.array([np.sin(axis), np.cos(axis)])
        radius = self.radius[mother]
        for row, sign in ((a, 1.0), (b, -1.0)):
            self.position[row] = self.position[mother] + sign * 0.42 * radius * away
            self.velocity[row] = self.velocity[mother] * 0.3 + sign * 0.25 * radius * away
            self.radius[row] = radius * rng.uniform(0.74, 0.84)
            self.light[row] = self.light[mother] * np.exp(rng.normal(0, 0.05))
            self.shape[row] = rng.normal(0, 1, self.shape.shape[1:])
            self.texture[row] = rng.uniform(0, 256, 2)
            if course is not None:
                self.apart[row] = sign * radius * away
                self.position[row] = self.position[mother] + 0.5 * separation(course, 0.0) * self.apart[row]
                self.velocity[row] = self.velocity[mother] * 0.3
        self.countdown[[a, b]] = 1e9
        self.age[[a, b]] = 0
        self.parent[[a, b]] = mother
        self.alive[mother] = False


def outlines(half_long: F64, half_short: F64, shape: F64, rough: float | F64) -> NDArray[np.float32]:
    """Return the polar outlines of cells in their own axes.

    Parameters
    ----------
    half_long, half_short : ndarray
        (N,) half axes in pixels.
    shape : ndarray
        (N, H, 2) harmonics of standard deviation 1.
    rough : float or ndarray
        Strength of the harmonics, share of the radius, one for all or (N,).

    Returns
    -------
    ndarray
        (N, 2, BINS) float32: radius per angle, and the factor from radial to true distance.
    """
    angle = np.linspace(-np.pi, np.pi, BINS)
    c, s = np.cos(angle), np.sin(angle)
    long, short = half_long[:, None], half_short[:, None]
    radius = long * short / np.sqrt((short * c) ** 2 + (long * s) ** 2)
    phase = _HARMONICS[:, None] * angle
    fade = ((2.0 / _HARMONICS) ** 1.25)[None, :] * np.atleast_1d(rough)[:, None]
    waves = (shape[..., 0] * fade) @ np.cos(phase) + (shape[..., 1] * fade) @ np.sin(phase)
    radius *= np.clip(1 + waves, 0.35, 2.0)
    slope = np.gradient(radius, angle[1] - angle[0], axis=1)
    factor = 1 / np.sqrt(1 + (slope / radius) ** 2)
    return np.stack([radius, factor], 1).astype(np.float32)
