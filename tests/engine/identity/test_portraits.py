"""Portraits and what they tell: textures, tracks, likeness."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from napari_xmem.engine.identity.likeness import Likeness, Track, texture
from napari_xmem.engine.identity.portraits import Past, Portrait, Scene
from napari_xmem.engine.scopes.region_masks import RegionMask
from napari_xmem.engine.scopes.regions import Region

SIDE = 40


def cell(
    look: int, centre: tuple[float, float], time: int = 0, *, brightness: float = 0.8, turn: float = 0.0, noise: int = 0
) -> Portrait:
    """Return the portrait of a disc of radius 9 whose texture is that of `look`, on a ground of 0.1."""
    y, x = np.mgrid[:SIDE, :SIDE]
    rough = ndimage.gaussian_filter(np.random.default_rng(look).standard_normal((SIDE, SIDE)), 2)
    rough = ndimage.rotate(rough / rough.std(), turn, reshape=False, order=1, mode="nearest")
    rough = ndimage.shift(rough, np.array(centre) - (SIDE - 1) / 2, order=1, mode="nearest")
    inside = np.hypot(y - centre[0], x - centre[1]) < 9
    gray = np.where(inside, brightness * (1 + 0.15 * rough), 0.0) + 0.1
    gray = gray + np.random.default_rng((noise, time)).normal(0, 0.03, gray.shape)
    portrait = Scene(time, gray.astype(np.float32), inside.astype(np.int32), 1, (0.0, 0.0)).portrait(inside)
    assert portrait is not None
    return portrait


def past_of(look: int, places: list[tuple[float, float]], **options: float) -> Past:
    past = Past()
    for time, place in enumerate(places):
        past = past.with_portrait(cell(look, place, time, **options))  # type: ignore[arg-type]
    return past


def test_a_scene_shows_masks_where_they_are() -> None:
    """Every third pixel of the scaled frame, compared with a plain look-up."""
    probability = torch.zeros(32, 40)
    probability[5:29, 7:33] = 0.9
    mask = RegionMask(7, Region(16, 24, 32, 40), probability)
    full = np.zeros((80, 100), int)
    full[16 + 5 : 16 + 29, 24 + 7 : 24 + 33] = 7
    gray = np.arange(8000, dtype=np.float32).reshape(80, 100)
    scene = Scene.of(3, gray, [mask], 3, (0.0, 0.0))
    assert np.array_equal(scene.ids, full[1::3, 1::3][:26, :33])
    assert scene.gray[4, 5] == pytest.approx(gray[12:15, 15:18].mean())
    portrait = scene.portrait_of(mask)
    assert portrait is not None
    assert portrait.area_px == (scene.ids == 7).sum()
    assert portrait.centre_px == pytest.approx(np.argwhere(scene.ids == 7).mean(0))


def test_brightness_is_measured_against_the_ground_and_borders_are_seen() -> None:
    portrait = cell(0, (20, 20), brightness=0.6)
    assert portrait.brightness == pytest.approx(0.6, abs=0.1)
    assert portrait.whole
    assert not cell(0, (5, 20)).whole


def test_texture_knows_an_individual_turned_and_moved_and_no_stranger() -> None:
    first = cell(1, (20, 20))
    again = texture(first, cell(1, (21.4, 18.7), turn=13, noise=1))
    strangers = [texture(first, cell(look, (20, 20), noise=2)) for look in range(2, 8)]
    assert again is not None
    assert again > 0.8
    assert all(s is not None and s < again - 0.1 for s in strangers)


def test_a_past_keeps_the_first_some_old_and_the_latest_portraits() -> None:
    past = Past()
    small = cell(0, (20, 20))
    for time in range(200):
        past = past.with_portrait(Portrait(time, (0.0, 0.0), (0.0, 0.0), 100.0, 0.5, True, small.patch, small.inside))
    times = [p.time for p in past.portraits]
    assert times[0] == 0
    assert times[-8:] == list(range(192, 200))
    assert len(times) == 12
    assert [p.time for p in past.before(195).portraits] == times[:-5]
    again = Past.from_state_dict(past.state_dict())
    assert [p.time for p in again.portraits] == times
    assert np.array_equal(again.last.patch, past.last.patch)


def test_a_track_goes_straight_on_and_takes_off_the_drift_where_that_makes_it_straighter() -> None:
    places = [(10.0, 5.0 + 4 * t) for t in range(5)]
    track = Track.of(past_of(0, [(20, 8 + 3.0 * t) for t in range(5)]))
    assert track.at(7, (0.0, 0.0)) == pytest.approx((20, 8 + 3.0 * 7), abs=0.4)
    small = cell(0, (20, 20))
    jumps = [(0.0, 0.0), (30.0, -8.0), (2.0, 9.0), (-14.0, 3.0), (8.0, 8.0)]
    shaken = Past(
        tuple(
            Portrait(t, (y + dy, x + dx), (dy, dx), 100.0, 0.5, True, small.patch, small.inside)
            for t, ((y, x), (dy, dx)) in enumerate(zip(places, jumps, strict=True))
        )
    )
    assert Track.of(shaken).at(6, (100.0, 0.0)) == pytest.approx((110.0, 29.0))
    assert Track.of(shaken).scatter_px < 1


@pytest.mark.parametrize("brightness", [0.8, 1.2])
def test_likeness_speaks_for_the_individual_and_against_strangers(brightness: float) -> None:
    here = [(20.0, 20.0)] * 4
    likeness = Likeness({1: past_of(1, here), 2: past_of(2, here, brightness=0.7), 3: past_of(3, here)}, 4)
    own = cell(1, (21, 20), 8, noise=5)
    assert likeness.log_odds(own, 1) > 2
    for look in range(10, 14):
        assert (
            likeness.log_odds(cell(look, (21, 20), 8, brightness=brightness, noise=6), 1)
            < likeness.log_odds(own, 1) - 2
        )


def test_brightness_that_changed_for_all_is_no_evidence_against_one() -> None:
    here = [(20.0, 20.0)] * 4
    likeness = Likeness({1: past_of(1, here), 2: past_of(2, here)}, 4)
    faded = cell(1, (20, 20), 8, brightness=0.4, noise=5)
    assert likeness.log_odds(faded, 1, change=0.5) > 2
    assert likeness.log_odds(faded, 1) < likeness.log_odds(faded, 1, change=0.5) - 3
