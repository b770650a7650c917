"""What a device offers: free memory, a clock that waits for it, and the same threads wherever it is used from."""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
import time
from functools import cache
from pathlib import Path

import psutil
import torch

__all__ = [
    "agree_on_threads",
    "clock",
    "free_bytes",
    "peak_resident_bytes",
    "release_cache",
    "to_device",
    "trim_heap",
]

_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
_CGROUP_USED = Path("/sys/fs/cgroup/memory.current")


def free_bytes(device: torch.device) -> int:
    """Return the bytes a device has free; for a CPU the host's, within the limit of its container."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(free + cached)
    free = int(psutil.virtual_memory().available)
    if device.type == "mps":
        limit = int(torch.mps.recommended_max_memory())
        return min(free, limit - int(torch.mps.driver_allocated_memory()))
    return min(free, _container_free())


def _container_free() -> int:
    """Bytes left below the limit of a Linux container; endless where there is none."""
    endless = 1 << 62
    try:
        limit = _CGROUP_LIMIT.read_text().strip()
        return endless if limit == "max" else max(0, int(limit) - int(_CGROUP_USED.read_text()))
    except (OSError, ValueError):
        return endless


def clock(device: torch.device) -> float:
    """Return a time in seconds, after everything asked of `device` is done.

    On a CPU it is this thread's own time: what a computation takes where nothing else runs, on however many threads.
    """
    if device.type == "cpu":
        return time.thread_time()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    else:
        torch.mps.synchronize()
    return time.perf_counter()


def peak_resident_bytes() -> int:
    """Return the largest resident memory of this process so far; today's where the system does not keep it."""
    try:
        import resource
    except ImportError:  # Windows
        info = psutil.Process().memory_info()
        return int(getattr(info, "peak_wset", info.rss))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)


def release_cache(device: torch.device) -> None:
    """Give memory that torch keeps for later back to the device."""
    gc.collect()
    trim_heap()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def trim_heap() -> None:
    """Give the holes in the C library's heap back to the system, where it is glibc's (Linux); takes milliseconds.

    Buffers that grow leave holes which glibc keeps: without this a process takes twice what its tensors take.
    """
    trim = getattr(_c_library(), "malloc_trim", None)
    if trim is not None:
        trim(0)


@cache
def _c_library() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if sys.platform == "linux" else None


def agree_on_threads() -> int:
    """Let torch compute on as many threads here as in any other thread of the process, and return how many.

    torch keeps the number per thread of the program, in OpenMP, and others who share OpenMP change it: numba does for
    the thread that calls it, and napari has numba colour labels in the viewer's main thread. Sums then round another
    way there than in a worker, and labels differ. What a thread that has just begun gets is what torch was set to.
    """
    agreed: list[int] = []
    asking = threading.Thread(target=lambda: agreed.append(torch.get_num_threads()), name="napari-xmem-threads")
    asking.start()
    asking.join()
    if torch.get_num_threads() != agreed[0]:
        torch.set_num_threads(agreed[0])
    return agreed[0]


def to_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Bring a tensor to a device as float32; to a CUDA device without waiting for the copy."""
    if device.type != "cuda" or tensor.device.type != "cpu":
        return tensor.to(device, torch.float32)
    return tensor.float().pin_memory().to(device, non_blocking=True)
