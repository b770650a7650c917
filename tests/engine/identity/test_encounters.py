"""Objects that hide each other: who is who afterwards, from hand-made pasts and in small movies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

import napari_xmem as nx
from engine.identity.test_portraits import past_of
from napari_xmem.engine.identity.disc_overlap import shared_by_discs
from napari_xmem.engine.identity.encounters import Encounter, Encounters, Fragment, decide
from napari_xmem.engine.identity.portraits import Past, Portrait, Scene
from napari_xmem.engine.identity.returns import Returns
from napari_xmem.tracking import EventKind

SHAPE = (40, 80)


def scene_of(places: dict[int, tuple[float, float]], time: int, looks: dict[int, int] | None = None) -> Scene:
    """Return discs of radius 7 and brightness 0.8; later ones hide earlier ones. `looks` seeds their textures."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    gray, ids = np.full(SHAPE, 0.1), np.zeros(SHAPE, np.int32)
    for i, centre in places.items():
        inside = np.hypot(y - centre[0], x - centre[1]) < 7
        rough = ndimage.gaussian_filter(np.random.default_rng((looks or {}).get(i, i)).standard_normal((40, 40)), 2)
        rough = ndimage.shift(np.pad(rough / rough.std(), ((0, 0), (0, 40)))[: SHAPE[0]], (0, centre[1] - 20), order=1)
        gray[inside], ids[inside] = 0.8 + 0.1 * rough[inside], i
    gray += np.random.default_rng(time).normal(0, 0.02, SHAPE)
    return Scene(time, gray.astype(np.float32), ids, 1, (0.0, 0.0))


def approaching(frames: int, speed: float) -> dict[int, Past]:
    """Two objects that come towards each other along a row."""
    pasts = {1: Past(), 2: Past()}
    for time in range(frames):
        scene = scene_of({1: (20, 12 + speed * time), 2: (20, 68 - speed * time)}, time)
        for i, past in pasts.items():
            portrait = scene.portrait(scene.ids == i)
            assert portrait is not None
            pasts[i] = past.with_portrait(portrait)
    return pasts


def fragment(scene: Scene, i: int, label: int) -> Fragment:
    portrait = scene.portrait(scene.ids == i)
    assert portrait is not None
    return Fragment(label, scene.ids == i, portrait)


@pytest.mark.parametrize("passed", [True, False])
def test_way_and_looks_decide_whatever_the_pixels_say(passed: bool) -> None:
    """Labels stay on their sides; the objects have passed each other, or turned back: then looks outweigh the way."""
    pasts = approaching(5, 4)
    left, right = (2, 1) if passed else (1, 2)
    after = scene_of({left: (20, 24), right: (20, 60)}, 10)
    parts = [fragment(after, left, 1), fragment(after, right, 2)]
    outcome = decide(Encounter((1, 2), 5, 5, 0.55), parts, pasts, {})
    assert {i: part.label for i, part in outcome.parts.items()} == ({1: 2, 2: 1} if passed else {1: 1, 2: 2})
    assert outcome.odds > 0.9
    assert outcome.sure[1] == pytest.approx(outcome.odds)


def test_twins_without_texture_are_told_by_their_way_and_doubt_is_told_where_there_is_none() -> None:
    small = past_of(0, [(20.0, 20.0)]).last
    flat = np.full_like(small.patch, 0.8)

    def plain(time: int, x: float) -> Portrait:
        return Portrait(time, (20.0, x), (0.0, 0.0), 250.0, 0.7, True, flat, small.inside)

    inside = np.zeros((1, 1), bool)
    moving = {
        1: Past(tuple(plain(t, 10 + 4 * t) for t in range(5))),
        2: Past(tuple(plain(t, 70 - 4 * t) for t in range(5))),
    }
    parts = [Fragment(1, inside, plain(11, 26.0)), Fragment(2, inside, plain(11, 54.0))]
    outcome = decide(Encounter((1, 2), 5, 5, 0.5), parts, moving, {})
    assert outcome.parts[1].label == 2
    assert outcome.odds > 0.9
    resting = {i: Past((plain(0, 40.0),)) for i in (1, 2)}
    assert decide(Encounter((1, 2), 5, 5, 0.5), parts, resting, {}).odds == pytest.approx(0.5)


def test_an_encounter_is_opened_where_much_is_hidden_and_closed_when_they_are_apart() -> None:
    pasts, encounters = approaching(5, 4), Encounters()
    touching = scene_of({1: (20, 33), 2: (20, 47)}, 5)
    assert encounters.advance(touching, 105, pasts, set()) == []
    assert encounters.engaged == set()  # side by side all is seen
    assert encounters.advance(scene_of({1: (20, 39), 2: (20, 41)}, 7), 107, pasts, set()) == []
    assert encounters.engaged == {1, 2}
    resumed = Encounters()
    resumed.load_state_dict(encounters.state_dict())
    apart = scene_of({2: (20, 30), 1: (20, 52)}, 9)
    (outcome,) = resumed.advance(apart, 109, pasts, set())
    assert (outcome.encounter.frame, outcome.encounter.since) == (105, 5)
    assert all(part.label == i for i, part in outcome.parts.items())
    assert resumed.engaged == set()


def test_neighbours_that_become_smaller_hide_nothing() -> None:
    """Two cells rest side by side; one condenses to a bar a third as large, as before it divides."""
    pasts, encounters = {1: Past(), 2: Past()}, Encounters()
    places = {1: (20.0, 30.0), 2: (20.0, 44.0)}
    for time in range(6):
        scene = scene_of(places, time)
        assert encounters.advance(scene, time, pasts, set()) == []
        for i, past in pasts.items():
            portrait = scene.portrait(scene.ids == i)
            assert portrait is not None
            pasts[i] = past.with_portrait(portrait)
    smaller = scene_of(places, 6)
    smaller.ids[(smaller.ids == 2) & (np.abs(np.arange(SHAPE[0]) - 20)[:, None] > 2)] = 0
    assert (smaller.ids > 0).sum() < 0.75 * sum(past.area_px for past in pasts.values())
    assert encounters.advance(smaller, 6, pasts, set()) == []
    assert encounters.engaged == set()


@pytest.mark.parametrize(("distance", "first", "second"), [(3.0, 10.0, 7.0), (9.0, 10.0, 4.0), (12.0, 8.0, 8.0)])
def test_the_lens_of_two_discs_has_as_many_pixels_as_the_formula_says(
    distance: float, first: float, second: float
) -> None:
    y, x = np.mgrid[-15:30:0.05, -15:30:0.05]
    counted = ((np.hypot(y, x) < first) & (np.hypot(y, x - distance) < second)).sum() * 0.05**2
    assert shared_by_discs(distance, first, second) == pytest.approx(counted, rel=0.01)


def test_discs_that_are_apart_share_nothing_and_one_within_the_other_is_shared_whole() -> None:
    assert shared_by_discs(15.0, 8.0, 7.0) == 0.0
    assert shared_by_discs(2.0, 8.0, 3.0) == pytest.approx(9 * np.pi)


def movie_of(
    places: list[dict[int, tuple[float, float]]], looks: dict[int, int] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    scenes = [scene_of(where, t, looks) for t, where in enumerate(places)]
    return np.stack([s.gray for s in scenes]), np.stack([s.ids for s in scenes]).astype(np.uint16)


def jaccard(labels: np.ndarray, truth: np.ndarray, i: int) -> float:
    return float(((labels == i) & (truth == i)).sum() / ((labels == i) | (truth == i)).sum())


def test_a_cell_that_passes_over_another_keeps_its_label() -> None:
    movie, truth = movie_of([{1: (19, 64 - 6.0 * t), 2: (21, 16 + 6.0 * t)} for t in range(9)])
    result = nx.propagate(movie, {0: truth[0]})
    assert all(jaccard(result.labels[-1], truth[-1], i) > 0.85 for i in (1, 2))
    (event,) = (event for event in result.events if event.kind is EventKind.ENCOUNTER)
    assert event.objects == (1, 2)
    assert 2 <= event.frame <= event.decided <= 8
    assert event.odds > 0.9
    assert result.scores.confidence[-1].min() > 0.7


def test_a_newcomer_does_not_take_the_label_of_a_cell_that_left_and_the_cell_itself_does() -> None:
    """Cell 1 leaves on the left; two frames later somebody comes in there: a stranger, brighter, or itself."""
    way = [14.0, 7.0, -1.0, -9.0, -20.0, -20.0, -4.0, 4.0, 11.0, 15.0]
    for stranger in (True, False):
        movie, truth = movie_of([{1: (20, x), 2: (20, 60)} for x in way])
        if stranger:
            movie[6:, :, :40] = np.where(truth[6:, :, :40] == 1, 1.5 * movie[6:, :, :40], movie[6:, :, :40])
        result = nx.propagate(movie, {0: truth[0]})
        assert jaccard(result.labels[-1], truth[-1], 2) > 0.85
        assert (result.labels[-1] == 1).any() != stranger
        assert any(event.kind is EventKind.RETURN for event in result.events) != stranger


def test_doubts_about_lost_objects_survive_a_stop() -> None:
    pasts = {1: past_of(1, [(20.0, 12.0), (20.0, 9.5)]), 2: past_of(2, [(20.0, 30.0)] * 2)}
    scene = Scene(5, np.zeros((40, 40), np.float32), np.zeros((40, 40), np.int32), 1, (0.0, 0.0))
    first, second = Returns(), Returns()
    first.note_lost(1, pasts[1], scene, with_others=False)
    found = past_of(9, [(20.0, 20.0)] * 6).last
    before = first.judge(1, found, pasts, {})
    second.load_state_dict(first.state_dict())
    assert before is not None
    assert before < 0
    assert second.judge(1, found, pasts, {}) == pytest.approx(before)


def test_what_is_found_in_the_place_of_an_object_is_the_object_whatever_it_looks_like() -> None:
    """Lost for three frames inside the picture: where it was, its looks say less than elsewhere."""
    pasts = {1: past_of(1, [(20.0, 20.0)] * 6), 2: past_of(2, [(20.0, 30.0)] * 6)}
    scene = Scene(6, np.zeros((40, 80), np.float32), np.zeros((40, 80), np.int32), 1, (0.0, 0.0))
    odds = []
    for x in (22.0, 34.0):
        returns, other = Returns(), replace(past_of(7, [(20.0, 20.0)] * 9).last, centre_px=(20.0, x))
        returns.note_lost(1, pasts[1], scene, with_others=False)
        odds.append(returns.judge(1, other, pasts, {}))
    assert odds[0] is not None
    assert odds[1] is not None
    assert odds[0] - odds[1] == pytest.approx(3.0, abs=1e-6)
