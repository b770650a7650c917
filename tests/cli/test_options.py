from __future__ import annotations

from dataclasses import fields

import pytest

from napari_xmem.cli.options import memory_config
from napari_xmem.config import MemoryConfig
from napari_xmem.errors import ConfigError
from napari_xmem.words import number_list


def test_every_field_can_be_set():
    """Each default, written as text, comes back as the same value."""
    for field in fields(MemoryConfig):
        value = getattr(MemoryConfig(), field.name)
        config = memory_config([f"{field.name}={value}"])
        assert getattr(config, field.name) == value
        assert type(getattr(config, field.name)) is type(value)


def test_values():
    config = memory_config(["top_k=none", "long_term=off", "eviction=age", "mix-usage=0.25", "num_prototypes=1_000"])
    assert config == MemoryConfig(top_k=None, long_term=False, eviction="age", mix_usage=0.25, num_prototypes=1000)


def test_the_paper_as_a_base():
    assert memory_config(["paper"]) == MemoryConfig.paper()
    assert memory_config(["top_k=5", "paper"]) == MemoryConfig.paper(top_k=5)


@pytest.mark.parametrize("text", ["top_k=1.5", "novelty_weight=much", "memory_interval_frames=none", "top_k="])
def test_values_of_the_wrong_kind(text):
    with pytest.raises(ConfigError, match=f"--memory {text}"):
        memory_config([text])


def test_frame_list():
    assert number_list([4, 1, 2, 3, 9]) == "1-4, 9"
    assert number_list([]) == ""
