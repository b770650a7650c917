"""confidence_scores.py [MOVIES]: how far confidence can be trusted where identity is in question or frames are bad.

Small movies of 13 kinds, MOVIES of each (default 6), with drawn parameters. Prints a table for docs/identity.md and
draws docs/images/confidence.png: the mean Jaccard index of masks by the confidence that they were given. `--fit` takes
other movies, by which `engine/identity/calibration.py` was set, and draws nothing.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from identity_scores import SHAPE, coming, dark, drawn, passing
from scipy import ndimage

import napari_xmem as nx
from napari_xmem.engine.identity.calibration import CALIBRATION

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_xmem.model import XMem

Movie = tuple[Any, Any]
REST = [(30.0, 34.0), (36.0, 98.0), (84.0, 62.0)]
#: First word of every seed here.
APART = 77
BINS = 10
#: A mask of less is of somebody else; it is asked about this many frames after the first such mask of its object.
WRONG, LATER_FRAMES = 0.1, 2
PICTURE = Path(__file__).parents[1] / "docs" / "images" / "confidence.png"


def wandering(
    rng: np.random.Generator, frames: int, step_px: float, starts: Sequence[tuple[float, float]] = REST
) -> Movie:
    """Return a movie of cells that wander without touching."""
    places, speed = np.array(starts), rng.normal(0, step_px, (len(starts), 2))
    where = []
    for _ in range(frames):
        where.append({i + 1: (float(y), float(x)) for i, (y, x) in enumerate(places)})
        for _ in range(100):
            moved = places + 0.6 * speed + rng.normal(0, 0.6 * step_px, speed.shape)
            apart = np.hypot(*(moved[:, None] - moved[None]).transpose(2, 0, 1)) + 99 * np.eye(len(moved))
            if apart.min() > 22 and (moved > 12).all() and (moved < np.array(SHAPE) - 12).all():
                speed, places = moved - places, moved
                break
    light = {i + 1: float(v) for i, v in enumerate(rng.uniform(0.55, 0.85, len(starts)))}
    return drawn(where, light, int(rng.integers(2**31)))


def passes(rng: np.random.Generator) -> Movie:
    return passing(int(rng.integers(2**31)), rng.uniform(1, 1.4), rng.uniform(4, 9))


def stranger(rng: np.random.Generator) -> Movie:
    return coming(int(rng.integers(2**31)), int(rng.integers(1, 6)), rng.uniform(0.7, 1.5))


def returns(rng: np.random.Generator) -> Movie:
    return coming(int(rng.integers(2**31)), int(rng.integers(1, 8)), None)


def hides(rng: np.random.Generator) -> Movie:
    return dark(int(rng.integers(2**31)), int(rng.integers(1, 8)))


def lamp(rng: np.random.Generator) -> Movie:
    movie, truth = wandering(rng, 10, 1.5)
    n = int(rng.integers(1, 4))
    movie[3 : 3 + n] = rng.uniform(0.3, 1) * 20000 + rng.normal(0, 800, movie[3 : 3 + n].shape)
    truth[3 : 3 + n] = 0
    return movie, truth


def other_field(rng: np.random.Generator) -> Movie:
    movie, truth = wandering(rng, 10, 1.5)
    n = int(rng.integers(1, 4))
    movie[3 : 3 + n] = wandering(rng, n, 1.5, [(56.0, 30.0), (80.0, 104.0), (24.0, 66.0)])[0]
    truth[3 : 3 + n] = 0
    return movie, truth


def hot_pixels(rng: np.random.Generator) -> Movie:
    movie, truth = wandering(rng, 8, 1.5)
    movie = movie // 6
    movie[rng.random(movie.shape) < rng.uniform(0.001, 0.03)] = 65535
    return movie, truth


def crowd(rng: np.random.Generator) -> Movie:
    starts = [(22.0 + 33 * i, 20.0 + 31 * j) for i in range(3) for j in range(4)]
    return wandering(rng, 8, rng.uniform(4, 16), starts)


def jumps(rng: np.random.Generator) -> Movie:
    movie, truth = wandering(rng, 10, 1.5, [(40.0, 40.0), (44.0, 80.0), (74.0, 60.0)])
    shift = tuple(int(v) for v in rng.integers(-24, 25, 2))
    edge = int(np.median(movie))
    for t in range(5, 10):
        movie[t] = ndimage.shift(movie[t], shift, order=0, cval=edge)
        truth[t] = ndimage.shift(truth[t], shift, order=0)
    return movie, truth


def noise(rng: np.random.Generator) -> Movie:
    movie, truth = wandering(rng, 12, 2.0)
    noisy = movie + rng.normal(0, rng.uniform(2000, 12000), movie.shape)
    return np.clip(noisy + 15000, 0, 65535).astype(np.uint16), truth


def defocus(rng: np.random.Generator) -> Movie:
    movie, truth = wandering(rng, 12, 2.0)
    for t in range(4, 7):
        movie[t] = ndimage.gaussian_filter(movie[t].astype(float), rng.uniform(1, 8))
    return movie, truth


def bleaching(rng: np.random.Generator) -> Movie:
    movie, truth = wandering(rng, 24, 2.0)
    left = rng.uniform(0.05, 0.5) ** np.linspace(0, 1, len(movie))[:, None, None]
    dim = (movie.astype(float) - 2500) * left + 2500 + rng.normal(0, 300, movie.shape)
    return np.clip(dim, 0, 65535).astype(np.uint16), truth


def sudden(rng: np.random.Generator) -> Movie:
    """One cell jumps."""
    movie, truth = wandering(rng, 5, 1.5)
    return _with_jump(rng, movie, truth)


def _with_jump(rng: np.random.Generator, movie: Any, truth: Any) -> Movie:
    angle, far = rng.uniform(0, 2 * np.pi), rng.uniform(15, 45)
    seed = int(rng.integers(2**31))
    y, x = np.clip([84 + far * np.sin(angle), 62 + far * np.cos(angle)], 14, np.array(SHAPE) - 14)
    places = [{1: REST[0], 2: REST[1], 3: (REST[2] if t < 5 else (float(y), float(x)))} for t in range(10)]
    return drawn(places, {1: 0.7, 2: 0.8, 3: 0.6}, seed)


KINDS: dict[str, Callable[[np.random.Generator], Movie]] = {
    "passes over another": passes,
    "a stranger comes in": stranger,
    "leaves and returns": returns,
    "dark for some frames": hides,
    "lamp on": lamp,
    "another field of view": other_field,
    "hot pixels": hot_pixels,
    "crowd of large steps": crowd,
    "stage jumps": jumps,
    "noise": noise,
    "out of focus": defocus,
    "bleaching": bleaching,
    "one cell jumps": sudden,
}


@dataclass(frozen=True, slots=True)
class Mask:
    """A painted mask: its confidence, its Jaccard index, and since how many frames it is of somebody else (-1: not)."""

    confidence: float
    jaccard: float
    wrong_frames: int


def masks_of(movie: Movie, network: XMem) -> list[Mask]:
    """Follow the cells of frame 0 and return all masks that were painted."""
    frames, truth = movie
    result = nx.propagate(frames, {0: truth[0]}, model=network, divisions="keep")
    out = []
    for i in np.unique(truth[0])[1:].tolist():
        sure, wrong = result.scores.of(i)["confidence"], -1
        for t in range(1, len(frames)):
            mask, true = result.labels[t] == i, truth[t] == i
            if not mask.any():
                wrong = -1
                continue
            jaccard = float((mask & true).sum() / (mask | true).sum())
            wrong = wrong + 1 if jaccard < WRONG else -1
            out.append(Mask(float(sure[t]), jaccard, wrong))
    return out


def reliability(masks: Sequence[Mask]) -> tuple[float, list[tuple[float, float, int]]]:
    """Return the expected calibration error; confidence, Jaccard index and number of every bin that is not empty."""
    sure, right = (np.array([getattr(mask, name) for mask in masks]) for name in ("confidence", "jaccard"))
    place = np.minimum((sure * BINS).astype(int), BINS - 1)
    rows = [
        (float(sure[place == b].mean()), float(right[place == b].mean()), int((place == b).sum()))
        for b in np.unique(place)
    ]
    return sum(n * abs(a - b) for a, b, n in rows) / len(masks), rows


def before(masks: Sequence[Mask]) -> list[Mask]:
    """Return masks with the confidence that they had before it was calibrated."""
    said, shown = CALIBRATION
    return [replace(mask, confidence=float(np.interp(mask.confidence, shown, said))) for mask in masks]


def picture(masks: Sequence[Mask]) -> None:
    """Draw the diagram, before and after."""
    from matplotlib.figure import Figure

    figure = Figure((8.4, 4.2), layout="constrained")
    for axes, title, shown in zip(
        figure.subplots(1, 2), ("as probabilities say", "as it is shown"), (before(masks), masks), strict=True
    ):
        error, rows = reliability(shown)
        axes.plot([0, 1], [0, 1], color="0.6", linewidth=1)
        sure, right, counts = (np.array(column) for column in zip(*rows, strict=True))
        axes.plot(sure, right, "o-", color="#007a5a")
        for x, y, n in zip(sure, right, counts, strict=True):
            axes.annotate(str(n), (x, y), xytext=(5, -12), textcoords="offset points", fontsize=8, color="0.35")
        axes.set(xlabel="confidence", ylabel="mean Jaccard index", xlim=(0, 1.04), ylim=(0, 1.04), aspect="equal")
        axes.set_title(f"{title}: error {error:.3f}", fontsize=10)
    figure.savefig(PICTURE, dpi=90)


def collect(movies: int, half: int, network: XMem) -> dict[str, list[Mask]]:
    """Return the masks of every kind, of the half that is for fitting (0) or measuring (1)."""
    found = {}
    for k, (name, make) in enumerate(KINDS.items()):
        seeds = [np.random.default_rng([APART, half, k, s]) for s in range(movies)]
        found[name] = [mask for rng in seeds for mask in masks_of(make(rng), network)]
        print(f"| {name} | {row(found[name])} |", flush=True)
    return found


def row(masks: Sequence[Mask]) -> str:
    """Return masks, those of somebody else, and what these were given then and later."""
    error, _ = reliability(masks)
    wrong = [mask.confidence for mask in masks if mask.wrong_frames >= LATER_FRAMES]
    said = f"{np.median(wrong):.2f}, {max(wrong):.2f}" if wrong else "-"
    mean = np.mean([mask.confidence for mask in masks]), np.mean([mask.jaccard for mask in masks])
    return f"{len(masks)} | {mean[0]:.3f} | {mean[1]:.3f} | {error:.3f} | {len(wrong)} | {said}"


def main() -> None:
    """Print the table and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("movies", nargs="?", type=int, default=6)
    parser.add_argument("--fit", action="store_true", help="the other half of the movies; no picture")
    parser.add_argument("--save", help="npy file for confidence, Jaccard index and frames of error of all masks")
    asked = parser.parse_args()
    print(
        "| movies | masks | confidence | Jaccard index | error | of somebody else since 2 frames | their confidence |"
    )
    print("|---|---|---|---|---|---|---|", flush=True)
    masks = [
        m
        for of_kind in collect(asked.movies, 0 if asked.fit else 1, nx.load_model("bundled", "cpu")).values()
        for m in of_kind
    ]
    print(f"| **all** | {row(masks)} |")
    for title, shown in (("before calibration", before(masks)), ("as shown", masks)):
        error, rows = reliability(shown)
        print(f"{title}: expected calibration error {error:.3f}")
        for sure, right, n in rows:
            print(f"    confidence {sure:.2f}: Jaccard index {right:.2f} ({n} masks)")
    if asked.save:
        np.save(asked.save, np.array([[m.confidence, m.jaccard, m.wrong_frames] for m in masks]))
    if not asked.fit:
        picture(masks)


if __name__ == "__main__":
    main()
