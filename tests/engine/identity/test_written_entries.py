"""The way back out of memory: what led to a loss is forgotten, seeds outlive it."""

from __future__ import annotations

import torch

from napari_xmem.config import MemoryConfig
from napari_xmem.engine.identity.written_entries import WrittenEntry, contradicted
from napari_xmem.memory import MemoryBank


def entries(*pairs: tuple[float, float]) -> list[WrittenEntry]:
    return [WrittenEntry(time, odds, area) for time, (odds, area) in enumerate(pairs)]


def test_only_the_poor_end_is_contradicted() -> None:
    good = [(0.9, 100.0)] * 6
    assert contradicted(entries(*good)) == set()
    assert contradicted(entries(*good, (0.7, 100.0), (0.9, 150.0))) == {6, 7}
    assert contradicted(entries((0.3, 100.0), *good)) == set()  # long past, and outlived
    assert contradicted(entries(*good, (0.7, 100.0), (0.9, 110.0))) == set()
    assert contradicted(entries((0.9, 100.0), (0.2, 10.0), (0.2, 10.0))) == set()  # nothing says what is usual


def test_a_bank_forgets_frames_but_neither_seeds_nor_all_it_knows() -> None:
    bank = MemoryBank(MemoryConfig(), key_dim=2, value_dim=3)
    for frame in range(4):
        ones = torch.ones(2, 5)
        bank.add(frame, frame * ones, torch.ones(5), ones, torch.ones(1, 3, 5), (1,), permanent=frame == 0)
    assert bank.take_out([0, 2, 3, 77], "lost after it") == 10
    assert {(row.frame, row.store) for row in bank.rows()} == {(0, "permanent"), (1, "working")}
    events = bank.snapshot(4).events
    assert (events[-1].kind, events[-1].removed, events[-1].reason) == ("forgotten", 10, "lost after it")
    plain = MemoryBank(MemoryConfig.paper(), key_dim=2, value_dim=3)
    plain.add(0, torch.ones(2, 5), torch.ones(5), torch.ones(2, 5), torch.ones(1, 3, 5), (1,))
    assert plain.take_out([0], "lost after it") == 0
    assert plain.sizes.total == 5
