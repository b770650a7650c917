"""Natural-looking colour movies of one thing that a hand-held camera follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_xmem_training.clips.clip import ClipConfig
from napari_xmem_training.clips.scene import Rendered, Scene, draw_frame
from napari_xmem_training.clips.shapes import developed, things
from napari_xmem_training.suite.movie import SuiteMovie, movie_rng

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_xmem_training.clips.store import StillStore

__all__ = ["natural"]

_TRIES = 12


def natural(
    kind: str, number: int, store: StillStore | None = None, frames: int = 20, size_px: int = 240
) -> SuiteMovie:
    """Draw a thing among look-alikes and occluders before a textured scene.

    Parameters
    ----------
    kind : str
        Kind of the suite.
    number : int
        Which movie of the kind.
    store : StillStore, optional
        Images of the val split, for textures.
    frames, size_px : int
        Length T and side of the frame.
    """
    config = ClipConfig(size_px, frames, diameter_px=(60.0, 85.0, 120.0), absent=0.0)
    for attempt in range(_TRIES):
        rng = movie_rng(kind, number, attempt)
        still = store.pick(rng, str(rng.choice(store.sources))) if store is not None else None
        scene, centre = things(rng, still, config)
        rendered = _filmed(scene, _camera(rng, centre, size_px), size_px)
        area = rendered.target.sum((1, 2))
        seen = bool((area[1:] >= 0.35 * area[0]).all()) and area[0] >= 0.6 * np.pi / 4 * scene.diameter**2
        if seen or attempt == _TRIES - 1:
            break
    colour = np.clip(developed(rng, rendered).colour, 0, 1)
    shape = (*colour.shape[:3], 3)
    noisy = np.broadcast_to(colour, shape) + rng.normal(0, 0.015, shape)
    digits = np.clip(noisy * 235 + 10, 0, 255).astype(np.uint8)
    return SuiteMovie(kind, f"{kind}-{number}", digits, rendered.target.astype(np.uint16), (1,))


def _camera(rng: np.random.Generator, centre: NDArray[np.float64], size_px: int) -> NDArray[np.float64]:
    """Follow the thing with inertia and a trembling hand; (T, 2) corners."""
    path = np.array(centre, np.float64)
    lag = rng.uniform(0.3, 0.9)
    for t in range(1, len(path)):
        path[t] = path[t - 1] + lag * (centre[t] - path[t - 1])
    offset = rng.uniform(-0.1, 0.1, 2) * size_px
    return np.round(path + offset + rng.normal(0, 1.0, path.shape) - size_px / 2)


def _filmed(scene: Scene, corners: NDArray[np.float64], size_px: int) -> Rendered:
    drawn = [draw_frame(scene, t, corner, size_px) for t, corner in enumerate(corners)]
    labels = np.stack([painted for _, painted in drawn])
    return Rendered(np.stack([c for c, _ in drawn]), labels == 1, labels > 1, scene.kind, scene.diameter)
