"""What was painted counts exp(permanent_log_prior) times as much as what was predicted."""

from __future__ import annotations

import math

import pytest
import torch

from napari_xmem import MemoryConfig
from napari_xmem.memory import MemoryBank


def two_elements(prior: float) -> MemoryBank:
    """A painted element of value 0 and a predicted one of value 1, equally similar to a query at 0."""
    config = MemoryConfig(permanent_log_prior=prior)
    bank = MemoryBank(config, key_dim=1, value_dim=1)
    for frame, key, value in ((0, 1.0, 0.0), (1, -1.0, 1.0)):
        bank.add(
            frame,
            torch.tensor([[key]]),
            torch.ones(1),
            torch.ones(1, 1),
            torch.full((1, 1, 1), value),
            (1,),
            permanent=frame == 0,
        )
    return bank


@pytest.mark.parametrize("prior", [0.0, 1.0, 2.5])
def test_share_of_the_painted(prior: float) -> None:
    bank = two_elements(prior)
    answer = bank.read(torch.zeros(1, 1), torch.ones(1, 1))
    assert float(answer) == pytest.approx(1 / (1 + math.exp(prior)), abs=1e-6)
    votes = {vote.store: vote.weight for vote in bank.explain(torch.zeros(1, 1), torch.ones(1, 1), 1)}
    assert votes["permanent"] / votes["working"] == pytest.approx(math.exp(prior), rel=1e-5)


def test_paper_has_none() -> None:
    assert MemoryConfig.paper().permanent_log_prior == 0
