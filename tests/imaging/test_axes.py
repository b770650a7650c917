from __future__ import annotations

import numpy as np
import pytest

from napari_xmem.errors import InputError
from napari_xmem.imaging import AxisPlan

CANONICAL = np.arange(4 * 5 * 6 * 3).reshape(4, 5, 6, 3)


@pytest.mark.parametrize("axes", ["TYXC", "TCYX", "CTYX", "tcyx", "YXTC", "TYXS", "ZYXC"])
def test_every_order_becomes_the_same_movie(axes):
    letters = axes.upper().replace("S", "C").replace("Z", "T")
    array = np.transpose(CANONICAL, ["TYXC".index(letter) for letter in letters])
    plan = AxisPlan.from_axes(array.shape, axes)
    assert plan.canonical_shape == CANONICAL.shape
    np.testing.assert_array_equal(plan.order_array(array), CANONICAL)
    np.testing.assert_array_equal(plan.order_frame(array[plan.index(2)]), CANONICAL[2])


def test_axes_of_length_one_are_left_out():
    array = CANONICAL[..., 0][:, None, None]
    plan = AxisPlan.from_axes(array.shape, "TZCYX")
    assert plan.canonical_shape == (4, 5, 6)
    np.testing.assert_array_equal(plan.order_array(array), CANONICAL[..., 0])


def test_slices_take_the_place_of_time():
    assert AxisPlan.from_axes((1, 7, 5, 6), "TZYX").n_frames == 7


@pytest.mark.parametrize(
    ("shape", "axes", "message"),
    [
        ((4, 5, 6), "TCYX", "one letter per axis"),
        ((4, 5, 6), "TYY", "unknown or repeated"),
        ((4, 5, 6), "TYW", "unknown or repeated"),
        ((4, 5, 6), "TCX", "Y and X are both needed"),
        ((4, 5), "YX", "no time axis"),
        ((4, 5, 6, 7), "TZYX", "T, Z are all longer than one"),
        ((4, 2, 6, 7, 3), "TCYXS", "both C and S"),
    ],
)
def test_axes_that_do_not_fit(shape, axes, message):
    with pytest.raises(InputError, match=message):
        AxisPlan.from_axes(shape, axes)
