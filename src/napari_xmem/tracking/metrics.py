"""Scores of tracks against true ones, by the libraries of the field."""

from __future__ import annotations

import inspect
import io
import math
import warnings
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, fields
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from napari_xmem.errors import InputError
from napari_xmem.tracking.graph import to_networkx
from napari_xmem.tracking.label_geometry import overlaps
from napari_xmem.tracking.tracklets import split_into_tracklets

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_xmem.tracking.lineage import Lineage

__all__ = ["DivisionScores", "TrackingScores", "check_metrics", "score_tracking"]

_MATCH = 0.5
_NEEDED = ("traccuracy", "ctc_metrics", "networkx")


@dataclass(frozen=True, slots=True)
class DivisionScores:
    """Divisions found, with a tolerance in time.

    Attributes
    ----------
    tolerance_frames : int
        A division may be found this many frames early or late.
    true_positives, false_positives, false_negatives : int
        Divisions found, made up and missed.
    precision, recall, f1 : float
        0 to 1; NaN where there is nothing to divide by.
    """

    tolerance_frames: int
    true_positives: int
    false_positives: int
    false_negatives: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True)
class TrackingScores:
    """How well tracks agree with true ones; ``str(scores)`` is a table to print. All scores are 0 to 1, NaN if unknown.

    Attributes
    ----------
    det, seg, tra, lnk : float
        Detection, segmentation, tracking and linking of the Cell Tracking Challenge, as `py-ctcmetrics` has them.
    links_kept : float
        Share of the true links between frames of which both ends were found (IoU above 0.5) and linked
        (`traccuracy`, edge recall).
    links_right : float
        Share of the found links that are true (edge precision).
    mean_jaccard : float
        Jaccard index of every true cell, daughters and newcomers too, with the found cell that is assigned to it (one
        to one, largest sum), mean over cells, then over frames; 0 where none was found. The seed frame does not count.
    divisions : tuple of DivisionScores
        Divisions, by tolerance (`traccuracy`).
    n_divisions, n_true_divisions : int
        Divisions in the tracks and in the truth.
    """

    det: float
    seg: float
    tra: float
    lnk: float
    links_kept: float
    links_right: float
    mean_jaccard: float
    divisions: tuple[DivisionScores, ...]
    n_divisions: int
    n_true_divisions: int

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as plain JSON-able values; None for what is not known."""
        plain = {f.name: _known(getattr(self, f.name)) for f in fields(self) if f.name != "divisions"}
        listed = [{f.name: _known(getattr(d, f.name)) for f in fields(d)} for d in self.divisions]
        return {**plain, "divisions": listed}

    def __str__(self) -> str:
        lines = [
            "   DET    SEG    TRA    LNK  links kept  links right  J of all cells",
            f"{self.det:6.3f} {self.seg:6.3f} {self.tra:6.3f} {self.lnk:6.3f}  {self.links_kept:10.3f}  "
            f"{self.links_right:11.3f}  {self.mean_jaccard:14.3f}",
            f"divisions: {self.n_divisions} found, {self.n_true_divisions} true",
            " tolerance  true  false  missed  precision  recall     F1",
        ]
        lines += [
            f"{d.tolerance_frames:10d}  {d.true_positives:4d}  {d.false_positives:5d}  {d.false_negatives:6d}  "
            f"{d.precision:9.3f}  {d.recall:6.3f}  {d.f1:5.3f}"
            for d in self.divisions
        ]
        return "\n".join(lines)


def check_metrics() -> None:
    """Raise `InputError` unless the libraries of the metrics are installed."""
    for name in _NEEDED:
        try:
            with _quietly():
                import_module(name)
        except ImportError as error:
            raise InputError(
                f"scores of tracks need the library {name}, which cannot be loaded ({error}): "
                "pip install 'napari-xmem[metrics]'."
            ) from error


def score_tracking(
    labels: Any,
    lineage: Lineage,
    true_labels: Any,
    true_lineage: Lineage,
    *,
    seed_frame: int | None = 0,
    tolerances: Sequence[int] = (0, 1, 2),
) -> TrackingScores:
    """Score tracks against true ones; ids need not agree. One frame at a time is read.

    Parameters
    ----------
    labels, true_labels : array_like, (T, Y, X) or (T, Z, Y, X), integer
        Masks, found and true.
    lineage, true_lineage : Lineage
        Tracks of these masks.
    seed_frame : int, optional
        Frame on which masks were given: it does not count in `TrackingScores.mean_jaccard`.
    tolerances : sequence of int
        Frames that a division may be found early or late.

    Returns
    -------
    TrackingScores
        The scores.

    Raises
    ------
    InputError
        If shapes differ, the truth is empty, or a library is missing.

    References
    ----------
    Matula et al. 2015 (TRA, DET, LNK), Ulman et al. 2017 (SEG); traccuracy's ``DivisionMetrics`` for divisions.
    """
    check_metrics()
    if tuple(labels.shape) != tuple(true_labels.shape):
        raise InputError(f"labels have shape {tuple(labels.shape)}, the truth {tuple(true_labels.shape)}.")
    if not len(true_lineage):
        raise InputError("the truth holds no objects.")
    found, true = _Side(lineage), _Side(true_lineage)
    matches: dict[str, list[Any]] = {name: [] for name in ("labels_ref", "labels_comp", "mapped_ref", "mapped_comp")}
    covered: list[NDArray[np.float64]] = []
    pairs: list[tuple[int, int]] = []
    jaccards: list[float] = []
    for t in range(int(labels.shape[0])):
        ids, true_ids, counts = overlaps(np.asarray(labels[t]), np.asarray(true_labels[t]))
        shared = counts[1:, 1:]
        areas, true_areas = counts.sum(1)[1:], counts.sum(0)[1:]
        iou = shared / np.maximum(areas[:, None] + true_areas[None] - shared, 1)
        rows, true_rows = found.rows(t, ids[1:]), true.rows(t, true_ids[1:])
        # A true cell is detected by what covers more than half of it; that can be one cell only.
        a, b = np.nonzero(shared > _MATCH * true_areas[None])
        triples = zip(true.tracklets[true_rows[b]], found.tracklets[rows[a]], iou[a, b], strict=True)
        matched = sorted((int(i), int(j), float(value)) for i, j, value in triples)  # the library wants them to ascend
        matches["labels_ref"].append(sorted(true.tracklets[true_rows].tolist()))
        matches["labels_comp"].append(sorted(found.tracklets[rows].tolist()))
        matches["mapped_ref"].append([i for i, _, _ in matched])
        matches["mapped_comp"].append([i for _, i, _ in matched])
        covered.append(np.array([value for _, _, value in matched]))
        # An IoU above one half pairs cells one to one.
        a, b = np.nonzero(iou > _MATCH)
        pairs += zip(true_rows[b].tolist(), rows[a].tolist(), strict=True)
        if t != seed_frame and true_rows.size:
            jaccards.append(float(iou[linear_sum_assignment(iou, maximize=True)].sum() / true_rows.size))
    with _quietly():
        ctc = _challenge_scores(found.table, true.table, matches, covered)
        edges, divisions = _graph_scores(lineage, true_lineage, pairs, tuple(tolerances))
    return TrackingScores(
        **ctc,
        links_kept=edges[0],
        links_right=edges[1],
        mean_jaccard=float(np.mean(jaccards)) if jaccards else math.nan,
        divisions=divisions,
        n_divisions=len(lineage.divisions),
        n_true_divisions=len(true_lineage.divisions),
    )


class _Side:
    """Detections of a lineage by frame, with tracklets numbered from 1."""

    def __init__(self, lineage: Lineage) -> None:
        pieces = split_into_tracklets(lineage, at_gaps=True)
        names = pieces.table[:, 0]
        self.tracklets = np.searchsorted(names, pieces.ids) + 1
        parents = np.where(pieces.table[:, 3] > 0, np.searchsorted(names, pieces.table[:, 3]) + 1, 0)
        self.table = np.column_stack([np.arange(1, names.size + 1), pieces.table[:, 1:3], parents])
        self._rows = lineage.detections
        self._order = np.argsort(self._rows.frames, kind="stable")
        self._sorted = self._rows.frames[self._order]

    def rows(self, t: int, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows of the objects of a frame, whose ids ascend."""
        first, stop = np.searchsorted(self._sorted, [t, t + 1])
        rows = self._order[first:stop]
        if not np.array_equal(self._rows.object_ids[rows], ids):
            odd = sorted(set(self._rows.object_ids[rows].tolist()) ^ set(ids.tolist()))
            raise InputError(f"labels and lineage differ on frame {t}: object {odd[0]} is in one of them only.")
        return rows


def _challenge_scores(
    table: NDArray[np.int64],
    true_table: NDArray[np.int64],
    matches: dict[str, list[Any]],
    covered: list[NDArray[np.float64]],
) -> dict[str, float]:
    """Return DET, SEG, TRA and LNK."""
    from ctc_metrics.metrics import det, lnk, seg, tra
    from ctc_metrics.utils.representations import count_acyclic_graph_correction_operations

    if not table.size:
        return {"det": 0.0, "seg": 0.0, "tra": 0.0, "lnk": 0.0}
    operations = count_acyclic_graph_correction_operations(true_table, table, **matches)
    has_links = bool(operations["num_edges"])
    return {
        "det": float(det(**operations)),
        "seg": float(seg(matches["labels_ref"], covered)),
        "tra": float(tra(**operations)[0]),
        "lnk": float(lnk(**operations)) if has_links else math.nan,
    }


def _graph_scores(
    lineage: Lineage, true_lineage: Lineage, pairs: list[tuple[int, int]], tolerances: tuple[int, ...]
) -> tuple[tuple[float, float], tuple[DivisionScores, ...]]:
    """Return edge recall and precision, and the scores of divisions."""
    from traccuracy import TrackingGraph
    from traccuracy.matchers import Matched
    from traccuracy.metrics import BasicMetrics, DivisionMetrics

    space = ("z", "y", "x")[-lineage.detections.ndim :]

    def compute(metric: Any) -> dict[str, Any]:
        truth = TrackingGraph(to_networkx(true_lineage), location_keys=space)
        graph = TrackingGraph(to_networkx(lineage), location_keys=space)
        matched = Matched(truth, graph, pairs, {"name": "IoU above 0.5", "matching type": "one-to-one"})
        # Newer versions can compare links over gaps with the frames between.
        known = inspect.signature(metric.compute).parameters
        options = {name: True for name in ("relax_skips_gt", "relax_skips_pred") if name in known}
        return metric.compute(matched, **options).results

    if not len(lineage):
        n = len(true_lineage.divisions)
        missed = tuple(DivisionScores(t, 0, 0, n, math.nan, 0.0 if n else math.nan, math.nan) for t in tolerances)
        return (0.0, math.nan), missed
    edges = compute(BasicMetrics())
    events = compute(DivisionMetrics(max_frame_buffer=max(tolerances, default=0)))
    divisions = []
    for tolerance in tolerances:
        of = events[f"Frame Buffer {tolerance}"]
        right = int(of["True Positive Divisions"]) + int(of.get("True Positive Skip Divisions", 0))
        divisions.append(
            DivisionScores(
                tolerance,
                right,
                int(of["Total Predicted Divisions"]) - right,
                int(of["Total GT Divisions"]) - right,
                float(of["Division Precision"]),
                float(of["Division Recall"]),
                float(of["Division F1"]),
            )
        )
    return (float(edges["Edge Recall"]), float(edges["Edge Precision"])), tuple(divisions)


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep the libraries' remarks and bars from the user."""
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
