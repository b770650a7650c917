"""Selection, potentiation and eviction on memories small enough to check on paper."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_xmem.config import MemoryConfig
from napari_xmem.errors import ConfigError
from napari_xmem.memory import EVICTIONS, POTENTIATIONS, SELECTIONS, MemoryBank
from napari_xmem.memory.affinity import augment_memory, augment_query
from napari_xmem.memory.eviction import (
    AgeEviction,
    ContributionEviction,
    MixEviction,
    RelevanceEviction,
    RelevanceFreshnessEviction,
    UsageEviction,
    evict,
)
from napari_xmem.memory.policy_registry import Registry
from napari_xmem.memory.potentiation import (
    AffinityPotentiation,
    CombinedPotentiation,
    ConsistencyPotentiation,
    ImportancePotentiation,
)
from napari_xmem.memory.prototype_selection import (
    NoveltySelection,
    UniformSelection,
    UsageNoveltySelection,
    UsageSelection,
)
from napari_xmem.memory.usage import trust


def choose(policy, keys, usage, count, known=()):
    """Selection among one-channel keys: the distance is (k - q)^2."""
    key = torch.tensor([list(keys)], dtype=torch.float32)
    return policy.select(
        rows=augment_memory(key, torch.ones(len(keys))),
        queries=augment_query(key, torch.ones_like(key)),
        usage=torch.tensor(list(usage), dtype=torch.float32),
        known=augment_memory(torch.tensor([list(known)], dtype=torch.float32), torch.ones(len(known))),
        count=count,
    ).tolist()


class Answers:
    """A policy of every kind that answers what a function of its arguments says."""

    def __init__(self, answer):
        self.answer = answer

    def worth(self, **say):
        return self.answer(say)

    select = log_prior = worth


class OldSignature:
    def worth(self, usage):
        return usage


class TestSelection:
    def test_usage_takes_the_most_used_first(self):
        assert choose(UsageSelection(), [0, 1, 2, 3], [0.1, 0.4, 0.2, 0.3], 3) == [1, 3, 2]

    def test_ties_in_usage_go_to_the_earlier(self):
        assert choose(UsageSelection(), [0, 1, 2, 3], [0.2, 0.5, 0.5, 0.2], 3) == [1, 2, 0]

    def test_novelty_goes_farthest_first(self):
        # known 0; distances 1, 4, 100, 81: take 10; then 1, 4, -, 1: take 2; then 1 and 9 tie at 1: the earlier
        assert choose(NoveltySelection(), [1, 2, 10, 9], [9, 0, 0, 5], 3, known=[0]) == [2, 1, 0]

    def test_novelty_without_known_starts_at_the_most_used(self):
        assert choose(NoveltySelection(), [0, 1, 5, 6], [0, 3, 0, 1], 2) == [1, 3]

    def test_novelty_of_copies_takes_each_look_before_any_twice(self):
        picked = choose(NoveltySelection(), [0, 0, 0, 4, 4, 9], [1, 0, 0, 0, 0, 0], 3)
        assert sorted(picked) == [0, 3, 5]

    def test_usage_and_novelty_on_paper(self):
        # known 0, weight 1/2: sqrt(u (1 - exp(-d))) with u = .2, 1, .5 and d = 9, .01, 1 -> .447, .0998, .562
        assert choose(UsageNoveltySelection(0.5), [3, 0.1, 1], [0.2, 1.0, 0.5], 1, known=[0]) == [2]
        # then d of 3 to {0, 1} is 4, of 0.1 is .01 -> 0 first
        assert choose(UsageNoveltySelection(0.5), [3, 0.1, 1], [0.2, 1.0, 0.5], 2, known=[0]) == [2, 0]

    def test_an_unused_outlier_is_no_prototype(self):
        keys, usage = [0.0, 2.0, 1000.0, 4.0], [0.5, 0.4, 0.0, 0.3]
        assert 2 not in choose(UsageNoveltySelection(0.5), keys, usage, 3)
        assert 2 in choose(NoveltySelection(), keys, usage, 3)

    @given(st.lists(st.tuples(st.integers(-20, 20), st.integers(0, 9)), min_size=1, max_size=8), st.data())
    @settings(max_examples=60, deadline=None)
    def test_ends_of_the_weight_are_the_pure_policies(self, elements, data):
        keys, usage = zip(*elements, strict=True)
        count = data.draw(st.integers(1, len(keys)))
        known = data.draw(st.lists(st.integers(-20, 20), max_size=3))
        args = (keys, usage, count, known)
        assert choose(UsageNoveltySelection(0.0), *args) == choose(UsageSelection(), *args)
        assert choose(UsageNoveltySelection(1.0), *args) == choose(NoveltySelection(), *args)

    @given(st.lists(st.tuples(st.integers(-5, 5), st.integers(0, 2)), min_size=1, max_size=8), st.data())
    @settings(max_examples=60, deadline=None)
    def test_every_policy_picks_different_rows(self, elements, data):
        keys, usage = zip(*elements, strict=True)
        count = data.draw(st.integers(1, len(keys)))
        known = data.draw(st.lists(st.integers(-5, 5), max_size=3))
        for name in SELECTIONS.names:
            picked = choose(SELECTIONS.build(MemoryConfig(prototype_selection=name)), keys, usage, count, known)
            assert len(set(picked)) == count and set(picked) <= set(range(len(keys)))

    @given(st.permutations(range(6)))
    @settings(max_examples=30, deadline=None)
    def test_order_of_candidates_does_not_matter_without_ties(self, order):
        keys, usage = [0.0, 1.5, 3.1, 7.0, 7.4, 12.0], [0.31, 0.12, 0.53, 0.24, 0.15, 0.06]
        for name in ("usage", "novelty", "usage+novelty"):
            policy = SELECTIONS.build(MemoryConfig(prototype_selection=name))
            plain = choose(policy, keys, usage, 4, known=[5.0])
            shuffled = choose(policy, [keys[i] for i in order], [usage[i] for i in order], 4, known=[5.0])
            assert [order[i] for i in shuffled] == plain

    def test_uniform_is_evenly_spaced(self):
        assert choose(UniformSelection(), range(8), range(8), 4) == [1, 3, 5, 7]
        assert choose(UniformSelection(), range(8), range(8), 1) == [4]
        assert choose(UniformSelection(), range(5), range(5), 5) == [0, 1, 2, 3, 4]


def prior(policy, keys, blocks, values, share=None, valid=None):
    key = torch.tensor([keys], dtype=torch.float32)
    value = torch.tensor(values, dtype=torch.float32)
    return policy.log_prior(
        rows=augment_memory(key, torch.ones(len(keys))),
        queries=augment_query(key, torch.ones_like(key)),
        block=torch.tensor(blocks),
        values=value,
        valid=torch.ones(value.shape[:2], dtype=torch.bool) if valid is None else torch.tensor(valid),
        trust=torch.ones(len(keys)) if share is None else torch.tensor(share),
    )


class TestPotentiation:
    def test_affinity_has_no_prior(self):
        assert prior(AffinityPotentiation(), [0, 1], [0, 0], [[[1.0], [2.0]]]) is None

    def test_importance_is_a_log_prior(self):
        got = prior(ImportancePotentiation(2.0), [0, 1], [0, 0], [[[1.0], [2.0]]], share=[1.0, 0.5])
        assert got.tolist() == [0.0, pytest.approx(2 * math.log(0.5))]

    def test_trust_on_paper(self):
        # mass 2, 2, 0: a = 4/3; good 2, 1, 0: t0 = 3/4
        got = trust(torch.tensor([2.0, 1.0, 0.0]), torch.tensor([2.0, 2.0, 0.0]))
        assert got.tolist() == [pytest.approx(3 / (10 / 3)), pytest.approx(2 / (10 / 3)), pytest.approx(0.75)]

    def test_trust_without_evidence_is_one(self):
        assert trust(torch.zeros(3), torch.zeros(3)).tolist() == [1.0, 1.0, 1.0]

    def test_consistency_weakens_what_the_next_frame_contradicts(self):
        # two places (keys 0 and 10) in two frames; the value at key 10 turns round, the one at key 0 stays
        values = [[[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]]]
        got = prior(ConsistencyPotentiation(0.5), [0, 10, 0, 10], [3, 3, 7, 7], values)
        torch.testing.assert_close(got, torch.tensor([0.0, -1.0, 0.0, 0.0]), atol=1e-5, rtol=0)

    def test_consistency_without_a_way_back_says_nothing(self):
        # the only element of the next frame belongs to the other place: coming back leads elsewhere
        values = [[[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]]]
        got = prior(ConsistencyPotentiation(1.0), [0, 10, 10], [0, 0, 1], values)
        torch.testing.assert_close(got, torch.tensor([0.0, -2.0, 0.0]), atol=1e-5, rtol=0)

    def test_consistency_leaves_out_objects_that_were_not_there(self):
        values = [[[1.0], [1.0]], [[1.0], [-1.0]]]
        everyone = prior(ConsistencyPotentiation(1.0), [0, 0], [0, 1], values)
        late = prior(ConsistencyPotentiation(1.0), [0, 0], [0, 1], values, valid=[[True, True], [False, True]])
        assert everyone.tolist() == [pytest.approx(-1.0, abs=1e-5), 0.0]
        assert late.tolist() == [pytest.approx(0.0, abs=1e-5), 0.0]

    def test_one_frame_has_no_following_one(self):
        assert prior(ConsistencyPotentiation(1.0), [0, 1], [4, 4], [[[1.0], [-1.0]]]).tolist() == [0.0, 0.0]

    def test_combination_adds_up(self):
        values = [[[1.0], [-1.0]]]
        args = {"keys": [0, 0], "blocks": [0, 1], "values": values, "share": [0.5, 1.0]}
        parts = [prior(ImportancePotentiation(0.7), **args), prior(ConsistencyPotentiation(0.3), **args)]
        torch.testing.assert_close(prior(CombinedPotentiation(0.7, 0.3), **args), parts[0] + parts[1])

    @pytest.mark.parametrize(
        "policy", [ImportancePotentiation(0), ConsistencyPotentiation(0), CombinedPotentiation(0, 0)]
    )
    def test_strength_zero_is_exactly_the_paper(self, policy):
        assert prior(policy, [0, 0], [0, 1], [[[1.0], [-1.0]]], share=[0.1, 1.0]) is None

    def test_far_keys_give_no_nan(self):
        got = prior(ConsistencyPotentiation(1.0), [0, 1e4], [0, 1], [[[0.0], [0.0]]])
        assert torch.isfinite(got).all()


def worth(
    policy,
    usage=(1, 1, 1, 1),
    age=(0, 0, 0, 0),
    relevance=(1, 1, 1, 1),
    contribution=(1, 1, 1, 1),
    isolation=(0, 0, 0, 0),
):
    def tensor(x):
        return torch.tensor(x, dtype=torch.float32)

    return policy.worth(
        usage=tensor(usage),
        age_frames=tensor(age),
        relevance=tensor(relevance),
        contribution=tensor(contribution),
        isolation=tensor(isolation),
    )


class TestEviction:
    def test_least_go_first(self):
        assert evict(torch.tensor([0.3, 0.1, 0.2, 0.4]), 2).tolist() == [1, 2]

    def test_ties_remove_exactly_as_many_as_asked_oldest_first(self):
        assert evict(torch.zeros(4), 2).tolist() == [0, 1]
        assert evict(torch.zeros(4), 0).tolist() == []

    def test_single_criteria(self):
        assert evict(worth(UsageEviction(), usage=(4, 1, 3, 2)), 2).tolist() == [1, 3]
        assert evict(worth(AgeEviction(10), age=(4, 1, 30, 2)), 2).tolist() == [2, 0]
        assert evict(worth(RelevanceEviction(), relevance=(4, 1, 3, 2)), 1).tolist() == [1]
        assert evict(worth(ContributionEviction(), contribution=(4, 2, 3, 1)), 1).tolist() == [3]

    def test_age_halves_every_half_life(self):
        assert worth(AgeEviction(10), age=(0, 10, 20, 40)).tolist() == [1, 0.5, 0.25, 0.0625]

    def test_age_keeps_its_order_for_very_old_elements(self):
        assert evict(worth(AgeEviction(100), age=(50_000, 50_100, 3, 0)), 2).tolist() == [1, 0]

    def test_mix_on_paper(self):
        # (1 * u/4 + 1 * 2^-age/10 + 2 * c/2) / 4
        got = worth(MixEviction(1, 1, 0, 2, 10), usage=(4, 2, 0, 0), age=(20, 0, 0, 10), contribution=(0, 0, 2, 1))
        assert got.tolist() == [1.25 / 4, 1.5 / 4, 3 / 4, 1.5 / 4]

    def test_mix_with_one_weight_orders_as_that_criterion(self):
        usage = (0.3, 0.1, 0.9, 0.2)
        assert evict(worth(MixEviction(1, 0, 0, 0), usage=usage), 3).tolist() == evict(torch.tensor(usage), 3).tolist()

    def test_mix_of_nothing_is_refused(self):
        with pytest.raises(ConfigError, match="mix_"):
            MixEviction(0, 0, 0, 0)

    def test_relevance_and_freshness_on_paper(self):
        # frames of age 4 (two elements), 10 and 92; N = 106, so that ln N = 4.6634
        got = worth(RelevanceFreshnessEviction(), age=(92, 4, 10, 4), contribution=(0.1, 0.02, 0.01, 0.03))
        bound = [1.5 * (4.6634 / (n + 8)) ** 0.5 for n in (92, 4, 10)]
        expected = [0.1 + bound[0], 0.05 + bound[1], 0.01 + bound[2], 0.05 + bound[1]]
        assert got.tolist() == pytest.approx(expected, abs=1e-4)
        assert evict(got, 1).tolist() == [0]
        assert (
            evict(worth(RelevanceFreshnessEviction(), age=(92, 4, 10, 4), contribution=(1, 0.02, 0.01, 0.03)), 1) == 2
        )

    def test_own_pixels_and_confidence_are_not_counted_at_once(self):
        fits = MemoryConfig(eviction="relevance+freshness", potentiation="importance", importance_strength=0)
        assert MemoryBank(fits, key_dim=1, value_dim=1).wants_own_pixels
        for change in (
            {"potentiation": "importance", "importance_strength": 1.0},
            {"reading_importance_strength": 0.5},
        ):
            with pytest.raises(ConfigError, match="own pixels"):
                MemoryBank(MemoryConfig(eviction="relevance+freshness", **change), key_dim=1, value_dim=1)

    @pytest.mark.parametrize("name", EVICTIONS.names)
    def test_all_zero_is_finite(self, name):
        zero = (0, 0, 0, 0)
        got = worth(EVICTIONS.build(MemoryConfig(eviction=name)), zero, zero, zero, zero)
        assert torch.isfinite(got).all()


class TestRegistry:
    @pytest.mark.parametrize(
        ("field", "registry", "names"),
        [
            ("prototype_selection", SELECTIONS, ("usage", "novelty", "usage+novelty", "uniform")),
            ("potentiation", POTENTIATIONS, ("affinity", "importance", "consistency", "importance+consistency")),
            (
                "eviction",
                EVICTIONS,
                (
                    "usage",
                    "age",
                    "relevance",
                    "contribution",
                    "mix",
                    "coverage",
                    "relevance+freshness",
                    "usage+coverage",
                ),
            ),
        ],
    )
    def test_wrong_names_list_the_right_ones(self, field, registry, names):
        assert registry.names == names
        with pytest.raises(ConfigError) as caught:
            MemoryBank(MemoryConfig(**{field: "best"}), key_dim=1, value_dim=1)
        assert "'best'" in str(caught.value) and field in str(caught.value)
        assert all(repr(name) in str(caught.value) for name in names)

    def test_policies_take_their_settings_from_the_configuration(self):
        config = MemoryConfig(
            novelty_weight=0.25, importance_strength=2.0, consistency_strength=3.0, half_life_frames=7.0
        )
        assert SELECTIONS.build(config.replace(prototype_selection="usage+novelty")) == UsageNoveltySelection(0.25)
        combined = POTENTIATIONS.build(config.replace(potentiation="importance+consistency"))
        assert combined == CombinedPotentiation(2.0, 3.0)
        assert EVICTIONS.build(config.replace(eviction="age")) == AgeEviction(7.0)
        assert EVICTIONS.build(config.replace(eviction="mix", mix_age=0.0)) == MixEviction(1.0, 0.0, 1.0, 1.0, 7.0)

    @pytest.mark.parametrize(
        ("bad", "words"),
        [
            (Answers(lambda say: torch.tensor(3.0)), r"worth\(\) answered a tensor of torch.float32 and shape \(\)"),
            (Answers(lambda say: say["usage"].numpy()), r"worth\(\) answered an array of shape \(6,\)"),
            (Answers(lambda say: say["usage"] * float("nan")), "answered NaN"),
            (Answers(lambda say: say["nothing"]), "KeyError: 'nothing'"),
            (OldSignature(), "unexpected keyword argument"),
            (UsageEviction, "making it failed"),
            (lambda config: 7, r"is 7, expected an object with a method worth\(\)"),
            (5, r"is 5, expected a policy with a method worth\(\)"),
        ],
    )
    def test_policies_are_tried_when_they_are_registered_or_given(self, bad, words):
        registry: Registry[UsageEviction] = Registry("eviction")
        with pytest.raises(ConfigError, match=rf"'mine'.*{words}"):
            registry.register("mine", bad)
        assert registry.names == ()
        if isinstance(bad, (Answers, OldSignature)):
            with pytest.raises(ConfigError, match=words):
                MemoryBank(MemoryConfig(eviction=bad), key_dim=1, value_dim=1)

    @pytest.mark.parametrize(
        ("registry", "answer", "words"),
        [
            (
                SELECTIONS,
                lambda say: torch.zeros(3, dtype=torch.int64),
                "chose .0, 0, 0., expected 3 different numbers",
            ),
            (SELECTIONS, lambda say: [0, 1, 2], r"answered \[0, 1, 2\], expected a tensor of int64 of shape \(3,\)"),
            (POTENTIATIONS, lambda say: say["values"], r"expected None or a tensor of shape \(6,\)"),
        ],
    )
    def test_other_kinds_are_tried_too(self, registry, answer, words):
        with pytest.raises(ConfigError, match=words):
            registry.register("wrong", Answers(answer))
        assert "wrong" not in registry.names

    def test_own_names_are_replaced_and_those_of_the_package_are_not(self):
        registry: Registry[UsageEviction] = Registry("eviction")
        registry.register("mine", lambda config: UsageEviction())
        registry.register("mine", Answers(lambda say: -say["age_frames"]))
        assert worth(registry.build(MemoryConfig(eviction="mine")), [0], [5], [0], [0], [0]).tolist() == [-5]
        with pytest.raises(ConfigError, match="comes with the package"):
            EVICTIONS.register("usage", lambda config: UsageEviction())

    def test_own_policies_keep_what_menus_say_of_them_and_can_be_copied(self):
        class Patient(Answers):
            """Waits."""

        registry: Registry[UsageEviction] = Registry("eviction")
        registry.register("patient", Patient(lambda say: -say["age_frames"]))
        policy = registry.build(MemoryConfig(eviction="patient"))
        assert policy.__doc__ == "Waits."
        assert worth(copy.deepcopy(policy), [0], [5], [0], [0], [0]).tolist() == [-5]

    def test_objects_are_given_in_place_of_names(self):
        config = MemoryConfig(eviction=AgeEviction(3.0))
        assert config.eviction == "AgeEviction" and MemoryConfig.from_dict(config.to_dict()) == config
        assert worth(EVICTIONS.build(config), [0], [6], [0], [0], [0]).tolist() == [0.25]
        assert MemoryConfig(eviction=AgeEviction(3.0)) == config
        assert MemoryConfig(eviction=AgeEviction(6.0)).eviction == "AgeEviction-2"
        for wrong in (AgeEviction, 3, None, UsageSelection()):
            with pytest.raises(ConfigError, match=r"or an object with a method worth\(\)"):
                MemoryConfig(eviction=wrong)

    def test_a_policy_that_fails_later_is_named(self):
        late = Answers(lambda say: say["usage"] if len(say["usage"]) == 6 else None)
        policy = EVICTIONS.build(MemoryConfig(eviction=late))
        with pytest.raises(ConfigError, match=r"eviction 'Answers.*worth\(\) answered None"):
            worth(policy, [0], [6], [0], [0], [0])
