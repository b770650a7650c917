"""A movie of the suite: frames, truth, and what of the truth counts."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.tracking.label_geometry import measure_objects

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SuiteMovie", "keep_whole", "motion_per_frame", "movie_rng"]

#: First word of every seed of the suite: training streams start with 0 to 3, validation clips with 1 000 003.
_APART = 2_000_003


@dataclass(frozen=True)
class SuiteMovie:
    """A movie with truth.

    Attributes
    ----------
    kind, name : str
        Kind of movie, and which of its movies.
    frames : ndarray
        (T, Y, X) or (T, Y, X, 3), uint8 or uint16.
    truth : ndarray
        (T, Y, X) uint16; daughters keep their mother's label.
    scored : tuple of int
        Labels of frame 0 that count; the others are seeded and followed too.
    untrusted : dict of int to frozenset of int
        Frame to labels whose truth is not trusted there.
    divisions : dict of int to tuple of int
        Scored label to the first frames on which it has one body more; see `score_divisions`.
    track_truth : tuple of ndarray and dict, or None
        (T, Y, X) labels in which daughters are cells of their own, and daughter to mother; None: not known.
    """

    kind: str
    name: str
    frames: NDArray[Any]
    truth: NDArray[np.uint16]
    scored: tuple[int, ...]
    untrusted: dict[int, frozenset[int]] = field(default_factory=dict)
    divisions: dict[int, tuple[int, ...]] = field(default_factory=dict)
    track_truth: tuple[NDArray[Any], dict[int, int]] | None = None

    @property
    def seeds(self) -> NDArray[np.uint16]:
        """Labels of frame 0."""
        return self.truth[0]

    @property
    def fingerprint(self) -> int:
        """Checksum of frames and truth: scores of movies with other checksums cannot be compared."""
        return zlib.crc32(np.ascontiguousarray(self.truth).tobytes(), zlib.crc32(self.frames.tobytes()))


def movie_rng(kind: str, number: int, attempt: int = 0) -> np.random.Generator:
    """Return the randomness of a movie of the suite; no training clip has it."""
    return np.random.default_rng([_APART, zlib.crc32(kind.encode()), number, attempt])


def keep_whole(labels: NDArray[np.uint16], share: float = 0.35) -> tuple[int, ...]:
    """Return the labels of a frame worth scoring: not specks, not slivers cut by the border.

    Parameters
    ----------
    labels : ndarray, (Y, X)
        Frame 0.
    share : float
        Least area relative to the median.
    """
    found = measure_objects(labels)
    if not found.object_ids.size:
        return ()
    keep = found.areas_px >= share * np.median(found.areas_px)
    return tuple(int(i) for i in found.object_ids[keep])


def motion_per_frame(truth: NDArray[np.uint16]) -> NDArray[np.float64]:
    """Return how far the typical object moves from each frame to the next, (T - 1,), in median diameters of frame 0.

    Objects that came later than frame 0 count too.
    """
    before = measure_objects(truth[0])
    if not before.object_ids.size:
        return np.zeros(len(truth) - 1)
    diameter = float(np.median(np.sqrt(4 * before.areas_px / np.pi)))
    steps = np.zeros(len(truth) - 1)
    for t, frame in enumerate(truth[1:]):
        after = measure_objects(frame)
        _, a, b = np.intersect1d(before.object_ids, after.object_ids, return_indices=True)
        moved = np.linalg.norm(after.centroids_px[b] - before.centroids_px[a], axis=1)
        steps[t] = np.median(moved) / diameter if moved.size else 0.0
        before = after
    return steps
