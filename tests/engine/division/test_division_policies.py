"""When to ask about a division, and what to answer: formulas on hand-made sequences."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from engine.division.dividing_movies import disc
from napari_xmem.engine.division.daughter_appearance import Look
from napari_xmem.engine.division.policies import Budding, Evidence, TwoParts
from napari_xmem.engine.division.trial import Trial


def look(frame, areas=(100.0, 100.0), confidence=(0.95, 0.95), agreement=0.97, blur=0.005):
    return Look(frame, sum(areas), 0.95, areas, confidence, agreement, 0.0, blur, 1.5)


def trial(*looks, neck=0.0, growth=1.0):
    return Trial(1, (2, 3), looks[0].frame, neck, growth, list(looks))


def test_formula_by_hand():
    seen = look(5, (120.0, 80.0), (0.9, 0.85), 0.95, 0.01)
    z = 1.0 * 0.6 + 4 * (0.4 - 0.25) + 10 * (0.85 - 0.75) + 12 * 0.05 - 40 * (0.01 - 0.04) - 6 * 0.2
    found = Evidence().odds(trial(look(4), seen, neck=0.4, growth=1.5))
    assert found == pytest.approx(1 / (1 + math.exp(-z)))


def test_two_daughters_that_live_on_are_a_division():
    assert Evidence().odds(trial(*(look(t) for t in range(4)))) > 0.98


def test_rods_with_a_septum_and_no_gap_are_a_division():
    looks = [Look(t, 200.0, 0.95, (105.0, 95.0), (0.94, 0.94), 0.97, 0.3, 0.005, 1.5) for t in range(4)]
    assert Evidence().odds(trial(*looks, neck=0.66)) > 0.9


@pytest.mark.parametrize(
    "last",
    [
        look(4, areas=(200.0, 0.0), confidence=(0.95, 0.0)),  # one of them is lost
        look(4, confidence=(0.9, 0.45), blur=0.2),  # nothing divides them: both claim the same
        look(4, agreement=0.3),  # they are not where the mother is
    ],
)
def test_parts_that_do_not_hold_are_none(last):
    assert Evidence().odds(trial(look(3), last)) < 0.5


def test_a_mask_that_has_spread_over_a_neighbour_is_less_likely_to_have_divided():
    grown = Evidence().odds(trial(look(3), look(4), growth=1.65))
    assert grown < Evidence().odds(trial(look(3), look(4), growth=1.2))


def test_a_mother_who_spreads_over_a_neighbour_does_not_speak_against_her_daughters():
    alone, spread = look(4, agreement=0.4), replace(look(4, agreement=0.4), mother_px=320.0)
    before = look(3)
    assert Evidence().odds(trial(before, alone)) < 0.5 < 0.9 < Evidence().odds(trial(before, spread))
    assert Evidence().odds(trial(before, replace(spread, inside=0.4))) < 0.5  # they are not even where she is


def test_a_part_that_was_a_neighbours_before_is_no_daughter():
    weak = [look(t, confidence=(0.8, 0.8), agreement=0.91, blur=0.05) for t in range(4)]
    taken = replace(trial(*weak), taken=0.9)
    assert Evidence().odds(taken) < 0.5 < 0.7 < Evidence().odds(replace(taken, taken=0.5))


def test_asked_when_in_two_pieces():
    mask = disc(40, 40, 10) | disc(70, 60, 10)
    assert TwoParts().propose(mask.astype(np.float32), float(mask.sum()), (float(mask.sum()),)) is not None


def test_not_asked_when_the_mask_has_suddenly_doubled():
    one = disc(40, 40, 10)
    both = one | disc(70, 60, 10)
    assert TwoParts().propose(both.astype(np.float32), float(one.sum()), (float(one.sum()),)) is None


def test_not_asked_about_a_wide_waist():
    mask = disc(50, 40, 14) | disc(50, 52, 14)
    assert TwoParts().propose(mask.astype(np.float32), float(mask.sum()), ()) is None
    assert TwoParts().propose(np.zeros((9, 9), np.float32), 50.0, ()) is None


def test_a_small_part_beside_an_unchanged_mother_is_a_bud():
    looks = [look(t, areas=(100.0, 15.0 + 3 * t)) for t in range(3)]
    assert Budding().buds(trial(*looks, growth=1.1))


def test_a_large_part_beside_a_mother_who_stayed_as_she_was_is_a_bud():
    """A bud that was claimed late is large at once; the mother's outline says whose it is."""
    beside = trial(look(0, areas=(100.0, 40.0)), look(1, areas=(100.0, 55.0)), growth=1.1)
    assert not Budding().buds(beside)
    beside.stays = 0.86
    assert Budding().buds(beside)
    beside.add(look(2, areas=(100.0, 90.0)), ())
    assert not Budding().buds(beside), "of two that are alike neither is the bud"


@pytest.mark.parametrize("areas", [(60.0, 50.0), (75.0, 35.0), (60.0, 15.0)])
def test_daughters_of_a_mother_that_is_gone_are_no_buds(areas):
    looks = [look(0, areas=(60.0, 55.0)), look(1, areas=areas)]
    assert not Budding().buds(trial(*looks, growth=1.0))


def test_a_rod_is_asked_about_when_it_has_a_waist_in_its_middle():
    yy, xx = np.mgrid[:60, :140]
    half = np.minimum(7, 4 + 0.4 * abs(xx - 70))
    rod = ((abs(yy - 30) < half) & (abs(xx - 70) < 40)).astype(np.float32)
    parts = TwoParts(widest_neck=0.3).propose(rod, float(rod.sum()), (float(rod.sum()),))
    assert parts.share > 0.45 and parts.neck < 0.78
    assert TwoParts(widest_neck=0.3, widest_waist=0.0).propose(rod, float(rod.sum()), ()) is None
