from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from napari_xmem.cli import main
from napari_xmem.cli.lineage_reader import read_lineage
from napari_xmem.errors import InputError


def test_evaluate(files, capsys):
    assert main(["evaluate", files.truth, files.truth, "--frames", "all", "--per-object"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0].split() == ["frame", "objects", "J", "id", "swaps", "losses"]
    assert [line.split()[0] for line in out.splitlines()[1:6]] == ["1", "2", "3", "4", "mean"]
    assert "\n     3   1.000\n     9   1.000\n" in out
    assert "copying the labels of frame 0 would score J 0." in out


def test_evaluate_one_object_and_bad_input(files, capsys):
    assert main(["evaluate", files.truth, files.truth, "--objects", "9"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[1] == "1"
    assert main(["evaluate", files.truth, "no.tif"]) == 2
    assert main(["evaluate", files.truth, files.truth, "--frames", "x"]) == 2
    assert main(["evaluate", files.truth, files.truth, "--objects", "4"]) == 2
    assert capsys.readouterr().err.count("\n") == 3


def test_evaluate_says_which_frames_it_scored(files, capsys):
    assert main(["evaluate", files.truth, files.truth]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["1", "4", "mean"]
    assert lines[4] == "scored frames 1, 4 of 0-4, 2 left out; --frames all scores every frame"
    assert main(["evaluate", files.truth, files.truth, "--frames", "2,9,10"]) == 0
    out = capsys.readouterr().out
    assert "scored frames 2 of 0-4, 3 left out\n" in out
    assert "there are no frames 9-10: the movie ends with frame 4\n" in out
    assert main(["evaluate", files.truth, files.truth, "--frames", "all"]) == 0
    assert "left out" not in capsys.readouterr().out


def test_evaluate_writes_its_figures(files, capsys):
    target = files.results / "scores.json"
    assert main(["evaluate", files.seeds, files.truth, "--frames", "1,4", "--json", str(target)]) == 0
    out = capsys.readouterr().out
    found = json.loads(target.read_text())
    assert found["predicted"] == files.seeds and found["n_frames"] == 5 and found["scored_frames"] == [1, 4]
    assert found["mean_jaccard"] == 0 and found["losses"] == 4
    assert [row["jaccard"] for row in found["frames"]] == [{"3": 0, "9": 0}] * 2
    assert f"would score J {found['copied_seeds']['mean_jaccard']:.3f}" in out
    assert [path.name for path in files.results.iterdir()] == ["scores.json"]


@pytest.mark.parametrize("suite", [False, True])
def test_evaluate_checks_where_figures_go_before_it_begins(files, capsys, suite, monkeypatch):
    from napari_xmem_training import suite as validation

    monkeypatch.setattr(validation, "run_suite", lambda *_: pytest.fail("the suite was run"))
    what = ["--suite", "--model", "no model"] if suite else [files.truth, files.truth]
    for target, message in (
        (files.results, "is a folder; name a file"),
        (files.results / "no" / "a.json", "there is no folder"),
    ):
        assert main(["evaluate", *what, "--json", str(target)]) == 2
        captured = capsys.readouterr()
        assert captured.out == "" and captured.err.count("\n") == 1 and message in captured.err
    if not suite:
        assert main(["evaluate", *what, "--json", files.truth]) == 2
        assert "is also an input" in capsys.readouterr().err


def test_lineage_files(tmp_path):
    np.savez(tmp_path / "a.npz", lineage=np.array([[4, 1, 7], [5, 1, 7]]))
    (tmp_path / "b.csv").write_text("child,parent\n4,1\n5,1\n")
    (tmp_path / "c.txt").write_text("1 0 6 0\n4 7 9 1\n5 7 9 1\n")
    for name in ("a.npz", "b.csv", "c.txt"):
        assert read_lineage(str(tmp_path / name)) == {4: 1, 5: 1}
    with pytest.raises(InputError, match="lineage"):
        read_lineage(str(tmp_path / "no.npz"))


def test_models(tiny_model, capsys):
    assert main(["models"]) == 0
    out = capsys.readouterr().out
    assert "bundled" in out and "xmem" in out
    assert main(["models", tiny_model]) == 0
    out = capsys.readouterr().out
    assert "tiny" in out and "key_dim" in out
    assert main(["models", "no.pth"]) == 2


def test_demo(tiny_model, tmp_path, capsys):
    folder = tmp_path / "demo"
    assert main(["demo", str(folder), "--model", tiny_model, "--quiet"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0].split()[:3] == ["frame", "objects", "J"]
    for name in ("labels.tif", "lineage.csv", "overview.png", "view.py"):
        assert (folder / name).is_file() and str(folder / name) in out
    assert "painted on frame 0" in out and "links kept" in out
    compile((folder / "view.py").read_text(), "view.py", "exec")


def test_version_help_and_nothing(capsys):
    assert main(["--version"]) == 0
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in ("propagate", "demo", "models", "evaluate", "train", "benchmark"))
    assert main([]) == 0
    assert capsys.readouterr() == (out[out.index("usage:") :], "")
    assert main(["fly"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_as_a_process(files):
    command = [sys.executable, "-m", "napari_xmem", "evaluate", files.truth, files.truth]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "losses" in done.stdout
    done = subprocess.run([*command, "--frames", "77"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == "napari-xmem: error: none of the frames [77] can be scored: there are 0 to 4.\n"
