"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Small test arrays run slower on many threads than on one; set before numpy and torch load.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def repository() -> Path:
    """Folder that holds pyproject.toml."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Folder with large reference data; tests that need it skip where it is missing."""
    named = os.environ.get("NAPARI_XMEM_SHARED")
    for folder in [Path(named)] if named else [REPOSITORY.parent / "shared"]:
        if folder.is_dir():
            return folder
    pytest.skip("reference data not here: set NAPARI_XMEM_SHARED or put a folder 'shared' beside the repository")
