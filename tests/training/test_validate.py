"""Figures of validation during training."""

from __future__ import annotations

import pytest
import torch

from napari_xmem.model import XMem
from napari_xmem_training.recipes import get_recipe
from napari_xmem_training.validate import Validator, _brier, _jaccard, _mean_over_families


def test_families_weigh_the_same_however_many_kinds_they_have():
    figures = {"val/warp/fluo": 0.8, "val/warp/phase": 0.6, "val/simulated/a": 0.1, "val/simulated/b": 0.3}
    figures |= {"val/simulated/c": 0.2}
    assert _mean_over_families(figures) == pytest.approx((0.7 + 0.2) / 2)


def test_an_absent_target_counts_as_right_when_little_is_painted():
    target = torch.zeros(2, 1, 16, 16, dtype=torch.bool)
    painted = torch.zeros_like(target)
    painted[1, 0, :10, :10] = True
    assert _jaccard(painted, target) == pytest.approx(0.5)


def test_brier_scores_where_the_truth_is_known_and_of_the_best_constant():
    said = torch.tensor([[0.9, 0.5, 0.0, 1.0, 0.3], [0.2, 0.5, 0.0, 1.0, 0.5]])
    true = torch.tensor([[1.0, torch.nan, 0.0, 1.0, 0.5], [0.0, torch.nan, 1.0, torch.nan, 0.5]])
    figures = _brier(said, true)
    assert figures["state/present"] == pytest.approx((0.01 + 0.04) / 2)
    assert figures["state/present/base"] == pytest.approx(0.25)
    assert "state/about_to_divide" not in figures
    assert figures["state/dividing"] == pytest.approx(0.5)
    assert (figures["state/divided"], figures["state/divided/base"]) == (0.0, 0.0)
    assert figures["state/agreement"] == pytest.approx(0.02)


@pytest.mark.slow
@pytest.mark.train
def test_the_same_network_gets_the_same_figures():
    torch.manual_seed(0)
    network = XMem(get_recipe("tiny").model).eval()
    validator = Validator(None, torch.device("cpu"), frames=3, clips_per_kind=1)
    first, second = validator.score(network), validator.score(network)
    assert first == second
    assert first["val"] == pytest.approx(_mean_over_families({k: v for k, v in first.items() if k != "val"}), abs=1e-3)
