"""Banks that memorise a frame together hold exactly what they hold when each memorises it by itself."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import pytest
import torch

from napari_xmem.config import MemoryConfig
from napari_xmem.memory import MemoryBank, merge_snapshots
from napari_xmem.memory.few_calls import as_on_accelerator
from napari_xmem.memory.store import ElementTable, PackedKeys
from napari_xmem.memory.together import snapshot_together
from napari_xmem.memory.writing import add_together, settle
from napari_xmem_benchmark.operator_calls import Meter

if TYPE_CHECKING:
    from collections.abc import Callable

N, KEY, VALUE, CELLS = 4, 5, 3, 7
CONFIG = MemoryConfig(num_prototypes=6, long_term_max_elements=15)


def same_frame(frame: int, cells: int = CELLS) -> tuple[PackedKeys, torch.Tensor]:
    generator = torch.Generator().manual_seed(frame)
    keys = torch.randn(N, KEY, cells, generator=generator), 1 + torch.rand(N, cells, generator=generator)
    chooser, place = torch.rand(N, KEY, cells, generator=generator), torch.rand(N, cells, 2, generator=generator)
    return PackedKeys.of(*keys, chooser, place), torch.randn(N, VALUE, cells, generator=generator)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"permanent_seeds": False},
        {"long_term": False},
        {"eviction": "usage", "prototype_selection": "novelty"},
        {"eviction": "relevance+freshness"},
        {"eviction": "mix", "potentiation": "importance+consistency", "importance_strength": 1.0},
    ],
)
@pytest.mark.parametrize("as_on", [nullcontext, as_on_accelerator])
def test_the_same_memory_as_one_by_one(changes: dict[str, object], as_on: Callable[[], AbstractContextManager]) -> None:
    """Over consolidations and evictions; one joins late, one is painted again, one holds two objects, and two of four
    have larger regions on some frames, so that no memory is as long as another."""
    config = CONFIG.replace(**changes)
    alone, together = ([MemoryBank(config, key_dim=KEY, value_dim=VALUE) for _ in range(N)] for _ in range(2))
    for bank in (alone[2], together[2]):
        key = torch.ones(KEY, 2)
        bank.add(-1, key, torch.ones(2), key, torch.ones(1, VALUE, 2), (99,))
    for frame in range(16):
        for rows, cells in (([0, 2], CELLS), ([1, 3] if frame > 4 else [1], CELLS + 2 * (frame % 3))):
            keys, values = same_frame(frame, cells)
            painted = [frame == 0 or (frame == 6 and row == 1) for row in rows]
            for row, lasts in zip(rows, painted, strict=True):
                alone[row].add_packed(frame, keys[row], values[row : row + 1], (row,), permanent=lasts)
            banks = [together[row] for row in rows]
            assert sorted(add_together(banks, frame, keys[rows], values[rows], rows, painted)) == list(range(len(rows)))
        with as_on():
            settle(together)
        assert merge_snapshots([bank.snapshot(frame) for bank in alone]) == snapshot_together(together, frame)
        for row, (a, b) in enumerate(zip(alone, together, strict=True)):
            assert a.rows() == b.rows() and a.sizes == b.sizes
            a_table, b_table = a._state.table, b._state.table
            if a_table is None:
                continue
            assert isinstance(a_table, ElementTable) and isinstance(b_table, ElementTable)
            for name in a_table.column_names:
                torch.testing.assert_close(a_table[name], b_table[name], rtol=0, atol=1e-6, equal_nan=True)
            torch.testing.assert_close(a_table.values(row), b_table.values(row), rtol=0, atol=1e-6)
            assert torch.equal(a_table.valid(row), b_table.valid(row)) and a_table.object_ids == b_table.object_ids
    assert all(bank.snapshot(20).totals.consolidations for bank in together) or not config.long_term


@pytest.mark.parametrize("as_on", [nullcontext, as_on_accelerator])
def test_each_may_memorise_as_much_as_it_likes(as_on: Callable[[], AbstractContextManager]) -> None:
    """What fills up those with fewer elements is not memorised, and there is room for the rest as long as they grow."""
    alone, together = ([MemoryBank(CONFIG, key_dim=KEY, value_dim=VALUE) for _ in range(N)] for _ in range(2))
    for frame in range(9):
        keys, values = same_frame(frame)
        sizes = [1 + (frame + 2 * row) % CELLS for row in range(N)]
        for row, (bank, n) in enumerate(zip(alone, sizes, strict=True)):
            bank.add_packed(frame, keys[row, :n], values[row : row + 1, :, :n], (row,), permanent=frame == 0)
        with as_on():
            list(add_together(together, frame, keys, values, range(N), [frame == 0] * N, sizes))
            settle([*alone, *together])
        for a, b in zip(alone, together, strict=True):
            assert a.sizes == b.sizes
            one, other = (bank._state.filled() for bank in (a, b))
            torch.testing.assert_close(other["rows"], one["rows"], equal_nan=True)
            torch.testing.assert_close(other.values(*other.object_ids), one.values(*one.object_ids))


def test_the_calls_do_not_grow_with_the_number_of_objects() -> None:
    """Nor do the memories of objects become another's where all are consolidated at once."""
    counted = {}
    for n in (4, 16):
        banks = [MemoryBank(CONFIG, key_dim=KEY, value_dim=VALUE) for _ in range(n)]
        for frame in range(12):
            keys, values = same_frame(frame)
            many = [row % N for row in range(n)]
            list(add_together(banks, frame, keys[many], values[many], list(range(n)), [frame == 0] * n))
            meter = Meter()
            with as_on_accelerator(), meter:
                settle(banks)
            snapshot_together(banks, frame)
        counted[n] = meter.calls.total()
        tables = [bank._state.filled() for bank in banks]
        assert all(torch.equal(table["rows"], tables[row % N]["rows"]) for row, table in enumerate(tables))
    assert 0 < counted[16] <= counted[4] < 200
