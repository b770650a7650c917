from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import torch
import zarr

import napari_xmem as nx
from napari_xmem.errors import ArgumentError, InputError
from napari_xmem.imaging import FrameSource, normalise_seeds

RNG = np.random.default_rng(0)
MOVIE = RNG.integers(0, 4000, (5, 24, 30)).astype(np.uint16)


def test_every_kind_of_array_gives_the_same_frames(tmp_path):
    np.save(tmp_path / "movie.npy", MOVIE)
    stored = zarr.create_array(str(tmp_path / "movie.zarr"), data=MOVIE, chunks=(1, 24, 30))
    tensor = torch.from_numpy(MOVIE)
    kinds = [
        tensor,
        MOVIE,
        np.load(tmp_path / "movie.npy", mmap_mode="r"),
        da.from_array(MOVIE, chunks=(1, 12, 30)),
        stored,
    ]
    for frames in [*kinds, list(MOVIE), FrameSource(MOVIE)]:
        source = FrameSource(frames)
        assert (len(source), source.frame_shape, source.n_channels) == (5, (24, 30), 1)
        for t, frame in enumerate(source):
            assert type(frame) is np.ndarray or isinstance(frame, np.memmap)
            np.testing.assert_array_equal(frame, MOVIE[t])


@pytest.mark.parametrize("channel_axis", [0, 1, 3, -1, -3])
def test_channel_axis(channel_axis):
    colour = RNG.random((5, 24, 30, 3))
    source = FrameSource(np.moveaxis(colour, -1, channel_axis), channel_axis)
    assert source.shape == (5, 24, 30, 3)
    np.testing.assert_array_equal(source.read(3), colour[3])


def test_choosing_channels():
    many = RNG.random((4, 10, 12, 5))
    with pytest.raises(InputError, match="5 channels, expected up to 3"):
        FrameSource(many)
    np.testing.assert_array_equal(FrameSource(many, channels=[4, 0]).read(1), many[1][..., [4, 0]])
    assert FrameSource(many, channels=[2]).read(1).shape == (10, 12)
    with pytest.raises(InputError, match=r"4 channels.*colours of RGBA are channels=\[0, 1, 2\] or --channels 0,1,2"):
        FrameSource(many[..., :4])
    with pytest.raises(InputError, match="from 0 to 4"):
        FrameSource(many, channels=[5])


def test_only_the_frame_asked_for_is_read():
    class Counting:
        shape, dtype, seen = (1000, 8, 8), np.dtype("u1"), []

        def __getitem__(self, index):
            self.seen.append(index)
            return np.zeros((8, 8), np.uint8)

    frames = Counting()
    FrameSource(frames).read(7)
    assert frames.seen == [(7, slice(None), slice(None))]


@pytest.mark.parametrize("dtype", [bool, "u1", ">u2", "u4", "u8", "i1", "i8", "f2", ">f4", "f8"])
def test_dtypes_come_in_native_order(dtype):
    source = FrameSource(MOVIE.astype(dtype))
    assert source.read(0).dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(source.read(2), MOVIE[2].astype(dtype))


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (np.zeros((24, 30)), "single 2D image"),
        (np.zeros((1, 24, 30)), "1 frame, expected at least 2"),
        (np.zeros((5, 0, 30)), "no pixels"),
        (np.zeros((5, 2, 3, 4, 2)), r"expected \(T, Y, X\)"),
        (np.zeros((5, 8, 8), complex), "complex128"),
        (np.zeros((5, 8, 8), object), "object"),
        (np.zeros((5, 8, 8), "datetime64[s]"), "datetime64"),
        ([], "expected an array"),
        ([np.zeros((5, 8, 8)), np.zeros((5, 4, 4))], "multiscale"),
        ("movie.tif", "str, expected an array"),
    ],
)
def test_bad_movies(frames, message):
    with pytest.raises(InputError, match=message):
        FrameSource(frames)


def test_masked_pixels_are_not_taken_for_pixels():
    masked = np.ma.masked_greater(np.arange(3 * 24 * 30.0).reshape(3, 24, 30), 1000)
    assert FrameSource(masked).read(0).max() == 719, "nothing is masked on this frame"
    for frames in (masked, list(masked)):
        with pytest.raises(InputError, match="frame 1: some pixels are masked"):
            FrameSource(frames).read(1)
    with pytest.raises(InputError, match="masked"):
        normalise_seeds({0: np.ma.masked_equal(np.eye(24, 30, dtype=int), 1)}, 3, (24, 30))
    with pytest.raises(ArgumentError, match=r"Some pixels are masked.*filled"):
        nx.find_similar(masked[1], np.eye(24, 30, dtype=int))


def test_sizes_that_dask_does_not_know():
    da = pytest.importorskip("dask.array")
    movie = da.from_array(MOVIE, chunks=(1, -1, -1))
    chosen = movie[da.from_array(np.ones(len(MOVIE), bool), chunks=1)]
    with pytest.raises(InputError, match=r"shape \(nan, .*movie.compute_chunk_sizes\(\)"):
        FrameSource(chosen)
    np.testing.assert_array_equal(FrameSource(chosen.compute_chunk_sizes()).read(2), MOVIE[2])


def test_a_movie_of_volumes_is_told_where_to_go():
    with pytest.raises(InputError, match="for volumes .* use propagate_volumes"):
        FrameSource(np.zeros((5, 7, 64, 128), np.uint8))


def test_bad_frames():
    with pytest.raises(InputError, match="frames 0 to 4"):
        FrameSource(MOVIE).read(5)
    with pytest.raises(InputError, match="frame 1 has shape"):
        FrameSource([MOVIE[0], MOVIE[1, :4]]).read(1)

    class Broken:
        shape, dtype = (5, 8, 8), np.dtype("u1")

        def __getitem__(self, index):
            raise RuntimeError("chunk is damaged")

    with pytest.raises(InputError, match="frame 2 cannot be read .*chunk is damaged"):
        FrameSource(Broken()).read(2)


@pytest.mark.parametrize(
    ("dims", "order"),
    [
        (("T", "Y", "X"), (0, 1, 2)),
        (("Y", "X", "T"), (1, 2, 0)),
        (("y", "x", "time"), (1, 2, 0)),
        (("x", "time", "y"), (2, 0, 1)),
        (("row", "column", "frame"), (0, 1, 2)),  # names of something else: the order is the usual one
    ],
)
def test_dimensions_that_xarray_names_are_used(dims, order):
    xarray = pytest.importorskip("xarray")
    array = xarray.DataArray(np.transpose(MOVIE, order), dims=dims)
    source = FrameSource(array)
    for t, frame in enumerate(source):
        np.testing.assert_array_equal(frame, MOVIE[t])


def test_channels_that_xarray_names_are_used():
    xarray = pytest.importorskip("xarray")
    colour = RNG.random((5, 24, 30, 3))
    array = xarray.DataArray(np.moveaxis(colour, -1, 0), dims=("channel", "time", "y", "x"))
    source = FrameSource(array)
    assert source.shape == (5, 24, 30, 3)
    np.testing.assert_array_equal(source.read(2), colour[2])


def test_memory_views():
    for frames in (memoryview(MOVIE), [memoryview(frame) for frame in MOVIE]):
        source = FrameSource(frames)
        assert source.shape == MOVIE.shape
        for t, frame in enumerate(source):
            np.testing.assert_array_equal(frame, MOVIE[t])
