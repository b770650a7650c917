"""A process that was forked after torch computed on several threads goes on, on one: the others are gone there."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SCRIPT = """
import multiprocessing, sys
import numpy as np, torch
import napari_xmem as nx

torch.set_num_threads(2)
yy, xx = np.mgrid[:64, :64]
movie = np.stack([((yy - 30) ** 2 + (xx - 20 - t) ** 2 < 80) * 9000.0 for t in range(3)])
seeds = ((yy - 30) ** 2 + (xx - 20) ** 2 < 80).astype(np.uint8)
network = nx.load_model("bundled", device="cpu")
whole = {before}

def child():
    loaded = {loaded}
    labels = nx.propagate(movie, seeds, model=loaded, device="cpu").labels
    assert torch.get_num_threads() == 1
    assert labels[2].any()

process = multiprocessing.get_context("fork").Process(target=child)
process.start()
process.join(240)
if process.is_alive():
    process.kill()
    sys.exit("the child hangs")
assert torch.get_num_threads() == 2  # the parent keeps its threads
sys.exit(process.exitcode)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize(
    ("before", "loaded"),
    [
        ("nx.propagate(movie, seeds, model=network, device='cpu')", "network"),
        ("None", "nx.load_model('bundled', device='cpu')"),
    ],
    ids=["after a run, with its network", "after loading"],
)
def test_a_forked_child_does_not_hang(before, loaded):
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    end = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(before=before, loaded=loaded)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert end.returncode == 0, end.stderr
