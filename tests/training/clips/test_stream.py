"""Streams: reproducible, the same for any number of workers, cleanly ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_xmem.errors import ConfigError, InputError
from napari_xmem_training.clips import Clip, ClipConfig, ClipStream, Mixture

if TYPE_CHECKING:
    from pathlib import Path

SMALL = ClipConfig(window_px=96, n_frames=3, mixture=Mixture(simulated=0.0))


def same(a: Clip, b: Clip) -> bool:
    arrays = all(np.array_equal(getattr(a, name), getattr(b, name)) for name in ("image", "target", "others"))
    return arrays and np.array_equal(a.events, b.events, equal_nan=True) and a.kind == b.kind


def take(stream: ClipStream, count: int) -> list[Clip]:
    with stream:
        return [next(stream) for _ in range(count)]


def test_workers_make_what_this_process_makes(data_dir: Path) -> None:
    alone = take(ClipStream(data_dir, 3, SMALL, n_workers=0), 7)
    together = take(ClipStream(data_dir, 3, SMALL, n_workers=2, queued=2), 7)
    assert all(same(a, b) for a, b in zip(alone, together, strict=True))


def test_start_continues_a_stream(data_dir: Path) -> None:
    whole = take(ClipStream(data_dir, 4, SMALL, n_workers=0), 5)
    rest = take(ClipStream(data_dir, 4, SMALL, n_workers=0, start=3), 2)
    assert same(whole[3], rest[0])
    assert same(whole[4], rest[1])


def test_seeds_differ(data_dir: Path) -> None:
    a, b = (take(ClipStream(data_dir, seed, SMALL, n_workers=0), 1)[0] for seed in (1, 2))
    assert not np.array_equal(a.image, b.image)


def test_batches_are_stacked_and_the_end_is_clean() -> None:
    stream = ClipStream(None, 0, SMALL, n_workers=1)
    processes = list(stream._processes)
    batch = stream.next_batch(2)
    assert batch["image"].shape == (2, 3, 4, 96, 96)
    assert batch["target"].shape == batch["others"].shape == (2, 3, 96, 96)
    assert batch["image"].dtype == batch["events"].dtype == np.float32
    assert batch["events"].shape == (2, 3, 3)
    assert batch["kind"] == ["shapes/things"] * 2
    assert stream.position == 2
    stream.close()
    stream.close()
    assert not any(p.is_alive() for p in processes)
    with pytest.raises(StopIteration):
        next(stream)


def test_failing_workers_are_reported(tmp_path: Path) -> None:
    blank = {"n": np.array(1), "split": np.array(["train"])}
    blank["img_0000"], blank["lab_0000"] = np.zeros((64, 64), np.uint8), np.zeros((64, 64), np.uint16)
    np.savez(tmp_path / "bbbc038_fluo.npz", **blank)
    only_stills = ClipConfig(96, 3, Mixture(shapes=0, simulated=0))
    with ClipStream(tmp_path, 0, only_stills, n_workers=1) as stream, pytest.raises(InputError, match="usable objects"):
        next(stream)


def test_bad_arguments_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No training images"):
        ClipStream(tmp_path, 0, SMALL)
    with pytest.raises(ConfigError, match="n_workers"):
        ClipStream(None, 0, SMALL, n_workers=-1)
