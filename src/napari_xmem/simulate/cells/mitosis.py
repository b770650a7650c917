"""Mitosis of stained nuclei, frame by frame: how large, how long and how bright the chromatin is, and how far apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F64 = NDArray[np.float64]

__all__ = ["Chromatin", "MitosisCourse", "chromatin", "draw_mitosis_course", "separation"]


@dataclass(frozen=True)
class MitosisCourse:
    """How long the phases of mitosis take, in frames, and what they look like; lengths in the mother's radii.

    With a frame every ten minutes metaphase takes one to three frames and anaphase one: two plates that were one
    are suddenly a diameter apart. With a frame a minute all of it is smooth.

    Attributes
    ----------
    prophase, metaphase, anaphase, telophase, regrowth : float
        Frames from the first condensation to the plate; as a plate; while the two plates part; as two small bright
        discs; until each has the size and brightness of a daughter.
    plate : float
        Length of the metaphase plate over its width, seen from the side.
    plate_area : float
        Area of the plate over the area of the nucleus before.
    apart : float
        Distance between the centres of the two sets of chromosomes at the end of anaphase.
    first_apart : float
        Their distance on the first frame on which there are two.
    glow : float
        How much of the condensation is seen as light: 1 keeps the light of a nucleus, spread over a smaller area.
    """

    prophase: float = 2.0
    metaphase: float = 2.0
    anaphase: float = 1.0
    telophase: float = 1.0
    regrowth: float = 3.0
    plate: float = 3.4
    plate_area: float = 0.4
    apart: float = 1.7
    first_apart: float = 1.2
    glow: float = 0.8

    @property
    def before(self) -> float:
        """Frames of mitosis before the nucleus is two."""
        return self.prophase + self.metaphase

    @property
    def after(self) -> float:
        """Frames from the first on which there are two to the end of regrowth."""
        return self.anaphase + self.telophase + self.regrowth


class Chromatin(NamedTuple):
    """What the chromatin of nuclei looks like now, one value per nucleus.

    Attributes
    ----------
    area : ndarray
        Area over the area it has in interphase.
    stretch : ndarray
        Logarithm of length over width that replaces the nucleus's own; see `mitotic`.
    mitotic : ndarray
        0 interphase, 1 fully condensed.
    light : ndarray
        Brightness over that of interphase.
    ring : ndarray
        Darkness of the middle of a plate seen from its pole, 0 to 1.
    grain : ndarray
        Strength of the texture over that of interphase: threads in prophase, little in plates.
    """

    area: F64
    stretch: F64
    mitotic: F64
    light: F64
    ring: F64
    grain: F64


def draw_mitosis_course(rng: np.random.Generator) -> MitosisCourse:
    """Draw the pace and look of the mitoses of a movie; half of the movies have a frame every five to ten minutes."""
    pace = rng.uniform(0.6, 1.3) if rng.random() < 0.5 else float(np.exp(rng.uniform(np.log(1.2), np.log(5.0))))
    anaphase = pace * rng.uniform(0.6, 1.4)
    apart = rng.uniform(1.3, 2.4)
    steps = max(anaphase, 1.0)
    return MitosisCourse(
        prophase=pace * rng.uniform(0.8, 2.5),
        metaphase=max(pace * rng.uniform(0.8, 3.0), 1.0),
        anaphase=anaphase,
        telophase=pace * rng.uniform(0.6, 2.0),
        regrowth=pace * rng.uniform(1.5, 4.5),
        plate=rng.uniform(2.2, 4.5),
        plate_area=rng.uniform(0.28, 0.5),
        apart=apart,
        first_apart=max(apart * rng.uniform(0.5, 1.0) / steps, 0.45),
        glow=rng.uniform(0.45, 1.0),
    )


def separation(course: MitosisCourse, age: float) -> float:
    """Return the distance between two daughters in the mother's radii, `age` frames after the first with two."""
    part = min(age / max(course.anaphase, 1e-6), 1.0)
    return course.first_apart + (course.apart - course.first_apart) * part


def chromatin(course: MitosisCourse, countdown: F64, age: F64, tilt: F64) -> Chromatin:
    """Return what the chromatin of nuclei looks like.

    Parameters
    ----------
    course : MitosisCourse
        Pace and look.
    countdown : ndarray
        (N,) frames until the last frame as one nucleus; 0 on that frame.
    age : ndarray
        (N,) frames since the first frame as a daughter; large for nuclei that were not seen to be born.
    tilt : ndarray
        (N,) 0: the plate is seen from its side; 1: from its pole.

    Returns
    -------
    Chromatin
        Arrays (N,).
    """
    into = np.clip(1 - (countdown - course.metaphase + 1) / max(course.prophase, 1e-6), 0, 1)
    is_plate = np.clip(course.metaphase - countdown, 0, 1) * (countdown > -1)
    out = np.clip((age - course.anaphase - course.telophase + 1) / max(course.regrowth, 1e-6), 0, 1)
    young = age < course.after
    rounding = np.clip((age - course.anaphase + 1) / max(course.telophase, 1e-6), 0, 1)
    mitotic = np.where(young, 1 - out, into)
    side = np.log(course.plate) * (1 - tilt) + 0.12 * tilt
    flat = np.log(course.plate * 0.8)
    stretch = np.where(young, flat * (1 - 0.75 * rounding) * (1 - out), side * is_plate)
    plate_area = course.plate_area * (1 + 0.9 * tilt)
    before = (1 - 0.22 * into) * (1 - is_plate) + plate_area * is_plate
    small = 0.75 * course.plate_area * (1 + 0.25 * rounding)
    area = np.where(young, small + (1 - small) * out, before)
    light = 1 + course.glow * (np.minimum(1 / np.maximum(area, 0.05), 3.5) - 1)
    grain = np.where(young, 0.5 + 0.5 * out, (1 + 1.2 * into) * (1 - is_plate) + 0.5 * is_plate)
    return Chromatin(area, stretch, mitotic, light, tilt * is_plate * 0.75, grain)
