"""The benchmark measures what it says, and its reference is the same network."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from engine.simple_movies import tiny_network
from napari_xmem.cli import main
from napari_xmem.config import MemoryConfig
from napari_xmem.engine.scopes.global_scope import GlobalScope
from napari_xmem.errors import InputError
from napari_xmem.memory import MemoryBank
from napari_xmem.model import InferenceXMem
from napari_xmem_benchmark import command, cutie, plots, report
from napari_xmem_benchmark.dense_reference import DenseReference, dense_affinity
from napari_xmem_benchmark.measure import Case
from napari_xmem_benchmark.quality import tracked_movie
from napari_xmem_benchmark.run_here import run_here
from napari_xmem_benchmark.scenes import disc_movie, fill_long_term, fill_working, look_alikes, random_memory

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
    fill_working(bank, 2)
    assert bank.sizes.working == 20
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


def row(suite, objects, seconds, **more):
    figures = {"seconds": seconds, "elements": 5, "peak_bytes": 10**9, "precision": "float32", **more}
    return report.Row(Case(suite, 704, 1104, objects), figures, {"ours": 10**9, "dense": 2 * 10**9})


def all_kinds_of_rows():
    local = {"region_pixels": 2_000_000, "wall_seconds_per_frame": 2.1}
    scores = {"jaccard": 0.9, "identity": 0.95, "swaps": 2}
    return [
        row("read", 5, {"ours": 0.5, "dense": 4.0}, largest_difference=1e-6),
        row("cutie", 1, {"plain": 1, "memorised": 1, "cutie": 3.0}),
        row("cutie", 5, {"plain": 1, "memorised": 1, "cutie": 11.0}),
        row("local", 124, {"ours": 2.0, "slowest": 2.5}, **local),
        row("local", 250, {"ours": 4.0, "slowest": 4.5}, **local),
        row("local", 50, {"ours": 1.0, "slowest": 1.5}, **local),
        row(
            "quality", 0, {"local": 0.1, "global": 1.0}, movie="cells", frames=9, seeded=7, local=scores,
            **{"global": {**scores, "identity": 0.55}},
        ),
        row(
            "long", 1, {"ours": 0.1}, seconds_by_tenth=[0.1] * 10, resident_by_tenth=[10**8] * 10,
            time_last_over_second=1.0, resident_last_over_second=1.0,
        ),
        report.Row(Case("local", 704, 1104, 500), {"error": "took too long"}),
    ]  # fmt: skip


def test_tables_of_measured_and_failed_cases():
    rows = all_kinds_of_rows()
    assert report.cutie_slope(rows, 704, 1104) == (1.0, 2.0)
    text = report.format_tables(rows)
    assert "| 8.00 |" in text and "| 249 | 2 | 124.5 |" in text and "took too long" in text
    assert "| cells | 9 | 7 | 0.900 | 0.900 | 0.950 | 0.550 | 2 | 2 | 0.1 | 1 |" in text


def test_pictures_of_all_that_was_measured(tmp_path):
    pytest.importorskip("matplotlib")
    written = plots.save_plots(tmp_path, all_kinds_of_rows())
    names = {path.name for path in written}
    assert names == {f"performance_{name}.png" for name in ("objects", "dense", "area", "long", "quality")}
    assert all(path.stat().st_size > 5000 for path in written)
    assert plots.save_plots(tmp_path, []) == []


def test_results_are_read_back(tmp_path):
    rows = all_kinds_of_rows()
    path = tmp_path / "results.json"
    assert report.load_rows(path) == []
    report.save_results(path, rows, report.describe_machine(1, "cpu"))
    assert report.load_rows(path) == rows
    path.write_text('{"rows": [{"case": {"speed": 3}}]}')
    with pytest.raises(InputError, match="another folder"):
        report.load_rows(path)


def test_local_case_measures_a_whole_cycle_of_memory():
    figures = run_here(Case("local", 64, 96, 2))
    assert figures["found"] == 2 and figures["seconds"]["quickest"] <= figures["seconds"]["ours"]
    config = MemoryConfig()
    cells = figures["region_pixels"] // 2 // 64
    assert config.long_term_max_elements < figures["elements"] <= config.long_term_max_elements + 6 * cells
    assert run_here(Case("local", 64, 96, 2, memory="empty"))["elements"] <= 4 * cells


def test_movies_of_the_quality_suite(tmp_path):
    frames, labels = look_alikes((120, 160), 3)
    assert frames.shape == labels.shape == (3, 120, 160) and len(np.unique(labels[0])) == len(np.unique(labels[2])) > 4
    np.savez(
        tmp_path / "cells.npz", frames=frames, labels=labels, track_ids=np.array([1, 2]),
        reliable=np.array([True, False]), ok=np.ones((2, 3), bool),
    )  # fmt: skip
    movie = tracked_movie(str(tmp_path / "cells.npz"))
    assert movie.name == "cells" and movie.trusted == {0: [1], 1: [1], 2: [1]}
    with pytest.raises(InputError, match="npz"):
        tracked_movie(str(tmp_path / "none.npz"))


@pytest.mark.slow
def test_quality_of_both_scopes(tmp_path):
    frames, labels = look_alikes((96, 128), 3)
    np.savez(tmp_path / "alike.npz", frames=frames, labels=labels)
    figures = run_here(Case("quality", 0, 0, 0, movie=str(tmp_path / "alike.npz")))
    assert 0 <= figures["global"]["identity"] <= 1 and figures["local"]["identity"] == 1
    assert set(figures["seconds"]) == {"local", "global"}


def test_command_writes_results(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "plan_cases", lambda *args, **kwargs: [Case("read", 32, 48, 1, "empty", repeats=1)])
    assert main(["benchmark", "--suite", "read", "-o", str(tmp_path / "out")]) == 0
    assert "Reading memory" in capsys.readouterr().out
    stored = json.loads((tmp_path / "out" / "results.json").read_text())
    assert stored["rows"][0]["figures"]["seconds"]["ours"] > 0
    assert stored["machine"]["torch"] == torch.__version__ and stored["rows"][0]["peaks"]["dense"] > 0
    again = json.loads((tmp_path / "out" / "results.json").read_text())
    assert main(["benchmark", "--suite", "read", "-o", str(tmp_path / "out"), "--resume"]) == 0
    assert json.loads((tmp_path / "out" / "results.json").read_text()) == again  # nothing was measured again
    assert main(["benchmark", "--suite", "nonsense"]) == 2
    assert main(["benchmark", "--device", "toaster", "-o", str(tmp_path / "x")]) == 2


def test_every_suite_is_planned():
    suites = {case.suite for case in command.plan_cases(command.SUITE_NAMES)}
    assert suites == set(command.SUITE_NAMES) - {"goals", "real"}  # real ones need movies
    assert len(command.plan_cases([s for s in command.SUITE_NAMES if s not in ("goals", "real")], quick=True)) < 15


def test_the_whole_matrix_can_be_asked_for_and_restricted():
    cases = command.plan_cases(["local", "global"], objects=(1, 5, 20, 100, 500), sizes=tuple(command.SIZES))
    assert len(cases) == len(set(cases)) == 2 * 2 * 4 * 5
    assert {(c.objects, c.height, c.memory) for c in cases} >= {
        (500, 2048, "full"),
        (1, 240, "empty"),
        (100, 704, "full"),
    }
    few = command.plan_cases(["local"], objects=(20,), sizes=("large",), memory=("full",))
    assert few == [Case("local", 704, 1104, 20)]
    assert {c.objects for c in command.plan_cases(["local"], sizes=("small",))} == set(command.OBJECTS)
    assert command.plan_cases(["quality"], movies=("a.npz",))[-1].movie == "a.npz"


@pytest.mark.skipif(not cutie.available(), reason="the extra 'benchmark' is not installed")
def test_cutie_runs():
    assert run_here(Case("cutie", 64, 96, 1, repeats=1))["seconds"]["cutie"] > 0


def test_goals_are_told_from_what_was_measured():
    from napari_xmem_benchmark.goals import goals

    local = {"region_pixels": 2_000_000, "wall_seconds_per_frame": 2.1}
    rows = [
        report.Row(Case(suite, 480, 854, 5), {"seconds": {"ours": 1.0, "dense": dense}, "largest_difference": gap}, {})
        for suite, dense, gap in (("global", 2.0, 1e-5), ("read", 5.0, 2e-4))
    ]
    rows += [row("cutie", 1, {"cutie": 3.0}), row("cutie", 5, {"cutie": 11.0})]
    rows += [row("local", n, {"ours": s, "slowest": s}, **local) for n, s in ((124, 2.0), (500, 10.0))]
    found = {(goal, met) for _, goal, _, met in goals(rows)}
    assert ("at least 1.8 times", True) in found and ("at least 6 times", False) in found
    assert ("at most 1e-4", True) in found and ("at most 1e-4", False) in found
    assert ("at most 3 s", True) in found and ("at least 100 times", True) in found
    assert ("at most 4.5 times", False) in found
    assert "(249 s predicted from 2.00 s per object)" in report.format_goals(goals(rows))
    assert goals([]) == [] and report.format_goals([]) == ""


def test_report_joins_runs_and_fills_the_page(tmp_path, repository):
    import importlib.util

    spec = importlib.util.spec_from_file_location("performance_report", repository / "benchmarks/performance_report.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    rows, machine = all_kinds_of_rows(), report.describe_machine(1, "cpu")
    report.save_results(tmp_path / "a.json", rows[:4], machine)
    newer = row("local", 124, {"ours": 1.0, "slowest": 1.5}, region_pixels=1, wall_seconds_per_frame=1.0)
    report.save_results(tmp_path / "b.json", [newer, *rows[4:]], machine)
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- measured -->\nold\n<!-- /measured -->\nafter\n")
    files = [str(tmp_path / name) for name in ("a.json", "b.json")]
    module.main([*files, "--page", str(page), "--images", str(tmp_path)])
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text
    assert "| at most 3 s | 1.00 s | yes |" in text and "`b.json`" in text
    assert (tmp_path / "performance_objects.png").exists()
