"""Compare labels with a true labelling, frame by frame."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_xmem.config.arguments import checked_arguments
from napari_xmem.errors import InputError
from napari_xmem.imaging.reading import read_part
from napari_xmem.tracking.given_labels import given_labels
from napari_xmem.tracking.label_geometry import overlaps
from napari_xmem.words import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_xmem.config.given import Labels

__all__ = ["EvaluationTable", "FrameScores", "evaluate", "usual_frames"]

IDENTITY_IOU = 0.5
_USUAL_FRAMES = (1, 5, 9, 10, 19)


@dataclass(frozen=True, slots=True)
class FrameScores:
    """Scores of one frame over the objects that were seeded and are present in the truth there.

    Attributes
    ----------
    frame : int
        Index of the frame.
    object_ids : tuple of int
        The objects that were scored.
    jaccard : tuple of float
        Jaccard index (intersection over union) of each with its own label, 0..1.
    identity : float
        Share of objects whose Jaccard index exceeds 0.5; NaN without objects.
    swaps : int
        Objects of which another object's label covers more than their own does.
    losses : int
        Objects whose label does not occur on the frame.
    """

    frame: int
    object_ids: tuple[int, ...]
    jaccard: tuple[float, ...]
    identity: float
    swaps: int
    losses: int

    @property
    def mean_jaccard(self) -> float:
        """Mean over the objects; NaN without objects."""
        return float(np.mean(self.jaccard)) if self.jaccard else float("nan")


@dataclass(frozen=True, slots=True)
class EvaluationTable:
    """Scores of the evaluated frames; ``str(table)`` is a table to print.

    Attributes
    ----------
    rows : tuple of FrameScores
        One per frame, ascending.
    seed_frame : int
        Frame whose objects were followed; it is not scored itself.
    """

    rows: tuple[FrameScores, ...]
    seed_frame: int

    @property
    def mean_jaccard(self) -> float:
        """Mean over frames of the mean over objects."""
        return _mean([row.mean_jaccard for row in self.rows])

    @property
    def identity(self) -> float:
        """Mean over frames of the share of objects followed rightly."""
        return _mean([row.identity for row in self.rows])

    @property
    def frames(self) -> tuple[int, ...]:
        """The frames that were scored."""
        return tuple(row.frame for row in self.rows)

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as plain JSON-able values; None for a mean over nothing."""
        rows = [
            {
                "frame": row.frame,
                "mean_jaccard": _known(row.mean_jaccard),
                "identity": _known(row.identity),
                "swaps": row.swaps,
                "losses": row.losses,
                "jaccard": {str(i): jaccard for i, jaccard in zip(row.object_ids, row.jaccard, strict=True)},
            }
            for row in self.rows
        ]
        return {
            "seed_frame": self.seed_frame,
            "scored_frames": list(self.frames),
            "mean_jaccard": _known(self.mean_jaccard),
            "identity": _known(self.identity),
            "swaps": sum(row.swaps for row in self.rows),
            "losses": sum(row.losses for row in self.rows),
            "frames": rows,
        }

    def per_object(self) -> dict[int, float]:
        """Return each object's Jaccard index, averaged over the frames where it was scored."""
        found: dict[int, list[float]] = {}
        for row in self.rows:
            for i, jaccard in zip(row.object_ids, row.jaccard, strict=True):
                found.setdefault(i, []).append(jaccard)
        return {i: float(np.mean(values)) for i, values in sorted(found.items())}

    def __repr__(self) -> str:
        return (
            f"EvaluationTable({counted(len(self.per_object()), 'object')} on {counted(len(self.rows), 'frame')}, "
            f"mean Jaccard {self.mean_jaccard:.3f}, identity {self.identity:.3f})"
        )

    def __str__(self) -> str:
        lines = [" frame  objects       J      id  swaps  losses"]
        lines += [
            f"{row.frame:6d}  {len(row.object_ids):7d}  {row.mean_jaccard:6.3f}  {row.identity:6.3f}"
            f"  {row.swaps:5d}  {row.losses:6d}"
            for row in self.rows
        ]
        swaps, losses = sum(row.swaps for row in self.rows), sum(row.losses for row in self.rows)
        lines.append(f"{'mean':>6}  {'':7}  {self.mean_jaccard:6.3f}  {self.identity:6.3f}  {swaps:5d}  {losses:6d}")
        return "\n".join(lines)


@checked_arguments
def evaluate(
    pred: Labels,
    truth: Labels,
    frames: Sequence[int] | int | Literal["usual"] | None = None,
    seed_frame: int = 0,
    lineage: Mapping[int, int] | None = None,
    object_ids: Sequence[int] | None = None,
) -> EvaluationTable:
    """Score predicted labels against true ones.

    Parameters
    ----------
    pred, truth : array_like, shape (T, Y, X) or (T, Z, Y, X), integer, or PropagationResult, or Movie
        Labels; only the frames that are scored are read. Objects have the same id in both.
    frames : sequence of int, int, "usual" or None
        Frames to score; those outside the movie are left out. None: all but `seed_frame`. "usual":
        1, 5, 9, 10 and 19; of a shorter movie those that it has, and its last one.
    seed_frame : int
        Objects present in the truth of this frame are scored, as long as the truth shows them.
    lineage : mapping, optional
        Daughter id to mother id. Daughters then count as their mothers, in both labellings; otherwise an object is
        scored up to its division, when the truth no longer shows its id.
    object_ids : sequence of int, optional
        Score these objects only.

    Returns
    -------
    EvaluationTable
        Jaccard index, identity, swaps and losses per frame; ``str(table)`` is a table to print.

    Raises
    ------
    InputError
        If shapes differ, no frame is left, or the seed frame holds no objects.

    Examples
    --------
    >>> import napari_xmem as nx
    >>> from napari_xmem.sample_data import simulated_nuclei
    >>> movie, truth = simulated_nuclei(frames=3, size_px=(64, 64), n_objects=2)
    >>> nx.evaluate(truth, truth).mean_jaccard
    1.0
    """
    predicted, true = given_labels(pred, "pred"), given_labels(truth, "truth")
    if isinstance(frames, (int, np.integer)):
        frames = [int(frames)]
    if frames is not None and not isinstance(frames, (str, Iterable)):
        raise InputError(f"frames are {frames!r}, expected frame numbers, 'usual', or None for all.")
    if tuple(predicted.shape) != tuple(true.shape) or len(true.shape) not in (3, 4):
        raise InputError(
            f"labels of shape {tuple(predicted.shape)} and truth of shape {tuple(true.shape)}: expected two movies "
            "(T, Y, X), or two of volumes (T, Z, Y, X), of one shape."
        )
    n_frames = int(true.shape[0])
    if not 0 <= seed_frame < n_frames:
        raise InputError(f"seed frame {seed_frame} does not exist: there are frames 0 to {n_frames - 1}.")
    if isinstance(frames, str):
        if frames != "usual":
            raise InputError(f"frames are {frames!r}, expected frame numbers, 'usual', or None for all.")
        frames = [t for t in usual_frames(n_frames) if t != seed_frame] or None
    wanted = range(n_frames) if frames is None else sorted({int(t) for t in frames if 0 <= t < n_frames})
    scored = [t for t in wanted if t != seed_frame]
    if not scored:
        raise InputError(f"none of the frames {list(frames or [])} can be scored: there are 0 to {n_frames - 1}.")
    roots = _Roots(lineage)
    seeded = np.unique(roots(_frame(true, seed_frame)))
    seeded = seeded[(seeded > 0) & (True if object_ids is None else np.isin(seeded, list(object_ids)))]
    if seeded.size == 0:
        raise InputError(
            f"the truth holds no{'' if object_ids is None else ' such'} objects on seed frame {seed_frame}."
        )
    rows = [_score(t, roots(_frame(predicted, t)), roots(_frame(true, t)), seeded) for t in scored]
    return EvaluationTable(tuple(rows), seed_frame)


def usual_frames(n_frames: int) -> tuple[int, ...]:
    """Return the frames that are scored where none are named, for movies of `n_frames` frames.

    They are 1, 5, 9, 10 and 19, so that long movies can be compared; of a movie that ends before, those that it has and
    its last one.
    """
    return tuple(sorted({min(t, n_frames - 1) for t in _USUAL_FRAMES}))


def _score(frame: int, pred: NDArray[Any], truth: NDArray[Any], seeded: NDArray[np.int64]) -> FrameScores:
    pred_ids, truth_ids, counts = overlaps(pred, truth)
    pred_areas, truth_areas = counts.sum(1), counts.sum(0)
    column_of = {int(i): column for column, i in enumerate(truth_ids)}
    row_of = {int(i): row for row, i in enumerate(pred_ids)}
    objects, jaccard, swaps, losses = [], [], 0, 0
    for i in map(int, seeded):
        if i not in column_of:
            continue
        column, row = column_of[i], row_of.get(i)
        shared = 0 if row is None else int(counts[row, column])
        union = int(truth_areas[column]) + (0 if row is None else int(pred_areas[row])) - shared
        objects.append(i)
        jaccard.append(shared / union)
        losses += row is None
        swaps += bool(counts[1:, column].max(initial=0) > shared)
    identity = float(np.mean(np.asarray(jaccard) > IDENTITY_IOU)) if jaccard else float("nan")
    return FrameScores(frame, tuple(objects), tuple(jaccard), identity, swaps, losses)


class _Roots:
    """Replaces daughters by their first ancestor."""

    def __init__(self, lineage: Mapping[int, int] | None) -> None:
        parents = dict(lineage or {})
        self._pairs = {child: self._root(child, parents) for child in parents}

    @staticmethod
    def _root(child: int, parents: Mapping[int, int]) -> int:
        seen = {child}
        while child in parents and parents[child] > 0:
            child = parents[child]
            if child in seen:
                raise InputError(f"the lineage goes round in a circle at object {child}.")
            seen.add(child)
        return child

    def __call__(self, labels: NDArray[np.int64]) -> NDArray[np.int64]:
        if not self._pairs:
            return labels
        ids, index = np.unique(labels, return_inverse=True)
        return np.asarray([self._pairs.get(int(i), int(i)) for i in ids], np.int64)[index].reshape(labels.shape)


def _frame(labels: Any, t: int) -> NDArray[np.int64]:
    frame = read_part(labels, t, f"frame {t}")
    if frame.dtype.kind not in "bui":
        raise InputError(f"labels have dtype {frame.dtype}, expected integers.")
    if frame.dtype.kind == "i" and frame.size and frame.min() < 0:
        raise InputError(
            f"labels of frame {t} hold {frame.min()}; labels are 0 for background and above 0 for objects."
        )
    return frame.astype(np.int64)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value


def _mean(values: list[float]) -> float:
    known = [v for v in values if not np.isnan(v)]
    return float(np.mean(known)) if known else float("nan")
