from __future__ import annotations

import os
from types import SimpleNamespace

import numpy as np
import pytest

from napari_xmem.errors import OutputError
from napari_xmem.io.scores import ScoreWriter


def result(frame, ids, areas, confidence, seeded=False):
    return SimpleNamespace(
        frame=frame, object_ids=ids, area_px=np.array(areas), confidence=np.array(confidence, np.float32), seeded=seeded
    )


def test_rows_are_in_order_of_frames(tmp_path):
    with ScoreWriter(tmp_path / "scores.csv") as writer:
        writer.write(result(2, (7, 1), (30, 0), (0.5, 0.0)))
        writer.write(result(0, (7,), (25,), (1.0,), seeded=True))
    lines = (tmp_path / "scores.csv").read_text().splitlines()
    assert lines == [
        "frame,object,area_px,confidence,seeded",
        "0,7,25,1.0000,1",
        "2,1,0,0.0000,0",
        "2,7,30,0.5000,0",
    ]


def test_an_error_leaves_nothing(tmp_path):
    with pytest.raises(KeyError), ScoreWriter(tmp_path / "scores.csv"):
        raise KeyError
    assert os.listdir(tmp_path) == []


def test_existing_file_is_refused(tmp_path):
    (tmp_path / "scores.csv").write_text("mine")
    with pytest.raises(OutputError, match="--overwrite"):
        ScoreWriter(tmp_path / "scores.csv")
    with pytest.raises(OutputError, match=r"ends in \.csv"):
        ScoreWriter(tmp_path / "scores.xls")
