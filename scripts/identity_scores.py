"""identity_scores.py [SEEDS]: who is who in small movies of textured cells that pass over each other, leave and return.

Prints the table of docs/identity.md. Cells have a diameter of 20 px; seeds are 0, 1, ... (default 3).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

import napari_xmem as nx

if TYPE_CHECKING:
    from collections.abc import Callable

Movie = tuple[Any, Any]
SHAPE = (112, 132)
RADIUS_PX = 10.0
#: A cell that walks out over the left border, and comes in there.
OUT, IN = (26, 18, 9, 0, -9, -18), (-9, 0, 9, 18, 26, 34)


def drawn(places: list[dict[int, tuple[float, float]]], light: dict[int, float], seed: int) -> Movie:
    """Return frames (T, Y, X) uint16 and labels; cells with higher numbers hide the others."""
    rng = np.random.default_rng(seed)
    textures = {i: ndimage.gaussian_filter(rng.standard_normal((64, 64)), 2) for i in light}
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)
    frames, truth = np.empty((len(places), *SHAPE)), np.zeros((len(places), *SHAPE), np.uint16)
    for t, where in enumerate(places):
        frames[t] = 0.1
        for i, (row, column) in sorted(where.items()):
            inside = np.hypot(y - row, x - column) < RADIUS_PX
            at = [np.clip(v, 0, 63) for v in (y[inside] - row + 32, x[inside] - column + 32)]
            rough = ndimage.map_coordinates(textures[i] / textures[i].std(), at, order=1)
            frames[t][inside], truth[t][inside] = 0.1 + light[i] * (1 + 0.15 * rough), i
        frames[t] = ndimage.gaussian_filter(frames[t], 1) + rng.normal(0, 0.04, SHAPE)
    return (np.clip(frames * 20000 + 500, 0, 65535)).astype(np.uint16), truth


def passing(seed: int, ratio: float, speed_px: float) -> Movie:
    """One cell, `ratio` times as bright, passes over another."""
    steps = np.arange(int(92 / speed_px) + 1) * speed_px
    return drawn([{1: (50, 20 + s), 2: (54, 112 - s)} for s in steps], {1: 0.7, 2: 0.7 * ratio}, seed)


def coming(seed: int, gone_frames: int, ratio: float | None) -> Movie:
    """Cell 1 leaves; then a stranger comes in, `ratio` times as bright, or None: the cell itself."""
    newcomer = 1 if ratio is None else 4
    rest = {2: (90.0, 70.0), 3: (60.0, 100.0)}
    places = [{1: (40.0, float(x)), **rest} for x in OUT]
    places += [rest] * gone_frames + [{newcomer: (40.0, float(x)), **rest} for x in IN]
    return drawn(places, {1: 0.7, 2: 0.8, 3: 0.6, 4: 0.7 * (ratio or 1)}, seed)


def dark(seed: int, frames: int) -> Movie:
    """Cell 1 is not seen for some frames, in the middle of the picture."""
    rest = {2: (90.0, 70.0), 3: (30.0, 100.0)}
    places = [{1: (50.0, 40.0 + t), **rest} if not 4 <= t < 4 + frames else rest for t in range(8 + frames)]
    return drawn(places, {1: 0.7, 2: 0.8, 3: 0.6}, seed)


CASES: dict[str, Callable[[int], Movie]] = {
    **{
        f"passes over, brightness {ratio:g}, {speed} px a frame": lambda s, r=ratio, v=speed: passing(s, r, v)  # type: ignore[misc]
        for ratio in (1, 1.15, 1.3)
        for speed in (4, 8)
    },
    **{
        f"a newcomer, brightness {ratio:g}, after {gone} frames": lambda s, r=ratio, g=gone: coming(s, g, r)  # type: ignore[misc]
        for ratio, gone in ((0.7, 2), (1, 2), (1, 4), (1.5, 2))
    },
    **{f"itself, after {gone} frames": lambda s, g=gone: coming(s, g, None) for gone in (1, 3, 6)},  # type: ignore[misc]
    **{f"dark for {n} frames": lambda s, n=n: dark(s, n) for n in (1, 5)},  # type: ignore[misc]
}


def score(movie: Movie, network: Any) -> float:
    """Return the mean Jaccard index of the painted cells on the last frame; whoever is not there must have no label."""
    frames, truth = movie
    labels = nx.propagate(frames, {0: truth[0]}, model=network).labels[-1]
    found = []
    for i in np.unique(truth[0])[1:]:
        one, other = labels == i, truth[-1] == i
        found.append(((one & other).sum() / (one | other).sum()) if (one | other).any() else 1.0)
    return float(np.mean(found))


def main(seeds: int = 3) -> None:
    """Print the table."""
    network = nx.load_model("bundled", "cpu")
    print("| movie | J on the last frame |\n| --- | --- |")
    for name, make in CASES.items():
        print(f"| {name} | {' '.join(f'{score(make(s), network):.2f}' for s in range(seeds))} |", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
