"""What goes wrong in the official code (shared/reference/xmem-facts.md, section 6) and must not go wrong here.

Numbers are those of that list; 14 (first step without a mask), 17, 18 (reading files) and 22 concern the engine.
"""

from __future__ import annotations

import pytest
import torch

from napari_xmem.config import MemoryConfig
from napari_xmem.errors import MemoryBankError
from napari_xmem.memory import MemorySizes, SensoryMemory, Store


def paper(**changes):
    settings = {"working_min_frames": 2, "working_max_frames": 4, "num_prototypes": 2, "top_k": 1}
    return MemoryConfig.paper(**{**settings, **changes})


def frames_of(bank, store, object_id):
    table = bank._state.table
    rows = bank._state.rows_in(store)
    return sorted(set(table["frame"][rows[table.valid(object_id)[rows]]].tolist()))


def add_marked(add_frame, bank, frame, ids):
    """A frame whose keys and values tell where they come from: key 10 frame (+1), value frame + id / 10."""
    add_frame(bank, frame, [10.0 * frame, 10.0 * frame + 1], {i: [frame + i / 10] * 2 for i in ids})


def test_01_obsolete_elements_go_while_late_objects_exist(make_bank, add_frame, ask):
    bank = make_bank(paper(long_term_max_elements=4))
    for t in range(16):
        ids = [1] if t < 3 else [1, 2]
        add_marked(add_frame, bank, t, ids)
        assert torch.isfinite(ask(bank, [10.0 * t])).all()
    assert bank.snapshot(15).totals.evicted > 0
    assert bank.sizes.long_term == 4


def test_02_late_objects_keep_keys_and_values_together(make_bank, add_frame, ask):
    bank = make_bank(paper(working_max_frames=6, working_min_frames=5, num_prototypes=1))
    for t in range(10):
        add_marked(add_frame, bank, t, [1] if t < 2 else [1, 2])
    for t in frames_of(bank, Store.WORKING, 2):
        assert ask(bank, [10.0 * t], object_ids=[2]).item() == pytest.approx(t + 0.2)
    assert frames_of(bank, Store.WORKING, 1) == [0, 6, 7, 8, 9]
    assert frames_of(bank, Store.WORKING, 2) == [6, 7, 8, 9]


@pytest.mark.parametrize("group_frames", [1, 2, 3, 4])
def test_03_no_frame_of_a_late_object_is_lost(make_bank, add_frame, group_frames):
    """T_min = 2: with one, T_min, T_min + 1 and more frames of the late object at the consolidation."""
    bank = make_bank(paper(working_max_frames=6, num_prototypes=8))
    for t in range(6):
        add_marked(add_frame, bank, t, [1, 2] if t >= 6 - group_frames else [1])
    late = list(range(6 - group_frames, 6))
    assert frames_of(bank, Store.LONG_TERM, 2) == late[:-1]
    assert frames_of(bank, Store.WORKING, 2) == [5]


def test_04_prototypes_of_late_objects_are_read_with_their_own_keys(make_bank, add_frame, ask):
    bank = make_bank(paper(working_max_frames=6, num_prototypes=8))
    for t in range(6):
        add_marked(add_frame, bank, t, [1] if t < 3 else [1, 2])
        ask(bank, [10.0, 30.0, 41.0, 30.0])  # usage puts frames 3, 1, 4 out of order
    for t in (3, 4):
        assert ask(bank, [10.0 * t], object_ids=[2]).item() == pytest.approx(t + 0.2)
    assert ask(bank, [10.0], object_ids=[2]).item() == pytest.approx(3.2)


@pytest.mark.parametrize("limit", [2, 4, 6])
def test_05_limit_that_is_a_multiple_of_the_prototypes(make_bank, add_frame, ask, limit):
    bank = make_bank(paper(long_term_max_elements=limit))
    for t in range(20):
        add_marked(add_frame, bank, t, [1])
        ask(bank, [10.0 * t])
    assert bank.sizes.long_term == limit


def test_06_ties_remove_no_more_than_needed(make_bank, add_frame):
    bank = make_bank(paper(long_term_max_elements=5))
    for t in range(20):
        add_marked(add_frame, bank, t, [1])  # never read: all usage is 0
    assert bank.sizes.long_term == 5
    assert max(frames_of(bank, Store.LONG_TERM, 1)) == 17  # the oldest went first


def test_07_top_k_larger_than_memory(make_bank, add_frame, ask):
    bank = make_bank(paper(top_k=30))
    add_frame(bank, 0, [0.0, 1.0], {1: [1.0, 3.0]})
    assert ask(bank, [0.5]).item() == pytest.approx(2.0)


@pytest.mark.parametrize("top_k", [1, 2, None])
def test_08_far_queries_give_no_nan(make_bank, add_frame, ask, top_k):
    bank = make_bank(paper(top_k=top_k))
    add_frame(bank, 0, [0.0, 1.0, 2.0], {1: [1.0, 2.0, 3.0]})
    assert ask(bank, [1e4, -1e4]).tolist() == [[pytest.approx(3.0), pytest.approx(1.0)]]


def test_09_a_single_frame_may_be_kept(make_bank, add_frame, ask):
    bank = make_bank(paper(working_min_frames=1, working_max_frames=2))
    for t in range(5):
        add_marked(add_frame, bank, t, [1, 2])
    assert frames_of(bank, Store.WORKING, 1) == [0]
    assert bank.sizes == MemorySizes(working=2, long_term=8)
    assert ask(bank, [0.0]).flatten().tolist() == [pytest.approx(0.1), pytest.approx(0.2)]


def test_10_more_prototypes_wanted_than_candidates(make_bank, add_frame):
    bank = make_bank(paper(num_prototypes=100))
    for t in range(4):
        add_marked(add_frame, bank, t, [1])
    assert bank.sizes == MemorySizes(working=4, long_term=4)


def test_10b_more_prototypes_wanted_than_long_term_memory_holds(make_bank, add_frame):
    bank = make_bank(paper(num_prototypes=3, long_term_max_elements=2))
    for t in range(12):
        add_marked(add_frame, bank, t, [1])
    assert bank.sizes.long_term == 2


def test_11_long_term_memory_full_while_its_usage_is_not_counted(make_bank, add_frame, ask):
    bank = make_bank(paper(long_term_max_elements=4, count_long_term_usage=False))
    for t in range(20):
        add_marked(add_frame, bank, t, [1])
        ask(bank, [10.0 * t])
    table, rows = bank._state.table, bank._state.rows_in(Store.LONG_TERM)
    assert bank.sizes.long_term == 4
    assert not table["use"][rows].any()
    assert frames_of(bank, Store.LONG_TERM, 1)[0] >= 13  # without usage the oldest go


def test_12_objects_can_be_removed_and_free_their_memory(make_bank, add_frame, ask):
    bank = make_bank(paper())
    for t in range(3):
        add_marked(add_frame, bank, t, [1, 2])
    before = bank.n_bytes
    bank.edit.forget(1)
    assert bank.object_ids == (2,)
    assert bank.n_bytes < before
    add_marked(add_frame, bank, 3, [2])
    assert ask(bank, [30.0]).item() == pytest.approx(3.2)


def test_12b_an_object_missing_from_a_frame_is_not_held_by_it(make_bank, add_frame, ask):
    bank = make_bank(paper())
    add_marked(add_frame, bank, 0, [1, 2])
    add_marked(add_frame, bank, 1, [2])
    assert ask(bank, [10.0], object_ids=[1]).item() == pytest.approx(0.1)
    assert ask(bank, [10.0], object_ids=[2]).item() == pytest.approx(1.2)


def test_13_and_18_labels_of_any_size_in_any_order(make_bank, add_frame, ask):
    bank = make_bank(paper())
    ids = [2**31 - 1, 7, 70_000, 256, 3]
    add_frame(bank, 0, [0.0], {i: [float(place)] for place, i in enumerate(ids)})
    assert bank.object_ids == tuple(ids)
    assert ask(bank, [0.0])[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert ask(bank, [0.0], object_ids=[3, 7])[:, 0].tolist() == [4, 1]


def test_18b_many_objects(make_bank, add_frame, ask):
    bank = make_bank(paper())
    add_frame(bank, 0, [0.0, 5.0], {i: [float(i), -float(i)] for i in range(1, 301)})
    assert ask(bank, [5.0])[:, 0].tolist() == [-float(i) for i in range(1, 301)]


def test_14_reading_an_empty_memory_says_what_to_do(make_bank, ask):
    with pytest.raises(MemoryBankError, match="add a frame"):
        ask(make_bank(), [0.0])


def test_15_frames_may_change_size(make_bank, add_frame, ask):
    bank = make_bank(paper())
    for t, n in enumerate([2, 6, 1, 4, 3]):
        add_frame(bank, t, [float(i) for i in range(n)], {1: [float(t)] * n})
        assert ask(bank, [0.0] * (n + 1)).shape == (1, n + 1)


@pytest.mark.parametrize("dtype", [torch.bool, torch.int64])
def test_16_values_that_are_no_floats_are_named(make_bank, dtype):
    with pytest.raises(MemoryBankError, match=r"values.*float"):
        make_bank().add(0, torch.zeros(1, 2), torch.ones(2), None, torch.zeros(1, 1, 2, dtype=dtype), [1])


def test_19_sensory_memory_can_be_dropped_at_a_jump():
    sensory = SensoryMemory(2)
    sensory.set([5], torch.ones(1, 2, 3, 3))
    sensory.forget()
    assert sensory.object_ids == ()


def test_20_a_correction_replaces_the_error(make_bank, add_frame, ask):
    bank = make_bank(MemoryConfig(top_k=30))
    add_frame(bank, 0, [0.0], {1: [1.0]}, permanent=True)
    for t in (20, 25):
        add_frame(bank, t, [5.0], {1: [-1.0]})
    bank.edit.correct(25, [1])
    add_frame(bank, 25, [5.0], {1: [1.0]}, permanent=True)
    assert ask(bank, [5.0]).item() == pytest.approx(1.0)


def test_21_prototypes_among_equals_are_the_earlier_ones(make_bank, add_frame):
    bank = make_bank(paper(num_prototypes=3))
    for t in range(4):
        add_marked(add_frame, bank, t, [1])
    table, rows = bank._state.table, bank._state.rows_in(Store.LONG_TERM)
    assert table["key"][rows, 0].tolist() == [10.0, 11.0, 20.0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(make_bank, dtype):
    bank = make_bank(paper(top_k=4), 4, 3)
    exact = make_bank(paper(top_k=4), 4, 3)
    generator = torch.Generator().manual_seed(0)
    for t in range(9):
        key, selection = (torch.rand(4, 6, generator=generator).to(dtype) for _ in range(2))
        values = torch.rand(2, 3, 6, generator=generator).to(dtype)
        for store, kind in ((bank, dtype), (exact, torch.float32)):
            store.add(t, key.to(kind), torch.ones(6, dtype=kind), selection.to(kind), values.to(kind), [1, 2])
        answer = bank.read(key, selection)
        assert answer.dtype == dtype
        torch.testing.assert_close(answer.float(), exact.read(key.float(), selection.float()), atol=0.02, rtol=0.02)
