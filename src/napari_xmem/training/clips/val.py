"""Fixed validation clips from images no training clip shows, to choose models by."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_xmem.training.clips.clip import Clip, ClipConfig, Mixture
from napari_xmem.training.clips.make import ClipMaker
from napari_xmem.training.clips.store import StillStore

__all__ = ["validation_clips"]

_SEED_OFFSET = 1_000_003


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
        0 or more; disjoint from the seeds of `ClipStream`.

    Returns
    -------
    dict of str to list of Clip
        Keyed by kind, such as ``"crowd/phase"``.
    """
    store = StillStore(Path(data_dir), "val") if data_dir is not None else None
    maker = ClipMaker(ClipConfig(window_px, n_frames, Mixture()), store)
    return {
        kind: [
            maker.make_kind(kind, np.random.default_rng([_SEED_OFFSET, seed, number, n])) for n in range(n_per_kind)
        ]
        for number, kind in enumerate(maker.kinds)
    }
