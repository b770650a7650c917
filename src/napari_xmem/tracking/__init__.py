"""Measures per object and frame."""

from __future__ import annotations

from napari_xmem.tracking.evaluation import EvaluationTable, FrameScores, evaluate
from napari_xmem.tracking.measures import ObjectMeasures, iou_matrix, measure_objects

__all__ = ["EvaluationTable", "FrameScores", "ObjectMeasures", "evaluate", "iou_matrix", "measure_objects"]
