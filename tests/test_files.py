"""Files appear when they are whole, with the permissions of any other new file."""

from __future__ import annotations

import os
import stat

import numpy as np
import pytest
import torch

from napari_xmem.config import MemoryConfig
from napari_xmem.files import atomic_write
from napari_xmem.io import LabelWriter
from napari_xmem.memory import MemoryBank
from napari_xmem.model import XMem, save_model
from napari_xmem_training.recipes import get_recipe
from napari_xmem_training.state import TrainingState


def test_it_appears_when_it_is_whole(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    (tmp_path / "a.txt.partial").write_text("of a process that was killed")
    with atomic_write(target) as partial:
        partial.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    with pytest.raises(ValueError, match="full"), atomic_write(target) as partial:
        partial.write_text("half")
        raise ValueError("full")
    assert target.read_text() == "new"
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.fixture(params=[0o022, 0o027])
def ordinary(request):
    if os.name == "nt":
        pytest.skip("permissions of POSIX")
    before = os.umask(request.param)
    yield 0o666 & ~request.param
    os.umask(before)


def test_others_may_read_what_is_written(tmp_path, ordinary):
    recipe = get_recipe("tiny")
    save_model(XMem(recipe.model), tmp_path / "model.safetensors")
    bank = MemoryBank(MemoryConfig(), key_dim=4, value_dim=3)
    bank.add(0, torch.ones(4, 2), torch.ones(2), None, torch.ones(1, 3, 2), (1,))
    bank.save(tmp_path / "bank.safetensors")
    TrainingState.fresh(recipe, torch.device("cpu")).save(tmp_path / "state")
    for name in ("labels.tif", "labels.npy", "labels.zarr"):
        with LabelWriter(tmp_path / name, (2, 8, 9)) as writer:
            writer.write(0, np.ones((8, 9), np.uint16))
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in tmp_path.rglob("*") if p.is_file()}
    assert {"model.safetensors", "bank.safetensors", "state.json", "weights.0.safetensors"} <= set(modes)
    assert set(modes.values()) == {ordinary}, modes
