"""What finding gives: the frame's labels with new objects, and how sure each is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.config.arguments import checked_methods

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FoundObjects", "joined"]


@checked_methods
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FoundObjects:
    """Objects found on one frame.

    Attributes
    ----------
    labels : ndarray, shape (Y, X)
        The painted examples, unchanged, and the objects found, under new ids after the largest in use. uint16 while the
        ids fit, else int32.
    object_ids : tuple of int
        Ids of the objects found, most confident first.
    confidence : ndarray, shape (N,), float32
        Of each, 0 to 1: the expected Jaccard index of its mask, less where it looks less like the examples than they
        like each other, or differs from them in size or shape.
    """

    labels: NDArray[Any]
    object_ids: tuple[int, ...]
    confidence: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.object_ids)

    def __repr__(self) -> str:
        sure = f", confidence {self.confidence.min():.2f} to {self.confidence.max():.2f}" if len(self) else ""
        return f"FoundObjects({len(self)} found on {self.labels.shape[0]} x {self.labels.shape[1]} px{sure})"

    def at_least(self, min_confidence: float) -> FoundObjects:
        """Return the objects of at least this confidence, without any new computation.

        Parameters
        ----------
        min_confidence : float
            0 to 1; objects below it are taken off the labels. Ids stay.
        """
        keep = self.confidence >= min_confidence
        gone = [i for i, kept in zip(self.object_ids, keep, strict=True) if not kept]
        return self.without(gone)

    def without(self, object_ids: tuple[int, ...] | list[int]) -> FoundObjects:
        """Return what is left without some of the objects found; painted examples stay whatever is named."""
        gone = set(object_ids) & set(self.object_ids)
        if not gone:
            return self
        keep = np.array([i not in gone for i in self.object_ids], bool)
        labels = np.where(np.isin(self.labels, list(gone)), 0, self.labels).astype(self.labels.dtype)
        return replace(
            self,
            labels=labels,
            object_ids=tuple(i for i in self.object_ids if i not in gone),
            confidence=self.confidence[keep],
        )


def joined(parts: list[FoundObjects], first_id: int) -> FoundObjects:
    """Return what searches one after the other found, of which each knows what those before it did.

    Ids are given again from `first_id` on, most confident first.
    """
    if len(parts) == 1:
        return parts[0]
    ids = np.concatenate([np.array(part.object_ids, np.int64) for part in parts])
    confidence = np.concatenate([part.confidence for part in parts])
    order, last = np.argsort(-confidence, kind="stable"), parts[-1].labels
    out = last.copy()
    for new, old in enumerate(ids[order].tolist(), first_id):
        out[last == old] = new
    return FoundObjects(out, tuple(range(first_id, first_id + len(ids))), confidence[order])
