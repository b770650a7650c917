"""Two parts of one mask."""

from __future__ import annotations

import numpy as np
import pytest

from engine.division.dividing_movies import disc
from napari_xmem.engine.division.mask_parts import fill_bays, find_parts, find_waist
from napari_xmem.engine.scopes.regions import Region


def dumbbell(radius, distance, bridge):
    """Return two discs with a bridge of so many pixels of width."""
    mask = disc(50, 50 - distance / 2, radius) | disc(50, 50 + distance / 2, radius)
    low = 50 - bridge // 2
    mask[low : low + bridge, int(50 - distance / 2) : int(50 + distance / 2)] |= bridge > 0
    return mask


def test_two_pieces_are_two_parts_without_a_neck():
    mask = disc(40, 40, 12) | disc(70, 60, 8)
    parts = find_parts(mask)
    assert parts.neck == 0
    assert np.array_equal(parts.first, disc(40, 40, 12)) and np.array_equal(parts.second, disc(70, 60, 8))
    assert parts.share == pytest.approx(8**2 / (8**2 + 12**2), abs=0.01)


@pytest.mark.parametrize("mask", [np.zeros((20, 20), bool), disc(50, 50, 15), disc(50, 50, 3)])
def test_one_body_has_no_parts(mask):
    assert find_parts(mask) is None


def test_an_ellipse_and_a_rod_have_no_neck():
    yy, xx = np.mgrid[:100, :140]
    assert find_parts(((yy - 50) / 12) ** 2 + ((xx - 60) / 40) ** 2 < 1) is None
    rod = (abs(yy - 50) < 8) & (abs(xx - 60) < 40)
    assert find_parts(rod) is None


@pytest.mark.parametrize("bridge", [4, 8, 12])
def test_a_neck_has_the_width_of_the_bridge(bridge):
    parts = find_parts(dumbbell(14, 34, bridge))
    assert parts.neck == pytest.approx(bridge / 28, abs=0.17)
    assert parts.share == pytest.approx(0.5, abs=0.03)
    assert not (parts.first & parts.second).any()
    assert np.array_equal(parts.first | parts.second, dumbbell(14, 34, bridge))
    assert parts.first[50, 67] != parts.first[50, 33]


def test_a_neck_that_is_too_wide_is_none():
    assert find_parts(dumbbell(14, 34, 20), widest_neck=0.5) is None


def test_three_bodies_are_not_two_parts():
    mask = disc(30, 30, 9) | disc(30, 70, 9) | disc(80, 50, 9)
    assert find_parts(mask) is None


def test_a_speck_is_no_part():
    assert find_parts(disc(50, 50, 14) | disc(20, 20, 2)) is None


def test_large_masks_are_cut_as_small_ones():
    small = dumbbell(14, 34, 8)
    large = np.kron(small, np.ones((4, 4), bool))
    parts = find_parts(large)
    assert parts.share == pytest.approx(0.5, abs=0.03)
    assert np.array_equal(parts.first | parts.second, large)


def rod(length=80, width=14, waist=None, shape=(60, 140)):
    """Return the probability of a rod along x around (30, 70), with a waist of so many pixels at its middle."""
    yy, xx = np.mgrid[: shape[0], : shape[1]]
    along = abs(xx - 70)
    half = np.full(shape, width / 2.0) if waist is None else np.minimum(width / 2, waist / 2 + 0.5 * along)
    return ((abs(yy - 30) < half) & (along <= length / 2)).astype(np.float32)


@pytest.mark.parametrize("waist", [6, 8, 10])
def test_a_rod_is_cut_at_its_waist(waist):
    parts = find_waist(rod(waist=waist))
    assert parts.neck == pytest.approx(waist / 14, abs=0.12)
    assert parts.share == pytest.approx(0.5, abs=0.03)
    middles = sorted(np.nonzero(part)[1].mean() for part in (parts.first, parts.second))
    assert middles == pytest.approx([50, 90], abs=2)


def test_a_septum_that_makes_the_network_doubt_is_a_waist():
    probability = rod()
    probability[:, 69:72] *= 0.55
    assert find_waist(probability).neck == pytest.approx(0.55, abs=0.1)
    assert find_waist(rod()).neck > 0.95


def test_a_disc_is_no_rod_and_wide_waists_are_none():
    assert find_waist(disc(50, 50, 15).astype(np.float32)) is None
    assert find_waist(rod(waist=12), widest_neck=0.7) is None
    assert find_waist(np.zeros((20, 20), np.float32)) is None


@pytest.mark.parametrize("turns", range(4))
def test_a_ring_that_the_border_of_the_picture_cuts_is_one_body(turns):
    ring = disc(50, 50, 18) & ~disc(46, 50, 12)  # thinnest above
    arch = np.rot90(ring[:54], turns)  # cut below its middle: two legs
    padded = np.pad(arch, ((0, 6), (0, 6)))  # what is added to fill whole strides is no picture
    region, limits = Region(0, 0, *padded.shape), arch.shape
    assert find_parts(padded, widest_neck=0.68) is not None
    filled = fill_bays(padded.astype(np.float32), region, limits)
    assert find_parts(filled > 0.5, widest_neck=0.68) is None
    assert not filled[limits[0] :].any() and not filled[:, limits[1] :].any()
    assert np.array_equal(filled[: limits[0], : limits[1]] > 0.5, np.rot90(disc(50, 50, 18)[:54], turns))


def test_bays_inside_the_picture_and_gaps_between_daughters_stay_open():
    arch = (disc(50, 50, 18) & ~disc(50, 50, 11))[:54].astype(np.float32)
    assert fill_bays(arch, Region(10, 0, *arch.shape), (200, 200)) is arch  # the region ends there, not the picture
    daughters = (disc(50, 30, 14) | disc(50, 62, 14))[:54].astype(np.float32)
    assert fill_bays(daughters, Region(0, 0, *daughters.shape), daughters.shape) is daughters
    hollow = disc(50, 50, 18) & ~disc(50, 50, 8)
    filled = fill_bays(hollow.astype(np.float32), Region(30, 30, *hollow.shape), (500, 500))
    assert np.array_equal(filled > 0.5, disc(50, 50, 18))
