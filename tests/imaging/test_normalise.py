from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_xmem.errors import ConfigError, InputError
from napari_xmem.imaging import FrameSource, IntensityNormaliser, NonFinitePixelsWarning

RNG = np.random.default_rng(0)


def test_percentiles_become_zero_and_one():
    movie = RNG.normal(1000, 100, (6, 64, 64))
    normaliser = IntensityNormaliser.fit(FrameSource(movie), percentiles=(1, 99))
    rgb = normaliser.to_rgb(movie[0])
    assert (rgb.shape, rgb.dtype) == ((3, 64, 64), np.float32)
    low, high = np.percentile(movie, (1, 99))
    np.testing.assert_allclose(rgb[0], (movie[0] - low) / (high - low), atol=1e-5)
    np.testing.assert_array_equal(rgb[0], rgb[2])


@settings(max_examples=60, deadline=None)
@given(
    dtype=st.sampled_from([bool, "u1", "u2", ">u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", ">f4", "f8"]),
    seed=st.integers(0, 2**16),
    kind=st.sampled_from(["noise", "extreme", "constant", "one bright pixel"]),
)
def test_any_dtype_gives_finite_values_in_range(dtype, seed, kind):
    dtype = np.dtype(dtype)
    rng = np.random.default_rng(seed)
    limits = np.iinfo(dtype) if dtype.kind in "ui" else None
    top = limits.max if limits else 1 if dtype.kind == "b" else float(np.finfo(dtype).max) / 4
    movie = np.zeros((3, 12, 14), dtype)
    if kind == "noise":
        movie = rng.integers(0, 2 if dtype.kind == "b" else 100, movie.shape).astype(dtype)  # else nearly all are 1
    elif kind == "extreme":
        movie[rng.random(movie.shape) > 0.5] = top
        if dtype.kind in "if":
            movie[rng.random(movie.shape) > 0.7] = limits.min if limits else -top
    elif kind == "constant":
        movie[...] = top
    else:
        movie[0, 3, 4] = top
    rgb = IntensityNormaliser.fit(movie).to_rgb(movie[0])
    assert np.isfinite(rgb).all()
    assert rgb.min() >= -0.5 and rgb.max() <= 2
    assert (rgb.max() > rgb.min()) == (movie[0].min() < movie[0].max())


def test_outliers_do_not_set_the_range():
    movie = RNG.normal(100, 10, (4, 100, 100))
    movie[0, :2, :2] = 1e6
    rgb = IntensityNormaliser.fit(movie).to_rgb(movie[1])
    assert 0.2 < np.median(rgb) < 0.8


def test_channels_are_normalised_apart():
    movie = np.stack([RNG.normal(10, 1, (4, 32, 32)), RNG.normal(5000, 900, (4, 32, 32))], -1)
    rgb = IntensityNormaliser.fit(movie).to_rgb(movie[0])
    assert 0.3 < rgb[0].mean() < 0.7 and 0.3 < rgb[1].mean() < 0.7
    assert not rgb[2].any()


def test_nan_and_infinity_become_background_with_a_warning_that_names_the_frame():
    movie = RNG.normal(100, 10, (4, 32, 32)).astype(np.float32)
    clean = IntensityNormaliser.fit(movie)
    movie[2, :4] = np.nan
    movie[2, 5, 5] = -np.inf
    normaliser = IntensityNormaliser.fit(movie)
    assert normaliser.low[0] == pytest.approx(clean.low[0], abs=1)
    with pytest.warns(NonFinitePixelsWarning, match="frame 2 holds 129 NaN or infinite") as caught:
        rgb = normaliser.to_rgb(movie[2], 2)
    assert (caught[0].message.frame, caught[0].message.count) == (2, 129)
    assert np.isfinite(rgb).all()
    assert not rgb[:, :4].any() and not rgb[:, 5, 5].any()


def test_all_nan_movie():
    movie = np.full((3, 8, 8), np.nan)
    normaliser = IntensityNormaliser.fit(movie)
    with pytest.warns(NonFinitePixelsWarning, match="a frame holds 64"):
        assert not normaliser.to_rgb(movie[0]).any()


def test_few_frames_are_read():
    seen = []

    class Frames:
        shape, dtype = (500, 8, 8), np.dtype("u1")

        def __getitem__(self, index):
            seen.append(index[0])
            return np.full((8, 8), index[0] % 256, np.uint8)

    IntensityNormaliser.fit(FrameSource(Frames()), max_frames=5)
    assert seen == [0, 125, 250, 374, 499]


def test_misuse():
    with pytest.raises(ConfigError, match="percentiles"):
        IntensityNormaliser.fit(np.zeros((3, 8, 8)), percentiles=(60, 40))
    with pytest.raises(ConfigError, match="below high"):
        IntensityNormaliser((1.0,), (1.0,))
    with pytest.raises(InputError, match="1 channel"):
        IntensityNormaliser((0.0,), (1.0,)).to_rgb(np.zeros((8, 8, 3)))
