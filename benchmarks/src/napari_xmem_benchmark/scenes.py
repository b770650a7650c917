"""What is measured: synthetic movies with as many objects as wanted, and memory filled to its limits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import ndimage

from napari_xmem.memory.store import Store

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_xmem.memory import MemoryBank

__all__ = ["disc_movie", "fill_long_term", "fill_working", "look_alikes", "random_memory"]


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


def look_alikes(
    shape: tuple[int, int], n_frames: int, pitch_px: float = 42.0, radius_px: float = 13.0, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.uint16]]:
    """Make copies of one grainy disc that drift together and jostle: nothing but place tells them apart.

    Parameters
    ----------
    shape : tuple of 2 int
        Frame size.
    n_frames : int
        Length T.
    pitch_px : float
        Distance of neighbours; a diameter is ``2 * radius_px``.
    radius_px : float
        Of a disc.
    seed : int
        Of grain, motion and noise.

    Returns
    -------
    frames : ndarray, shape (T, Y, X), float32
        The movie.
    labels : ndarray, shape (T, Y, X), uint16
        The truth; discs do not overlap.
    """
    rng = np.random.default_rng(seed)
    side = 2 * int(radius_px) + 7
    grain = ndimage.gaussian_filter(rng.normal(size=(side, side)), 1.5)
    inside = np.hypot(*(np.mgrid[:side, :side] - side // 2)) <= radius_px
    stamp = np.where(inside, 1 + 2 * grain / np.abs(grain).max(), 0)
    rows, columns = (int((n - side) // pitch_px) for n in shape)
    lattice = [
        (side / 2 + (i + 0.5) * pitch_px, side / 2 + (j + 0.2) * pitch_px) for i in range(rows) for j in range(columns)
    ]
    jostle, room = np.zeros((len(lattice), 2)), max(0.0, (pitch_px - 2 * radius_px) / 2 - 1)
    frames, labels = np.zeros((n_frames, *shape), np.float32), np.zeros((n_frames, *shape), np.uint16)
    for t in range(n_frames):
        for i, (y, x) in enumerate(lattice):
            top, left = (int(p + step) - side // 2 for p, step in zip((y, x + 3 * t), jostle[i], strict=True))
            if top < 0 or left < 0 or top + side > shape[0] or left + side > shape[1]:
                continue
            window = slice(top, top + side), slice(left, left + side)
            frames[(t, *window)] += stamp
            labels[(t, *window)][inside] = i + 1
        jostle = np.clip(jostle + rng.normal(0, 1.0, jostle.shape), -room, room)
        frames[t] = ndimage.gaussian_filter(frames[t], 0.8) + 0.05 * rng.normal(size=shape)
    return frames, labels


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


def fill_working(bank: MemoryBank, frames: int) -> None:
    """Add noisy copies of the frame a bank holds until it holds `frames` of them, so that one more consolidates."""
    table = bank._state.filled()
    key, selection = table["key"].T.clone(), table["selection"].T.clone()
    shrinkage, position = table["shrinkage"].clone(), table["position"].clone()
    values = torch.stack([table.values(i).T for i in bank.object_ids])
    for _ in range(frames - 1):
        noisy = key + 0.05 * torch.randn_like(key)
        bank.add(0, noisy, shrinkage, selection, values, bank.object_ids, positions=position)
