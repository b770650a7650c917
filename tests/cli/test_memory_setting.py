"""Every field of the memory is reached from the command line; wrong names list the right ones."""

from __future__ import annotations

import argparse
from dataclasses import fields, replace
from typing import Any

import pytest

from napari_xmem.cli import main
from napari_xmem.cli.options import add_model_options, memory_config
from napari_xmem.config import MemoryConfig
from napari_xmem.memory import EVICTIONS, POTENTIATIONS, SELECTIONS

#: Values that differ from the defaults where one more, or not, does not fit.
OTHER: dict[str, Any] = {
    "deep_update_interval_frames": 7,
    "prototype_selection": "usage+novelty",
    "potentiation": "importance+consistency",
    "eviction": "mix",
    "novelty_weight": 0.25,
    "working_min_frames": 2,
}


def other_value(name: str) -> Any:
    default = getattr(MemoryConfig(), name)
    return OTHER[name] if name in OTHER else not default if isinstance(default, bool) else default + 1


@pytest.mark.parametrize("name", [field.name for field in fields(MemoryConfig)])
def test_every_field_is_reached(name):
    """Through the parser, beside other settings in one --memory or several."""
    parser = argparse.ArgumentParser()
    add_model_options(parser)
    value = other_value(name)
    expected = replace(MemoryConfig(top_k=9), **{name: value})
    for words in (["--memory", "top_k=9", f"{name}={value}"], ["--memory", "top_k=9", "--memory", f"{name}={value}"]):
        assert memory_config(parser.parse_args(words).memory) == expected


def test_a_run_with_other_policies(files, tiny_model):
    words = ["propagate", files.movie, "--seeds", files.seeds, "--output", files.output, "--model", tiny_model]
    words += ["--memory", "eviction=mix", "potentiation=importance", "--memory", "reading_importance_strength=0.5"]
    words += ["--memory", "working_min_frames=1", "working_max_frames=2", "long_term_max_elements=3"]
    assert main([*words, "--device", "cpu", "--quiet"]) == 0


@pytest.mark.parametrize(
    ("name", "registry"),
    [("prototype_selection", SELECTIONS), ("potentiation", POTENTIATIONS), ("eviction", EVICTIONS)],
)
def test_wrong_policies_list_the_right_ones(files, tiny_model, capsys, name, registry):
    words = ["propagate", files.movie, "--seeds", files.seeds, "--output", files.output, "--model", tiny_model]
    assert main([*words, "--memory", f"{name}=fifo"]) == 2
    said = capsys.readouterr().err
    assert all(repr(right) in said for right in registry.names)
    assert "fifo" in said
