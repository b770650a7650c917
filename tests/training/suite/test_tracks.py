"""Tracks and divisions of the suite, on a family whose tracks are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lineage_scenes import PARENTS, family
from napari_xmem.config import MemoryConfig
from napari_xmem.model import XMem
from napari_xmem_training.recipes import get_recipe
from napari_xmem_training.suite.movie import SuiteMovie
from napari_xmem_training.suite.table import SuiteReport
from napari_xmem_training.suite.tracks import score_tracks

for library in ("laptrack", "traccuracy", "ctc_metrics"):
    pytest.importorskip(library)


def test_methods_stand_beside_each_other():
    torch.manual_seed(0)
    network = XMem(get_recipe("tiny").model).eval()
    cells = family().astype(np.uint16)
    founders = cells.copy()
    for daughter, mother in sorted(PARENTS.items(), reverse=True):
        founders[founders == daughter] = mother
    frames = (cells > 0).astype(np.uint8) * 200
    scored = tuple(int(i) for i in np.unique(founders[0])[1:])
    movie = SuiteMovie("family", "family-0", frames, founders, scored, track_truth=(cells, PARENTS))
    rows = score_tracks(movie, network, MemoryConfig(), "local")
    assert [row.method for row in rows] == ["model", "split", "laptrack", "given"]
    given = rows[-1].scores
    # The masks are the true ones; what is lost is what linking by distance cannot know.
    assert given.mean_jaccard == given.det == given.seg == 1 and given.tra > 0.95
    found = given.divisions[1]
    assert found.false_positives == 0 and found.true_positives >= 1
    n_mothers = len(set(PARENTS.values()))
    assert all(row.scores.n_true_divisions == n_mothers for row in rows)
    assert all(row.scores.mean_jaccard < 1 for row in rows[:-1])  # the network has learnt nothing
    report = SuiteReport((), {}, {}, tuple(rows))
    last = str(report).splitlines()[-1].split()
    assert last[:2] == ["family", "given"] and last[4] == "1.00"
    assert last[-3:] == [str(found.true_positives), "0", str(n_mothers)]
    assert [row["method"] for row in report.to_dict()["tracks"]] == [row.method for row in rows]
    assert (
        score_tracks(SuiteMovie("still", "still-0", frames, founders, scored), network, MemoryConfig(), "local") == []
    )
