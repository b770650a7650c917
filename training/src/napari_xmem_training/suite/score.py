"""Scores of one labelling of one movie, and their average over the movies of a kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.tracking import evaluate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_xmem_training.suite.movie import SuiteMovie

__all__ = ["FRAMES", "FrameScore", "MovieScore", "column_frames", "interval", "score_movie"]

FRAMES = (1, 5, 10, 19)
"""Frames of the tables; a shorter movie is scored on its last frame in place of the first one it lacks."""

_RESAMPLES = 1000
_GHOST_SHARE = 0.1


@dataclass(frozen=True)
class FrameScore:
    """Scores on one column of the tables.

    Attributes
    ----------
    frame : int
        Frame of the movie.
    jaccard : tuple of float
        Jaccard index of each scored object the truth shows.
    swaps, losses : int
        Objects that another label covers more than their own, and whose label is not there.
    """

    frame: int
    jaccard: tuple[float, ...]
    swaps: int
    losses: int

    @property
    def mean(self) -> float:
        """Mean Jaccard index; NaN without objects."""
        return float(np.mean(self.jaccard)) if self.jaccard else float("nan")

    @property
    def identity(self) -> float:
        """Share of objects with a Jaccard index above 0.5."""
        return float(np.mean(np.asarray(self.jaccard) > 0.5)) if self.jaccard else float("nan")


@dataclass(frozen=True)
class MovieScore:
    """Scores of one method on one movie.

    Attributes
    ----------
    kind, movie, method : str
        What was scored.
    columns : dict of int to FrameScore
        Keyed by the column of the tables, one of `FRAMES`.
    ghosts : float
        Share of the frames on which a scored object is gone for which its label was painted nevertheless (more than
        a tenth of its seed); NaN if nothing is ever gone.
    seconds : float
        Time the method took.
    objects : int
        Seeds.
    """

    kind: str
    movie: str
    method: str
    columns: dict[int, FrameScore]
    ghosts: float
    seconds: float
    objects: int


def column_frames(n_frames: int) -> dict[int, int]:
    """Return the frame that stands in each column for a movie of this length."""
    frames = {t: t for t in FRAMES if t < n_frames}
    missing = [t for t in FRAMES if t >= n_frames]
    if missing and n_frames - 1 not in frames.values():
        frames[missing[0]] = n_frames - 1
    return frames


def score_movie(movie: SuiteMovie, labels: NDArray[Any], method: str, seconds: float) -> MovieScore:
    """Score labels of all frames of a movie.

    Parameters
    ----------
    movie : SuiteMovie
        Movie and truth.
    labels : ndarray, (T, Y, X), integer
        What the method gave.
    method : str
        Its name.
    seconds : float
        Time it took.
    """
    columns = {}
    for column, frame in column_frames(len(movie.truth)).items():
        trusted = [i for i in movie.scored if i not in movie.untrusted.get(frame, ())]
        if trusted:
            row = evaluate(labels, movie.truth, [frame], 0, None, trusted).rows[0]
            columns[column] = FrameScore(frame, row.jaccard, row.swaps, row.losses)
    objects = int(np.unique(movie.seeds).size - 1)
    return MovieScore(movie.kind, movie.name, method, columns, _ghosts(movie, labels), seconds, objects)


def _ghosts(movie: SuiteMovie, labels: NDArray[Any]) -> float:
    """Share of the absences during which the object was painted."""
    top = int(max(movie.truth.max(), labels.max())) + 1
    seeded = np.bincount(movie.seeds.ravel(), minlength=top)
    painted = gone = 0
    for t in range(1, len(movie.truth)):
        true, found = (np.bincount(a.ravel().astype(np.int64), minlength=top) for a in (movie.truth[t], labels[t]))
        for i in movie.scored:
            if not true[i] and i not in movie.untrusted.get(t, ()):
                gone += 1
                painted += bool(found[i] > _GHOST_SHARE * seeded[i])
    return painted / gone if gone else float("nan")


def interval(groups: Sequence[Sequence[float]], share: float = 0.95) -> tuple[float, float]:
    """Return the bootstrap interval of the mean over movies of the mean over objects.

    Movies are drawn with replacement, then objects within each movie drawn; with one movie it says how sure the mean
    over its objects is, and nothing about other movies.

    Parameters
    ----------
    groups : sequence of sequence of float
        Values of each movie's objects.
    share : float
        Share of the bootstrap means between the limits.
    """
    rng = np.random.default_rng(7)
    arrays = [np.asarray(g, np.float64) for g in groups if len(g)]
    if not arrays:
        return float("nan"), float("nan")
    means = np.empty(_RESAMPLES)
    for n in range(_RESAMPLES):
        chosen = [arrays[k] for k in rng.integers(len(arrays), size=len(arrays))]
        means[n] = np.mean([a[rng.integers(a.size, size=a.size)].mean() for a in chosen])
    low, high = np.quantile(means, ((1 - share) / 2, (1 + share) / 2))
    return float(low), float(high)
