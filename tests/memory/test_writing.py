"""Banks that memorise a frame together hold exactly what they hold when each memorises it by itself."""

from __future__ import annotations

import pytest
import torch

from napari_xmem.config import MemoryConfig
from napari_xmem.memory import MemoryBank
from napari_xmem.memory.store import ElementTable, PackedKeys
from napari_xmem.memory.writing import add_together

N, KEY, VALUE, CELLS = 4, 5, 3, 7
CONFIG = MemoryConfig(num_prototypes=6, long_term_max_elements=15)


def same_frame(frame: int) -> tuple[PackedKeys, torch.Tensor]:
    generator = torch.Generator().manual_seed(frame)
    keys = torch.randn(N, KEY, CELLS, generator=generator), 1 + torch.rand(N, CELLS, generator=generator)
    chooser, place = torch.rand(N, KEY, CELLS, generator=generator), torch.rand(N, CELLS, 2, generator=generator)
    return PackedKeys.of(*keys, chooser, place), torch.randn(N, VALUE, CELLS, generator=generator)


@pytest.mark.parametrize("changes", [{}, {"permanent_seeds": False}, {"long_term": False}, {"eviction": "usage"}])
def test_the_same_memory_as_one_by_one(changes: dict[str, object]) -> None:
    """Over consolidations and evictions; one joins late, one is painted again, one holds two objects."""
    config = CONFIG.replace(**changes)
    alone, together = ([MemoryBank(config, key_dim=KEY, value_dim=VALUE) for _ in range(N)] for _ in range(2))
    for bank in (alone[2], together[2]):
        key = torch.ones(KEY, 2)
        bank.add(-1, key, torch.ones(2), key, torch.ones(1, VALUE, 2), (99,))
    for frame in range(16):
        keys, values = same_frame(frame)
        rows = list(range(N if frame > 4 else N - 1))
        painted = [frame == 0 or (frame == 6 and row == 1) for row in rows]
        for row in rows:
            alone[row].add_packed(frame, keys[row], values[row : row + 1], (row,), permanent=painted[row])
        banks = [together[row] for row in rows]
        assert sorted(add_together(banks, frame, keys[rows], values[rows], rows, painted)) == rows
        for row in rows:
            a, b = alone[row], together[row]
            assert a.snapshot(frame) == b.snapshot(frame) and a.rows() == b.rows()
            a_table, b_table = a._state.table, b._state.table
            assert isinstance(a_table, ElementTable) and isinstance(b_table, ElementTable)
            for name in a_table.column_names:
                torch.testing.assert_close(a_table[name], b_table[name], rtol=0, atol=0, equal_nan=True)
            assert torch.equal(a_table.values(row), b_table.values(row)) and a_table.object_ids == b_table.object_ids
    assert all(bank.snapshot(20).totals.consolidations for bank in together) or not config.long_term
