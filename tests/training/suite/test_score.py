"""Scores on hand-made labellings."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_xmem_training.suite.movie import SuiteMovie
from napari_xmem_training.suite.score import column_frames, interval, score_movie
from napari_xmem_training.suite.table import KindScore, SuiteReport, markdown_table


def squares(frames=20, gone=()):
    """Three squares that stand still; object 2 is gone on some frames."""
    truth = np.zeros((frames, 40, 60), np.uint16)
    for label, x in ((1, 2), (2, 22), (3, 42)):
        truth[:, 10:20, x : x + 10] = label
    for t in gone:
        truth[t][truth[t] == 2] = 0
    return SuiteMovie("squares", "squares-1", np.zeros((frames, 40, 60), np.uint8), truth, (1, 2, 3))


def test_columns_of_shorter_movies():
    assert column_frames(20) == {1: 1, 5: 5, 10: 10, 19: 19}
    assert column_frames(25) == {1: 1, 5: 5, 10: 10, 19: 19}
    assert column_frames(10) == {1: 1, 5: 5, 10: 9}
    assert column_frames(11) == {1: 1, 5: 5, 10: 10}
    assert column_frames(2) == {1: 1}


def test_the_truth_scores_one():
    movie = squares(gone=(5, 6))
    score = score_movie(movie, movie.truth, "truth", 1.0)
    assert [c.mean for c in score.columns.values()] == [1.0] * 4
    assert len(score.columns[5].jaccard) == 2, "an object that is gone is not scored there"
    assert score.ghosts == 0.0


def test_swaps_losses_and_ghosts():
    movie = squares(gone=(5, 6))
    labels = np.repeat(movie.seeds[None], 20, 0).copy()
    labels[19][movie.seeds == 1] = 3
    labels[19][movie.seeds == 3] = 0
    score = score_movie(movie, labels, "bad", 1.0)
    last = score.columns[19]
    assert (last.swaps, last.losses) == (1, 1)
    assert last.identity == pytest.approx(1 / 3)
    assert score.ghosts == 1.0


def test_untrusted_truth_is_left_out():
    movie = squares()
    movie = SuiteMovie("k", "k-1", movie.frames, movie.truth, (1, 2), {19: frozenset({1})})
    score = score_movie(movie, movie.truth, "truth", 1.0)
    assert len(score.columns[19].jaccard) == 1
    assert len(score.columns[10].jaccard) == 2
    assert np.isnan(score.ghosts)


def test_the_interval_holds_the_mean_and_narrows_with_more_objects():
    rng = np.random.default_rng(0)
    few = [rng.uniform(0.4, 1.0, 8).tolist()]
    many = [rng.uniform(0.4, 1.0, 800).tolist()]
    for groups in (few, many):
        low, high = interval(groups)
        assert low < np.mean(groups[0]) < high
    assert np.diff(interval(many)) < np.diff(interval(few)) / 3
    assert interval([[0.5, 0.5], [0.5]]) == (0.5, 0.5)
    assert np.isnan(interval([])).all()
    assert interval(few) == interval(few)


def test_movies_of_a_kind_weigh_the_same_and_the_report_can_be_read_back(tmp_path):
    good, bad = squares(), squares()
    bad = SuiteMovie("squares", "squares-2", bad.frames, bad.truth, (1, 2, 3))
    scores = [
        score_movie(good, good.truth, "model", 2.0),
        score_movie(bad, np.zeros_like(bad.truth), "model", 3.0),
        score_movie(good, good.truth, "copy", 0.1),
        score_movie(bad, bad.truth, "copy", 0.1),
    ]
    report = SuiteReport(tuple(scores), {"squares-1": 1, "squares-2": 2}, {"model": "none"})
    by_method = {k.method: k for k in report.kinds}
    assert by_method["model"].jaccard[19] == pytest.approx(0.5)
    assert by_method["model"].losses == 3
    assert by_method["model"].seconds == 5.0
    assert report.means() == {"model": (0.5, 0.5), "copy": (1.0, 1.0)}
    text = str(report)
    assert text.count("squares") == 1
    assert "copy" in text
    assert report.markdown().splitlines()[2].startswith("| squares | 6 | 0.50 |")
    report.write(tmp_path / "deep" / "suite.json")
    read = json.loads((tmp_path / "deep" / "suite.json").read_text())
    assert read["means"]["model"] == [0.5, 0.5]
    assert read["kinds"][0]["ghosts"] is None
    assert markdown_table([KindScore.from_dict(k) for k in read["kinds"]]) == report.markdown()
