"""Other ways of tracking, on movies whose answer is known."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from lineage_scenes import PARENTS, family
from napari_xmem.errors import InputError
from napari_xmem.tracking import Lineage
from napari_xmem_training.suite.tracking_baselines import laptrack_links, split_naively

metrics = pytest.importorskip("napari_xmem.tracking.metrics")


def scored(pred, labels, parents):
    pytest.importorskip("traccuracy")
    pytest.importorskip("ctc_metrics")
    return metrics.score_tracking(*pred, labels, Lineage.from_labels(labels, parents))


def test_laptrack_finds_the_tracks_of_given_masks():
    pytest.importorskip("laptrack")
    labels = family()
    mixed = labels.copy()
    for t in range(8):  # ids of the masks say nothing
        ids = np.unique(labels[t])[1:]
        mixed[t] = np.where(labels[t] > 0, np.append(0, np.random.default_rng(t).permutation(ids.size) + 1)[
            np.searchsorted(np.append(0, ids), labels[t])
        ], 0)  # fmt: skip
    frames, lineage = laptrack_links(mixed, cutoff_px=12.0)
    pred = np.stack(list(frames))
    assert np.array_equal(pred > 0, labels > 0)
    scores = scored((pred, lineage), labels, PARENTS)
    assert scores.tra == scores.divisions[0].f1 == scores.mean_jaccard == 1


def test_laptrack_on_real_masks(shared_dir):
    pytest.importorskip("laptrack")
    with np.load(shared_dir / "data" / "dev_ecoli_divisions.npz") as archive:
        labels = archive["labels"][:20]
        parents = {int(c): int(m) for c, m, _ in archive["lineage"] if {int(c), int(m)} <= set(np.unique(labels))}
    frames, lineage = laptrack_links(labels, cutoff_px=40.0)
    scores = scored((np.stack(list(frames)), lineage), labels, parents)
    assert scores.det == 1 and scores.links_kept > 0.8


def test_without_laptrack(monkeypatch):
    monkeypatch.setitem(sys.modules, "laptrack", None)
    with pytest.raises(InputError, match="baselines"):
        laptrack_links(family(), 10.0)


def test_naive_splitting():
    labels = family()
    merged = labels.copy()
    for daughter in (2, 3, 5, 6):
        merged[labels == daughter] = 1
    merged[6:][merged[6:] == 1] = 0
    merged = merged[:6]
    pred, lineage = split_naively(merged)
    assert lineage.divisions[0].mother == 1 and lineage.divisions[0].frame == 3
    truth = labels[:6]
    scores = scored((pred, lineage), truth, {2: 1, 3: 1})
    assert scores.tra == scores.divisions[0].f1 == 1
    # Two parts on one frame only are no division.
    flash = np.where(family() == 4, 4, 0).astype(np.uint16)
    flash[2, 20:26, 0:4] = 4
    assert not split_naively(flash)[1].divisions


def test_naive_daughters_that_touch_again_stay_two():
    labels = np.zeros((6, 20, 40), np.uint8)
    labels[0, 5:15, 10:30] = 1
    labels[1:3, 5:15, 10:18] = labels[1:3, 5:15, 22:30] = 1
    labels[3:, 5:15, 10:30] = 1
    pred, lineage = split_naively(labels)
    left, right = lineage.daughters[1]
    for t in range(1, 6):
        assert {int(i) for i in np.unique(pred[t]) if i} == {left, right}
        assert (pred[t] == left).sum() == pytest.approx((labels[t] > 0).sum() / 2, rel=0.15)
