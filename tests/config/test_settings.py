"""What settings refuse, and that numbers of numpy are as good as Python's."""

from __future__ import annotations

import ast
import json
from dataclasses import fields
from fractions import Fraction

import numpy as np
import pytest

from napari_xmem.config import MemoryConfig, ModelConfig, PropagationConfig, settings_of
from napari_xmem.errors import ConfigError
from napari_xmem_training.config import TrainingConfig

WHOLE = (
    "memory_interval_frames", "deep_update_interval_frames", "top_k", "working_min_frames", "working_max_frames",
    "num_prototypes", "long_term_max_elements", "correction_radius_frames",
)  # fmt: skip
NUMBERS = (
    "novelty_weight", "importance_strength", "consistency_strength", "reading_importance_strength",
    "permanent_log_prior", "half_life_frames", "mix_usage", "mix_age", "mix_relevance", "mix_contribution",
)  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("value", [2.5, 5.0, "5", True, np.bool_(True), np.float32(5), float("nan"), [5], 5j])
def test_whole_numbers_only(name, value):
    with pytest.raises(ConfigError) as caught:
        MemoryConfig(**{name: value})
    assert str(caught.value).startswith(f"{name} is {value!r}, expected a whole number")


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", ["0.5", None, False, np.inf, -np.inf, np.nan, [0.5], 10**400])
def test_finite_numbers_only(name, value):
    with pytest.raises(ConfigError, match=f"{name} is .*, expected a finite number, "):
        MemoryConfig(**{name: value})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"top_k": 2.5}, "top_k is 2.5, expected a whole number, at least 1, or None for all."),
        ({"top_k": 0}, "top_k is 0, expected at least 1, or None for all."),
        ({"num_prototypes": None}, "num_prototypes is None, expected a whole number, at least 1."),
        ({"novelty_weight": 1.5}, "novelty_weight is 1.5, expected 0 to 1."),
        ({"half_life_frames": 0}, "half_life_frames is 0, expected more than 0."),
        ({"mix_age": -1}, "mix_age is -1, expected at least 0."),
        ({"long_term": 1}, "long_term is 1, expected True or False."),
        ({"permanent_seeds": "no"}, "permanent_seeds is 'no', expected True or False."),
        (
            {"potentiation": None},
            "potentiation is None, expected one of 'affinity', 'importance', 'consistency', 'importance+consistency', "
            "or an object with a method log_prior().",
        ),
    ],
)
def test_what_memory_settings_say(values, message):
    with pytest.raises(ConfigError) as caught:
        MemoryConfig(**values)
    assert str(caught.value) == message
    with pytest.raises(ConfigError):
        MemoryConfig().replace(**values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"start": 0.5}, "start is 0.5, expected a whole number, or None."),
        ({"stop": "3"}, "stop is '3', expected a whole number, or None."),
        ({"start": True}, "start is True, expected a whole number, or None."),
        (
            {"max_displacement_px": "5"},
            "max_displacement_px is '5', expected a finite number, more than 0, or None to choose.",
        ),
        (
            {"diameter_px": float("inf")},
            "diameter_px is inf, expected a finite number, more than 0, or None to choose.",
        ),
        (
            {"diameter_px": float("nan")},
            "diameter_px is nan, expected a finite number, more than 0, or None to choose.",
        ),
        ({"diameter_px": -1}, "diameter_px is -1, expected more than 0, or None to choose."),
        (
            {"memory_budget_bytes": True},
            "memory_budget_bytes is True, expected a finite number, at least 1000000, or None to choose.",
        ),
        ({"percentiles": (0.5,)}, "percentiles are (0.5,), expected 0 <= low < high <= 100."),
        ({"percentiles": None}, "percentiles are None, expected 0 <= low < high <= 100."),
        ({"percentiles": (0, float("nan"))}, "percentiles are (0, nan), expected 0 <= low < high <= 100."),
    ],
)
def test_what_settings_of_a_run_say(values, message):
    with pytest.raises(ConfigError) as caught:
        PropagationConfig(**values)
    assert str(caught.value) == message


def test_numbers_of_numpy_become_plain_ones():
    memory = MemoryConfig(
        top_k=np.int64(7), num_prototypes=np.uint8(9), novelty_weight=np.float32(0.25), half_life_frames=np.int16(50),
        mix_age=Fraction(1, 2), long_term=np.bool_(False),
    )  # fmt: skip
    plain = MemoryConfig(
        top_k=7, num_prototypes=9, novelty_weight=0.25, half_life_frames=50, mix_age=0.5, long_term=False
    )
    assert memory == plain and hash(memory) == hash(plain)
    assert json.loads(json.dumps(memory.to_dict())) == plain.to_dict()
    config = PropagationConfig(start=np.int32(2), stop=np.uint16(9), diameter_px=np.float64(31.5), percentiles=[1, 99])
    assert (type(config.start), type(config.stop), type(config.diameter_px)) == (int, int, float)
    assert (config.start, config.stop, config.diameter_px) == (2, 9, 31.5)


def test_none_stays_where_it_means_something():
    assert MemoryConfig(top_k=None, deep_update_interval_frames=None).top_k is None
    assert PropagationConfig().diameter_px is None


@pytest.mark.parametrize("config", [MemoryConfig, PropagationConfig, ModelConfig, TrainingConfig])
def test_every_setting_says_what_it_does_and_takes_its_default(config):
    made = config()
    for name, known in settings_of(config).items():
        assert known.help.endswith("."), name
        assert known.checked(known.default) == getattr(made, name) == known.default
        assert f"{name} : " in config.__doc__ and known.help.split()[0] in config.__doc__


def test_every_field_is_described():
    undescribed = {
        (config.__name__, item.name)
        for config in (MemoryConfig, PropagationConfig, ModelConfig, TrainingConfig)
        for item in fields(config)
        if item.name not in settings_of(config)
    }
    assert undescribed == {("PropagationConfig", "memory"), ("PropagationConfig", "percentiles")}


def test_kind_and_none_come_from_the_annotation():
    known = settings_of(MemoryConfig)
    assert known["top_k"].kind is int and known["top_k"].optional
    assert known["long_term"].kind is bool and not known["long_term"].optional
    assert settings_of(ModelConfig)["key_widths"].length == 3
    assert [option.value for option in settings_of(ModelConfig)["key_block"].options] == ["bottleneck", "basic"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"key_widths": (1, 2)}, "key_widths is (1, 2), expected 3 numbers, each 1 to 8192."),
        ({"key_widths": [1, 2, 10**9]}, "key_widths is 1000000000, expected 1 to 8192."),
        ({"key_dim": True}, "key_dim is True, expected a whole number, 1 to 8192."),
        ({"key_block": "wide"}, "key_block is 'wide', expected 'bottleneck' or 'basic'."),
        ({"key_block": ["basic"]}, "key_block is ['basic'], expected 'bottleneck' or 'basic'."),
    ],
)
def test_networks_of_absurd_size_are_refused(values, message):
    with pytest.raises(ConfigError) as caught:
        ModelConfig(**values)
    assert str(caught.value) == message


@pytest.mark.parametrize(("file", "name"), [("memory", "Memory"), ("propagation", "Propagation")])
def test_type_checkers_know_the_fields_that_can_be_changed(repository, file, name):
    tree = ast.parse((repository / "src" / "napari_xmem" / "config" / f"{file}.py").read_text(encoding="utf-8"))
    classes = {
        node.name: {
            field.target.id: ast.unparse(field.annotation) for field in node.body if isinstance(field, ast.AnnAssign)
        }
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    assert len(classes[f"{name}Config"]) > 10
    assert classes[f"{name}Changes"] == classes[f"{name}Config"]
