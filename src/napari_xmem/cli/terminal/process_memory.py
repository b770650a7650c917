"""How much memory this process has taken, on the host and on the device."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

__all__ = ["forget_peak_memory", "peak_device_memory_bytes", "peak_memory_bytes"]


def forget_peak_memory() -> None:
    """Reset the peak of the memory that this process has taken; only Linux can."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    if "torch" in sys.modules:
        import torch

        if torch.cuda.is_initialized():
            torch.cuda.reset_peak_memory_stats()


def peak_memory_bytes() -> int | None:
    """Return the most memory (resident) that this process has taken, since `forget_peak_memory` where that works."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        import resource
    except ImportError:  # Windows
        import psutil

        return getattr(psutil.Process().memory_info(), "peak_wset", None)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak) * (1 if sys.platform == "darwin" else 1024)


def peak_device_memory_bytes() -> int | None:
    """Return the most memory that was taken on the CUDA device; None where none was used."""
    import torch

    return int(torch.cuda.max_memory_allocated()) if torch.cuda.is_initialized() else None
