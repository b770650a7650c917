"""Clips from tracked movies: a small one with a division, whose truth is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_xmem_training.clips import ClipConfig, Mixture
from napari_xmem_training.clips.recordings import RECORDINGS, RecordingStore, recorded
from napari_xmem_training.clips.simulated import division_events, events_of_births

if TYPE_CHECKING:
    from pathlib import Path

FRAMES, BIRTH = 12, 6
CONFIG = ClipConfig(window_px=96, n_frames=5, mixture=Mixture(eventful=1.0), diameter_px=(20.0, 30.0, 60.0))


def write(path: Path, *, buds: bool = False, doubted: tuple[int, ...] = ()) -> None:
    """A body (1) that is two (2 and 3) from frame 6 on, or that buds and stays, and a neighbour (4)."""
    labels = np.zeros((FRAMES, 120, 120), np.uint16)
    for t in range(FRAMES):
        labels[t, 90:110, 80:100] = 4
        if t < BIRTH:
            labels[t, 40 + t : 60 + t, 30:60] = 1
        else:
            labels[t, 44:64, 26:43] = 1 if buds else 2
            labels[t, 44:64, 48:65] = 3
    ok = np.ones((4, FRAMES), bool)
    ok[3, list(doubted)] = False
    lineage = [(3, 1, BIRTH)] if buds else [(2, 1, BIRTH), (3, 1, BIRTH)]
    frames = (labels > 0) * 120 + 20 + np.random.default_rng(0).integers(0, 9, labels.shape)
    np.savez(path, frames=frames.astype(np.uint8), labels=labels, track_ids=np.array([1, 2, 3, 4]), ok=ok,
             reliable=np.ones(4, bool), lineage=np.array(lineage))  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> RecordingStore:
    write(tmp_path / "dev_ecoli_divisions.npz")
    return RecordingStore(tmp_path)


def test_no_recording_is_in_both_splits() -> None:
    train, val = (set(RECORDINGS[split].values()) for split in ("train", "val"))
    assert train and val and not train & val


def test_a_folder_without_recordings_has_none(tmp_path: Path) -> None:
    assert RecordingStore(tmp_path).names == ()
    assert RecordingStore(tmp_path, "val").names == ()


def test_daughters_stay_the_target_and_events_say_when(store: RecordingStore) -> None:
    divided = 0
    for seed in range(20):
        clip = recorded(np.random.default_rng(seed), store.get("ecoli"), CONFIG)
        assert clip is not None and clip.target[0].any()
        moment = np.flatnonzero(clip.events[:, 1] == 1)
        if not len(moment):
            assert not clip.events[:, 2].any()
            continue
        divided += 1
        first = int(moment[0])
        assert (clip.events[first:, 2] == 1).all() and not clip.events[:first, 2].any()
        assert clip.events[first - 1, 0] == 1
        before, after = clip.target[first - 1].sum(), clip.target[first].sum()
        assert after > 0.8 * before  # both daughters together
    assert divided >= 12


def test_a_mother_that_buds_goes_on_alone(tmp_path: Path) -> None:
    write(tmp_path / "dev_yeast_budding.npz", buds=True)
    recording = RecordingStore(tmp_path, "val").get("yeast")
    assert recording.parents == {}
    for seed in range(8):
        clip = recorded(np.random.default_rng(seed), recording, CONFIG)
        assert clip is not None and not clip.events[:, 1:].any()


def test_frames_that_are_not_trusted_are_left_out(tmp_path: Path) -> None:
    write(tmp_path / "dev_ecoli_divisions.npz", doubted=tuple(range(FRAMES)))
    recording = RecordingStore(tmp_path).get("ecoli")
    quiet = ClipConfig(window_px=96, n_frames=5, mixture=Mixture(eventful=0.0), diameter_px=(20.0, 30.0, 60.0))
    for seed in range(10):
        clip = recorded(np.random.default_rng(seed), recording, quiet)
        assert clip is not None
        assert clip.target[0].sum() != 0
        shape = np.ptp(np.nonzero(clip.target[0])[1]) / max(np.ptp(np.nonzero(clip.target[0])[0]), 1)
        assert not 0.9 < shape < 1.1  # the square neighbour is the one in doubt


def test_events_of_births() -> None:
    nan = np.nan
    expected = [[0, 0, 0], [1, 0, 0], [1, 0, 0], [1, 0, 0], [nan, 1, 1], [nan, 0, 1], [nan, 1, 1]]
    np.testing.assert_array_equal(events_of_births(7, [4, 6]), np.array(expected, np.float32))
    none = events_of_births(5, [])
    np.testing.assert_array_equal(none[:, 0], [0, 0, nan, nan, nan])  # a division may follow after the clip
    assert not none[:, 1:].any()


def test_events_of_a_simulated_movie_follow_its_lineage() -> None:
    from napari_xmem.simulate import simulate

    found = 0
    for seed in range(4):
        made = simulate("mitosis", np.random.default_rng(seed), frames=8, size_px=(128, 128), diameter_px=28.0)
        for mother, frame in made.divisions.items():
            label = int(made.labels[made.bodies == mother][0])
            if made.births[mother] > 0 or not (made.labels[0] == label).any():
                continue
            events = division_events(made, label)
            found += 1
            assert events[frame, 1] == 1 and (events[frame:, 2] == 1).all() and not events[:frame, 2].any()
    assert found >= 3
