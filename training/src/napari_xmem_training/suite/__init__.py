"""The validation suite: fixed movies of every kind, scores with baselines beside them, ablations."""

from __future__ import annotations

from napari_xmem_training.suite.catalogue import KINDS, suite_movies
from napari_xmem_training.suite.movie import SuiteMovie
from napari_xmem_training.suite.run import SuiteOptions, count_movies, run_suite
from napari_xmem_training.suite.table import SuiteReport

__all__ = ["KINDS", "SuiteMovie", "SuiteOptions", "SuiteReport", "count_movies", "run_suite", "suite_movies"]
