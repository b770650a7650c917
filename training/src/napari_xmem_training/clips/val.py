"""Fixed validation clips from images no training clip shows, to choose models by."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_xmem_training.clips.clip import ClipConfig, Mixture
from napari_xmem_training.clips.make import ClipMaker
from napari_xmem_training.clips.recordings import RecordingStore
from napari_xmem_training.clips.store import StillStore

if TYPE_CHECKING:
    from napari_xmem_training.clips.clip import Clip

__all__ = ["validation_clips"]

_APART = 1_000_003


def validation_clips(
    data_dir: Path | str | None, window_px: int = 160, n_frames: int = 8, n_per_kind: int = 8, seed: int = 0
) -> dict[str, list[Clip]]:
    """Make the same clips every time, of every kind there is.

    Parameters
    ----------
    data_dir : Path or None
        Folder of the still images, of which the ``val`` split is used; None: kinds that need no images.
    window_px, n_frames : int
        Size of a clip.
    n_per_kind : int
        Clips per kind.
    seed : int
        0 or more; no clip of a `ClipStream` has the same randomness.

    Returns
    -------
    dict of str to list of Clip
        Keyed by kind, such as ``"crowd/phase"``; a kind's clips do not depend on which other kinds there are.
    """
    store = StillStore(Path(data_dir), "val") if data_dir is not None else None
    recordings = RecordingStore(Path(data_dir), "val") if data_dir is not None else None
    mixture = Mixture(exemplar=0.1, recordings=0.1)
    maker = ClipMaker(ClipConfig(window_px, n_frames, mixture), store, recordings)

    def clip(kind: str, number: int) -> Clip:
        state = [_APART, seed, zlib.crc32(kind.encode()), number]
        return maker.make_kind(kind, np.random.default_rng(state))

    return {kind: [clip(kind, number) for number in range(n_per_kind)] for kind in maker.kinds}
