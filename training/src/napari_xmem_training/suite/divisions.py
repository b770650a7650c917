"""How well divisions are found: precision, recall and the error of their frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["DivisionScore", "score_divisions"]


@dataclass(frozen=True)
class DivisionScore:
    """Divisions found against those there are.

    Attributes
    ----------
    true, found, matched : int
        Divisions there are, divisions found, and pairs of both that are the same one.
    frame_errors : tuple of int
        Frame found minus true frame, of each pair.
    """

    true: int
    found: int
    matched: int
    frame_errors: tuple[int, ...]

    @property
    def precision(self) -> float:
        """Share of the found divisions that are there; NaN if none was found."""
        return self.matched / self.found if self.found else float("nan")

    @property
    def recall(self) -> float:
        """Share of the divisions that were found; NaN if there is none."""
        return self.matched / self.true if self.true else float("nan")

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; NaN if there is nothing to find and nothing found."""
        total = self.true + self.found
        return 2 * self.matched / total if total else float("nan")

    @property
    def frame_error(self) -> float:
        """Mean absolute error of the frame; NaN without pairs."""
        return float(np.mean(np.abs(self.frame_errors))) if self.frame_errors else float("nan")


def score_divisions(
    truth: Mapping[int, Sequence[int]], found: Iterable[tuple[int, int]], tolerance_frames: int = 1
) -> DivisionScore:
    """Match divisions of the same label, nearest frames first.

    Parameters
    ----------
    truth : mapping of int to sequence of int
        By label of the suite (daughters keep their mother's): first frames on which there is one body more.
    found : iterable of (int, int)
        Label and frame of each division that a method found.
    tolerance_frames : int
        Largest difference of frames for the same division.
    """
    predicted = sorted((int(label), int(frame)) for label, frame in found)
    pairs = sorted(
        (abs(frame - true), n, label, k, frame - true)
        for n, (label, frame) in enumerate(predicted)
        for k, true in enumerate(truth.get(label, ()))
        if abs(frame - true) <= tolerance_frames
    )
    used: set[int] = set()
    taken: set[tuple[int, int]] = set()
    errors = []
    for _, n, label, k, error in pairs:
        if n not in used and (label, k) not in taken:
            used.add(n)
            taken.add((label, k))
            errors.append(error)
    return DivisionScore(sum(len(frames) for frames in truth.values()), len(predicted), len(errors), tuple(errors))
