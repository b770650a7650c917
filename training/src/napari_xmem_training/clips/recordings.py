"""Clips from real movies that were tracked with their lineages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_xmem.errors import InputError
from napari_xmem_training.clips.simulated import events_of_births, follow

if TYPE_CHECKING:
    from pathlib import Path

    from napari_xmem_training.clips.clip import ClipConfig
    from napari_xmem_training.clips.scene import Rendered

__all__ = ["RECORDINGS", "Recording", "RecordingStore", "recorded"]

RECORDINGS: dict[str, dict[str, str]] = {
    "train": {"ecoli": "dev_ecoli_divisions"},
    "val": {"yeast": "dev_yeast_budding", "drosophila": "dev_drosophila_fluo", "c2c12": "dev_c2c12_phase"},
}
"""Which recording is trained on and which only ever validates: whole recordings, never frames of one."""

_TRIES = 20


@dataclass(frozen=True)
class Recording:
    """A tracked movie.

    Attributes
    ----------
    frames, labels : ndarray
        (T, Y, X) image; uint16 labels, an id for every body.
    ok : ndarray
        (ids + 1, T) bool: whether a body's mask is to be trusted on a frame.
    parents, births : dict of int to int
        Mother and first frame of every daughter. A mother who keeps her id while she buds has none.
    """

    frames: npt.NDArray[np.generic]
    labels: npt.NDArray[np.uint16]
    ok: npt.NDArray[np.bool_]
    parents: dict[int, int]
    births: dict[int, int]

    def family(self, body: int, frames: npt.NDArray[np.int64]) -> set[int]:
        """Return a body and all its descendants that are born by the last of `frames`."""
        found = {body}
        for daughter, born in sorted(self.births.items(), key=lambda item: item[1]):
            if self.parents[daughter] in found and born <= frames[-1]:
                found.add(daughter)
        return found


class RecordingStore:
    """The tracked movies of one split that are in a folder; there may be none.

    Parameters
    ----------
    folder : Path
        Holds ``dev_ecoli_divisions.npz`` and others.
    split : {"train", "val"}
        See `RECORDINGS`.
    """

    def __init__(self, folder: Path, split: str = "train") -> None:
        self._files = {
            name: folder / f"{file}.npz"
            for name, file in RECORDINGS[split].items()
            if (folder / f"{file}.npz").is_file()
        }
        self._loaded: dict[str, Recording] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Short names of the recordings that are there."""
        return tuple(self._files)

    def get(self, name: str) -> Recording:
        """Return a recording; it is read once."""
        if name not in self._loaded:
            self._loaded[name] = _read(self._files[name])
        return self._loaded[name]


def recorded(rng: np.random.Generator, recording: Recording, config: ClipConfig) -> Rendered | None:
    """Follow one body and its daughters through a part of a recording, at its own pace or skipping frames.

    Parameters
    ----------
    rng : Generator
        Source of all randomness.
    recording : Recording
        The movie.
    config : ClipConfig
        Size of the clip; `Mixture.eventful` is the share of the clips in which the body divides, where one does.

    Returns
    -------
    Rendered or None
        None if no body could be found that is trusted on all frames.
    """
    length = len(recording.frames)
    for _ in range(_TRIES):
        pace = int(rng.choice([1, 1, 2, 3]))
        span = (config.n_frames - 1) * pace
        if span >= length:
            continue
        start = int(rng.integers(length - span))
        frames = np.arange(start, start + span + 1, pace)
        body = _choose(rng, recording, frames, eventful=rng.random() < config.mixture.eventful)
        if body is None:
            continue
        family = recording.family(body, frames)
        seen = np.stack([recording.labels[frames] == member for member in family]).any((2, 3))
        trusted = recording.ok[list(family)][:, frames] | ~seen
        if not trusted.all():
            continue
        labels = np.where(np.isin(recording.labels[frames], list(family)), np.uint16(body), recording.labels[frames])
        born = [int(np.searchsorted(frames, recording.births[m])) for m in family if m != body]
        events = events_of_births(len(frames), sorted(b for b in born if b < len(frames)))
        return follow(rng, recording.frames[frames], labels, body, config.draw_diameter(rng), config, events=events)
    return None


def _choose(
    rng: np.random.Generator, recording: Recording, frames: npt.NDArray[np.int64], *, eventful: bool
) -> int | None:
    """Draw a body of the first frame that is trusted there, one that divides soon if wanted and there is one."""
    here = np.unique(recording.labels[frames[0]])
    here = here[(here > 0) & recording.ok[here, frames[0]]]
    if not len(here):
        return None
    soon = {m for d, m in recording.parents.items() if frames[0] < recording.births[d] <= frames[-1]}
    dividing = [body for body in here.tolist() if body in soon]
    return int(rng.choice(dividing if eventful and dividing else here))


def _read(path: Path) -> Recording:
    try:
        with np.load(path, allow_pickle=False) as archive:
            frames, labels = archive["frames"], archive["labels"].astype(np.uint16)
            ids, ok = archive["track_ids"], archive["ok"]
            lineage = archive["lineage"].reshape(-1, 3)
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a tracked movie ({error}).") from error
    table = np.ones((int(labels.max()) + 1, len(frames)), bool)
    table[ids[ids < len(table)]] = ok[ids < len(table)]
    last = {i: int(np.flatnonzero((labels == i).any((1, 2)))[-1]) for i in {int(p) for _, p, _ in lineage}}
    rows = [(int(d), int(m), int(t)) for d, m, t in lineage if last[int(m)] < int(t)]  # a mother that buds goes on
    return Recording(frames, labels, table, {d: m for d, m, _ in rows}, {d: t for d, _, t in rows})
