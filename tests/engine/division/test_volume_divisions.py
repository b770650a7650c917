"""A division seen in several planes is one."""

from __future__ import annotations

import numpy as np

import napari_xmem as nx
from engine.division.dividing_movies import apart, dividing_movie
from napari_xmem.engine import propagate_volumes
from napari_xmem.engine.divisions_across_planes import PlaneDivisions, one_per_mother
from napari_xmem.engine.results import FrameResult
from napari_xmem.tracking import Event, EventKind

DIVIDES_AT = 2


def test_two_planes_see_one_division_and_the_third_one_daughter():
    frames, labels = dividing_movie(apart(5, DIVIDES_AT))
    planes, seeds = np.stack([frames] * 3, 1), np.stack([labels[0]] * 3)
    planes[:, 1] = np.roll(frames, 2, axis=2)
    seeds[1] = np.roll(labels[0], 2, axis=1)
    planes[:, 2] = np.where(labels == 4, 0.1, frames)  # the division's axis is oblique: here only one of them is seen
    found = propagate_volumes(planes, seeds, model=nx.load_model("bundled", device="cpu"), scope="local")
    (event,) = found.events
    mother, *daughters = event.objects
    assert (mother, event.frame) == (1, DIVIDES_AT) and len(daughters) == 2
    assert found.lineage.parents == dict.fromkeys(daughters, 1)
    for t, volume in enumerate(found.labels):
        assert set(np.unique(volume)) == ({0, 1, 2} if t < DIVIDES_AT else {0, 2, *daughters}), t
    rows = {i: np.nonzero(found.labels[4, 0] == i)[0].mean() for i in daughters}
    upper_id, lower_id = sorted(daughters, key=lambda i: rows[i])
    for z, shift in ((0, 0), (1, 2)):
        for i, true in ((upper_id, 3), (lower_id, 4)):
            mask = np.roll(labels[4] == true, shift, axis=1)
            assert ((found.labels[4, z] == i) & mask).sum() > 0.6 * mask.sum(), (z, i)
    assert (found.labels[4, 2][labels[4] == 3] == upper_id).mean() > 0.6
    i = found.scores.object_ids.tolist().index(upper_id)
    assert found.scores.area_px[4, i] == (found.labels[4] == upper_id).sum()


def test_daughters_are_who_lies_nearer_and_a_merge_has_the_mother_of_both():
    labels = np.zeros((20, 20), np.uint16)
    labels[2:5, 2:5], labels[12:15, 12:15] = 8, 9
    division = Event(EventKind.DIVISION, 3, (1, 8, 9), 0.7)
    seen = PlaneDivisions()
    seen.add(FrameResult(3, labels, (8, 9), np.array([9, 9]), np.ones(2), events=(division,)))
    parts = {20: np.array([13.0, 13.0]), 21: np.array([4.0, 3.0])}
    assert seen.name(5, parts, (1,)) == {20: 9, 21: 8} and seen.first_new_id == 10
    assert seen.name(5, parts, (2,)) == {} and seen.name(2, {30: np.zeros(2)}, (9, 8)) == {30: 1}
    later = Event(EventKind.DIVISION, 4, (1, 9, 8), 0.9)
    (event,) = one_per_mother([later, division])
    assert (event.frame, event.odds) == (3, 0.9)
