"""What is measured: synthetic movies with as many objects as wanted, and memory filled to its limits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_xmem.memory.store import Store

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_xmem.memory import MemoryBank

__all__ = ["disc_movie", "fill_long_term", "random_memory"]


def disc_movie(
    shape: tuple[int, int], n_objects: int, n_frames: int, diameter_px: float = 34.0, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Make soft discs on a jittered lattice that drift to the right, a pixel every second frame.

    Parameters
    ----------
    shape : tuple of 2 int
        Frame size.
    n_objects, n_frames : int
        How many.
    diameter_px : float
        Of a disc; smaller where they would not fit.
    seed : int
        Of the jitter and the noise.

    Returns
    -------
    frames : ndarray, shape (T, Y, X), float32
        The movie.
    labels : ndarray, shape (Y, X), int32
        Seeds of frame 0.
    """
    rng = np.random.default_rng(seed)
    columns = max(1, math.ceil(math.sqrt(n_objects * shape[1] / shape[0])))
    rows = -(-n_objects // columns)
    pitch = min(shape[0] / rows, shape[1] / columns)
    radius = min(diameter_px, 0.85 * pitch) / 2
    labels = np.zeros(shape, np.int32)
    image = np.zeros(shape, np.float32)
    for i in range(n_objects):
        y = (i // columns + 0.5) * shape[0] / rows + rng.uniform(-0.05, 0.05) * pitch
        x = (i % columns + 0.5) * shape[1] / columns + rng.uniform(-0.05, 0.05) * pitch
        top, left = max(0, int(y - radius) - 2), max(0, int(x - radius) - 2)
        window = slice(top, int(y + radius) + 3), slice(left, int(x + radius) + 3)
        yy, xx = np.mgrid[window[0], window[1]][:, : shape[0] - top, : shape[1] - left]
        distance = np.hypot(yy - y, xx - x)
        labels[window][distance <= radius] = i + 1
        image[window] += rng.uniform(0.6, 1.0) * np.clip(radius - distance + 0.5, 0, 1)
    image += 0.03 * rng.normal(size=shape)
    frames = np.stack([np.roll(image, t // 2, axis=1) for t in range(n_frames)])
    return (frames + 0.02 * rng.normal(size=frames.shape)).astype(np.float32), labels


def random_memory(
    key_dim: int, value_dim: int, elements: int, n_objects: int, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return keys ``(C, n)``, shrinkage ``(n,)``, selection ``(C, n)`` and values ``(N, V, n)`` of no meaning.

    Shrinkage is as high as in a trained network: the nearest elements answer, and where two are equally similar it
    matters little which of them is the thirtieth.
    """
    generator = torch.Generator().manual_seed(seed)
    key = torch.randn(key_dim, elements, generator=generator)
    shrinkage = 10 + 10 * torch.rand(elements, generator=generator)
    selection = torch.rand(key_dim, elements, generator=generator)
    return key, shrinkage, selection, 0.1 * torch.randn(n_objects, value_dim, elements, generator=generator)


def fill_long_term(bank: MemoryBank, elements: int) -> None:
    """Fill a bank's long-term memory up to `elements` with noisy copies of what it holds."""
    missing = elements - bank.sizes.long_term
    if missing <= 0:
        return
    state = bank._state
    table = state.filled()
    rows = torch.randint(len(table), (missing,), generator=torch.Generator().manual_seed(0))
    key = table["key"][rows]
    table.append(
        key=key + 0.05 * torch.randn_like(key),
        shrinkage=table["shrinkage"][rows],
        selection=table["selection"][rows],
        frame=table["frame"][rows],
        block=table["block"][rows],
        position=table["position"][rows],
        store=Store.LONG_TERM,
        values={i: table.values(i)[rows] for i in bank.object_ids},
    )
    state.refresh()
