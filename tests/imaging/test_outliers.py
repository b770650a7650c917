"""Hot pixels, failed divisions and broken lines change nothing; spots, filaments and cells are left as they are."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_xmem.imaging import IntensityNormaliser
from napari_xmem.imaging.outliers import outlier_free


def cells(frames: int = 5, side: int = 96) -> np.ndarray:
    """Three blurred discs of 3000 on 200, with noise."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:side, :side]
    image = np.zeros((side, side))
    for centre in ((24, 30), (60, 70), (70, 24)):
        image[np.hypot(y - centre[0], x - centre[1]) < 9] = 2800
    return ndimage.gaussian_filter(image, 1) + rng.normal(200, 30, (frames, side, side))


@pytest.mark.parametrize("share", [0.001, 0.003, 0.01, 0.03])
@pytest.mark.parametrize("value", [65535.0, 1e30, -1e30])
def test_scattered_outliers_change_hardly_anything(share, value):
    clean = cells()
    hot = np.random.default_rng(1).random(clean.shape) < share
    spoilt = np.where(hot, value, clean)
    reference, normaliser = IntensityNormaliser.fit(clean), IntensityNormaliser.fit(spoilt)
    assert normaliser.low == pytest.approx(reference.low, abs=30)
    assert normaliser.high == pytest.approx(reference.high, rel=0.02)
    expected, got = reference.to_rgb(clean[2])[0], normaliser.to_rgb(spoilt[2])[0]
    assert np.abs(got - expected)[~hot[2]].max() < 0.03
    left = np.abs(got - expected) > 0.5
    assert left.sum() <= 0.02 * hot[2].sum()


@pytest.mark.parametrize("axis", [0, 1])
def test_broken_lines_are_filled_in(axis):
    clean = cells()
    spoilt = clean.astype(np.float32)
    np.moveaxis(spoilt[2], axis, 0)[40:43] = 65535
    normaliser = IntensityNormaliser.fit(spoilt)
    assert normaliser.high == pytest.approx(IntensityNormaliser.fit(clean).high, rel=0.02)
    assert normaliser.to_rgb(spoilt[2]).max() < 1.3


def test_a_clean_movie_stays_bit_for_bit():
    movie = cells()
    values = movie.ravel()
    low, high = np.percentile(values, (0.5, 99.8))
    normaliser = IntensityNormaliser.fit(movie)
    assert (normaliser.low, normaliser.high) == ((low,), (high,))
    np.testing.assert_array_equal(
        normaliser.to_rgb(movie[0])[0], np.clip((movie[0] - low) * (1.0 / (high - low)), -0.5, 2).astype(np.float32)
    )


@pytest.mark.parametrize("sigma_px", [0.7, 1.0, 2.0])
def test_spots_that_optics_make_stay(sigma_px):
    y, x = np.mgrid[:40, :40]
    spot = 10 * np.exp(-((y - 20) ** 2 + (x - 20) ** 2) / (2 * sigma_px**2))
    assert outlier_free(spot, 0.0, 1.0) is None


def test_bright_objects_and_half_frames_stay():
    movie = np.zeros((40, 40))
    movie[10:14, 10:30] = 50
    assert outlier_free(movie, 0.0, 1.0) is None
    movie[20:] = 50
    assert outlier_free(movie, 0.0, 1.0) is None


def test_integers_of_all_widths_keep_their_values_beside_an_outlier():
    frame = np.full((20, 20), 2**60 + 3, np.uint64)
    frame[5, 5] = 2**63
    cleaned = outlier_free(frame, float(2**60), float(2**60 + 2**20))
    assert cleaned is not None
    assert cleaned[5, 5] == pytest.approx(2**60)
