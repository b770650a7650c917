"""length_scores.py [FRAMES [MOVIES]]: does a long memory do harm? Prints a table for docs/identity.md.

Three textured cells wander through a movie, never out of it, while their looks change slowly. The memory of the whole
run is compared, on every frame, with a short one: of the seeds and the last 100 to 200 frames, which begins with the
labels that the run had then. Default: 1,000 frames, 2 movies of each kind.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

import napari_xmem as nx

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_xmem.model import XMem

SHAPE = (112, 132)
PART = 100
STRETCH = 50
RADIUS_PX = 10.0


@dataclass(frozen=True)
class Kind:
    """How cells change in a movie: shares of their texture, brightness and radius that are other at its end."""

    name: str
    texture: float = 0.0
    brightness: float = 0.0
    radius: float = 0.0


KINDS = (
    Kind("nothing changes"),
    Kind("texture changes", texture=1.0),
    Kind("bleached to a half", brightness=-0.5),
    Kind("grow by a half", radius=0.5),
)


def drawn(kind: Kind, frames: int, seed: int) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Return frames and labels ``(T, Y, X)`` of three cells that wander; the higher number hides the lower one."""
    rng = np.random.default_rng([17, seed])
    textures = [[_texture(rng), _texture(rng)] for _ in range(3)]
    light = rng.uniform(0.55, 0.85, 3)
    low, high = np.array([22.0, 22.0]), np.array(SHAPE) - 22.0
    places, speed = np.array([[30.0, 30.0], [80.0, 60.0], [40.0, 104.0]]), rng.normal(0, 1, (3, 2))
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)
    movie, truth = np.empty((frames, *SHAPE), np.uint16), np.zeros((frames, *SHAPE), np.uint16)
    for t in range(frames):
        at, picture = t / max(1, frames - 1), np.full(SHAPE, 0.1)
        for i in range(3):
            row, column = places[i]
            inside = np.hypot(y - row, x - column) < RADIUS_PX * (1 + kind.radius * at)
            points = [np.clip(v, 0, 63) for v in (y[inside] - row + 32, x[inside] - column + 32)]
            first, last = (ndimage.map_coordinates(texture, points, order=1) for texture in textures[i])
            rough = (1 - kind.texture * at) * first + kind.texture * at * last
            picture[inside] = 0.1 + light[i] * (1 + kind.brightness * at) * (1 + 0.15 * rough)
            truth[t][inside] = i + 1
        picture = ndimage.gaussian_filter(picture, 1) + rng.normal(0, 0.03, SHAPE)
        movie[t] = np.clip(picture * 20000 + 500, 0, 65535)
        places, speed = _step(rng, places, speed, low, high)
    return movie, truth


def _texture(rng: np.random.Generator) -> NDArray[np.float64]:
    smooth = ndimage.gaussian_filter(rng.standard_normal((64, 64)), 2)
    return np.asarray(smooth / smooth.std())


def _step(
    rng: np.random.Generator, places: NDArray[np.float64], speed: NDArray[np.float64], low: object, high: object
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Go on by a frame; cells turn at the border and push each other off before they overlap."""
    speed = 0.9 * speed + rng.normal(0, 0.45, speed.shape)
    for i in range(len(places)):
        for j in range(len(places)):
            apart = places[i] - places[j]
            distance = float(np.hypot(*apart))
            if i != j and distance < 3 * RADIUS_PX:
                speed[i] += 0.6 * apart / max(distance, 1.0)
    moved = places + speed
    bounded = np.clip(moved, low, high)  # type: ignore[call-overload]
    return bounded, np.where(moved == bounded, speed, -speed)


def jaccard(labels: NDArray[np.integer], truth: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the mean Jaccard index of the three cells on every frame after the first."""
    return np.array([row.mean_jaccard for row in nx.evaluate(labels, truth).rows])


def short_memory(
    network: XMem, movie: NDArray[np.uint16], seeds: NDArray[np.uint16], labels: NDArray[np.integer]
) -> NDArray[np.integer]:
    """Follow every part of `PART` frames with the memory of the seeds and the `PART` frames before it."""
    out = np.array(labels)
    for start in range(2 * PART, len(movie), PART):
        begin = start - PART
        frames = np.concatenate([movie[:1], movie[begin : start + PART]])
        found = nx.propagate(frames, {0: seeds, 1: labels[begin]}, model=network, divisions="keep")
        out[start : start + PART] = found.labels[1 + PART :]
    return out


def interval(values: NDArray[np.float64]) -> str:
    """Return the mean of values over frames and its 95 % interval: stretches of `STRETCH` frames, drawn 4,000 times."""
    stretches = [values[n : n + STRETCH].mean() for n in range(0, len(values), STRETCH)]
    means = np.random.default_rng(0).choice(stretches, (4000, len(stretches))).mean(1)
    low, high = np.quantile(means, (0.025, 0.975))
    return f"{values.mean():+.4f} ({low:+.4f} to {high:+.4f})"


def row(name: str, long: list[NDArray[np.float64]], recent: list[NDArray[np.float64]]) -> str:
    """Return a row of the table."""
    whole, short = np.concatenate(long), np.concatenate(recent)
    change, worse = interval(whole - short), float((short - whole).max())
    return f"| {name} | {whole.mean():.3f} | {short.mean():.3f} | {change} | {worse:.3f} |"


def main() -> None:
    """Print a row per kind, and one for all."""
    frames = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    movies = int(sys.argv[2]) if len(sys.argv) > 2 else 2
    network = nx.load_model("bundled")
    print("| movies | J, whole memory | J, short memory | whole against short | most it is worse on a frame |")
    print("|---|---|---|---|---|", flush=True)
    whole: list[NDArray[np.float64]] = []
    short: list[NDArray[np.float64]] = []
    for kind in KINDS:
        long: list[NDArray[np.float64]] = []
        recent: list[NDArray[np.float64]] = []
        for seed in range(movies):
            movie, truth = drawn(kind, frames, seed)
            labels = nx.propagate(movie, {0: truth[0]}, model=network, divisions="keep").labels
            long.append(jaccard(labels, truth)[2 * PART - 1 :])  # before that both are the same
            recent.append(jaccard(short_memory(network, movie, truth[0], labels), truth)[2 * PART - 1 :])
        print(row(kind.name, long, recent), flush=True)
        whole, short = [*whole, *long], [*short, *recent]
    print(row("**all**", whole, short))


if __name__ == "__main__":
    main()
