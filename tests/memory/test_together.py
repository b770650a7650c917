"""Banks read together answer, count and learn exactly as when each is read by itself."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch

from napari_xmem.config import MemoryConfig
from napari_xmem.memory import MemoryBank, together
from napari_xmem.memory.few_calls import as_on_accelerator
from napari_xmem.memory.store import ElementTable
from napari_xmem.memory.together import read_together
from napari_xmem_benchmark.operator_calls import Meter

KEY, VALUE, QUERIES = 6, 4, 9
CONFIG = MemoryConfig(num_prototypes=12, long_term_max_elements=40, top_k=5)


def filled_banks(config: MemoryConfig, frames: int, cells: tuple[int, ...]) -> list[MemoryBank]:
    """Return banks of one object each with memories of different length; the second was painted twice."""
    generator = torch.Generator().manual_seed(3)
    banks = [MemoryBank(config, key_dim=KEY, value_dim=VALUE) for _ in cells]
    for frame in range(frames):
        for number, (bank, n) in enumerate(zip(banks, cells, strict=True), start=1):
            key, values = torch.randn(KEY, n, generator=generator), torch.randn(1, VALUE, n, generator=generator)
            shrinkage, selection = 1 + torch.rand(n, generator=generator), torch.rand(KEY, n, generator=generator)
            painted = frame == 0 or (number == 2 and frame == 2)
            bank.add(frame, key, shrinkage, selection, values, (number,), permanent=painted)
    return banks


def queries(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(n)
    return torch.randn(n, KEY, QUERIES, generator=generator), torch.rand(n, KEY, QUERIES, generator=generator)


def counters(bank: MemoryBank) -> torch.Tensor:
    table = bank._state.table
    assert isinstance(table, ElementTable)
    return table.counters


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"count_long_term_usage": False},
        {"permanent_seeds": False, "permanent_log_prior": 0.0},
        {"reading_importance_strength": 0.5},
        {"top_k": None},
    ],
)
@pytest.mark.parametrize("at_once", [1 << 20, 700])
@pytest.mark.parametrize("as_on", [nullcontext, as_on_accelerator])
def test_the_same_answers_and_counters_as_one_by_one(changes, at_once, as_on, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, "_CACHED_ELEMENTS", at_once)
    config = CONFIG.replace(**changes)
    cells = (7, 7, 11, 2, 7)  # on the first frames the fourth holds less than top_k
    for frames in (1, 9):
        alone, at_same_time = filled_banks(config, frames, cells), filled_banks(config, frames, cells)
        key, selection = queries(len(cells))
        expected = [bank.read(k, s, frame=9) for bank, k, s in zip(alone, key, selection, strict=True)]
        with as_on():
            found = dict(read_together(at_same_time, key, selection, frame=9, chunk_elements=2 * at_once))
        for place, (a, b) in enumerate(zip(alone, at_same_time, strict=True)):
            torch.testing.assert_close(found[place], expected[place], rtol=0, atol=1e-6)
            confidence = torch.rand(QUERIES, generator=torch.Generator().manual_seed(place))
            a.feedback(confidence)
            b.feedback(confidence)
            torch.testing.assert_close(counters(b), counters(a), rtol=1e-6, atol=1e-6)
            assert a.rows() == b.rows() and a._state.frame == b._state.frame


@pytest.mark.parametrize("as_on", [nullcontext, as_on_accelerator])
@pytest.mark.parametrize("changes", [{}, {"count_long_term_usage": False}, {"top_k": None}])
def test_each_may_be_asked_as_much_as_it_likes(changes, as_on) -> None:
    """What fills up the queries of those that are asked less answers nothing and counts for nothing."""
    config, sizes = CONFIG.replace(**changes), (4, QUERIES, 1, 6)
    alone, at_same_time = (filled_banks(config, 9, (7, 7, 11, 2)) for _ in range(2))
    key, selection = queries(len(sizes))
    with as_on():
        found = dict(read_together(at_same_time, key, selection, frame=9, sizes=sizes))
    for place, (a, b, size) in enumerate(zip(alone, at_same_time, sizes, strict=True)):
        expected = a.read(key[place, :, :size], selection[place, :, :size], frame=9)
        torch.testing.assert_close(found[place], expected, rtol=0, atol=1e-6)
        a.feedback(torch.linspace(0, 1, size))
        b.feedback(torch.linspace(0, 1, size))
        torch.testing.assert_close(counters(b), counters(a), rtol=1e-6, atol=1e-6)


def test_a_look_without_counting_leaves_banks_as_they_were() -> None:
    banks = filled_banks(CONFIG, 4, (7, 11))
    before = [counters(bank).clone() for bank in banks]
    dict(read_together(banks, *queries(2), frame=30, count=False))
    for bank, counted in zip(banks, before, strict=True):
        assert torch.equal(counters(bank), counted) and bank._state.frame == 3 and not bank._state.pending


def test_the_calls_of_a_read_do_not_grow_with_the_number_of_objects() -> None:
    counted = {}
    for n in (4, 16):
        banks = filled_banks(CONFIG, 9, (7, 11, 8, 7) * (n // 4))
        meter = Meter()
        with as_on_accelerator():
            dict(read_together(banks, *queries(n)))  # finds out what each holds, and keeps it
            with meter:
                dict(read_together(banks, *queries(n)))
        counted[n] = meter.calls.total()
    assert 0 < counted[4] == counted[16] < 70


def test_without_room_for_all_they_are_read_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = [answer for _, answer in sorted(read_together(filled_banks(CONFIG, 4, (7, 11)), *queries(2)))]

    def no_room(*_: object) -> None:
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(together, "similarity", no_room)
    banks = filled_banks(CONFIG, 4, (7, 11))
    found = dict(read_together(banks, *queries(2)))
    for place, answer in enumerate(expected):
        torch.testing.assert_close(found[place], answer, rtol=0, atol=1e-6)
    assert all((counters(bank)[:, 1] > 0.9).all() for bank in banks)


def test_what_a_bank_says_of_itself_needs_no_look_at_its_elements() -> None:
    """Sizes and blocks are carried on as frames come and go; a recount finds the same."""
    for config in (CONFIG, CONFIG.replace(permanent_seeds=False), CONFIG.replace(long_term=False)):
        for frames in range(1, 12):
            for bank in filled_banks(config, frames, (7, 11)):
                state = bank._state
                carried = (state.sizes, state.working_blocks, state.anchored, state.permanent_rows())
                state.refresh()
                assert carried == (state.sizes, state.working_blocks, state.anchored, state.permanent_rows())
