"""What dividing nuclei look like, in numbers: areas, brightness, distances, and the truth about their lineage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_xmem.simulate import SimulatedMovie, simulate
from napari_xmem.simulate.cells.mitosis import MitosisCourse, chromatin, draw_mitosis_course, separation
from napari_xmem.simulate.kinds.dividing import brightness

COARSE = MitosisCourse(prophase=2, metaphase=2, anaphase=1, telophase=1, regrowth=3, apart=1.7, first_apart=1.2)


def looks(course: MitosisCourse, countdown: list[float], age: list[float], tilt: float = 0.0):
    n = max(len(countdown), len(age))
    before = np.array(countdown or [1e9] * n, float)
    after = np.array(age or [1e6] * n, float)
    return chromatin(course, before, after, np.full(n, tilt))


def movie(seed: int, kind: str = "mitosis") -> SimulatedMovie:
    return simulate(kind, np.random.default_rng(seed), frames=10, size_px=(160, 160), diameter_px=32.0)


@pytest.fixture(scope="module")
def movies() -> list[SimulatedMovie]:
    return [movie(seed) for seed in range(8)]


def test_interphase_is_left_alone() -> None:
    seen = looks(COARSE, [50.0], [])
    assert seen.area[0] == seen.light[0] == seen.grain[0] == 1
    assert seen.mitotic[0] == seen.stretch[0] == seen.ring[0] == 0


def test_a_nucleus_condenses_into_a_bright_bar() -> None:
    seen = looks(COARSE, [5.0, 3.0, 2.0, 1.0, 0.0], [])
    assert (np.diff(seen.area) <= 1e-9).all()
    assert (np.diff(seen.light) >= -1e-9).all()
    assert np.exp(seen.stretch[-1]) == pytest.approx(COARSE.plate)
    assert seen.area[-1] == pytest.approx(COARSE.plate_area)


def test_from_the_pole_the_plate_is_a_ring() -> None:
    side, pole = looks(COARSE, [0.0], []), looks(COARSE, [0.0], [], tilt=1.0)
    assert pole.ring[0] > 0.5 > side.ring[0]
    assert np.exp(pole.stretch[0]) < 1.3
    assert pole.area[0] > side.area[0]


def test_daughters_grow_back_and_lose_their_brightness() -> None:
    for seed in range(30):
        course = draw_mitosis_course(np.random.default_rng(seed))
        age = np.arange(0, course.after + 2)
        seen = looks(course, [], list(age))
        growth = seen.area[-1] / seen.area[0]
        assert 2.0 <= growth <= 5.0
        assert seen.light[0] > 1.3
        assert seen.light[-1] == pytest.approx(1)
        assert seen.area[-1] == pytest.approx(1)


def test_plates_part_within_anaphase() -> None:
    assert separation(COARSE, 0) == COARSE.first_apart
    assert separation(COARSE, 1) == separation(COARSE, 7) == pytest.approx(COARSE.apart)


def test_births_ends_and_parents_agree(movies: list[SimulatedMovie]) -> None:
    divisions = 0
    for made in movies:
        bodies = made.bodies
        assert set(made.births) == set(made.ends) == set(np.unique(bodies).tolist()) - {0}
        for body, first in made.births.items():
            seen = np.flatnonzero((bodies == body).any((1, 2)))
            assert (first, made.ends[body]) == (seen[0], seen[-1])
        for daughter, mother in made.parents.items():
            assert made.births[daughter] > 0
            assert made.ends[mother] < made.births[daughter]
            frames = bodies == daughter
            assert set(np.unique(made.labels[frames])) == set(np.unique(made.labels[bodies == mother]))
        divisions += len(made.divisions)
    assert divisions >= 12


def test_what_divided_before_the_first_frame_is_two_objects(movies: list[SimulatedMovie]) -> None:
    for made in movies:
        first = made.labels[0]
        np.testing.assert_array_equal(np.unique(first), np.unique(made.bodies[0]))


def test_daughters_are_apart_and_smaller_than_the_mother(movies: list[SimulatedMovie]) -> None:
    ratios, gaps = [], []
    for made in movies:
        for mother, frame in made.divisions.items():
            pair = [d for d, m in made.parents.items() if m == mother and made.births[d] == frame]
            masks = [made.bodies[frame] == d for d in pair]
            if len(pair) < 2 or any(_cut(m) for m in masks):
                continue
            whole = max((made.bodies[t] == mother).sum() for t in range(frame))
            ratios += [m.sum() / whole for m in masks]
            a, b = (np.array(ndimage.center_of_mass(m)) for m in masks)
            gaps.append(np.linalg.norm(a - b) / np.sqrt(4 * whole / np.pi))
    assert len(gaps) >= 5
    assert 0.08 < np.median(ratios) < 0.55
    assert 0.25 < np.median(gaps) < 1.3


def test_seeds_are_at_every_phase() -> None:
    """Over many movies the first frames show interphase, condensed nuclei and young pairs."""
    small = [area for seed in range(10) for area in _relative_areas(movie(seed))]
    assert np.mean(np.array(small) < 0.45) > 0.08
    assert np.mean(np.array(small) > 0.6) > 0.3


def test_brightness_spans_the_ratio() -> None:
    light = brightness(np.random.default_rng(0), 4000, ratio=20.0)
    assert light.max() / light.min() == pytest.approx(20, rel=0.1)
    assert (light <= 2).all()


def test_dim_nuclei_are_dim() -> None:
    """In the pictures, the brightest whole nucleus of a movie is often many times brighter than the dimmest."""
    contrasts = []
    for seed in range(8):
        made = movie(seed, "dim_nuclei")
        frame, labels = made.image[0].astype(float), made.labels[0]
        floor = np.median(frame[labels == 0])
        light = np.array([np.median(frame[labels == i]) - floor for i in range(1, labels.max() + 1)])
        contrasts.append(light.max() / max(np.abs(light).min(), 1.0))
    assert np.median(contrasts) > 4


def _relative_areas(made: SimulatedMovie) -> list[float]:
    areas = np.bincount(made.labels[0].ravel())[1:].astype(float)
    return (areas / np.sort(areas)[-3:].mean()).tolist()


def _cut(mask: np.ndarray) -> bool:
    return bool(mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())
