from __future__ import annotations

import shutil
import sys

import numpy as np
import pytest

import napari_xmem as nx
from lineage_scenes import PARENTS, budding, family
from napari_xmem.errors import InputError
from napari_xmem.tracking import Lineage

traccuracy = pytest.importorskip("traccuracy")
ctc_metrics = pytest.importorskip("ctc_metrics")
from napari_xmem.tracking.metrics import check_metrics, score_tracking  # noqa: E402


def tracked(labels, parents):
    return labels, Lineage.from_labels(labels, parents)


def of_the_challenge(folder, pred, truth):
    """Scores of the same tracks, written to folders and read by the library's own program."""
    nx.write_tracks(folder / "01_RES", pred)
    nx.write_tracks(folder / "truth_RES", truth)
    gt = folder / "01_GT"
    (gt / "SEG").mkdir(parents=True)
    (folder / "truth_RES").rename(gt / "TRA")
    for path in sorted((gt / "TRA").glob("*.tif")):
        shutil.copy(path, gt / "SEG" / path.name.replace("mask", "man_seg"))
        path.rename(path.with_name(path.name.replace("mask", "man_track")))
    (gt / "TRA" / "res_track.txt").rename(gt / "TRA" / "man_track.txt")
    return ctc_metrics.evaluate_sequence(str(folder / "01_RES"), str(gt), ["DET", "SEG", "TRA", "LNK"], 1)


def damaged(labels, parents, seed=0):
    """Drop, shrink and mix objects; the ids are others than in the truth."""
    rng = np.random.default_rng(seed)
    wrong = labels.astype(np.int32)
    ids = np.unique(labels)[1:]
    for i in rng.choice(ids, max(1, ids.size // 6), replace=False):
        wrong[len(labels) // 2 :][labels[len(labels) // 2 :] == i] = 0
    wrong[2] = np.where(np.roll(labels[2], 1, 0) == labels[2], wrong[2], 0)
    wrong[wrong > 0] += 1000
    left = set(np.unique(wrong).tolist())
    firsts = Lineage.from_labels(wrong).first_frame
    kept = {
        c + 1000: m + 1000
        for c, m in parents.items()
        if {c + 1000, m + 1000} <= left and firsts[c + 1000] > firsts[m + 1000] and rng.random() < 0.7
    }
    return wrong, Lineage.from_labels(wrong, kept)


@pytest.mark.parametrize("scene", ["family", "budding", "real"])
def test_challenge_scores_are_those_of_the_program(tmp_path, request, scene):
    if scene == "real":
        shared = request.getfixturevalue("shared_dir")
        with np.load(shared / "data" / "dev_ecoli_divisions.npz") as archive:
            labels = archive["labels"][:20, 200:560, 150:520]
            parents = {int(c): int(m) for c, m, _ in archive["lineage"] if {int(c), int(m)} <= set(np.unique(labels))}
    else:
        labels, parents = (family(), PARENTS) if scene == "family" else budding()
    truth = tracked(labels, parents)
    pred = damaged(labels, parents)
    expected = of_the_challenge(tmp_path, pred, truth)
    scores = score_tracking(*pred, *truth)
    for name in ("DET", "SEG", "TRA", "LNK"):
        assert getattr(scores, name.lower()) == pytest.approx(expected[name], abs=1e-12), name
    assert scores.tra < 1


def test_the_truth_scores_one():
    truth = tracked(family(), PARENTS)
    other_ids = tracked(
        np.where(family() > 0, family().astype(np.int32) + 100_000, 0),
        {c + 100_000: m + 100_000 for c, m in PARENTS.items()},
    )
    for pred in (truth, other_ids):
        scores = score_tracking(*pred, *truth)
        assert {scores.det, scores.seg, scores.tra, scores.lnk, scores.links_kept, scores.links_right} == {1.0}
        assert scores.mean_jaccard == 1 and [d.f1 for d in scores.divisions] == [1, 1, 1]
        assert scores.n_divisions == scores.n_true_divisions == 2


def test_divisions_late_by_one_frame():
    labels = family()
    late = labels.copy()
    late[3][(labels[3] == 2) | (labels[3] == 3)] = 1  # both daughters are still one cell, on one frame
    exact, tolerant, _ = score_tracking(*tracked(late, PARENTS), *tracked(labels, PARENTS)).divisions
    assert (exact.true_positives, exact.false_positives, exact.false_negatives) == (1, 1, 1)
    assert (exact.precision, exact.recall, exact.f1) == (0.5, 0.5, 0.5)
    assert (tolerant.true_positives, tolerant.false_positives, tolerant.false_negatives) == (2, 0, 0)
    assert tolerant.f1 == 1


def test_missed_and_made_up_divisions():
    labels = family()
    none = score_tracking(*tracked(labels, {}), *tracked(labels, PARENTS))
    assert none.divisions[0].recall == 0 and none.n_divisions == 0 and none.divisions[0].false_negatives == 2
    assert none.det == 1 and none.lnk < 1 and none.links_kept < 1 and none.links_right == 1
    made_up = score_tracking(*tracked(labels, PARENTS), *tracked(labels, {5: 3, 6: 3}))
    assert made_up.divisions[1].precision == 0.5 and made_up.divisions[1].recall == 1


def test_links_by_hand():
    """Two cells over three frames, four links; one identity is exchanged on the last frame."""
    truth = np.zeros((3, 20, 20), np.uint8)
    truth[:, 2:6, 2:6], truth[:, 12:16, 12:16] = 1, 2
    pred = truth.copy()
    pred[2][truth[2] == 1], pred[2][truth[2] == 2] = 2, 1
    scores = score_tracking(*tracked(pred, {}), *tracked(truth, {}))
    assert scores.links_kept == scores.links_right == 0.5
    # Two links to delete (1 each) and two to add (1.5 each), against four to add.
    assert scores.lnk == pytest.approx(1 - (2 * 1 + 2 * 1.5) / (4 * 1.5))
    assert scores.det == scores.seg == 1


def test_jaccard_of_all_cells_by_hand():
    truth = np.zeros((3, 20, 20), np.uint8)
    truth[:, :4, :4], truth[1:, 10:14, 10:14] = 1, 2
    pred = truth.copy()
    pred[1:, 2:4, :4] = 0  # half of cell 1: J 0.5; cell 2 is missed on frame 2
    pred[2, 10:14, 10:14] = 0
    scores = score_tracking(*tracked(pred, {}), *tracked(truth, {}))
    assert scores.mean_jaccard == pytest.approx(((0.5 + 1) / 2 + (0.5 + 0) / 2) / 2)
    whole = score_tracking(*tracked(pred, {}), *tracked(truth, {}), seed_frame=None)
    assert whole.mean_jaccard == pytest.approx((1 + 0.75 + 0.25) / 3)


def test_nothing_found_and_nothing_there():
    labels = family()
    scores = score_tracking(*tracked(labels * 0, {}), *tracked(labels, PARENTS))
    assert scores.det == scores.tra == scores.mean_jaccard == scores.links_kept == 0
    assert scores.to_dict()["divisions"][0]["precision"] is None and "nan" in str(scores)
    with pytest.raises(InputError, match="the truth holds no objects"):
        score_tracking(*tracked(labels, PARENTS), *tracked(labels * 0, {}))
    with pytest.raises(InputError, match="shape"):
        score_tracking(*tracked(labels[:4], {2: 1, 3: 1}), *tracked(labels, PARENTS))
    with pytest.raises(InputError, match="differ on frame 0: object 1"):
        score_tracking(labels[::-1], Lineage.from_labels(labels), *tracked(labels, PARENTS))


def test_volumes():
    volumes = np.stack([family(), family()], axis=1)
    scores = score_tracking(*tracked(volumes, PARENTS), *tracked(volumes, PARENTS))
    assert scores.tra == scores.mean_jaccard == scores.divisions[0].f1 == 1


def test_without_the_libraries(monkeypatch):
    monkeypatch.setitem(sys.modules, "traccuracy", None)
    with pytest.raises(InputError, match=r"napari-xmem\[metrics\]"):
        check_metrics()
