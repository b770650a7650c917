"""The result of the simulator: a movie and its truth."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SimulatedMovie", "build_movie", "roots"]


@dataclass(frozen=True)
class SimulatedMovie:
    """A simulated movie and where every object is in it.

    Attributes
    ----------
    image : ndarray
        (T, Y, X) or (T, Y, X, 3), uint8 or uint16.
    labels : ndarray
        (T, Y, X) uint16, 0 = background. Daughters keep their mother's label.
    kind : str
        One of `KINDS`.
    lineage_labels : ndarray or None
        (T, Y, X) uint16 in which every daughter has an id of her own; None where nothing divides.
    parents : dict of int to int
        Daughter id to mother id, ids of `bodies`.
    """

    image: NDArray[Any]
    labels: NDArray[np.uint16]
    kind: str
    lineage_labels: NDArray[np.uint16] | None = None
    parents: dict[int, int] = field(default_factory=dict)

    @property
    def bodies(self) -> NDArray[np.uint16]:
        """(T, Y, X) labels in which every body has an id of its own, daughters too."""
        return self.labels if self.lineage_labels is None else self.lineage_labels

    @cached_property
    def births(self) -> dict[int, int]:
        """First frame on which every body of `bodies` is seen, by id."""
        return {body: frames[0] for body, frames in self._spans.items()}

    @cached_property
    def ends(self) -> dict[int, int]:
        """Last frame on which every body of `bodies` is seen, by id."""
        return {body: frames[1] for body, frames in self._spans.items()}

    @cached_property
    def divisions(self) -> dict[int, int]:
        """First frame on which daughters of a mother are seen, by the mother's id."""
        found: dict[int, int] = {}
        for daughter, mother in self.parents.items():
            found[mother] = min(found.get(mother, len(self.bodies)), self.births[daughter])
        return found

    @cached_property
    def _spans(self) -> dict[int, tuple[int, int]]:
        spans: dict[int, tuple[int, int]] = {}
        for t, frame in enumerate(self.bodies):
            for body in np.flatnonzero(np.bincount(frame.ravel())).tolist():
                if body:
                    spans[body] = (spans.get(body, (t, t))[0], t)
        return spans


def roots(parent: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the first ancestor of every body.

    Parameters
    ----------
    parent : ndarray
        (N,) index of the mother, -1 for none; a mother's index is smaller than her daughters'.

    Returns
    -------
    ndarray
        (N,) index of the first ancestor, the body itself if it has no mother.
    """
    root = np.arange(len(parent))
    for i in np.flatnonzero(parent >= 0):
        root[i] = root[parent[i]]
    return root


def build_movie(
    kind: str, image: NDArray[Any], owner: NDArray[np.int32], parent: NDArray[np.int64] | None = None
) -> SimulatedMovie:
    """Turn the bodies that own the pixels into labels.

    Parameters
    ----------
    kind : str
        Name of the kind of movie.
    image : ndarray
        (T, Y, X[, 3]) finished image.
    owner : ndarray
        (T, Y, X) int32, 0 = nothing, i + 1 = body i.
    parent : ndarray or None
        (N,) index of every body's mother, -1 for none. None: no body divides.

    Returns
    -------
    SimulatedMovie
        Ids are numbered without gaps, those seen in the first frame first.
    """
    n_bodies = int(owner.max()) if parent is None else len(parent)
    divides = parent is not None and bool((parent >= 0).any())
    lineage = _compact(owner, n_bodies)
    if not divides or parent is None:
        return SimulatedMovie(image, lineage[owner], kind)
    family = np.concatenate([[0], roots(parent) + 1]).astype(np.int32)
    kin = family[owner]
    labels = _compact(kin, n_bodies)[kin]
    pairs = {
        int(lineage[child + 1]): int(lineage[mother + 1])
        for child, mother in enumerate(parent)
        if mother >= 0 and lineage[child + 1] and lineage[mother + 1]
    }
    return SimulatedMovie(image, labels, kind, lineage[owner], pairs)


def _compact(owner: NDArray[np.int32], n_bodies: int) -> NDArray[np.uint16]:
    """Return the table from body index + 1 to ids without gaps, (n_bodies + 1,) uint16."""
    table = np.zeros(n_bodies + 1, np.uint16)
    seen = np.zeros(n_bodies + 1, bool)
    first = np.zeros(n_bodies + 1, bool)
    seen[owner.ravel()] = True
    first[owner[0].ravel()] = True
    seen[0] = first[0] = False
    order = np.concatenate([np.flatnonzero(first), np.flatnonzero(seen & ~first)])
    table[order] = np.arange(1, len(order) + 1, dtype=np.uint16)
    return table
