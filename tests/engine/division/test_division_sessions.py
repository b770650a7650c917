"""Divisions in a session: its result holds the lineage, and daughters found again keep their ids."""

from __future__ import annotations

import numpy as np

import napari_xmem as nx
from engine.division.dividing_movies import apart, dividing_movie
from napari_xmem.config import PropagationConfig
from napari_xmem.session import Agreement, TrackingSession


def test_daughters_that_a_correction_finds_again_keep_their_ids():
    frames, labels = dividing_movie(apart(6, 3))
    config = PropagationConfig(device="cpu", scope="local")
    session = TrackingSession(frames, {0: labels[0]}, model=nx.load_model("bundled", device="cpu"), config=config)
    first = session.run()
    assert first.lineage.parents == {3: 1, 4: 1}
    clipped = np.where((labels[1] == 1) & (np.arange(labels.shape[1])[:, None] < 48), 0, labels[1])
    session.correct({1: clipped}, agreement=Agreement(frames=0))
    again = session.result()
    daughters = set(again.lineage.parents)
    assert daughters == {3, 4}
    assert set(again.lineage.parents.values()) == {1}
    assert all(set(event.daughters) == daughters for event in again.events)
