"""Command lines of the workflow examples do what the examples say, with the exit codes they count on."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import time

import numpy as np
import pytest
import tifffile

from napari_xmem.cli import main
from napari_xmem.config import ModelConfig


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    from napari_xmem.model import XMem, save_model

    config = ModelConfig(
        name="tiny", image_channels=4, key_block="basic", stem_width=4, stem_pool=False, key_widths=(4, 8, 8),
        key_depths=(1, 1, 1), value_widths=(4, 8, 8), value_depths=(1, 1, 1), normalisation="group", key_dim=8,
        value_dim=8, hidden_dim=4, decoder_widths=(8, 8), intensity="percentile", contrast_px=9,
    )  # fmt: skip
    return str(save_model(XMem(config), tmp_path_factory.mktemp("model") / "tiny.safetensors"))


@pytest.fixture
def night(tmp_path, monkeypatch, model):
    """A folder with a movie and one that is damaged, and the model by the environment."""
    monkeypatch.setenv("NAPARI_XMEM_MODEL", model)
    monkeypatch.setenv("NAPARI_XMEM_DEVICE", "cpu")
    (tmp_path / "results").mkdir()
    (tmp_path / "movies").mkdir()
    seeds = np.zeros((32, 32), np.uint8)
    seeds[8:16, 8:16] = 5
    movie = np.repeat(seeds[None], 5, 0) * np.uint16(100)
    tifffile.imwrite(tmp_path / "movies" / "a b.tif", movie, metadata={"axes": "TYX"})
    (tmp_path / "movies" / "bad.tif").write_bytes(b"nothing")
    for name in ("a b", "bad"):
        tifffile.imwrite(tmp_path / "movies" / f"{name}_seeds.tif", seeds)
    return tmp_path


def nextflow_command(repository, folder, name):
    text = (repository / "examples" / "nextflow" / "main.nf").read_text()
    command = re.search(r'"""\n(.*?)"""', text, re.DOTALL)[1]
    values = {
        "movie": f"{folder}/movies/{name}.tif", "seeds": f"{folder}/movies/{name}_seeds.tif", "name": name,
        "file(params.results).toAbsolutePath()": f"{folder}/results", "task.cpus": "1",
    }  # fmt: skip
    return shlex.split(re.sub(r"\$\{(.*?)\}", lambda found: values[found[1]], command))


def snakemake_command(repository, folder, name):
    text = (repository / "examples" / "snakemake" / "Snakefile").read_text()
    command = "".join(re.findall(r'^ +"(.*)"$', text[text.index("    shell:") :], re.MULTILINE))
    values = {
        "input.movie:q": f"{folder}/movies/{name}.tif", "input.seeds:q": f"{folder}/movies/{name}_seeds.tif",
        "output.labels:q": f"{folder}/results/{name}_labels.tif", "output.report:q": f"{folder}/results/{name}.json",
        "log:q": f"{folder}/results/{name}.log", "threads": "1",
    }  # fmt: skip
    return shlex.split(re.sub(r"\{(.*?)\}", lambda found: shlex.quote(values[found[1]]), command))


def check(folder, command):
    """Run a command for the good movie twice, and for the damaged one."""
    program, *arguments = command("a b")
    assert program == "napari-xmem" and main(arguments) == 0
    assert tifffile.imread(folder / "results" / "a b_labels.tif").shape == (5, 32, 32)
    facts = json.loads((folder / "results" / "a b.json").read_text())
    assert facts["n_frames"] == 5 and facts["objects"] == [5] and facts["model"] == "tiny"
    assert "propagate" in (folder / "results" / "a b.log").read_text()
    assert main(arguments) == 0
    assert main(command("bad")[1:]) == 2
    assert "bad.tif" in (folder / "results" / "bad.log").read_text()


@pytest.mark.parametrize("command", [nextflow_command, snakemake_command])
def test_command_lines(repository, night, command):
    check(night, lambda name: command(repository, night, name))


@pytest.mark.skipif(shutil.which("bash") is None or os.name == "nt", reason="needs bash")
def test_slurm_array(repository, night, monkeypatch):
    """The script runs; napari-xmem and scontrol are stood in for, so that any exit code can be had."""
    tools = night / "tools"
    tools.mkdir()
    scripts = {
        "napari-xmem": 'printf "%s\\n" "$@" > {0}/arguments; trap "exit 143" TERM; [ -z "$SLOW" ] || '
        "{{ touch {0}/begun; for i in $(seq 100); do sleep 0.1; done; }}; exit ${{CODE:-0}}",
        "scontrol": 'echo "$@" > {0}/requeued',
    }
    for name, text in scripts.items():
        (tools / name).write_text(f"#!/bin/bash\n{text.format(shlex.quote(str(night)))}\n")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    for name, value in (("ARRAY_TASK_ID", "2"), ("ARRAY_JOB_ID", "77"), ("CPUS_PER_TASK", "1")):
        monkeypatch.setenv(f"SLURM_{name}", value)
    (night / "movies.txt").write_text("".join(f"{night}/movies/{name}.tif\n" for name in ("bad", "a b")))
    script = str(repository / "examples" / "slurm" / "array.sbatch")
    job = ["bash", script, str(night / "movies.txt"), str(night / "results")]

    def command(name):
        monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "2" if name == "a b" else "1")
        assert subprocess.run(job, check=False).returncode == 0
        return ["napari-xmem", *(night / "arguments").read_text().splitlines()]

    check(night, command)
    for code, again in ((2, False), (1, False), (143, True)):
        assert subprocess.run(job, check=False, env={**os.environ, "CODE": str(code)}).returncode == code
        assert (night / "requeued").exists() == again
    assert (night / "requeued").read_text() == "requeue 77_1\n"
    (night / "requeued").unlink()
    with subprocess.Popen(job, env={**os.environ, "SLOW": "1"}) as running:  # the time is up
        while not (night / "begun").exists():
            time.sleep(0.02)
        running.send_signal(signal.SIGTERM)
        assert running.wait(30) == 143
    assert (night / "requeued").exists()
