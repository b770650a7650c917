"""Runs that are killed at any moment are taken up bit for bit, and nothing is left behind."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("command", ["propagate", "batch"])
def test_killed_anywhere(repository, tiny_model, command):
    script = [sys.executable, str(repository / "scripts" / "kills.py"), "--model", tiny_model, "--only", command]
    done = subprocess.run([*script, "--kills", "18"], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "18 kills, 0 wrong" in done.stdout, done.stdout + done.stderr
