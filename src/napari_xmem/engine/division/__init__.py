"""Cells that divide: when a mother ends and two daughters begin, decided from what masks do over a few frames."""

from __future__ import annotations

from napari_xmem.engine.division.backward_divisions import MergeTracker
from napari_xmem.engine.division.delayed_results import DelayedResults, pack_happenings, unpack_happenings
from napari_xmem.engine.division.new_ids import NewIds
from napari_xmem.engine.division.policies import DELAY_FRAMES
from napari_xmem.engine.division.tracker import DivisionTracker
from napari_xmem.engine.division.trial_tracking import Moment

__all__ = [
    "DELAY_FRAMES",
    "DelayedResults",
    "DivisionTracker",
    "MergeTracker",
    "Moment",
    "NewIds",
    "pack_happenings",
    "unpack_happenings",
]
