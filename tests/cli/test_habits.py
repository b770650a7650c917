"""What people are used to from other programs: names, sizes, help, JSON, logs, patterns."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tifffile

import napari_xmem as nx
from napari_xmem.cli import main
from napari_xmem.cli.command_line import build_parser
from napari_xmem.cli.terminal.parser import spread_memory
from napari_xmem.cli.terminal.printing import in_words_of_the_shell
from napari_xmem.cli.terminal.progress import Progress
from napari_xmem.errors import InputError
from napari_xmem.model import load_model


def run(capsys, *arguments):
    code = main([str(word) for word in arguments])
    out = capsys.readouterr()
    return code, out.out, out.err


def common(files, model):
    return ["propagate", files.movie, "--seeds", files.seeds, "-o", files.output, "--model", model, "--device", "cpu"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["propogate"], "did you mean propagate?"),
        (["propagate", "a.tif", "--seed", "s.tif", "-o", "x.tif"], "there is no option --seed; did you mean --seeds?"),
        (["propagate", "a.tif", "--seeds", "s.tif", "-out", "x.tif"], "no option -out; did you mean --output?"),
        (["propagate", "a.tif", "--seeds", "s", "-o", "x", "--over"], "did you mean --overview?"),
        (["propagate", "a.tif", "--seeds", "s", "-o", "x", "--overwite"], "did you mean --overwrite?"),
        (["propagate", "a.tif", "--seeds", "s", "-o", "x", "--direction", "bothways"], "did you mean both?"),
        (["propagate", "a.tif", "b.tif", "--seeds", "s", "-o", "x"], "b.tif: not expected here; propagate takes one"),
        (["propagate", "a.tif", "--seeds", "s", "-o", "x", "-v"], "--log FILE writes all"),
        (["propagate", "a.tif", "--seeds", "s", "-o", "x", "--memory-budget", "4XB"], "no size such as 4GB"),
        (["propagate", "a.tif", "--seeds", "s", "-o", "x", "--threads", "0"], "no whole number above 0"),
        (["propagate", "a.tif", "--seeds", "s", "-o", "x", "--threads", "99999"], "too many, expected at most 1024"),
        (["batch", "a", "-o", "x", "--start", "3"], "batch does whole movies"),
        (["batch", "a", "-o", "x", "--resume"], "batch goes on by itself"),
        (["batch", "*.nothing", "-o", "x"], "no file or folder fits *.nothing"),
    ],
)
def test_mistakes_are_named_in_one_line(capsys, arguments, message):
    code, out, err = run(capsys, *arguments)
    assert code == 2 and out == "" and err.count("\n") == 1 and message in err, err


def test_what_is_rarely_meant_is_said_or_refused(capsys, files, tiny_model, monkeypatch):
    for name in (files.output, files.movie, files.seeds):
        code, _, err = run(capsys, *common(files, tiny_model), "--json", name)
        assert code == 2 and "also an input or output" in err, err
    code, _, err = run(capsys, *common(files, tiny_model), "--diameter-px", "900")
    assert code == 0 and "--diameter-px is 900, but the seeds' median is 14.6" in err, err
    tifffile.imwrite(files.folder / "noise.tif", np.random.default_rng(0).integers(1, 999, (5, 48, 64), np.uint16))
    code, _, err = run(capsys, *common(files, tiny_model), "--overwrite", "--detections", files.folder / "noise.tif")
    assert code == 2 and "detections of frame 0 hold" in err and "of an image" in err, err
    monkeypatch.chdir(files.folder)
    code, _, err = run(capsys, "batch", ".", "-o", ".", "--model", tiny_model)
    assert code == 2 and "none of" in err and "movies has seeds beside it" in err, err


def test_help_is_in_groups_with_examples_and_exit_codes(capsys):
    for command in ("propagate", "batch"):
        code, out, _ = run(capsys, command, "--help")
        assert code == 0
        for heading in ("files:", "reading:", "time:", "objects:", "model and machine:", "memory:", "what is said:"):
            assert f"\n{heading}\n" in out
        assert "\nexamples:\n  napari-xmem " in out and "\nexit codes:\n" in out and "documentation: http" in out
        assert run(capsys, "help", command)[1] == out
    assert run(capsys)[:2] == run(capsys, "--help")[:2] == run(capsys, "help")[:2]
    assert run(capsys, "-V") == run(capsys, "version") == run(capsys, "--version")


def test_settings_of_the_memory_are_explained(capsys):
    code, out, _ = run(capsys, "propagate", "--memory", "help")
    assert code == 0 and "\ntop_k   (default: 30" in out and "eviction" in out and "usage" in out


def test_settings_of_the_memory_do_not_swallow_the_movie():
    words = ["propagate", "--memory", "paper", "top_k=20", "movie.tif", "--seeds", "a=b.tif"]
    assert spread_memory(words, "paper") == [
        "propagate", "--memory=paper", "--memory=top_k=20", "movie.tif", "--seeds", "a=b.tif",
    ]  # fmt: skip
    assert spread_memory(["--memory", "top_k", "x"], "paper") == ["--memory=top_k", "x"]
    assert spread_memory(["--memory", "--quiet"], "paper") == ["--memory", "--quiet"]
    args = build_parser().parse_args(
        spread_memory(["propagate", "--memory", "top_k=20", "m.tif", "--seeds", "s", "-o", "o.tif"], "paper")
    )
    assert args.movie == "m.tif" and args.memory == ["top_k=20"]


@pytest.mark.parametrize(
    ("text", "gigabytes"), [("4", 4), ("4GB", 4), ("0.5 gb", 0.5), ("500MB", 0.5), ("4GiB", 4.294967296), ("2e9B", 2)]
)
def test_sizes(text, gigabytes):
    args = build_parser().parse_args(["propagate", "a", "--seeds", "b", "-o", "c", "--memory-budget", text])
    assert args.memory_budget == pytest.approx(gigabytes)


def test_json_of_a_run(files, tiny_model, capsys):
    target = files.results / "run.json"
    code, out, _ = run(capsys, *common(files, tiny_model), "--json", target)
    facts = json.loads(target.read_text())
    assert code == 0 and "wrote" in out
    assert facts["objects"] == [3, 9] and facts["n_frames"] == 5 and facts["outputs"] == [files.output]
    assert facts["settings"]["model"] == "tiny" and facts["seconds"] > 0
    code, out, _ = run(capsys, *common(files, tiny_model), "--overwrite", "--json", "-")
    assert code == 0 and json.loads(out)["objects"] == [3, 9]


def test_json_of_a_dry_run(files, tiny_model, capsys):
    code, out, _ = run(capsys, *common(files, tiny_model), "--dry-run", "--json", "-")
    facts = json.loads(out)
    assert code == 0 and facts["dry_run"] and facts["forecast"]["n_frames"] == 5
    assert "free" in facts["disk"] and facts["threads"].startswith("1 thread on ")
    assert os.listdir(files.results) == []


def test_json_of_models(capsys):
    code, out, _ = run(capsys, "models", "--json", "-")
    assert code == 0 and "bundled" in json.loads(out)


def test_a_log_has_all_that_is_said_even_when_quiet_is_asked(files, tiny_model, capsys):
    log = files.results / "run.log"
    log.write_text("before\n")
    assert run(capsys, *common(files, tiny_model), "--log", log)[0] == 0
    text = log.read_text()
    assert text.startswith("before\n") and f"wrote {files.output}" in text and "scope " in text
    code, _, err = run(capsys, *common(files, tiny_model), "--log", log, "--quiet")
    assert code == 2 and "exists" in err and "exists" in log.read_text()
    assert run(capsys, *common(files, tiny_model), "--log", files.results / "no" / "run.log")[0] == 2
    before = (files.folder / "movie.tif").read_bytes()
    assert run(capsys, *common(files, tiny_model), "--log", files.movie)[0] == 2
    assert (files.folder / "movie.tif").read_bytes() == before


def test_a_dry_run_finds_out_that_nothing_can_be_written(files, tiny_model, capsys):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    os.chmod(files.results, 0o555)
    code, _, err = run(capsys, *common(files, tiny_model), "--dry-run")
    os.chmod(files.results, 0o755)
    assert code == 2 and "cannot be written: Permission denied" in err


def test_progress_is_a_line_per_minute_off_the_terminal(capsys, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    shown = Progress(100, "propagating", "frame", 10, lines=True)
    for _ in range(9):
        now[0] += 20
        shown.update()
    assert capsys.readouterr().err.splitlines() == [
        "propagating: frame 13 of 100 (13 %), 20 s each, about 29 min left",
        "propagating: frame 16 of 100 (16 %), 20 s each, about 28 min left",
        "propagating: frame 19 of 100 (19 %), 20 s each, about 27 min left",
    ]


@pytest.fixture
def movies(files):
    """Give a folder with two movies, one without seeds, a folder of images, and results among them."""
    folder = files.folder
    shutil.move(files.movie, folder / "a.tif")
    shutil.move(files.seeds, folder / "a_seeds.tif")
    shutil.move(files.truth, folder / "alone.tif")
    shutil.copy(folder / "a_seeds.tif", folder / "old_labels.tif")
    (folder / "frames").mkdir()
    for t, frame in enumerate(files.arrays["movie"]):
        tifffile.imwrite(folder / "frames" / f"t{t}.tif", frame)
    shutil.copy(folder / "a_seeds.tif", folder / "frames_seeds.tif")
    return folder


@pytest.mark.parametrize("form", ["folder", "pattern", "shell"])
def test_folders_patterns_and_what_the_shell_makes_of_them(movies, tiny_model, tmp_path, capsys, form):
    out, report = tmp_path / "out", tmp_path / "report.json"
    listed = sorted(movies.glob("*"))
    given = {"folder": [movies], "pattern": [movies / "*"], "shell": listed}[form]
    code, said, err = run(
        capsys, "batch", *given, "-o", out, "--model", tiny_model, "--device", "cpu", "--json", report
    )
    assert code == 0 and err == "", err
    assert sorted(os.listdir(out)) == ["a_labels.tif", "frames_labels.tif"]
    assert "3 movies in" in said and "2 done, 1 without seeds" in said and "without seeds: alone.tif" in said
    states = {os.path.basename(entry["movie"]): entry["state"] for entry in json.loads(report.read_text())["movies"]}
    assert states == {"a.tif": "done", "frames": "done", "alone.tif": "without seeds"}
    np.testing.assert_array_equal(tifffile.imread(out / "a_labels.tif"), tifffile.imread(out / "frames_labels.tif"))


def test_movies_without_any_seeds_are_a_mistake(files, capsys, tmp_path):
    os.remove(files.seeds)
    code, _, err = run(capsys, "batch", files.folder, "-o", tmp_path / "out")
    assert code == 2 and "has seeds beside it; those of movie.tif are to be called movie_seeds.tif" in err


@pytest.mark.parametrize(
    ("direction", "frame", "hint"),
    [("forward", 4, "backward or both"), ("backward", 0, "forward or both"), ("forward", 3, None), ("both", 4, None)],
)
def test_seeds_at_the_end_of_the_way_are_hinted_at(files, tiny_model, capsys, direction, frame, hint):
    single = files.folder / "single.npy"
    np.save(single, files.arrays["truth"][frame])
    files.seeds = str(single)
    code, out, err = run(capsys, *common(files, tiny_model), "--seed-frame", frame, "--direction", direction)
    assert code == 0
    assert (hint is None and err == "") or f"Did you mean --direction {hint}?" in err
    assert ("on 1 frame in" in out) == (hint is not None)


@pytest.mark.parametrize(
    ("movie", "seeds", "words", "meant"),
    [
        ("movie", "man_seg003", [], 3),
        ("counted", "man_seg013", [], 3),  # its frames are files numbered 10 to 14
        ("movie", "man_seg003", ["--seed-frame", 3], None),
        ("movie", "man_seg000", [], None),
        ("movie", "seeds_v2", [], None),
    ],
)
def test_the_number_in_the_name_of_seeds_is_spoken_of(files, tiny_model, capsys, movie, seeds, words, meant):
    if movie == "counted":
        os.mkdir(files.folder / "counted")
        for t, frame in enumerate(tifffile.imread(files.movie)):
            tifffile.imwrite(files.folder / "counted" / f"t{10 + t}.tif", frame)
        files.movie = str(files.folder / "counted")
    files.seeds = str(files.folder / f"{seeds}.tif")
    tifffile.imwrite(files.seeds, files.arrays["truth"][0].astype(np.uint16))
    code, _, err = run(capsys, *common(files, tiny_model), *words, "--dry-run")
    assert code == 0
    assert (f"taken for frame 0; if it shows frame {meant}" in err) == (meant is not None), err


@pytest.mark.parametrize(
    ("start", "stop", "message"), [(-2, None, "--start -2: frames are counted"), (0, 99, "0 to 4")]
)
def test_ranges_that_are_none(files, tiny_model, capsys, start, stop, message):
    more = ["--start", start] if stop is None else ["--stop", stop]
    code, _, err = run(capsys, *common(files, tiny_model), *more)
    assert code == 2 and message in err


@pytest.mark.parametrize(
    ("python", "shell"),
    [
        ("Use device='auto' to take the best.", "Use --device auto to take the best."),
        ("memory_budget_bytes is 100000, expected", "--memory-budget is 0.0001 GB, expected"),
        (
            "memory_budget_bytes is 100000, expected at least 1000000, or None to choose.",
            "--memory-budget is 0.0001 GB, expected 0.001 or more.",
        ),
        ("give the right ones with axes= (--axes).", "give the right ones with --axes."),
        ("allow overwriting (overwrite=True, --overwrite).", "allow overwriting (--overwrite)."),
        ("choose some (channels=[0, 1] or --channels 0,1)", "choose some (--channels 0,1)"),
        ("a.tif: start=3 and scope='local'", "a.tif: --start 3 and --scope local"),
    ],
)
def test_messages_speak_of_options(python, shell):
    assert in_words_of_the_shell(python) == shell


@pytest.mark.parametrize(
    ("shape", "seeds"),
    [((4, 2, 48, 64), (48, 64)), ((2, 6, 48, 64), (48, 64)), ((48, 64, 6), (48, 64)), ((6, 48, 64, 5), (48, 64))],
)
def test_messages_about_axes_speak_of_options(shape, seeds):
    with pytest.raises(InputError) as caught:
        nx.propagate(np.zeros(shape, np.uint8), np.ones(seeds, np.uint8), model=load_model("bundled", "cpu"))
    said = in_words_of_the_shell(str(caught.value))
    assert "--axes " in said
    assert not re.search(r"numpy|axes=|channels=|propagate_volumes", said), said


@pytest.mark.parametrize(
    ("words", "lacking"),
    [(["--json"], "--json is given without FILE"), (["--direction"], "--direction is given without one of forward, ")],
)
def test_an_option_without_its_value_says_which(files, tiny_model, capsys, words, lacking):
    code, _, err = run(capsys, *common(files, tiny_model), *words)
    assert code == 2 and lacking in err and len(err.splitlines()) == 1


def test_one_thread_and_defaults_of_the_environment(files, tiny_model):
    code = (
        "import sys; from napari_xmem.cli import main; code = main(sys.argv[1:]);"
        "import torch, os; print(torch.get_num_threads(), os.environ['OMP_WAIT_POLICY']); sys.exit(code)"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "MKL_"))}
    arguments = ["propagate", files.movie, "--seeds", files.seeds, "-o", files.output, "--dry-run", "--quiet"]
    variables = {"NAPARI_XMEM_MODEL": tiny_model, "NAPARI_XMEM_DEVICE": "CPU", "NAPARI_XMEM_THREADS": "3"}
    for more, n_threads in ([], 3), (["--threads", "1"], 1):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments, *more],
            env={**environment, **variables}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == f"{n_threads} PASSIVE"
        assert "model   tiny, on cpu" in done.stdout


def test_completion(capsys):
    pytest.importorskip("shtab")
    for shell in ("bash", "zsh", "tcsh"):
        code, out, _ = run(capsys, "completion", shell)
        assert code == 0 and "propagate" in out and "--seeds" in out


def test_demo_takes_its_options(capsys, tiny_model, tmp_path):
    assert run(capsys, "demo", tmp_path / "a", "-o", tmp_path / "b")[0] == 2
    code, _, err = run(capsys, "demo", tmp_path / "a", "--memory", "top=3")
    assert code == 2 and "Did you mean top_k?" in err
    code, _, err = run(
        capsys, "demo", "-o", tmp_path / "a", "--model", tiny_model, "--memory-budget", "1MB", "--precision", "float32",
        "--memory-device", "host", "--scope", "local", "--device", "cpu",
    )  # fmt: skip
    assert code == 0 and "memory budget of 1 MB cannot be kept" in err, err
    assert {"labels.tif", "movie.tif", "overview.png", "view.py"} <= set(os.listdir(tmp_path / "a"))
