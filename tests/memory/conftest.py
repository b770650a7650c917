"""Hand-made memories."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from napari_xmem.config import MemoryConfig
from napari_xmem.memory import MemoryBank

MakeBank = Callable[..., MemoryBank]
AddFrame = Callable[..., None]


@pytest.fixture
def make_bank() -> MakeBank:
    """Bank with keys and values of one channel, so that S = -s (k - q)^2 and answers can be worked out on paper.

    Permanent elements get no prior unless `permanent_log_prior` is among the changes.
    """

    def make(config: MemoryConfig | None = None, key_dim: int = 1, value_dim: int = 1, **changes: Any) -> MemoryBank:
        plain = {"permanent_log_prior": 0.0, **changes}
        return MemoryBank((config or MemoryConfig()).replace(**plain), key_dim=key_dim, value_dim=value_dim)

    return make


@pytest.fixture
def add_frame() -> AddFrame:
    """Add a frame of a one-channel bank: keys (n), values {id: (n)}; shrinkage and selection are 1."""

    def add(bank: MemoryBank, frame: int, keys: list[float], values: dict[int, list[float]], **options: Any) -> None:
        key = torch.tensor([keys])
        value = torch.tensor([[v] for v in values.values()])
        bank.add(frame, key, torch.ones(len(keys)), torch.ones_like(key), value, list(values), **options)

    return add


@pytest.fixture
def ask() -> Callable[..., Tensor]:
    """Read a one-channel bank: queries (q) to (N, q)."""

    def read(bank: MemoryBank, queries: list[float], **options: Any) -> Tensor:
        key = torch.tensor([queries])
        return bank.read(key, torch.ones_like(key), **options)[:, 0]

    return read
