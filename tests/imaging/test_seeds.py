from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from scipy import ndimage

from napari_xmem.errors import InputError, SeedError
from napari_xmem.imaging import normalise_seeds

SHAPE = (20, 30)
LABELS = np.zeros(SHAPE, np.uint16)
LABELS[2:6, 3:9], LABELS[10:15, 20:25] = 1, 7


def test_the_three_forms_agree():
    stack = np.zeros((5, *SHAPE), np.int32)
    stack[2] = LABELS
    forms = [({2: LABELS}, None), ({np.int64(2): LABELS.tolist()}, None), (stack, None), (LABELS, 2)]
    for seeds, start in [*forms, (da.from_array(stack, chunks=(1, 20, 30)), None)]:
        found = normalise_seeds(seeds, 5, SHAPE, start)
        assert list(found) == [2]
        assert found[2].dtype == np.int64
        np.testing.assert_array_equal(found[2], LABELS)


def test_a_single_image_belongs_to_frame_zero_by_default():
    assert list(normalise_seeds(LABELS, 5, SHAPE, None)) == [0]


def test_several_frames_come_in_order_and_empty_ones_are_left_out():
    found = normalise_seeds({4: LABELS, 1: LABELS, 2: np.zeros(SHAPE, int)}, 5, SHAPE, None)
    assert list(found) == [1, 4]


@pytest.mark.parametrize("dtype", [bool, "u1", "i1", ">u2", ">i4", "u4", "u8", "i8"])
def test_integer_dtypes(dtype):
    found = normalise_seeds(LABELS.astype(dtype), 5, SHAPE, None)
    np.testing.assert_array_equal(found[0], LABELS.astype(dtype).astype(np.int64))


def test_large_ids_survive_and_too_large_ones_are_refused():
    big = LABELS.astype(np.uint64)
    big[0, 0] = 2**31 - 1
    assert normalise_seeds(big, 5, SHAPE, None)[0].max() == 2**31 - 1
    big[0, 0] = 2**31
    with pytest.raises(SeedError, match=r"2147483648.*2\*\*31 - 1"):
        normalise_seeds(big, 5, SHAPE, None)
    big[0, 0] = 2**64 - 1
    with pytest.raises(SeedError, match="relabel"):
        normalise_seeds(big, 5, SHAPE, None)


def test_300_objects():
    labels = np.arange(20 * 30).reshape(SHAPE) // 2 + 1
    assert len(np.unique(normalise_seeds(labels, 5, SHAPE, None)[0])) == 300


@pytest.mark.parametrize(
    ("seeds", "message"),
    [
        (np.zeros(SHAPE, int), "empty"),
        ({}, "empty"),
        (np.zeros((5, *SHAPE), np.uint8), "empty"),
        (LABELS[:10], r"shape \(10, 30\), expected \(20, 30\)"),
        (LABELS.T, "transpose"),
        (np.zeros((4, *SHAPE), int), r"labels of 4 frames \(shape \(4, 20, 30\)\) for a movie of 5"),
        (np.zeros((6, *SHAPE), int), r"\(6, 20, 30\), expected \(5, 20, 30\)"),
        ("seeds.tif", r"open a file first: open_labels\('seeds.tif'\)"),
        (np.zeros((5, *SHAPE, 3), int), "expected one frame"),
        (LABELS * 0.5, "fractions"),
        (np.full(SHAPE, np.nan), "fractions or not finite"),
        (LABELS.astype(complex), "complex128, expected integers"),
        (-LABELS.astype(int), "hold -7"),
        ({5: LABELS}, "frames 0 to 4"),
        ({-1: LABELS}, "frames 0 to 4"),
        ({1.5: LABELS}, "whole number"),
        ({"a": LABELS}, "whole number"),
        ({0: LABELS, 3: LABELS[:5]}, "seeds of frame 3"),
        ([[1, 2], [3]], "no regular array"),
    ],
)
def test_bad_seeds(seeds, message):
    with pytest.raises(SeedError, match=message) as caught:
        normalise_seeds(seeds, 5, SHAPE, None)
    assert isinstance(caught.value, InputError)


def test_an_image_in_place_of_labels_is_refused():
    rng = np.random.default_rng(0)
    noise = rng.poisson(3000, (2, 128, 160)).astype(np.uint16)
    smooth = ndimage.gaussian_filter(rng.random((128, 160)), 8)
    smooth = (255 * (smooth - smooth.min()) / np.ptp(smooth)).astype(np.uint8)
    sparse = np.zeros((64, 64), np.int64)
    sparse[::2, ::4] = np.arange(1, 513).reshape(32, 16)
    for seeds in (noise, {1: noise[0]}, smooth, sparse):
        with pytest.raises(SeedError, match=r"scattered like the pixels of an image; expected labels.*the movie given"):
            normalise_seeds(seeds, 2, seeds[1].shape if isinstance(seeds, dict) else seeds.shape[-2:])


def test_labels_that_are_no_image_however_many_or_small():
    yy, xx = np.mgrid[:128, :160]
    for size in (2, 3, 10):
        packed = (yy // size) * 160 + xx // size + 1
        normalise_seeds(packed, 2, packed.shape)
    points = np.zeros((128, 160), np.int64)
    points.ravel()[np.random.default_rng(0).choice(128 * 160, 800, replace=False)] = np.arange(1, 801)
    normalise_seeds(points, 2, points.shape)
    few = np.random.default_rng(0).integers(0, 40, (128, 160))
    normalise_seeds(few, 2, few.shape)


def test_whole_numbers_in_floats_are_taken_with_a_word():
    for dtype in ("float16", "float32"):  # half precision does not reach the largest id
        with pytest.warns(UserWarning) as words:
            found = normalise_seeds(LABELS.astype(dtype), 5, SHAPE)
        assert [str(w.message) for w in words] == [
            f"seeds of frame 0 are whole numbers of dtype {dtype}; they are taken as labels."
        ]
        np.testing.assert_array_equal(found[0], LABELS)
    with pytest.raises(SeedError, match="at most 2147483647"):
        normalise_seeds(LABELS * 1e12, 5, SHAPE)
