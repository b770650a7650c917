"""A case in this very process."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import torch

from napari_xmem.engine.device_resources import peak_resident_bytes
from napari_xmem_benchmark.suites import SUITES

if TYPE_CHECKING:
    from napari_xmem_benchmark.measure import Case

__all__ = ["run_here"]


def run_here(case: Case) -> dict[str, Any]:
    """Run a case in this process; returns its figures with the peak of resident (CUDA: allocated) memory."""
    if case.threads:
        torch.set_num_threads(case.threads)
    base = peak_resident_bytes()
    begun = time.perf_counter()
    figures = SUITES[case.suite](case)
    figures["wall_seconds"] = round(time.perf_counter() - begun, 2)
    figures["base_bytes"], figures["peak_bytes"] = base, peak_resident_bytes()
    if case.device.startswith("cuda"):
        figures["device_peak_bytes"] = torch.cuda.max_memory_allocated(case.device)
    return figures
