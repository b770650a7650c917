"""Ablations change what they say, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_xmem.model import XMem, save_model
from napari_xmem_training.recipes import get_recipe
from napari_xmem_training.suite import suite_movies
from napari_xmem_training.suite.ablations import ABLATIONS, few_objects, run_ablations, table


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    return save_model(XMem(get_recipe("tiny").model), tmp_path_factory.mktemp("model") / "tiny.safetensors")


def test_a_few_objects_in_the_middle_are_kept():
    movie = next(iter(suite_movies(None, ["return"])))
    few = few_objects(movie, 3)
    assert len(few.scored) == 3
    assert set(np.unique(few.truth)) == {0, *few.scored}
    assert few.frames is movie.frames


def test_ablations_are_compared_with_the_default(weights):
    wanted = ("default: default", "nominal diameter: 80 px", "memory interval: first frame only",
              "sensory memory: none", "locality: 24.0 px")  # fmt: skip
    chosen = [a for a in ABLATIONS if f"{a.group}: {a.name}" in wanted]
    results = run_ablations(str(weights), None, ["return"], 2, chosen, "cpu")
    assert set(results) == set(wanted)
    lines = table(results, ["return"]).splitlines()
    assert lines[2].startswith("| default: default |")
    assert lines[2].endswith("+0.000 |")
    means = [[c.mean for c in scores[0].columns.values()] for scores in results.values()]
    assert all(other != means[0] for other in means[1:])


def test_names_are_unique():
    assert len({(a.group, a.name) for a in ABLATIONS}) == len(ABLATIONS)
