"""What is left of a run that fails in the middle; see also test_budget.py for a device without room."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from engine.simple_movies import disc_movie, tiny_network
from napari_xmem import propagate
from napari_xmem.errors import InputError
from napari_xmem.imaging import NonFinitePixelsWarning


def test_a_frame_that_cannot_be_read_leaves_what_was_finished(tmp_path):
    """A movie of one file per frame, one of them cut off, as dask reads it."""
    from dask import array, delayed

    frames, labels = disc_movie(3, 40)
    for t, frame in enumerate(frames):
        np.save(tmp_path / f"{t}.npy", frame)
    sampled = set(np.linspace(0, 39, 16).round().astype(int).tolist())
    broken = next(t for t in range(6, 40) if t not in sampled)
    path = tmp_path / f"{broken}.npy"
    path.write_bytes(path.read_bytes()[:500])
    parts = [delayed(np.load)(tmp_path / f"{t}.npy") for t in range(40)]
    movie = array.stack([array.from_delayed(part, frames.shape[1:], frames.dtype) for part in parts])
    with pytest.raises(InputError, match=f"frame {broken} cannot be read") as caught:
        propagate(movie, {0: labels[0]}, model=tiny_network())
    partial = caught.value.partial
    assert partial.scores.frames.tolist() == list(range(broken))
    whole = propagate(frames, {0: labels[0]}, model=tiny_network())
    np.testing.assert_array_equal(partial.labels[:broken], whole.labels[:broken])
    np.testing.assert_array_equal(partial.scores.confidence, whole.scores.confidence[:broken])
    assert partial.labels.shape == whole.labels.shape and not partial.labels[broken:].any()
    with pytest.raises(InputError) as caught:
        propagate(movie[:1], {0: labels[0]}, model=tiny_network())
    assert caught.value.partial is None


def test_a_warning_that_is_an_error_leaves_what_was_finished():
    """Tests of users turn warnings into errors; the frame with NaN is not among those that are looked at before."""
    frames, labels = disc_movie(2, 40, (48, 64), diameter=12)
    sampled = set(np.linspace(0, 39, 16).round().astype(int).tolist())
    broken = next(t for t in range(4, 40) if t not in sampled)
    frames[broken, 3, 5] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(NonFinitePixelsWarning) as caught:
            propagate(frames, {0: labels[0]}, model=tiny_network(), device="cpu")
    assert caught.value.partial.scores.frames.tolist() == list(range(broken))
    assert any("partial" in note for note in caught.value.__notes__)
