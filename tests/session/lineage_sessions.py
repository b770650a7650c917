"""Sessions whose results are known by construction: the family of `lineage_scenes`, as a run would have left it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lineage_scenes import PARENTS, family
from napari_xmem.config import MemoryConfig, PropagationConfig
from napari_xmem.session import TrackingSession
from napari_xmem.tracking import Event, EventKind

CONFIG = PropagationConfig(
    scope="global",
    diameter_px=42.0,
    device="cpu",
    memory=MemoryConfig(memory_interval_frames=1, working_min_frames=1, working_max_frames=3),
)
ODDS = {1: 0.9, 3: 0.6}


def movie_of(labels):
    """A picture of labels: every object has its own grey."""
    noise = np.random.default_rng(0).normal(0, 0.02, labels.shape)
    return (0.1 * (labels % 7) + 0.3 * (labels > 0) + noise).astype(np.float32)


def as_found(session, parents, odds):
    """Let the results say who is whose daughter, as a run does."""
    first = session.lineage.first_frame
    for frame in sorted({first[i] for i in parents}):
        record = session.results.get(frame)
        born = {i: m for i, m in parents.items() if first[i] == frame}
        events = tuple(
            Event(EventKind.DIVISION, frame, (m, *(i for i in born if born[i] == m)), odds.get(m, 1.0))
            for m in sorted(set(born.values()))
        )
        ends = tuple((m, "divided") for m in sorted(set(born.values())))
        scores = replace(record.scores, births=tuple(sorted(born.items())), ends=ends, events=events)
        session.results.put(frame, replace(record, scores=scores))


def family_session(network, labels=None, parents=None, **options):
    """Return a session with the labels of the family and its divisions."""
    labels = family() if labels is None else labels
    session = TrackingSession.of_labels(movie_of(labels), labels, model=network, config=CONFIG, **options)
    as_found(session, PARENTS if parents is None else parents, ODDS)
    return session
