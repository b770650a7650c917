"""Every script in examples/ runs, on a small movie with an untrained network."""

from __future__ import annotations

import gc
import runpy
import sys

import numpy as np
import pytest
import tifffile

from napari_xmem.memory import EVICTIONS, POTENTIATIONS, SELECTIONS

SMALL = ["--frames", "6", "--size", "96"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Path of an untrained network."""
    import torch

    from napari_xmem.model import XMem, save_model
    from napari_xmem_training.recipes import get_recipe

    torch.manual_seed(0)
    return str(save_model(XMem(get_recipe("tiny").model), tmp_path_factory.mktemp("model") / "tiny.safetensors"))


@pytest.fixture
def execute(repository, monkeypatch, model, capsys):
    """Run an example as from the command line; returns what it printed."""

    def run(name, *arguments):
        for registry in (SELECTIONS, POTENTIATIONS, EVICTIONS):  # an example's policies end with it
            monkeypatch.setattr(registry, "_builders", dict(registry._builders))
        monkeypatch.setattr(sys, "argv", [name, "--model", model, *map(str, arguments)])
        runpy.run_path(str(repository / "examples" / name), run_name="__main__")
        return capsys.readouterr().out

    return run


def test_all_are_covered(repository):
    names = {path.name for path in (repository / "examples").glob("*.py")}
    covered = {name for name in names if name in open(__file__, encoding="utf-8").read()}
    assert names == covered


def test_headless(execute, tmp_path):
    printed = execute("headless.py", "--out", tmp_path, *SMALL)
    assert "followed" in printed
    assert tifffile.imread(tmp_path / "labels.tif").shape == (6, 96, 96)


def test_batch_folder(execute, tmp_path):
    from napari_xmem.sample_data import simulated_nuclei

    movie, truth = simulated_nuclei(frames=4, size_px=(96, 96), n_objects=4)
    folder = tmp_path / "movies"
    folder.mkdir()
    for name in ("a", "b"):
        tifffile.imwrite(folder / f"{name}.tif", movie, photometric="minisblack", metadata={"axes": "TYX"})
        seeds = np.zeros_like(truth)
        seeds[0] = truth[0]
        tifffile.imwrite(folder / f"{name}_seeds.tif", seeds, photometric="minisblack", metadata={"axes": "TYX"})
    tifffile.imwrite(folder / "c.tif", movie, photometric="minisblack", metadata={"axes": "TYX"})
    out = tmp_path / "out"
    printed = execute("batch_folder.py", folder, "--out", out)
    assert {path.name for path in out.iterdir()} == {"a_labels.tif", "b_labels.tif"}
    assert "c.tif:" in printed and "c_seeds.tif" in printed, "a movie without seeds is told and does no harm"
    assert "a.tif: done before" in execute("batch_folder.py", folder, "--out", out)


def test_correct_a_frame(execute):
    printed = execute("correct_a_frame.py", *SMALL)
    assert "undone: correction of frame 3" in printed and "locked: (5,)" in printed


def test_custom_policy(execute):
    assert "removals" in execute("custom_policy.py", *SMALL)


def test_plot_memory(execute, tmp_path):
    pytest.importorskip("matplotlib")
    execute("plot_memory.py", "--out", tmp_path, *SMALL)
    assert (tmp_path / "memory.png").stat().st_size > 5000


def test_training_data(repository, tmp_path, monkeypatch, capsys):
    from napari_xmem.sample_data import simulated_nuclei
    from napari_xmem_training.clips.store import StillStore

    for name, array in zip(("images", "masks"), simulated_nuclei(frames=3, size_px=(96, 96), n_objects=6), strict=True):
        (tmp_path / name).mkdir()
        for t, frame in enumerate(array):
            tifffile.imwrite(tmp_path / name / f"{t}.tif", frame)
    folders = [str(tmp_path / name) for name in ("images", "masks")]
    monkeypatch.setattr(sys, "argv", ["training_data.py", *folders, "--out", str(tmp_path / "own"), "--like", "phase"])
    runpy.run_path(str(repository / "examples" / "training_data.py"), run_name="__main__")
    assert "3 images" in capsys.readouterr().out
    for split in ("train", "val"):
        still = StillStore(tmp_path / "own", split).pick(np.random.default_rng(0), "phase")
        assert still.image.dtype == np.uint8 and len(still.targets())


@pytest.mark.gui
def test_in_the_viewer(execute, qapp, monkeypatch):
    from types import SimpleNamespace

    from qtpy.QtCore import QEvent

    from napari_xmem.widgets.propagate import stored_choices as _settings

    monkeypatch.setattr(_settings, "open_store", lambda: SimpleNamespace(**_settings.DEFAULTS))
    printed = execute("in_the_viewer.py", "--close", *SMALL)
    qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete)  # no event loop runs that would delete the closed window
    gc.collect()
    assert "frame 5:" in printed and "nuclei tracked (6, 96, 96)" in printed
