"""Rods that stay joined after division, and membranes of several kinds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_xmem.simulate import SimulatedMovie, simulate


def gaps(made: SimulatedMovie) -> list[int]:
    """Least distance in pixels between two sisters on the first frame that shows both."""
    found = []
    for mother, frame in made.divisions.items():
        pair = [made.bodies[frame] == d for d, m in made.parents.items() if m == mother and made.births[d] == frame]
        if len(pair) == 2:
            found.append(int(ndimage.distance_transform_edt(~pair[0])[pair[1]].min()))
    return found


def junction(made: SimulatedMovie) -> list[int]:
    """Pixels along which sisters touch on the first frame that shows both."""
    found = []
    for mother, frame in made.divisions.items():
        pair = [made.bodies[frame] == d for d, m in made.parents.items() if m == mother and made.births[d] == frame]
        if len(pair) == 2:
            found.append(int((ndimage.binary_dilation(pair[0]) & pair[1]).sum()))
    return found


def colony(kind: str, seed: int) -> SimulatedMovie:
    return simulate(kind, np.random.default_rng(seed), frames=8, size_px=(160, 160), n_objects=10, diameter_px=30.0)


def test_sisters_touch_along_a_wall_not_at_a_point() -> None:
    joined = [colony("rods_septate", seed) for seed in range(4)]
    apart = [colony("rods_phase", seed) for seed in range(12)]
    assert np.median([gap for made in joined for gap in gaps(made)]) <= 1
    walls, points = ([n for made in movies for n in junction(made)] for movies in (joined, apart))
    assert len(walls) >= 8 and len(points) >= 5
    assert np.median(walls) > 1.5 * np.median(points)


@pytest.mark.parametrize("seed", range(6))
def test_membranes_can_be_told_from_what_they_enclose(seed: int) -> None:
    """Along borders the light differs from the inside of cells, darker or brighter, whatever the kind."""
    made = simulate("em_varied", np.random.default_rng(seed), frames=2, size_px=(192, 192), diameter_px=44.0)
    image, labels = made.image[0].astype(float), made.labels[0]
    border = ndimage.grey_dilation(labels, size=3) != ndimage.grey_erosion(labels, size=3)
    deep = ndimage.distance_transform_edt(~border) > 6
    near = ndimage.distance_transform_edt(~border) <= 3
    assert abs(image[near].mean() - image[deep].mean()) > 0.1 * image[deep].std()
