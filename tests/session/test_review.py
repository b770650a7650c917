from __future__ import annotations

import numpy as np
import pytest

from napari_xmem.engine import Scores
from napari_xmem.session import Review


def scores(confidence, area=None, frames=None):
    confidence = np.array(confidence, np.float32)
    area = np.where(np.nan_to_num(confidence) > 0, 100, 0) if area is None else np.array(area)
    frames = np.arange(len(confidence)) if frames is None else np.array(frames)
    return Scores(frames, np.arange(1, confidence.shape[1] + 1), confidence, area)


def test_worst_objects_are_named_with_reasons():
    review = Review(
        scores([[1, 1, np.nan], [0.9, 0.8, 0.3], [0.9, 0.4, 0]], [[100, 100, 0], [100, 100, 90], [100, 30, 0]])
    )
    worst = review.worst_objects(2)
    assert [w.object_id for w in worst] == [3, 2, 1]
    assert worst[0].reason == "not found since frame 2"
    assert worst[1].reason == "area shrank from 100 to 30 pixels"
    assert worst[2].reason == "confidence 0.90"
    assert [w.object_id for w in review.worst_objects(0)] == [1, 2]
    assert review.worst_objects(99) == ()


def test_next_frames_are_doubtful_and_spread():
    confidence = np.full((100, 4), 0.95, np.float32)
    confidence[40:44] = 0.3
    confidence[80] = 0.5
    confidence[10] = 0.6
    chosen = [item.frame for item in Review(scores(confidence), [0]).frames_to_check(3)]
    assert chosen[0] in range(40, 44)
    assert 80 in chosen
    assert len([t for t in chosen if 40 <= t < 44]) == 1


def test_checked_frames_are_not_proposed_again():
    confidence = np.full((20, 2), 0.9, np.float32)
    confidence[7] = 0.1
    assert Review(scores(confidence), [0]).frames_to_check(1)[0].frame == 7
    assert Review(scores(confidence), [0, 7]).frames_to_check(1)[0].frame != 7


def test_an_object_lost_long_ago_does_not_drown_the_rest():
    confidence = np.full((60, 1), 0.9, np.float32)
    confidence[20:] = 0
    review = Review(scores(confidence), [0])
    assert review.frames_to_check(1)[0].frame in (20, 21)
    assert review.doubt()[50] < 0.01


def test_an_object_that_is_rightly_gone_costs_no_confidence():
    confidence = np.full((12, 4), 0.9, np.float32)
    for column, since in enumerate((4, 5, 6)):
        confidence[since:, column] = 0
    asked = []

    def absent():
        asked.append(1)
        return {1: ((4, 12),), 2: ((5, 8),), 77: ((0, 12),)}

    review = Review(scores(confidence), [0], absent=absent)
    low = review.confidence_band()[0]
    np.testing.assert_allclose(low[:6], 0.9)
    assert low[6] == 0 and low[7] == 0.5, "3 was lost on frame 6"
    assert low[8] == 0, "2 is missing again after its span"
    assert [w.reason for w in review.worst_objects(4, 4)][-1] == "gone since frame 4"
    vouched = Review(scores(confidence), [0, 7], absent=absent)
    assert vouched.confidence_band()[0][6] == 0, "what was not looked at stays a question"
    np.testing.assert_allclose(vouched.confidence_band()[0][7:], 0.9)
    confidence[9, 2] = 0.8
    again = Review(scores(confidence), [0, 7], absent=absent).confidence_band()[0]
    assert again[10] == 0, "one that came back can be lost again"
    asked.clear()
    Review(scores(confidence[:4]), [0], absent=absent)
    assert not asked, "nothing is lost, nothing is read"


def test_frames_whose_objects_changed_their_size_are_newer():
    area = np.full((30, 3), 100)
    area[15:] = 210
    review = Review(scores(np.full((30, 3), 0.8), area), [0])
    novelty = review.novelty([0])
    assert novelty[0] == pytest.approx(0, abs=1e-6)
    assert novelty[15] > 0.99 > novelty[14]
    assert (np.diff(novelty[:15]) > 0).all()


def test_nothing_to_check_without_doubt_scores_or_objects():
    assert Review(scores(np.ones((5, 2)))).frames_to_check() == ()
    assert Review(scores(np.full((5, 2), np.nan))).frames_to_check() == ()
    assert Review(scores(np.zeros((0, 0)))).frames_to_check() == ()
    assert Review(scores(np.zeros((3, 0)))).frames_to_check() == ()


def test_confidence_band():
    low, tenth, median = Review(scores([[0.2, 0.6, 1.0], [np.nan] * 3])).confidence_band()
    assert low[0] == pytest.approx(0.2)
    assert tenth[0] == pytest.approx(0.28)
    assert median[0] == pytest.approx(0.6)
    assert np.isnan([low[1], tenth[1], median[1]]).all()
