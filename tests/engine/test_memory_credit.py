"""The engine tells memory how its answers turned out."""

from __future__ import annotations

import pytest
import torch

from engine.simple_movies import disc_movie, tiny_network
from napari_xmem import MemoryConfig
from napari_xmem.engine import iter_propagate
from napari_xmem.engine.scopes.memory_credit import frame_confidence, own_pixels, region_confidence
from napari_xmem.memory import MemoryBank


def test_confidence_of_a_region_on_paper():
    """Cells of 2 x 2: sure object, sure background, half decided, overruled by a neighbour."""
    final = torch.tensor([[1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0], [0.75, 0.25, 0.1, 0.1], [0.75, 0.25, 0.0, 0.0]])
    own = final.clone()
    own[2:, 2:] = 0.9
    assert region_confidence(own, final, 2).tolist() == [1.0, 1.0, 0.5, 0.0]


def test_own_pixels_on_paper():
    """Cells of 2 x 2: all of it, a half, nothing, a quarter; together 1."""
    final = torch.tensor([[0.9, 0.9, 0.6, 0.4], [0.9, 0.9, 0.6, 0.4], [0.5, 0.1, 0.7, 0.0], [0.0, 0.0, 0.0, 0.0]])
    assert own_pixels(final, 2).tolist() == pytest.approx([4 / 7, 2 / 7, 0.0, 1 / 7])
    assert own_pixels(torch.zeros(4, 4), 2).tolist() == [0.0] * 4


def test_confidence_of_a_frame_on_paper():
    """The lead of the winner over the second: 0.6 - 0.3 in the first cell, a draw in the second."""
    probability = torch.tensor([[[0.6, 0.5]], [[0.3, 0.5]], [[0.1, 0.0]]])
    assert frame_confidence(probability, 1).tolist() == [pytest.approx(0.3), 0.0]


@pytest.mark.parametrize("scope", ["local", "global"])
@pytest.mark.parametrize(
    ("memory", "told"),
    [(MemoryConfig(), False), (MemoryConfig(eviction="contribution"), True)],
)
def test_memory_is_told_only_where_it_wants_to_know(monkeypatch, scope, memory, told):
    given = []
    feedback = MemoryBank.feedback

    def listen(bank, confidence):
        given.append(confidence)
        feedback(bank, confidence)

    monkeypatch.setattr(MemoryBank, "feedback", listen)
    frames, labels = disc_movie(3, 4, (64, 64))
    done = list(iter_propagate(frames, labels[0], model=tiny_network(), memory=memory, scope=scope, device="cpu"))
    assert len(done) == 4
    assert len(given) == told * (3 * 3 if scope == "local" else 3)
    assert all(((c >= 0) & (c <= 1)).all() for c in given)
