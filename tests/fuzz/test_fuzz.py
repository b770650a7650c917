"""Damaged and hostile files: every outcome is a result or an XMemError, within seconds and a gigabyte."""

from __future__ import annotations

import random
import sys
from typing import TYPE_CHECKING

import pytest

from fuzz.drive import fuzz
from fuzz.python_calls import calls, outcome
from fuzz.shell_calls import command_lines
from fuzz.shell_calls import outcome as run_line
from fuzz.targets import TARGETS

if TYPE_CHECKING:
    from pathlib import Path

#: Few, so that all kinds together take less than a minute; ``python -m fuzz`` does as many as you like.
CASES = {"movies": 80, "seeds": 60, "labels": 40, "models": 30, "banks": 40, "memories": 12, "checkpoints": 8}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of memory are those of Linux")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", sorted(TARGETS))
def test_damaged_files(kind: str, tmp_path: Path) -> None:
    report = fuzz(kind, CASES[kind], seed=11, folder=tmp_path / kind)
    assert not report.faults, "\n".join([report.summary, *report.faults])
    assert report.counts["refused"] > 0, "nothing was damaged"


def test_hostile_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    chance = random.Random(3)
    chosen = [call for call in calls(tmp_path) if chance.random() < 1 / 80]
    faults = [f"{call.name}: {how}" for call in chosen if (how := outcome(call)) not in ("result", "refused")]
    assert len(chosen) > 100 and not faults, "\n".join(faults)


def test_hostile_command_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    chance = random.Random(3)
    chosen = [words for words in command_lines(tmp_path) if chance.random() < 1 / 80]
    faults = [f"{words}: {how}" for words in chosen if (how := run_line(words)) not in ("done", "refused")]
    assert len(chosen) > 50 and not faults, "\n".join(faults)
