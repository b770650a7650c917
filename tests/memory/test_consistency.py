"""Temporal consistency over all following frames, on memories small enough to check on paper."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from napari_xmem.memory.affinity import augment_memory, augment_query, similarity
from napari_xmem.memory.potentiation import ConsistencyPotentiation

STAYS, TURNS, OTHER = [1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]  # 1 - cos to STAYS: 0, 2, 1


def prior(keys, blocks, values, valid=None, strength=1.0) -> Tensor:
    """Return `b` for one-channel keys (S = -(k - q)^2) and values [object][element][channel]."""
    key, value = torch.tensor([keys]).float(), torch.tensor(values)
    return ConsistencyPotentiation(strength).log_prior(
        rows=augment_memory(key, torch.ones(len(keys))),
        queries=augment_query(key, torch.ones_like(key)),
        block=torch.tensor(blocks),
        values=value,
        valid=torch.ones(value.shape[:2], dtype=torch.bool) if valid is None else torch.tensor(valid),
        trust=torch.ones(len(keys)),
    )


def expect(got: Tensor, wanted: list[float]) -> None:
    torch.testing.assert_close(got, torch.tensor(wanted).float(), atol=1e-5, rtol=0)


class TestOnPaper:
    def test_six_elements_in_three_frames(self):
        # places 0 and 10, far apart: every cycle closes. Place 0: + + -, place 10: + - +
        values = [[STAYS, STAYS, STAYS, TURNS, TURNS, STAYS]]
        # first frame: (0 + 2) / 2 and (2 + 0) / 2; second: 2 and 2; the last has no following one
        expect(prior([0, 10, 0, 10, 0, 10], [0, 0, 1, 1, 2, 2], values), [-1, -1, -2, -2, 0, 0])

    def test_a_place_missing_from_the_next_frame_is_judged_by_the_one_after(self):
        # place 10 is missing from the middle frame: coming back from place 0 leads to place 0
        values = [[STAYS, STAYS, STAYS, STAYS, TURNS]]
        expect(prior([0, 10, 0, 0, 10], [0, 0, 1, 2, 2], values), [0, -2, 0, 0, 0])

    def test_no_way_back_from_any_frame_is_no_evidence(self):
        values = [[STAYS, STAYS, TURNS, TURNS]]
        expect(prior([0, 10, 0, 0], [0, 0, 1, 2], values), [-2, 0, 0, 0])

    def test_frames_count_by_how_far_their_cycle_closes(self):
        # from key x back to the keys 0 and 1 of the first frame: odds exp(1 - 2 x), so 1/2 from 0.5, 3/4 from x3
        x3 = (1 - math.log(3)) / 2
        values = [[STAYS, STAYS, TURNS, OTHER]]
        # c, d of the first: (1/2, 2), (3/4, 1): (1/2 * 1/2 * 2 + 3/4 * 3/4 * 1) / (1/2 + 3/4) = 0.85
        # of the second: (1/2, 2), (1/4, 1): (1/2 + 1/16) / (3/4) = 0.75; from the third to the last c = 1, d = 1
        expect(prior([0, 1, 0.5, x3], [0, 0, 1, 2], values), [-0.85, -0.75, -1, 0])
        expect(prior([0, 1, 0.5, x3], [0, 0, 1, 2], values, strength=2.0), [-1.7, -1.5, -2, 0])

    def test_a_frame_that_does_not_know_the_object_does_not_dilute(self):
        values = [[STAYS, OTHER, TURNS]]
        expect(prior([0, 0, 0], [0, 1, 2], values, valid=[[True, False, True]]), [-2, 0, 0])

    def test_in_a_bank(self, make_bank, add_frame, ask):
        # one place, values - + +: the first of the three gets weight exp(-2 strength) = 1/2, (-1/2 + 1 + 1) / (5/2)
        for strength, value in ((math.log(2) / 2, 0.6), (0.0, 1 / 3)):
            bank = make_bank(
                potentiation="consistency", consistency_strength=strength, permanent_seeds=False, num_prototypes=1,
                working_min_frames=2, working_max_frames=5,
            )  # fmt: skip
            for frame, (key, was) in enumerate([(100.0, 0.0), (0.0, -1.0), (0.0, 1.0), (0.0, 1.0), (100.0, 0.0)]):
                add_frame(bank, frame, [key], {1: [was]})
            assert bank.sizes.long_term == 1
            assert ask(bank, [0.0]).item() == pytest.approx(value, abs=1e-5)


def draw_memory(data, frames: int, size: int = 2):
    number = st.floats(-2, 2, width=32)
    keys = data.draw(st.lists(number, min_size=frames * size, max_size=frames * size))
    value = st.lists(number, min_size=3, max_size=3)
    values = data.draw(st.lists(value, min_size=frames * size, max_size=frames * size))
    return keys, [block for block in range(frames) for _ in range(size)], [values]


class TestProperties:
    @given(st.data())
    @settings(max_examples=60, deadline=None)
    def test_one_following_frame_is_exactly_its_evidence(self, data):
        keys, blocks, values = draw_memory(data, frames=2)
        key, value = torch.tensor([keys]), torch.tensor(values[0])
        rows, queries = augment_memory(key, torch.ones(4)), augment_query(key, torch.ones_like(key))
        forward = torch.softmax(similarity(rows[2:], queries[:2]), dim=1)
        cycle = (forward * torch.softmax(similarity(rows[:2], queries[2:]), dim=1).T).sum(dim=1)
        became = torch.einsum("ij,ojv->oiv", forward, value[None, 2:])
        apart = 1.0 - functional.cosine_similarity(value[None, :2], became, dim=-1, eps=1e-6)
        got = prior(keys, blocks, values, strength=0.7)
        assert got.tolist() == [*(-0.7 * cycle * apart[0]).tolist(), 0.0, 0.0]

    @given(st.data())
    @settings(max_examples=60, deadline=None)
    def test_between_nothing_and_full_contradiction(self, data):
        keys, blocks, values = draw_memory(data, frames=4)
        got = prior(keys, blocks, values)
        assert torch.isfinite(got).all()
        assert (got <= 1e-5).all() and (got >= -2 - 1e-5).all()
        assert got[-2:].tolist() == [0.0, 0.0]

    @given(st.data())
    @settings(max_examples=60, deadline=None)
    def test_order_of_the_following_frames_and_copies_of_them_do_not_matter(self, data):
        keys, _, values = draw_memory(data, frames=3)
        plain = prior(keys, [0, 0, 1, 1, 2, 2], values)
        swapped = prior(keys, [0, 0, 2, 2, 1, 1], values)
        torch.testing.assert_close(swapped[:2], plain[:2], atol=1e-5, rtol=0)
        twice = prior(keys + keys[2:], [0, 0, 1, 1, 2, 2, 3, 3, 4, 4], [values[0] + values[0][2:]])
        torch.testing.assert_close(twice[:2], plain[:2], atol=1e-5, rtol=0)

    @given(st.data())
    @settings(max_examples=30, deadline=None)
    def test_strength_scales_and_zero_is_none(self, data):
        keys, blocks, values = draw_memory(data, frames=3)
        assert prior(keys, blocks, values, strength=0.0) is None
        torch.testing.assert_close(prior(keys, blocks, values, strength=3.0), 3 * prior(keys, blocks, values))
