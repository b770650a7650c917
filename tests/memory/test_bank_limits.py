from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_xmem.config import MemoryConfig
from napari_xmem.memory import EVICTIONS, POTENTIATIONS, SELECTIONS, MemoryBank, MemorySizes
from napari_xmem.memory.edits import UNDO_STEPS
from napari_xmem.memory.store import Store


def frames_in(bank, store):
    return sorted(set(bank._state.table["frame"][bank._state.rows_in(store)].tolist()))


def run(bank, frames, n=4, permanent=(0,), seed=0):
    generator = torch.Generator().manual_seed(seed)
    for t in frames:
        key = torch.randn(bank._state.key_dim, n, generator=generator)
        if bank.sizes.total:
            bank.read(key, torch.rand(key.shape, generator=generator))
            bank.feedback(torch.rand(n, generator=generator))
        values = torch.randn(1, bank._state.value_dim, n, generator=generator)
        shrinkage = 1 + torch.rand(n, generator=generator)
        bank.add(t, key, shrinkage, torch.rand(key.shape, generator=generator), values, [1], permanent=t in permanent)


@pytest.mark.parametrize("eviction", ["usage", "coverage"])
def test_one_seeded_frame_makes_no_difference_to_the_paper(make_bank, eviction):
    settings_ = {"working_min_frames": 2, "working_max_frames": 4, "num_prototypes": 3, "long_term_max_elements": 7}
    settings_["eviction"] = eviction
    paper = make_bank(MemoryConfig.paper(**settings_), 3, 2)
    permanent = make_bank(MemoryConfig(**settings_), 3, 2)
    for bank in (paper, permanent):
        run(bank, range(30))
    query, selection = torch.randn(3, 5), torch.rand(3, 5)
    torch.testing.assert_close(paper.read(query, selection), permanent.read(query, selection))
    assert paper.sizes == MemorySizes(working=8, long_term=7)
    assert permanent.sizes == MemorySizes(working=4, long_term=7, permanent=4)


def test_frames_are_counted_when_regions_differ_in_size(make_bank, add_frame):
    bank = make_bank(MemoryConfig.paper(working_min_frames=2, working_max_frames=4, num_prototypes=2))
    for t, n in enumerate([2, 5, 1, 3]):
        add_frame(bank, t, [float(i) for i in range(n)], {1: [0.0] * n})
    assert bank.sizes == MemorySizes(working=2 + 3, long_term=2)
    assert frames_in(bank, Store.WORKING) == [0, 3]


def test_window_without_long_term_memory(make_bank):
    bank = make_bank(MemoryConfig(long_term=False, working_min_frames=1, working_max_frames=3))
    run(bank, range(10))
    assert frames_in(bank, Store.PERMANENT) == [0]
    assert frames_in(bank, Store.WORKING) == [8, 9]
    assert bank.sizes == MemorySizes(working=8, permanent=4)


def test_paper_without_long_term_memory_keeps_all(make_bank):
    bank = make_bank(MemoryConfig.paper(long_term=False))
    run(bank, range(30))
    assert bank.sizes == MemorySizes(working=120)


def test_several_permanent_frames_count_as_one(make_bank):
    bank = make_bank(MemoryConfig(working_min_frames=2, working_max_frames=4, num_prototypes=2))
    run(bank, range(20), permanent=(0, 5, 6, 13))
    assert frames_in(bank, Store.PERMANENT) == [0, 5, 6, 13]
    assert len(frames_in(bank, Store.WORKING)) <= 3
    assert frames_in(bank, Store.WORKING)[-1] == 19


def test_without_any_permanent_frame_the_window_slides(make_bank):
    bank = make_bank(MemoryConfig(working_min_frames=2, working_max_frames=4, num_prototypes=2))
    run(bank, range(4), permanent=())
    assert frames_in(bank, Store.WORKING) == [2, 3]


def test_backward_runs_keep_the_newest_memorised_frames(make_bank):
    bank = make_bank(MemoryConfig.paper(working_min_frames=2, working_max_frames=4, num_prototypes=2))
    run(bank, [9, 8, 7, 6])
    assert frames_in(bank, Store.WORKING) == [6, 9]


def test_prototypes_on_paper(make_bank, add_frame, ask):
    """Keys 0 and 10 in every frame: prototype values are the means of their place, shrinkage stays 1."""
    bank = make_bank(MemoryConfig.paper(working_min_frames=1, working_max_frames=3, num_prototypes=2, top_k=1))
    for t, (a, b) in enumerate([(0.0, 0.0), (1.0, 5.0), (3.0, 9.0)]):
        add_frame(bank, t, [0.0, 10.0], {1: [a, b]})
        ask(bank, [0.2, 10.1, 10.1])
    table = bank._state.table
    long_term = bank._state.rows_in(Store.LONG_TERM)
    assert table["key"][long_term, 0].tolist() == [10.0, 0.0]
    assert table.values(1)[long_term, 0].tolist() == [pytest.approx(7.0), pytest.approx(2.0)]
    assert table["shrinkage"][long_term].tolist() == [pytest.approx(1.0)] * 2


def test_feedback_steers_potentiation(make_bank, add_frame, ask):
    """Two candidates at one place: the one whose predictions were confident wins the prototype's value."""
    answers = {}
    for strength in (0.0, 8.0):
        bank = make_bank(
            MemoryConfig.paper(
                working_min_frames=1, working_max_frames=3, num_prototypes=1, top_k=1, half_life_frames=1e6,
                potentiation="importance", importance_strength=strength,
            )
        )  # fmt: skip
        add_frame(bank, 0, [50.0], {1: [0.0]})
        add_frame(bank, 1, [0.0, 0.5], {1: [1.0, -1.0]})
        for query, confidence in ((0.0, 1.0), (0.5, 0.1)):
            ask(bank, [query])
            bank.feedback(torch.tensor([confidence]))
        add_frame(bank, 2, [80.0], {1: [0.0]})
        answers[strength] = ask(bank, [0.0]).item()
    assert answers[8.0] > 0.95
    assert abs(answers[0.0]) < 0.2


def test_feedback_after_memory_changed_credits_nobody(make_bank, add_frame, ask):
    bank = make_bank()
    add_frame(bank, 0, [0.0], {1: [1.0]})
    bank.feedback(torch.ones(1))
    ask(bank, [0.0])
    add_frame(bank, 1, [1.0], {1: [1.0]})
    bank.feedback(torch.ones(1))
    assert bank._state.table["support"].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("top_k", [2, None])
def test_counters_on_paper(make_bank, add_frame, ask, top_k):
    bank = make_bank(top_k=top_k, half_life_frames=1.0)
    add_frame(bank, 0, [0.0, 100.0], {1: [0.0, 0.0]})
    ask(bank, [0.0, 0.0, 100.0])
    bank.feedback(torch.tensor([1.0, 0.5, 0.2]))
    table = bank._state.table
    assert table["use"].tolist() == [2.0, 1.0]
    assert table["life"].tolist() == [pytest.approx(1.0)] * 2
    assert table["relevance"].tolist() == [1.0, 0.5]
    assert table["exposure"].tolist() == [0.5, 0.5]
    assert table["support"].tolist() == [pytest.approx(0.75), pytest.approx(0.1)]
    assert table["support_mass"].tolist() == [1.0, 0.5]
    ask(bank, [100.0])
    assert table["use"].tolist() == [2.0, 2.0]
    assert table["relevance"].tolist() == [0.5, 0.75]


names = {
    "prototype_selection": st.sampled_from(SELECTIONS.names),
    "potentiation": st.sampled_from(POTENTIATIONS.names),
    "eviction": st.sampled_from(EVICTIONS.names),
    "importance_strength": st.sampled_from([0.0, 1.0]),
    "consistency_strength": st.sampled_from([0.0, 1.0]),
    "working_min_frames": st.integers(1, 3),
    "num_prototypes": st.integers(1, 9),
    "long_term_max_elements": st.integers(1, 14),
    "top_k": st.sampled_from([None, 1, 4, 30]),
    "long_term": st.booleans(),
    "count_long_term_usage": st.booleans(),
}


@given(
    # what counts own pixels and what counts how sure answers were exclude each other
    st.fixed_dictionaries(names).filter(lambda f: "affinity" == f["potentiation"] or "fresh" not in f["eviction"]),
    st.integers(1, 3),
    st.lists(st.integers(1, 4), min_size=1, max_size=20),
    st.sets(st.integers(1, 19), max_size=3),
    st.sampled_from([0.0, 1.0, 1e4]),
)
@settings(max_examples=60, deadline=None)
def test_memory_stays_bounded_and_finite(fields, extra, sizes, seeded, scale):
    config = MemoryConfig(**fields, working_max_frames=fields["working_min_frames"] + extra)
    bank = MemoryBank(config, key_dim=2, value_dim=1)
    generator = torch.Generator().manual_seed(0)
    permanent = 0
    for t, n in enumerate(sizes):
        key = torch.randn(2, n, generator=generator) * scale
        if t:
            assert torch.isfinite(bank.read(key, torch.ones_like(key))).all()
            bank.feedback(torch.full((n,), 0.5))
        ids = [1] if t < 7 else [1, 2]
        values = torch.randn(len(ids), 1, n, generator=generator)
        keep = t == 0 or t in seeded
        bank.add(t, key, torch.ones(n), torch.ones_like(key), values, ids, permanent=keep)
        permanent += n * keep
        assert bank.sizes.permanent == permanent
        assert bank.sizes.long_term <= config.long_term_max_elements
        assert len(bank._state.working_blocks) <= config.working_max_frames
    assert {t for t in range(len(sizes)) if t == 0 or t in seeded} == set(frames_in(bank, Store.PERMANENT))
    assert torch.isfinite(bank._state.table["rows"]).all()


def test_long_run_stays_bounded_and_says_what_happened(make_bank):
    config = MemoryConfig(
        working_min_frames=2, working_max_frames=4, num_prototypes=5, long_term_max_elements=40,
        prototype_selection="usage+novelty", eviction="mix", potentiation="importance+consistency",
        importance_strength=0.5, consistency_strength=0.5,
    )  # fmt: skip
    bank = make_bank(config, 4, 3)
    seen = {"consolidated": 0, "evicted": 0}
    largest, n_bytes = 0, []
    for t in range(2000):
        run(bank, [t], seed=t)
        snapshot = bank.snapshot(t)
        assert snapshot.frame == t
        largest = max(largest, snapshot.sizes.total)
        n_bytes.append(bank.n_bytes)
        for event in snapshot.events:
            seen[event.kind] += event.removed if event.kind == "evicted" else 1
            assert event.frame == t
            assert event.reason
    assert largest <= 4 + 3 * 4 + 40
    assert max(n_bytes[1000:]) == max(n_bytes[:1000])
    assert snapshot.totals.consolidations == seen["consolidated"] > 900
    assert snapshot.totals.evicted == seen["evicted"] > 1000
    assert snapshot.sizes.permanent == 4
    assert frames_in(bank, Store.PERMANENT) == [0]


def test_works_in_and_out_of_inference_mode(make_bank):
    config = MemoryConfig(working_min_frames=1, working_max_frames=3, num_prototypes=2, long_term_max_elements=4)
    plain, mixed = make_bank(config, 3, 2), make_bank(config, 3, 2)
    for t in range(12):
        run(plain, [t], seed=t)
        with torch.inference_mode(t % 2 == 0):
            run(mixed, [t], seed=t)
        if t % 3 == 0:
            mixed.edit.protect(0)
            mixed.edit.undo()
    query = torch.zeros(3, 1)
    assert torch.equal(plain.read(query, query), mixed.read(query, query))


def test_memory_keeps_no_gradients(make_bank):
    bank = make_bank(MemoryConfig(), 3, 2)
    key = torch.rand(3, 4, requires_grad=True)
    bank.add(0, key, key[0], key.sigmoid(), key[None, :2], [1])
    assert not bank.read(key, key.sigmoid()).requires_grad
    assert not bank._state.table["rows"].requires_grad


def test_order_of_elements_does_not_matter(make_bank):
    generator = torch.Generator().manual_seed(0)
    frames = [[torch.rand(shape, generator=generator) for shape in ((3, 8), (8,), (3, 8), (1, 2, 8))] for _ in range(9)]
    answers = []
    for order in (torch.arange(8), torch.tensor([3, 1, 0, 7, 6, 2, 5, 4])):
        bank = make_bank(MemoryConfig(working_min_frames=1, working_max_frames=3, num_prototypes=5, top_k=4), 3, 2)
        for t, (key, shrinkage, selection, values) in enumerate(frames):
            if t:
                bank.read(key * 0.7, selection)
            bank.add(
                t, key[:, order], 1 + shrinkage[order], selection[:, order], values[..., order], [1], permanent=t == 0
            )
        answers.append(bank.read(frames[0][0] * 0.3, frames[0][2]))
    torch.testing.assert_close(*answers, atol=1e-5, rtol=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_bank_on_a_gpu_agrees_with_the_cpu(make_bank):
    config = MemoryConfig(
        working_min_frames=2, working_max_frames=4, num_prototypes=5, long_term_max_elements=12, top_k=6,
        eviction="mix", prototype_selection="usage+novelty", potentiation="importance", importance_strength=1.0,
    )  # fmt: skip
    banks = {device: make_bank(config, 4, 3) for device in ("cpu", "cuda")}
    generator = torch.Generator().manual_seed(0)
    for t in range(40):
        key, selection, shrinkage, confidence = (
            torch.rand(shape, generator=generator) for shape in ((4, 9), (4, 9), (9,), (9,))
        )
        ids = [1] if t < 9 else [1, 2]
        values = torch.rand(len(ids), 3, 9, generator=generator)
        answers = []
        for device, bank in banks.items():
            if t:
                answers.append(bank.read(key.to(device), selection.to(device)).cpu())
                bank.feedback(confidence.to(device))
            frame = (x.to(device) for x in (key, 1 + shrinkage, selection, values))
            bank.add(t, *frame, ids, permanent=t == 0)
        if answers:
            torch.testing.assert_close(*answers, atol=1e-4, rtol=0)
        assert banks["cpu"].sizes == banks["cuda"].sizes


def test_undo_history_is_bounded(make_bank):
    bank = make_bank()
    run(bank, range(3))
    for _ in range(UNDO_STEPS + 5):
        bank.edit.protect(1)
    assert len(bank.edit._history) == UNDO_STEPS
