"""Eviction by coverage: copies go, what only one element knows stays. Memories small enough to check on paper."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_xmem.config import MemoryConfig
from napari_xmem.memory import EVICTIONS
from napari_xmem.memory.affinity import augment_memory, augment_query
from napari_xmem.memory.eviction import CoverageEviction, UsageCoverageEviction, evict, isolation

#: Looks A, A, A, B, B, C as one-channel keys.
LOOKS = (0.0, 0.0, 1.0, 10.0, 12.0, 40.0)


def apart(keys, usage, known=()):
    """Isolation among one-channel keys: the distance is (k - q)^2."""
    key = torch.tensor([list(keys)], dtype=torch.float32)
    rows, queries = augment_memory(key, torch.ones(len(keys))), augment_query(key, torch.ones_like(key))
    others = augment_memory(torch.tensor([list(known)], dtype=torch.float32), torch.ones(len(known)))
    return isolation(rows, queries, torch.tensor(list(usage), dtype=torch.float32), others)


def worth(policy, usage, isolation):
    usage, isolation = torch.tensor(usage, dtype=torch.float32), torch.as_tensor(isolation, dtype=torch.float32)
    zero = torch.zeros_like(usage)
    return policy.worth(usage=usage, age_frames=zero, relevance=zero, contribution=zero, isolation=isolation)


class TestIsolation:
    def test_distance_to_the_nearest_that_is_used_more(self):
        # 1.0 is used most; of the two 0.0 the later ranks higher: 0 and 1; then (10-12)^2, (12-1)^2, (40-12)^2
        got = apart(LOOKS, (3, 3, 9, 1, 2, 1))
        assert got.tolist() == [0.0, 1.0, math.inf, 4.0, 121.0, 784.0]

    def test_of_copies_used_alike_the_newest_stands_for_all(self):
        assert apart((5, 5, 5, 5), (1, 1, 1, 1)).tolist() == [0.0, 0.0, 0.0, math.inf]

    def test_what_permanent_memory_covers_is_not_isolated(self):
        assert apart((0, 10, 11, 40), (4, 3, 2, 1), known=(9, 40)).tolist() == [81.0, 1.0, 1.0, 0.0]

    def test_a_sharper_element_covers_less(self):
        """The distance is what the model's similarity says: the shrinkage of the element that would answer."""
        key = torch.tensor([[0.0, 2.0, 3.0, 7.0]])
        rows, queries = augment_memory(key, torch.tensor([1.0, 5.0, 1.0, 1.0])), augment_query(key, torch.ones(1, 4))
        got = isolation(rows, queries, torch.tensor([4.0, 3.0, 2.0, 1.0]), rows[:0])
        assert got.tolist() == [math.inf, 4.0, 5.0, 16.0]

    @given(st.permutations(range(6)))
    @settings(max_examples=30, deadline=None)
    def test_order_of_elements_does_not_matter_without_ties(self, order):
        usage = (0.3, 0.9, 0.5, 0.1, 0.7, 0.2)
        straight = apart(LOOKS, usage, known=(3,))
        mixed = apart([LOOKS[i] for i in order], [usage[i] for i in order], known=(3,))
        assert mixed.tolist() == straight[list(order)].tolist()

    @given(st.lists(st.sampled_from([0.0, 3.0, 1e4]), min_size=1, max_size=8), st.data())
    @settings(max_examples=60, deadline=None)
    def test_one_of_each_look_is_isolated(self, keys, data):
        usage = data.draw(st.lists(st.sampled_from([0.0, 1.0, 2.0]), min_size=len(keys), max_size=len(keys)))
        got = apart(keys, usage)
        assert not got.isnan().any()
        assert int((got > 0).sum()) == len(set(keys))


class TestCoverage:
    def test_copies_go_first_however_rarely_the_rest_is_used(self):
        usage = (3, 3, 9, 1, 2, 1)
        assert evict(worth(CoverageEviction(), usage, apart(LOOKS, usage)), 3).tolist() == [0, 1, 3]

    def test_usage_forgets_the_look_that_nobody_asks_for(self):
        """What sets it apart from the paper's policy: the rare look 40 survives until every copy is gone."""
        usage, keys = (5.0, 4.0, 4.0, 0.0), (0.0, 0.0, 0.1, 40.0)
        paper = EVICTIONS.build(MemoryConfig.paper())
        assert evict(worth(paper, usage, apart(keys, usage)), 1).tolist() == [3]
        assert evict(worth(CoverageEviction(), usage, apart(keys, usage)), 2).tolist() == [1, 2]

    def test_mixed_on_paper(self):
        # w = 1/2: sqrt(u / max u * (1 - exp(-d))) with exp(-d) = 1/2, 0, 3/4, 1
        distance = (math.log(2), math.inf, math.log(4 / 3), 0.0)
        got = worth(UsageCoverageEviction(0.5), (4, 2, 8, 8), distance).exp()
        assert got.tolist() == pytest.approx([0.5, 0.5, 0.5, 0.0], abs=1e-5)

    def test_ends_of_the_weight_are_the_pure_policies(self):
        usage, distance = (0.3, 0.1, 0.9, 0.0), (1.0, math.inf, 0.0, 5.0)
        assert worth(UsageCoverageEviction(0.0), usage, distance).tolist() == torch.tensor(usage).tolist()
        assert worth(UsageCoverageEviction(1.0), usage, distance).tolist() == list(distance)
        assert not UsageCoverageEviction(0.0).uses_isolation
        assert UsageCoverageEviction(0.1).uses_isolation

    def test_weight_comes_from_the_configuration(self):
        config = MemoryConfig(eviction="usage+coverage", novelty_weight=0.25)
        assert EVICTIONS.build(config) == UsageCoverageEviction(0.25)


def look_of_long_ago(make_bank, add_frame, ask, eviction):
    """Answer of a bank that saw look 50 (value 1) in three frames, then look 0 (value 0) in many, to look 50."""
    bank = make_bank(
        working_min_frames=1, working_max_frames=2, num_prototypes=2, long_term_max_elements=6, permanent_seeds=False,
        eviction=eviction, top_k=None,
    )  # fmt: skip
    for t in range(14):
        look = 50.0 if 1 <= t <= 3 else 0.0
        if t:
            ask(bank, [look, look + 0.5])
        add_frame(bank, t, [look, look + 0.5], {1: [float(look > 0)] * 2})
    return ask(bank, [50.0]).item()


@pytest.mark.parametrize(
    ("eviction", "expected"), [("usage", 0.0), ("age", 0.0), ("relevance", 0.0), ("coverage", 1.0)]
)
def test_a_bank_recalls_what_it_saw_long_ago(make_bank, add_frame, ask, eviction, expected):
    assert look_of_long_ago(make_bank, add_frame, ask, eviction) == pytest.approx(expected, abs=1e-3)
