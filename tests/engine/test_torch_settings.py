"""The caller's own torch settings change no label: types, devices and autocast are named or shielded."""

from __future__ import annotations

import ast
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

import napari_xmem
from engine.division.dividing_movies import apart, dividing_movie
from engine.simple_movies import disc_movie, tiny_network
from napari_xmem.config import MemoryConfig
from napari_xmem.engine import Propagator, forecast, propagate
from napari_xmem.engine.discovery import find_similar
from napari_xmem.model import load_model

#: Functions of torch that make a tensor of the default type on the default device unless told otherwise.
FACTORIES = {
    "arange", "as_tensor", "empty", "eye", "full", "linspace", "logspace", "ones", "rand", "randint", "randn",
    "randperm", "tensor", "zeros",
}  # fmt: skip


@contextmanager
def default_dtype(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def default_device(name):
    torch.set_default_device(name)
    try:
        yield
    finally:
        torch.set_default_device(None)


#: "meta" stands for a device that is not the one asked for: what lands there holds no numbers and fails at once.
SETTINGS = {
    "float64": lambda: default_dtype(torch.float64),
    "bfloat16": lambda: default_dtype(torch.bfloat16),
    "default device": lambda: default_device("meta"),
    "device context": lambda: torch.device("meta"),
    "autocast bfloat16": lambda: torch.autocast("cpu", torch.bfloat16),
    "autocast float16": lambda: torch.autocast("cpu", torch.float16),
    "no gradients": torch.no_grad,
    "inference mode": torch.inference_mode,
}


def same(a, b):
    np.testing.assert_array_equal(a.labels, b.labels)
    np.testing.assert_array_equal(a.scores.confidence, b.scores.confidence)
    assert [str(event) for event in a.events] == [str(event) for event in b.events]
    assert a.recipe == b.recipe


@contextmanager
def all_at_once():
    with default_dtype(torch.float64), torch.autocast("cpu", torch.bfloat16), torch.device("meta"):
        yield


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("scope", ["local", "global"])
def test_labels_scores_and_explanations_are_the_same(setting, scope):
    frames, labels = disc_movie(2, 7, (48, 64), diameter=12)
    network = tiny_network(locality_px=32.0)
    memory = MemoryConfig(
        working_max_frames=3, working_min_frames=1, num_prototypes=8, long_term_max_elements=40,
        reading_importance_strength=1.0, consistency_strength=1.0,
    )  # fmt: skip

    def whole():
        result = propagate(
            frames, {3: labels[3]}, model=network, memory=memory, device="cpu", scope=scope, direction="both",
            precision="bfloat16", diameter_px=11.5,
        )  # fmt: skip
        y, x = np.argwhere(labels[5] == 1).mean(0)
        return result, result.explain(5, y, x, 1)

    plain, why = whole()
    with SETTINGS[setting]():
        other, again = whole()
    same(other, plain)
    assert again == why


@pytest.mark.parametrize("setting", ["float64", "bfloat16", "default device", "device context"])
def test_weights_load_as_float32_where_they_are_asked_for(setting):
    plain = load_model("bundled", "cpu")
    with SETTINGS[setting]():
        other = load_model("bundled", "cpu")
        assert other.fingerprint == plain.fingerprint
    assert {p.dtype for p in other.parameters()} == {torch.float32} and other.device.type == "cpu"


def test_a_cell_that_divides_with_all_settings_at_once():
    frames, labels = dividing_movie(apart(5, 2))
    plain = propagate(frames, labels[0], device="cpu", scope="local")
    assert plain.events
    with all_at_once():
        same(propagate(frames, labels[0], device="cpu", scope="local"), plain)


def test_frames_given_as_tensors_forecasts_and_finding_with_all_settings_at_once():
    frames, labels = disc_movie(3, 2, (64, 80), diameter=12)
    network = tiny_network()
    image = torch.from_numpy(frames[0])[None].repeat(network.config.image_channels, 1, 1)
    mask = torch.from_numpy(labels[0] == 1).float()[None]
    only = np.where(labels[0] == 1, 1, 0)

    def step_by_step(scope):
        propagator = Propagator(network, MemoryConfig(), scope=scope)
        return propagator.step(image, mask, [1]), propagator.step(image)

    plain = [step_by_step(scope) for scope in ("local", "global")]
    found = find_similar(frames[0], only, model=network, device="cpu", min_confidence=0.0)
    with all_at_once():
        others = [step_by_step(scope) for scope in ("local", "global")]
        again = find_similar(frames[0], only, model=network, device="cpu", min_confidence=0.0)
        assert forecast(frames, labels[0], model=network, device="cpu").seconds > 0
    for ours, theirs in zip(plain, others, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            assert torch.equal(a, b)
    np.testing.assert_array_equal(again.labels, found.labels)


def test_the_callers_settings_are_left_alone():
    frames, labels = disc_movie(1, 2, (48, 64), diameter=12)
    network = tiny_network()
    with default_dtype(torch.float64), torch.autocast("cpu", torch.bfloat16), torch.enable_grad():
        propagate(frames, labels[0], model=network, device="cpu", diameter_px=11.5)
        assert torch.get_default_dtype() == torch.float64
        assert torch.is_autocast_enabled("cpu") and torch.is_grad_enabled()


def test_every_tensor_that_is_made_names_type_and_device():
    package = Path(napari_xmem.__file__).parent
    unnamed = []
    for folder in ("engine", "memory", "model"):
        for path in sorted((package / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                    continue
                module, name = node.func.value, node.func.attr
                if not isinstance(module, ast.Name) or module.id != "torch" or name not in FACTORIES:
                    continue
                named = {keyword.arg for keyword in node.keywords}
                if None not in named and not {"dtype", "device"} <= named:
                    unnamed.append(f"{path.relative_to(package)}:{node.lineno} torch.{name}")
    assert unnamed == []
