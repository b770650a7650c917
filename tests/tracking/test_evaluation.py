from __future__ import annotations

import json
import math

import numpy as np
import pytest

from napari_xmem.errors import InputError, XMemError
from napari_xmem.tracking import evaluate
from napari_xmem.tracking.label_scores import usual_frames


def movie(*frames):
    """Make one row of pixels per frame from text: '1122..' is objects 1 and 2 and background."""
    return np.array([[[0 if c == "." else int(c) for c in frame]] for frame in frames])


def test_perfect():
    truth = movie("11..22", ".11.22", "..1122")
    table = evaluate(truth, truth, frames=None)
    assert table.mean_jaccard == 1 and table.identity == 1
    assert [row.frame for row in table.rows] == [1, 2]
    assert table.per_object() == {1: 1.0, 2: 1.0}


def test_hand_made_scores():
    truth = movie("1111.2222.33", "1111.2222.33", "1111.2222...")
    pred = movie("1111.2222.33", "111..1222...", "2222.1111..3")
    first, second = evaluate(pred, truth, frames=(1, 2)).rows
    assert first.jaccard == (3 / 5, 3 / 4, 0)
    assert first.identity == pytest.approx(2 / 3)
    assert (first.swaps, first.losses) == (0, 1)
    assert second.object_ids == (1, 2)
    assert second.jaccard == (0, 0)
    assert (second.swaps, second.losses) == (2, 0)


def test_a_part_taken_by_another_is_a_swap_only_when_it_is_the_larger_one():
    truth = movie("1111112", "1111112")
    assert evaluate(movie("1111112", "1111222"), truth).rows[0].swaps == 0
    assert evaluate(movie("1111112", "1122222"), truth).rows[0].swaps == 1


def test_objects_that_come_later_are_not_scored():
    truth = movie("11....", "11.333")
    assert evaluate(movie("11....", "11...."), truth).mean_jaccard == 1


def test_division():
    truth = movie("111111", "222333")
    pred = movie("111111", "111111")
    (row,) = evaluate(pred, truth).rows
    assert row.object_ids == () and math.isnan(row.mean_jaccard)
    assert evaluate(pred, truth, lineage={2: 1, 3: 1}).mean_jaccard == 1
    assert evaluate(pred, truth, lineage={2: 4, 3: 4, 4: 1}).mean_jaccard == 1
    with pytest.raises(InputError, match="circle"):
        evaluate(pred, truth, lineage={2: 3, 3: 2})


def test_frames_outside_and_other_seed_frames():
    truth = movie("1.", "1.", ".1")
    assert [row.frame for row in evaluate(truth, truth, frames=(1, 5, 19)).rows] == [1]
    assert [row.frame for row in evaluate(truth, truth, frames=None, seed_frame=2).rows] == [0, 1]
    assert evaluate(truth[:2], truth[:2], seed_frame=1).frames == (0,)


@pytest.mark.parametrize(
    ("n_frames", "expected"),
    [
        (2, (1,)), (5, (1, 4)), (6, (1, 5)), (7, (1, 5, 6)), (11, (1, 5, 9, 10)), (15, (1, 5, 9, 10, 14)),
        (20, (1, 5, 9, 10, 19)), (500, (1, 5, 9, 10, 19)),
    ],
)  # fmt: skip
def test_usual_frames_end_with_the_last_of_a_short_movie(n_frames, expected):
    assert usual_frames(n_frames) == expected
    truth = np.ones((n_frames, 2, 2), int)
    assert evaluate(truth, truth, "usual").frames == expected
    assert evaluate(truth, truth).frames == tuple(range(1, len(truth)))


def test_figures_as_plain_values():
    truth = movie("1111.2222.33", "1111.2222.33", "............")
    pred = movie("1111.2222.33", "111..1222...", "2222.1111..3")
    found = json.loads(json.dumps(evaluate(pred, truth).to_dict(), allow_nan=False))
    assert found["scored_frames"] == [1, 2] and found["seed_frame"] == 0
    assert found["frames"][0]["jaccard"] == {"1": 3 / 5, "2": 3 / 4, "3": 0}
    assert found["mean_jaccard"] == found["frames"][0]["mean_jaccard"] == pytest.approx(0.45)
    assert found["frames"][1]["mean_jaccard"] is None and found["frames"][1]["identity"] is None
    assert (found["swaps"], found["losses"]) == (0, 1)


def test_the_printed_table():
    truth = movie("1111.2222.33", "1111.2222.33")
    text = str(evaluate(movie("1111.2222.33", "111..1222..."), truth))
    assert text.splitlines()[0].split() == ["frame", "objects", "J", "id", "swaps", "losses"]
    assert text.splitlines()[1].split() == ["1", "3", "0.450", "0.667", "0", "1"]
    assert text.splitlines()[-1].split() == ["mean", "0.450", "0.667", "0", "1"]


@pytest.mark.parametrize(
    ("pred", "truth", "options", "message"),
    [
        (np.zeros((3, 4, 4), int), np.zeros((3, 4, 5), int), {}, "of one shape"),
        (np.zeros((3, 4, 4), int), np.zeros((3, 4, 4), int), {}, "no objects on seed frame 0"),
        (np.ones((3, 4, 4), int), np.ones((3, 4, 4), int), {"frames": (7,)}, "can be scored"),
        (
            np.ones((3, 4, 4), int),
            np.ones((3, 4, 4), int),
            {"frames": "some"},
            "'some', expected several whole",
        ),
        (np.ones((3, 4, 4), int), np.ones((3, 4, 4), int), {"seed_frame": 3}, "seed frame 3"),
        (np.ones((3, 4, 4)), np.ones((3, 4, 4), int), {}, "float64"),
    ],
)
def test_bad_input(pred, truth, options, message):
    with pytest.raises(XMemError, match=message):
        evaluate(pred, truth, **options)


def test_labels_below_zero_and_masked_ones_are_refused():
    truth = movie("11....", "11....")
    with pytest.raises(InputError, match="labels of frame 1 hold -1"):
        evaluate(-truth.astype(int), truth)
    with pytest.raises(InputError, match="frame 1: some pixels are masked"):
        evaluate(np.ma.masked_equal(truth, 1), truth)
