"""The picture of a run."""

from __future__ import annotations

import numpy as np
from PIL import Image

from napari_xmem_training.plots import draw_history


def test_curves_are_drawn(tmp_path):
    history = [{"step": s, "loss": 1.0 / s, "dice": 0.5 / s} for s in range(10, 400, 10)]
    history[-1] |= {"val": 0.7}
    with_curves = np.asarray(Image.open(draw_history(history, tmp_path / "a" / "loss.png")))
    without = np.asarray(Image.open(draw_history([], tmp_path / "empty.png")))
    assert with_curves.shape == without.shape
    assert (with_curves != without).any(-1).sum() > 500


def test_a_single_row_is_enough(tmp_path):
    assert draw_history([{"step": 10, "loss": 1.0}], tmp_path / "loss.png").is_file()
