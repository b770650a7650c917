"""Operations are counted where they are done."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from napari_xmem.errors import XMemError
from napari_xmem.model import XMem
from napari_xmem.model.inference import InferenceXMem
from napari_xmem_training.arithmetic import STEPS, count_flops
from napari_xmem_training.recipes import get_recipe


def counts_in_inference_mode() -> bool:
    """Return whether this version of PyTorch counts at all; old ones do not."""
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        torch.nn.functional.conv2d(torch.ones(1, 1, 4, 4), torch.ones(1, 1, 3, 3))
    return counter.get_total_flops() > 0


def test_the_steps_are_counted_and_more_objects_cost_more() -> None:
    torch.manual_seed(0)
    network = XMem(get_recipe("tiny").model).eval().requires_grad_(False)
    frames = np.random.default_rng(0).integers(0, 255, (3, 96, 128)).astype(np.uint8)
    one, two = np.zeros((96, 128), np.uint16), np.zeros((96, 128), np.uint16)
    one[20:50, 20:50] = two[20:50, 20:50] = 1
    two[45:75, 80:110] = 2
    before = {step: getattr(InferenceXMem, step) for step in STEPS}
    if not counts_in_inference_mode():
        with pytest.raises(XMemError, match="counts no operations"):
            count_flops(network, frames, one, scope="local", device="cpu")
        return
    few, many = (count_flops(network, frames, seeds, scope="local", device="cpu") for seeds in (one, two))
    assert {step: getattr(InferenceXMem, step) for step in STEPS} == before
    assert all(few[step] > 0 for step in STEPS)
    assert few["total"] == pytest.approx(sum(few[name] for name in (*STEPS, "other")))
    assert many["decode"] > 1.5 * few["decode"]
