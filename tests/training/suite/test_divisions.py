"""Divisions found, against those there are."""

from __future__ import annotations

import numpy as np
import pytest

from napari_xmem_training.suite import suite_movies
from napari_xmem_training.suite.divisions import score_divisions

TRUTH = {1: (5,), 2: (3, 9), 4: (7,)}


def test_the_truth_scores_one() -> None:
    score = score_divisions(TRUTH, [(label, t) for label, frames in TRUTH.items() for t in frames], 0)
    assert (score.precision, score.recall, score.f1, score.frame_error) == (1, 1, 1, 0)
    assert score.true == score.found == score.matched == 4


def test_misses_false_ones_and_late_ones() -> None:
    """Label 1 one frame late, label 2 once on time, label 4 three frames late, label 7 never divides."""
    found = [(1, 6), (2, 3), (4, 10), (7, 2)]
    strict, loose = score_divisions(TRUTH, found, 0), score_divisions(TRUTH, found, 1)
    assert (strict.matched, loose.matched) == (1, 2)
    assert loose.precision == pytest.approx(2 / 4)
    assert loose.recall == pytest.approx(2 / 4)
    assert loose.frame_error == pytest.approx(0.5)
    assert sorted(loose.frame_errors) == [0, 1]


def test_one_found_division_is_not_two() -> None:
    score = score_divisions({2: (3, 4)}, [(2, 4)], 2)
    assert (score.matched, score.frame_errors) == (1, (0,))
    assert score_divisions({2: (4,)}, [(2, 3), (2, 4), (2, 5)], 2).matched == 1


def test_nothing_to_find() -> None:
    score = score_divisions({}, [], 1)
    assert np.isnan([score.precision, score.recall, score.f1, score.frame_error]).all()
    assert score_divisions({}, [(1, 2)], 1).precision == 0


def test_the_suite_knows_when_its_nuclei_divide() -> None:
    """On the frame that a division is said to be on, the label has more pieces than on the frame before, mostly."""
    from scipy import ndimage

    movie = next(iter(suite_movies(None, ["mitosis"])))
    assert len(movie.divisions) >= 6
    assert set(movie.divisions) <= set(movie.scored)
    more = []
    for label, frames in movie.divisions.items():
        for t in frames:
            before, after = (ndimage.label(movie.truth[u] == label)[1] for u in (t - 1, t))
            more.append(after > before)
    assert np.mean(more) > 0.8
