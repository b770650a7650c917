"""The differentiable pass over a clip."""

from __future__ import annotations

import pytest
import torch

from napari_xmem.model import XMem
from napari_xmem_training.recipes import get_recipe
from napari_xmem_training.rollout import Batch, Schedule, roll_out

SIDE, WINDOW, FRAMES, COUNT = 48, 64, 4, 2


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return XMem(get_recipe("tiny").model).eval()


@pytest.fixture
def batch():
    random = torch.Generator().manual_seed(1)
    image = torch.rand(COUNT, FRAMES, 4, WINDOW, WINDOW, generator=random)
    target, others = torch.zeros(2, COUNT, FRAMES, WINDOW, WINDOW)
    target[:, :, 20:40, 20:40] = 1
    others[:, :, 42:56, 20:40] = 1
    return Batch(image, target, others)


def schedule(known=True, memory=(True,) * FRAMES, top_k=None):
    return Schedule((8, 8), SIDE, memory, torch.full((COUNT,), known), top_k)


def test_probabilities_and_targets_are_of_the_region(network, batch):
    with torch.no_grad():
        out = roll_out(network, batch, schedule())
    assert out.aggregated.shape == out.independent.shape == out.target.shape == (COUNT, FRAMES - 1, SIDE, SIDE)
    assert torch.equal(out.target, batch.target[:, 1:, 8 : 8 + SIDE, 8 : 8 + SIDE])
    assert float(out.aggregated.min()) >= 0
    assert float(out.aggregated.max()) <= 1


def test_a_frame_does_not_know_the_future(network, batch):
    changed = Batch(batch.image.clone(), batch.target.clone(), batch.others.clone())
    changed.image[:, 3] = 0.5
    changed.others[:, 3] = 0
    one, other = roll_out(network, batch, schedule()), roll_out(network, changed, schedule())
    assert torch.allclose(one.aggregated[:, :2], other.aggregated[:, :2], atol=1e-6)
    assert not torch.allclose(one.aggregated[:, 2], other.aggregated[:, 2])


def test_only_the_first_mask_is_given_away(network, batch):
    changed = Batch(batch.image, batch.target.clone(), batch.others)
    changed.target[:, 1:] = 0
    one, other = roll_out(network, batch, schedule()), roll_out(network, changed, schedule())
    assert torch.equal(one.aggregated, other.aggregated)


def test_neighbours_matter_only_where_they_are_known(network, batch):
    alone = Batch(batch.image, batch.target, torch.zeros_like(batch.others))
    assert torch.equal(
        roll_out(network, batch, schedule(known=False)).aggregated, roll_out(network, alone, schedule()).aggregated
    )
    assert not torch.equal(
        roll_out(network, batch, schedule()).aggregated, roll_out(network, alone, schedule()).aggregated
    )


def test_memory_frames_matter(network, batch):
    every = roll_out(network, batch, schedule())
    first = roll_out(network, batch, schedule(memory=(True, False, False, False)))
    assert torch.allclose(every.independent[:, 0], first.independent[:, 0], atol=1e-6)
    assert not torch.allclose(every.independent[:, 2], first.independent[:, 2], atol=1e-6)


def test_clips_of_a_batch_do_not_mix(network, batch):
    single = Batch(batch.image[:1], batch.target[:1], batch.others[:1])
    alone = roll_out(network, single, Schedule((8, 8), SIDE, (True,) * FRAMES, torch.ones(1, dtype=torch.bool)))
    together = roll_out(network, batch, schedule())
    assert torch.allclose(alone.aggregated, together.aggregated[:1], atol=1e-5)


def test_every_weight_gets_a_gradient(network, batch):
    trained = XMem(get_recipe("tiny").model).train()
    roll_out(trained, batch, schedule(memory=(True, False, True, False), top_k=20)).aggregated.sum().backward()
    missing = [name for name, p in trained.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
    assert not missing
