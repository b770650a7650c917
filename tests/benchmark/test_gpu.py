"""The script for a GPU, tried on a CPU that shares out its work as a GPU does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import torch

from engine.simple_movies import tiny_network
from napari_xmem.model import save_model
from napari_xmem_benchmark import gpu

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    network = tiny_network(3, nominal_diameter_px=24.0)
    return str(save_model(network, tmp_path_factory.mktemp("model") / "tiny.safetensors", half=False))


def test_what_is_compared_and_counted_is_reported(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--device", "cpu", "--quick", "--model", model, "-o", str(tmp_path), "--only", "compare", "card", "calls"]
    assert gpu.main(given) == 0
    said = capsys.readouterr().out
    assert said.count("of the pixels differ from the CPU, memory sizes equal: True") == 2
    assert "TFLOP/s" in said and "| **all** | **" in said and said.endswith("* done\n")
    assert "failed" not in said and "no time left" not in said
    assert said.strip() in (tmp_path / "gpu.md").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))["machine"]["device"] == "cpu"


def test_how_busy_a_device_is_comes_with_what_it_had_to_do(model: str) -> None:
    found = gpu.busy("cpu", (64, 96), 1, "float32", 1, model)
    assert found["launches"] > 100 and found["flops"] > 1e6 and found["bytes"] > 1e6 and found["wall_s"] > 0
    floor = gpu.Floor({"float32": found["flops"] / 2}, found["bytes"])  # two seconds of arithmetic, one of transport
    assert floor.seconds(found["flops"], found["bytes"], "float32") == 2


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_how_to_try_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu.main(["-o", str(tmp_path / "found")]) == 2
    assert "--device cpu --quick" in capsys.readouterr().err and not (tmp_path / "found").exists()
