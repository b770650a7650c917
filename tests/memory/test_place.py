"""Places as key channels: the similarity gains exactly a Gaussian prior on distance."""

from __future__ import annotations

import pytest
import torch

from napari_xmem.memory import add_position
from napari_xmem.memory.affinity import augment_memory, augment_query, similarity


@pytest.mark.parametrize("reach_px", [5.0, 36.0])
def test_similarity_gains_the_prior(reach_px: float) -> None:
    torch.manual_seed(0)
    key, query, selection = torch.randn(6, 9), torch.randn(6, 7), torch.rand(6, 7)
    shrinkage = 1 + torch.rand(1, 9)
    here, there = 40 * torch.rand(9, 2), 40 * torch.rand(7, 2)
    plain = similarity(augment_memory(key, shrinkage), augment_query(query, selection))
    memory_key, _ = add_position(key, key, here, reach_px)
    query_key, query_selection = add_position(query, selection, there, reach_px)
    placed = similarity(augment_memory(memory_key, shrinkage), augment_query(query_key, query_selection))
    distance = ((there[:, None] - here[None]) ** 2).sum(2)
    torch.testing.assert_close(placed, plain - shrinkage * distance / (2 * reach_px**2), atol=1e-4, rtol=1e-4)
