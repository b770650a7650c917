"""The engine: where network and memory meet, frame by frame. Knows no viewer.

`Propagator` is the step-by-step interface; `propagate` and `iter_propagate` take a movie.
"""

from __future__ import annotations

from napari_xmem.engine.cost.forecast import Forecast, forecast, forecast_run
from napari_xmem.engine.explanation import Explanation
from napari_xmem.engine.prepare import prepare_run
from napari_xmem.engine.propagate import iter_propagate, propagate
from napari_xmem.engine.propagator import Propagator
from napari_xmem.engine.recipe import settings_of_recipe
from napari_xmem.engine.results import FrameResult, PropagationResult, Scores
from napari_xmem.engine.run import Run
from napari_xmem.engine.run_passes import iter_run
from napari_xmem.engine.volumes import VolumeResult, follow_through_z, iter_volumes, propagate_volumes

__all__ = [
    "Explanation",
    "Forecast",
    "FrameResult",
    "PropagationResult",
    "Propagator",
    "Run",
    "Scores",
    "VolumeResult",
    "follow_through_z",
    "forecast",
    "forecast_run",
    "iter_propagate",
    "iter_run",
    "iter_volumes",
    "prepare_run",
    "propagate",
    "propagate_volumes",
    "settings_of_recipe",
]
