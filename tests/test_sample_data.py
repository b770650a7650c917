"""Sample movies: always the same, with truth."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from napari_xmem.sample_data import long_movie, simulated_nuclei, simulated_phase_contrast


@pytest.mark.parametrize("make", [simulated_nuclei, simulated_phase_contrast])
def test_samples_have_seeds_and_truth(make: object) -> None:
    movie, truth = make()  # type: ignore[operator]
    again, _ = make()  # type: ignore[operator]
    assert movie.shape == truth.shape
    assert len(movie) == 20
    assert movie.dtype == truth.dtype == np.uint16
    np.testing.assert_array_equal(movie, again)
    seeds = np.unique(truth[0])
    assert 20 <= len(seeds) - 1 <= 45
    later = np.unique(truth[-1])
    assert len(np.intersect1d(seeds, later)) > 0.7 * len(seeds)


def test_nuclei_shine_inside_their_masks() -> None:
    movie, truth = simulated_nuclei(frames=3)
    assert movie[truth > 0].mean() > 2 * movie[truth == 0].mean()


def test_someone_divides_in_the_nuclei_sample() -> None:
    from scipy import ndimage

    _, truth = simulated_nuclei()
    parts = [ndimage.label(truth[-1] == label)[1] for label in np.unique(truth[0])[1:]]
    assert max(parts) >= 2


def test_long_movie() -> None:
    movie, truth = long_movie(seed=1, frames=70, scenario="drift", size_px=(96, 96), n_objects=5)
    assert movie.shape == truth.shape == (70, 96, 96)
    assert truth[0].max() >= 3


def test_importing_samples_pulls_in_no_torch() -> None:
    code = "import sys, napari_xmem.sample_data as s; s.simulated_nuclei(frames=1); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
