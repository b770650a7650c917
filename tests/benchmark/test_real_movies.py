"""Real cells for the benchmark: what is read from files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_xmem.errors import InputError
from napari_xmem_benchmark.real_movies import movie_size, real_movie

if TYPE_CHECKING:
    from pathlib import Path


def test_movies_run_to_and_fro_and_stills_drift(tmp_path: Path) -> None:
    frames = np.arange(3, dtype=np.uint8)[:, None, None] + np.zeros((1, 4, 5), np.uint8)
    labels = np.zeros((3, 4, 5), np.uint16)
    labels[0, 1, 2], labels[0, 3, 3] = 7, 9
    np.savez(tmp_path / "movie.npz", frames=frames, labels=labels)
    found, seeds = real_movie(str(tmp_path / "movie.npz"), 6)
    assert found[:, 0, 0].tolist() == [0, 1, 2, 1, 0, 1]
    assert seeds.dtype == np.int32 and seeds.max() == 9
    assert movie_size(str(tmp_path / "movie.npz")) == (4, 5, 2)
    still = np.zeros((6, 8), np.float32)
    still[2, 3] = 100.0
    np.savez(tmp_path / "stills.npz", img_12=still, lab_12=(still > 0).astype(np.uint8))
    found, seeds = real_movie(f"{tmp_path / 'stills.npz'}:12", 5)
    places = [np.unravel_index(int(frame.argmax()), frame.shape) for frame in found]
    assert [int(x) for _, x in places] == [3, 3, 4, 4, 5] and seeds[2, 3] == 1
    for missing in (f"{tmp_path / 'stills.npz'}:13", str(tmp_path / "stills.npz"), str(tmp_path / "none.npz")):
        with pytest.raises(InputError, match="expected an npz file"):
            real_movie(missing, 1)
