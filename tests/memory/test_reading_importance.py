"""Importance at reading: what took part in confident predictions answers with more weight."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_xmem.config import MemoryConfig
from napari_xmem.errors import ConfigError
from napari_xmem.memory import MemoryBank
from napari_xmem.memory.limits import Policies
from napari_xmem.memory.usage import importance_prior


def test_prior_on_paper():
    prior = importance_prior(torch.tensor([1.0, 0.5, 0.0]), 2.0)
    assert prior is not None
    assert prior.tolist() == [0.0, pytest.approx(2 * math.log(0.5)), pytest.approx(2 * math.log(1e-6))]
    assert importance_prior(torch.tensor([0.5]), 0.0) is None


def credited(make_bank, add_frame, ask, strength, **changes):
    """Elements at 0 (value 1) and 1 (value -1): predictions from the first were confident, from the second not.

    Each got a mass of 1, all of it confident or nothing of it; with the pseudo-count 1 and the mean 1/2 of both, trust
    is (1 + 1/2) / 2 = 3/4 and (0 + 1/2) / 2 = 1/4.
    """
    bank = make_bank(top_k=1, half_life_frames=1.0, reading_importance_strength=strength, **changes)
    add_frame(bank, 0, [0.0, 1.0], {1: [1.0, -1.0]})
    ask(bank, [0.0, 1.0])
    bank.feedback(torch.tensor([1.0, 0.0]))
    bank.reconfigure(bank.config.replace(top_k=2))
    return bank


@pytest.mark.parametrize("strength", [0.0, 1.0, 2.0])
def test_weights_on_paper(make_bank, add_frame, ask, strength):
    """Half way between both elements the similarities are equal, so that weights are as trust ** strength: 3 : 1."""
    bank = credited(make_bank, add_frame, ask, strength)
    share = 3**strength / (3**strength + 1)
    votes = bank.explain(torch.tensor([[0.5]]), torch.ones(1, 1), 1)
    assert sorted(vote.weight for vote in votes) == [pytest.approx(1 - share), pytest.approx(share)]
    assert ask(bank, [0.5]).item() == pytest.approx(2 * share - 1, abs=1e-6)


def test_importance_decides_who_is_among_the_top(make_bank, add_frame, ask):
    """Of two equally similar elements only one may answer: the trusted one, whatever their order."""
    bank = credited(make_bank, add_frame, ask, 1.0)
    bank.reconfigure(bank.config.replace(top_k=1))
    assert ask(bank, [0.5]).item() == 1.0
    assert ask(bank, [0.6]).item() == 1.0  # -0.36 + log 3/4 > -0.16 + log 1/4
    assert ask(bank, [1.2]).item() == -1.0  # -1.44 + log 3/4 < -0.04 + log 1/4


def test_the_index_kept_for_provenance_trusts_alike(make_bank, add_frame, ask):
    bank = credited(make_bank, add_frame, ask, 1.0)
    index, query = bank.index(), (torch.tensor([[0.3]]), torch.ones(1, 1), 1)

    def weights(source):
        return [vote.weight for vote in source.explain(*query)]

    assert weights(index) == weights(bank)
    version = bank.version
    ask(bank, [0.0])
    bank.feedback(torch.zeros(1))
    assert bank.version != version
    assert weights(index) != weights(bank)


def test_without_feedback_all_are_trusted_alike(make_bank, add_frame, ask):
    answers = []
    for strength in (0.0, 5.0):
        bank = make_bank(reading_importance_strength=strength)
        add_frame(bank, 0, [0.0, 1.0, 3.0], {1: [1.0, 2.0, 3.0]})
        ask(bank, [0.0, 3.0])
        answers.append(ask(bank, [0.2, 2.0, 90.0]))
    assert torch.equal(*answers)


@given(st.integers(1, 9), st.sampled_from([None, 1, 3]), st.integers(0, 5))
@settings(max_examples=25, deadline=None)
def test_strength_zero_is_exactly_the_paper(n, top_k, seed):
    """Feedback that nothing uses changes no bit of any answer."""
    generator = torch.Generator().manual_seed(seed)
    banks = [
        MemoryBank(MemoryConfig(top_k=top_k, working_min_frames=1, working_max_frames=3), key_dim=2, value_dim=1)
        for _ in range(2)
    ]
    for t in range(6):
        key, values = torch.randn(2, n, generator=generator), torch.randn(1, 1, n, generator=generator)
        if t:
            plain, told = (bank.read(key, torch.ones_like(key)) for bank in banks)
            assert torch.equal(plain, told)
            banks[1].feedback(torch.rand(n, generator=generator))
        for bank in banks:
            bank.add(t, key, torch.ones(n), torch.ones_like(key), values, [1], permanent=t == 0)


def test_far_queries_and_no_trust_at_all_stay_finite(make_bank, add_frame, ask):
    bank = make_bank(reading_importance_strength=50.0)
    add_frame(bank, 0, [0.0, 1.0], {1: [1.0, 2.0]})
    for _ in range(3):
        assert torch.isfinite(ask(bank, [1e6, -1e6])).all()
        bank.feedback(torch.zeros(2))
    assert torch.isfinite(ask(bank, [0.0, 1e6])).all()


def test_a_saved_bank_keeps_its_trust(make_bank, add_frame, ask, tmp_path):
    bank = credited(make_bank, add_frame, ask, 1.0)
    bank.save(tmp_path / "bank.safetensors")
    other = MemoryBank.load(tmp_path / "bank.safetensors")
    assert torch.equal(ask(bank, [0.4]), ask(other, [0.4]))


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, False),
        ({"eviction": "contribution"}, True),
        ({"eviction": "mix"}, True),
        ({"eviction": "mix", "mix_contribution": 0.0}, False),
        ({"eviction": "contribution", "long_term": False}, False),
        ({"potentiation": "importance", "importance_strength": 0.0}, False),
        ({"potentiation": "importance", "importance_strength": 1.0}, True),
        ({"potentiation": "consistency", "consistency_strength": 1.0}, False),
        ({"potentiation": "importance+consistency", "importance_strength": 1.0}, True),
        ({"reading_importance_strength": 0.5, "long_term": False}, True),
    ],
)
def test_banks_say_whether_feedback_matters(make_bank, changes, wanted):
    assert make_bank(**changes).wants_feedback is wanted


def test_a_policy_that_does_not_say_is_given_feedback():
    class Own:
        def worth(self, **criteria: torch.Tensor) -> torch.Tensor:
            return criteria["contribution"]

    policies = Policies.of(MemoryConfig())
    own = Policies(policies.selection, policies.potentiation, Own())
    assert own.use_feedback(MemoryConfig())


def test_negative_strength_is_refused():
    with pytest.raises(ConfigError, match="reading_importance_strength"):
        MemoryConfig(reading_importance_strength=-1.0)
