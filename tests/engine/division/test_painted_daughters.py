"""Daughters that a person paints on a later frame keep their ids, and have their mother."""

from __future__ import annotations

import numpy as np
import pytest

import napari_xmem as nx
from engine.division.dividing_movies import apart, dividing_movie

DIVIDES_AT = 2


@pytest.fixture(scope="module")
def options():
    return {"model": nx.load_model("bundled", device="cpu"), "device": "cpu", "scope": "local"}


@pytest.fixture(scope="module")
def movie():
    return dividing_movie(apart(6, DIVIDES_AT))


def painted(labels, names):
    """Return labels with the two daughters renamed; 0 leaves one out."""
    return np.where(labels == 3, names[0], np.where(labels == 4, names[1], labels))


@pytest.mark.parametrize(
    ("names", "at", "parents"),
    [
        ((13, 14), 5, {13: 1, 14: 1}),  # both new
        ((1, 14), 5, {14: 1}),  # one the mother's: she goes on
        ((13, 0), 5, {13: 1, 14: 1}),  # one left out: she gets an id above all that were painted
        ((13, 14), DIVIDES_AT, {13: 1, 14: 1}),  # before there was anything to see
        ((1, 14), DIVIDES_AT, {14: 1}),
        ((13, 14), DIVIDES_AT + 1, {13: 1, 14: 1}),  # while it was not decided
    ],
)
def test_painted_daughters_keep_their_ids(movie, options, names, at, parents):
    frames, labels = movie
    found = nx.propagate(frames, {0: labels[0], at: painted(labels[at], names)}, **options)
    assert found.lineage.parents == parents
    keeps = 1 in names
    daughters = {13, 14} if not keeps else {1, 14}
    for t, image in enumerate(found.labels):
        assert set(np.unique(image)) == ({0, 1, 2} if t < DIVIDES_AT else {0, 2, *daughters}), t
        for i, true in zip(names, (3, 4), strict=True):
            if i and t >= DIVIDES_AT:
                both, either = (image == i) & (labels[t] == true), (image == i) | (labels[t] == true)
                assert both.sum() > 0.6 * either.sum(), (t, i)
    assert found.lineage.first_frame[14] == DIVIDES_AT
    (division,) = found.lineage.divisions
    assert division.mother == 1 and division.confidence >= (0.6 if keeps and at == DIVIDES_AT else 0.9)


def test_both_painted_with_the_mothers_id_are_one_until_then(options):
    frames, labels = dividing_movie(apart(7, DIVIDES_AT))
    found = nx.propagate(frames, {0: labels[0], 4: painted(labels[4], (1, 1))}, **options)
    assert found.lineage.first_frame[3] == 5 and found.lineage.parents == {3: 1, 4: 1}


@pytest.mark.parametrize("names", [(13, 14), (1, 14)])
def test_both_ways_and_backward_from_several_seeds(movie, options, names):
    frames, labels = movie
    seeds = {0: labels[0], 5: painted(labels[5], names)}
    for direction in ("both", "backward"):
        found = nx.propagate(frames, seeds, direction=direction, **options)
        assert found.lineage.parents == dict.fromkeys({*names} - {1}, 1), direction
        for t, image in enumerate(found.labels):
            assert set(np.unique(image)) == ({0, 1, 2} if t < DIVIDES_AT else {0, 2, *names}), (direction, t)
