"""What happens to objects: places, events, lineages, measures, scores against a truth."""

from __future__ import annotations

from napari_xmem.tracking import corrections
from napari_xmem.tracking.begins_and_ends import Begin, End
from napari_xmem.tracking.corrections import LineageEdit
from napari_xmem.tracking.detections import DetectionCollector, Detections
from napari_xmem.tracking.events import Event, EventKind, sorted_events, worst_first
from napari_xmem.tracking.label_geometry import ObjectMeasures, iou_matrix, measure_objects
from napari_xmem.tracking.label_scores import EvaluationTable, FrameScores, evaluate
from napari_xmem.tracking.lineage import Division, Lineage
from napari_xmem.tracking.measure_table import MeasureTable, measure

__all__ = [
    "Begin",
    "DetectionCollector",
    "Detections",
    "Division",
    "End",
    "EvaluationTable",
    "Event",
    "EventKind",
    "FrameScores",
    "Lineage",
    "LineageEdit",
    "MeasureTable",
    "ObjectMeasures",
    "corrections",
    "evaluate",
    "iou_matrix",
    "measure",
    "measure_objects",
    "sorted_events",
    "worst_first",
]
