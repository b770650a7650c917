"""The confidence that is shown: monotone, exact where it was right already, and decided by nobody."""

from __future__ import annotations

import numpy as np

from engine.simple_movies import disc_movie, tiny_network
from napari_xmem.config import PropagationConfig
from napari_xmem.engine import iter_propagate, prepare_run
from napari_xmem.engine.identity.calibration import calibrated
from napari_xmem.engine.run_passes import open_scope


def test_on_paper():
    said = np.linspace(0, 1, 4001, dtype=np.float32)
    shown = calibrated(said)
    assert shown.dtype == np.float32
    assert np.array_equal(shown[said <= 0.9], said[said <= 0.9])
    assert (np.diff(shown) > 0).all() and shown[-1] == 1.0
    np.testing.assert_allclose(calibrated(np.float32([0.9125, 0.925, 0.9625])), [0.93, 0.96, 0.98], atol=1e-6)
    assert np.isnan(calibrated(np.float32([np.nan]))).all()


def test_results_show_what_the_scope_says_calibrated():
    """The last frame is seeded again, where all are sure."""
    frames, labels = disc_movie(3, 4, (64, 64))
    seeds, network = {0: labels[0], 3: labels[3]}, tiny_network()
    scope = open_scope(prepare_run(frames, seeds, network, PropagationConfig(scope="local", device="cpu")))
    said = [scope.advance(frames[t], t, seeds.get(t)).confidence for t in range(4)]
    results = list(iter_propagate(frames, seeds, model=network, scope="local", device="cpu"))
    for result, sure in zip(results, said, strict=True):
        np.testing.assert_array_equal(result.confidence, 1.0 if result.seeded else calibrated(sure))
