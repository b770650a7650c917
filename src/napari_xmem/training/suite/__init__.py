"""The validation suite: fixed movies of every kind, scores with baselines beside them, ablations."""

from __future__ import annotations

from napari_xmem.training.suite.catalogue import KINDS, suite_movies
from napari_xmem.training.suite.movie import SuiteMovie
from napari_xmem.training.suite.run import SuiteOptions, count_movies, run_suite
from napari_xmem.training.suite.table import SuiteReport

__all__ = ["KINDS", "SuiteMovie", "SuiteOptions", "SuiteReport", "count_movies", "run_suite", "suite_movies"]
