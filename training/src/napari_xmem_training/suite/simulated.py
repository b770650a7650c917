"""Simulated movies of the suite: seeds that training never draws, sizes and motion like those of real movies."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem_training.suite.movie import SuiteMovie, keep_whole, motion_per_frame, movie_rng

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_xmem.simulate import SimulatedMovie

__all__ = ["Order", "drifting", "flickering", "returning", "simulated", "striped"]

_TRIES = 8


@dataclass(frozen=True)
class Order:
    """What a simulated movie should be like.

    Attributes
    ----------
    simulator : str
        A kind of `napari_xmem.simulate`.
    size_px : int
        Side of the frame.
    n_objects : int
        About how many objects frame 0 shows; half to twice as many are taken.
    diameter_px : float
        Mean diameter.
    steps : tuple of 2 float
        Least and most motion per frame in diameters, mean over the movie.
    largest_step : float
        Most motion from one frame to the next in diameters: no jump of the stage.
    growth : float
        Least number of cells on the last frame for each on the first: colonies must divide.
    frames : int
        Length T.
    smallest : float
        Least area of a scored object of frame 0 relative to the median.
    """

    simulator: str
    size_px: int
    n_objects: int
    diameter_px: float
    steps: tuple[float, float] = (0.0, 0.3)
    largest_step: float = np.inf
    growth: float = 0.0
    frames: int = 20
    smallest: float = 0.35


def simulated(kind: str, number: int, order: Order) -> SuiteMovie:
    """Simulate until a movie fits the order; the choice looks at the truth only, never at a model.

    Parameters
    ----------
    kind : str
        Kind of the suite.
    number : int
        Which movie of the kind.
    order : Order
        What it should be like.
    """
    movie = _fitting(kind, number, order)
    scored = keep_whole(movie.labels[0], order.smallest)
    return SuiteMovie(
        kind,
        f"{kind}-{number}",
        movie.image,
        movie.labels,
        scored,
        divisions=_divisions(movie, scored),
        track_truth=(movie.bodies, dict(movie.parents)),
    )


def _divisions(movie: SimulatedMovie, scored: tuple[int, ...]) -> dict[int, tuple[int, ...]]:
    """Return when each scored label divides, from the lineage."""
    found: dict[int, list[int]] = {}
    for mother, frame in movie.divisions.items():
        label = int(movie.labels[movie.births[mother]][movie.bodies[movie.births[mother]] == mother][0])
        if label in scored:
            found.setdefault(label, []).append(frame)
    return {label: tuple(sorted(frames)) for label, frames in sorted(found.items())}


def drifting(kind: str, number: int, order: Order, window_px: int, step_px: float) -> SuiteMovie:
    """Show a movie through a window that jumps about `step_px` between frames, as a bad stage does.

    Parameters
    ----------
    kind, number, order
        As for `simulated`; the simulated movie is larger than the window.
    window_px : int
        Side of the window.
    step_px : float
        Mean length of a jump in pixels; directions are random.
    """
    movie = _fitting(kind, number, order)
    rng = movie_rng(kind, number, 1000)
    ys, xs = np.nonzero(movie.labels[0])
    middle = np.array([ys.mean(), xs.mean()]) - window_px / 2
    room = order.size_px - window_px
    reach = 0.4 * window_px
    low, high = np.clip(middle - reach, 0, room), np.clip(middle + reach, 0, room)
    corner = np.clip(middle, low, high)
    images, labels = [], []
    for t in range(order.frames):
        if t:
            corner = _jump(rng, corner, low, high, step_px)
        y, x = np.round(corner).astype(int)
        images.append(movie.image[t, y : y + window_px, x : x + window_px])
        labels.append(movie.labels[t, y : y + window_px, x : x + window_px])
    truth = np.stack(labels)
    return SuiteMovie(kind, f"{kind}-{number}", np.stack(images), truth, keep_whole(truth[0]))


def flickering(kind: str, number: int, order: Order) -> SuiteMovie:
    """Multiply each frame but the first by a gain between 0.2 and 2, drawn anew: a lamp that is about to fail.

    Parameters
    ----------
    kind, number, order
        As for `simulated`.
    """
    movie = simulated(kind, number, order)
    gains = np.exp(movie_rng(kind, number, 1000).uniform(np.log(0.2), np.log(2.0), order.frames))
    gains[0] = 1.0
    largest = np.iinfo(movie.frames.dtype).max
    lit = np.clip(np.round(movie.frames * gains[:, None, None]), 0, largest).astype(movie.frames.dtype)
    return replace(movie, frames=lit)


def striped(kind: str, number: int, order: Order) -> SuiteMovie:
    """Saturate three rows of every third frame, at another place each time, and 0.3 % of all pixels for good.

    Parameters
    ----------
    kind, number, order
        As for `simulated`.
    """
    movie = simulated(kind, number, order)
    rng = movie_rng(kind, number, 1000)
    frames = movie.frames.copy()
    largest = np.iinfo(frames.dtype).max
    frames[:, rng.random(frames.shape[1:]) < 0.003] = largest
    for t in range(1, order.frames, 3):
        row = int(rng.integers(0, order.size_px - 3))
        frames[t, row : row + 3] = largest
    return replace(movie, frames=frames)


def returning(kind: str, number: int, frames: int = 20) -> SuiteMovie:
    """Let a third of the nuclei vanish at a fifth of the movie and come back ten frames later.

    Parameters
    ----------
    kind, number
        As for `simulated`.
    frames : int
        Length T.
    """
    from napari_xmem.simulate.kinds.long import long_nuclei

    movie = long_nuclei(
        movie_rng(kind, number), frames=frames, scenario="return", size_px=(256, 256), n_objects=14, diameter_px=30
    )
    return SuiteMovie(kind, f"{kind}-{number}", movie.image, movie.labels, keep_whole(movie.labels[0]))


def _jump(
    rng: np.random.Generator, corner: NDArray[Any], low: NDArray[Any], high: NDArray[Any], step_px: float
) -> NDArray[Any]:
    """Move the window by about `step_px` within its limits."""
    for _ in range(50):
        angle, length = rng.uniform(0, 2 * np.pi), step_px * rng.uniform(0.8, 1.2)
        target = corner + length * np.array([np.sin(angle), np.cos(angle)])
        if ((target >= low) & (target <= high)).all():
            return target
    return np.asarray((low + high) / 2)


def _fitting(kind: str, number: int, order: Order) -> SimulatedMovie:
    """Return the first movie that fits, or the one that comes nearest."""
    best = _simulate(order, movie_rng(kind, number))
    fault = _fault(best, order)
    for attempt in range(1, _TRIES):
        if fault == 0:
            break
        movie = _simulate(order, movie_rng(kind, number, attempt))
        here = _fault(movie, order)
        if here < fault:
            best, fault = movie, here
    return best


def _simulate(order: Order, rng: np.random.Generator) -> SimulatedMovie:
    from napari_xmem.simulate import simulate

    return simulate(
        order.simulator,
        rng,
        frames=order.frames,
        size_px=(order.size_px, order.size_px),
        n_objects=order.n_objects,
        diameter_px=order.diameter_px,
    )


def _fault(movie: SimulatedMovie, order: Order) -> float:
    """How far a movie is from the order; 0 fits."""
    count = len(keep_whole(movie.labels[0]))
    fault = 0.0 if order.n_objects / 2 <= count <= order.n_objects * 2 else 10.0
    steps = motion_per_frame(movie.labels)
    mean, largest = float(steps.mean()), float(steps.max())
    fault += max(order.steps[0] - mean, 0.0) + max(mean - order.steps[1], 0.0) + max(largest - order.largest_step, 0.0)
    if order.growth:
        lineage = movie.lineage_labels if movie.lineage_labels is not None else movie.labels
        cells = [np.unique(lineage[t]).size - 1 for t in (0, -1)]
        fault += max(order.growth - cells[1] / max(cells[0], 1), 0.0)
    return fault
