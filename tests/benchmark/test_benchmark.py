"""The benchmark measures what it says, and its reference is the same network."""

from __future__ import annotations

import json

import pytest
import torch

from engine.simple_movies import tiny_network
from napari_xmem.benchmark import command, cutie, report
from napari_xmem.benchmark.dense_reference import DenseReference, dense_affinity
from napari_xmem.benchmark.measure import Case, run_here
from napari_xmem.benchmark.scenes import disc_movie, fill_long_term, random_memory
from napari_xmem.cli import main
from napari_xmem.config import MemoryConfig
from napari_xmem.engine.global_scope import GlobalScope
from napari_xmem.memory import MemoryBank
from napari_xmem.model import InferenceXMem

KEEP_ALL = MemoryConfig.paper(long_term=False)


@pytest.mark.parametrize("fast", [False, True])
def test_engine_equals_the_dense_formulation(fast):
    torch.manual_seed(0)
    network = tiny_network(5)
    network.decoder.pred.weight.mul_(5)
    image, masks = torch.randn(4, 64, 96), torch.zeros(3, 64, 96)
    for i in range(3):
        masks[i, 8:50, 30 * i : 30 * i + 28] = 1
    ours = GlobalScope(InferenceXMem(network) if fast else network, KEEP_ALL)
    ours.step(image, masks)
    dense, table = DenseReference(network, 3), ours.bank._state.filled()
    dense.remember(table["key"].T, table["shrinkage"], torch.stack([table.values(i).T for i in (1, 2, 3)]))
    dense.hidden = ours.sensory.get((1, 2, 3))
    key, shrinkage, selection, values = random_memory(8, 8, 400, 3)
    ours.bank.add(0, key, shrinkage, selection, values, (1, 2, 3))
    dense.remember(key, shrinkage, values)
    for t in range(1, 12):
        frame = image + 0.1 * t * torch.randn_like(image)
        found, expected = ours.step(frame), dense.step(frame, memorise=t % 5 == 0)
        difference = (found - expected).abs()
        assert float((difference > 1e-4).float().mean()) < 1e-3  # rounding may swap the thirtieth element of a query
        assert float(difference.mean()) < 1e-5 and float(difference.max()) < 1e-3
    assert float(expected.std()) > 0.01  # not all the same
    assert ours.bank.sizes.total == dense.keys.shape[1]


def test_dense_affinity_is_the_papers_formula():
    key, shrinkage, _, _ = random_memory(4, 1, 20, 1)
    query, _, selection, _ = random_memory(4, 1, 7, 1, seed=3)
    similarity = torch.stack(
        [
            torch.stack(
                [-shrinkage[m] / 2 * (selection[:, q] * (key[:, m] - query[:, q]) ** 2).sum() for q in range(7)]
            )
            for m in range(20)
        ]
    )
    kept = similarity.where(similarity >= similarity.topk(5, dim=0).values[-1], -torch.inf)
    torch.testing.assert_close(dense_affinity(key, shrinkage, query, selection, 5), kept.softmax(0), atol=1e-5, rtol=0)


def test_scene_has_the_objects_asked_for():
    for n in (1, 7, 60):
        frames, labels = disc_movie((120, 200), n, 3)
        assert frames.shape == (3, 120, 200) and len(set(labels.ravel()) - {0}) == n


def test_filled_memory_is_within_limits_and_stays_so():
    config = MemoryConfig(long_term_max_elements=50, working_min_frames=1, working_max_frames=3, num_prototypes=4)
    bank = MemoryBank(config, key_dim=4, value_dim=4)
    key, shrinkage, selection, values = random_memory(4, 4, 10, 1)
    bank.add(0, key, shrinkage, selection, values, (1,))
    fill_long_term(bank, 50)
    assert bank.sizes.long_term == 50
    for t in range(1, 8):
        bank.add(t, key, shrinkage, selection, values, (1,))
    assert bank.sizes.long_term == 50
    assert bank.read(key, selection).shape == (1, 4, 10)


@pytest.mark.parametrize("memory", ["empty", "full"])
def test_read_and_its_figures(memory):
    figures = run_here(Case("read", 64, 96, 2, memory=memory, repeats=1))
    assert set(figures["seconds"]) == {"ours", "dense"} and figures["queries"] == 24
    assert figures["elements"] == (10_240 if memory == "full" else 24)
    assert figures["largest_difference"] < 1e-4 and figures["peak_bytes"] > 10**8


def test_tables_of_measured_and_failed_cases():
    def row(suite, objects, seconds, **more):
        figures = {"seconds": seconds, "elements": 5, "peak_bytes": 10**9, "precision": "float32", **more}
        return report.Row(Case(suite, 704, 1104, objects), figures, {"ours": 10**9, "dense": 2 * 10**9})

    rows = [
        row("read", 5, {"ours": 0.5, "dense": 4.0}, largest_difference=1e-6),
        row("cutie", 1, {"plain": 1, "memorised": 1, "cutie": 3.0}),
        row("cutie", 5, {"plain": 1, "memorised": 1, "cutie": 11.0}),
        row("local", 124, {"ours": 2.0, "slowest": 2.5}),
        report.Row(Case("local", 704, 1104, 500), {"error": "took too long"}),
    ]
    assert report.cutie_slope(rows, 704, 1104) == (1.0, 2.0)
    text = report.format_tables(rows)
    assert "| 8.00 |" in text and "| 249 | 2 | 124.5 |" in text and "took too long" in text


def test_command_writes_results(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "plan_cases", lambda *args, **kwargs: [Case("read", 32, 48, 1, "empty", repeats=1)])
    assert main(["benchmark", "--suite", "read", "-o", str(tmp_path / "out")]) == 0
    assert "Reading memory" in capsys.readouterr().out
    stored = json.loads((tmp_path / "out" / "results.json").read_text())
    assert stored["rows"][0]["figures"]["seconds"]["ours"] > 0
    assert stored["machine"]["torch"] == torch.__version__ and stored["rows"][0]["peaks"]["dense"] > 0
    assert main(["benchmark", "--suite", "nonsense"]) == 2
    assert main(["benchmark", "--device", "toaster", "-o", str(tmp_path / "x")]) == 2


def test_every_suite_is_planned():
    suites = {case.suite for case in command.plan_cases(command.SUITE_NAMES)}
    assert suites == set(command.SUITE_NAMES)
    assert len(command.plan_cases(command.SUITE_NAMES, quick=True)) < 15


@pytest.mark.skipif(not cutie.available(), reason="the extra 'benchmark' is not installed")
def test_cutie_runs():
    assert run_here(Case("cutie", 64, 96, 1, repeats=1))["seconds"]["cutie"] > 0
