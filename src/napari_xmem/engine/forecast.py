"""What a run will cost, before it starts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_xmem.config import MemoryConfig, PropagationConfig
from napari_xmem.engine.devices import clock, free_bytes
from napari_xmem.engine.drift import estimate_drift
from napari_xmem.engine.follow import LocalFollower
from napari_xmem.engine.probe import NetworkCost, probe_network
from napari_xmem.engine.run import Run, prepare_run
from napari_xmem.imaging import object_boxes, object_ids

if TYPE_CHECKING:
    from pathlib import Path

    from napari_xmem.model import XMem

__all__ = ["Forecast", "elements_per_object", "forecast", "forecast_run"]

#: Seconds per pixel of a region for taking its mask apart and putting it into the frame's labels.
_MASK_SECONDS = 6e-8
#: Seconds per object and frame for everything that does not depend on its size.
_OBJECT_SECONDS = 8e-4
#: Python, torch and the libraries, before anything is loaded.
_BASE_BYTES = 350_000_000
#: float32 beside the values: key, selection, twice the key and one, and a dozen counters.
_SIDE_COLUMNS = 13


@dataclass(frozen=True, slots=True)
class Forecast:
    """Expected cost of a run; times within a factor of about 1.5 on a machine that has nothing else to do.

    Attributes
    ----------
    seconds_per_frame : float
        Mean over the run.
    peak_bytes : int
        Largest memory of the process on a CPU, of the device's tensors elsewhere. Memory banks are counted at the
        size they reach at the end of the run.
    memory_bank_bytes : int
        The banks' share of it.
    free_bytes : int
        What the device has free now.
    scope, reason : str
        "local" or "global", and why.
    n_frames, n_objects : int
        Size of the run.
    device : str
        Where it will run.
    """

    seconds_per_frame: float
    peak_bytes: int
    memory_bank_bytes: int
    free_bytes: int
    scope: str
    reason: str
    n_frames: int
    n_objects: int
    device: str

    @property
    def seconds(self) -> float:
        """Seconds for the whole run."""
        return self.seconds_per_frame * self.n_frames

    @property
    def fits(self) -> bool:
        """False if the run needs more memory than is free."""
        return self.peak_bytes <= self.free_bytes

    def describe(self) -> str:
        """Return the forecast as one line."""
        room = "" if self.fits else f", more than the {_size(self.free_bytes)} that are free"
        return (
            f"about {_duration(self.seconds_per_frame)} per frame, {_duration(self.seconds)} for {self.n_frames} "
            f"frames, {_size(self.peak_bytes)} of memory{room}"
        )


def forecast(frames: Any, seeds: Any, *, model: str | Path | XMem = "bundled", **options: Any) -> Forecast:
    """Say what `propagate` would cost with the same arguments, without running it.

    Every part of the network is timed on a small sample (about a second), and multiplied with the pixels, objects and
    memory elements of the run.

    Parameters
    ----------
    frames, seeds, model, **options
        As for `iter_propagate`.

    Raises
    ------
    InputError, SeedError, ConfigError, CheckpointError, DeviceError
        As `iter_propagate`.
    """
    options.pop("progress", None)
    options["memory"] = options.get("memory") or MemoryConfig()
    try:
        config = PropagationConfig(**options)
    except TypeError as error:
        raise TypeError(f"forecast() got an option it does not know: {error}") from None
    return forecast_run(prepare_run(frames, seeds, model, config))


def forecast_run(run: Run) -> Forecast:
    """Say what a prepared run will cost; see `forecast`."""
    cost = probe_network(run.network)
    ids = {i for labels in run.seeds.values() for i in object_ids(labels)}
    shared = _frame_seconds(run)
    estimate = _local if run.scope == "local" else _global
    seconds, activations, banks = estimate(run, cost, len(ids))
    device = run.network.device
    base = _BASE_BYTES if device.type == "cpu" else 0
    weights = sum(p.nbytes for p in run.network.parameters())
    return Forecast(
        seconds_per_frame=shared + seconds,
        peak_bytes=int(base + weights + activations + banks),
        memory_bank_bytes=int(banks),
        free_bytes=free_bytes(device),
        scope=run.scope,
        reason=run.scope_reason,
        n_frames=run.n_results,
        n_objects=len(ids),
        device=str(device),
    )


def elements_per_object(memory: MemoryConfig, n_frames: int, cells: int) -> tuple[float, int]:
    """Return the mean and the largest number of memory elements while `n_frames` are done.

    Parameters
    ----------
    memory : MemoryConfig
        Limits and intervals.
    n_frames : int
        Frames of the run.
    cells : int
        Elements that one frame leaves.
    """
    frames, long_term, total, most = 0, 0, 0, 0
    for time in range(n_frames):
        if time % memory.memory_interval_frames == 0:
            frames += 1
            most = max(most, frames * cells + long_term)
            if memory.long_term and frames >= memory.working_max_frames:
                made = min(memory.num_prototypes, (frames - memory.working_min_frames) * cells)
                frames = memory.working_min_frames
                long_term = min(long_term + made, memory.long_term_max_elements)
            elif memory.permanent_seeds and not memory.long_term:
                frames = min(frames, memory.working_max_frames)
        total += frames * cells + long_term
        most = max(most, frames * cells + long_term)
    return total / max(1, n_frames), most


def _frame_seconds(run: Run) -> float:
    """Time reading and preparing one frame and estimating its drift."""
    device = run.network.device
    begun = clock(device)
    frame = run.passes[0].frames[0]
    image = run.prepare(run.source.read(frame), frame)
    if run.scope == "local":
        grey = image[:3].mean(0).numpy()
        estimate_drift(grey, grey)
    return clock(device) - begun


def _global(run: Run, cost: NetworkCost, n_objects: int) -> tuple[float, float, float]:
    """Return seconds per frame, bytes of activations and bytes of the bank."""
    memory, model = run.config.memory, run.network.config
    pixels = math.prod(run.prepare.geometry.padded_shape)
    cells = pixels // model.stride_px**2
    mean, most = elements_per_object(memory, run.n_results, cells)
    seconds = pixels * cost.key.seconds + pixels * n_objects * cost.decode.seconds
    seconds += pixels * n_objects * cost.value.seconds / memory.memory_interval_frames
    seconds += cells * (mean * cost.match_seconds + n_objects * cost.gather_seconds)
    chunk = min(n_objects, 8)
    network_bytes = pixels * (cost.kept_bytes + max(cost.decode.bytes, cost.value.bytes) * chunk)
    masks = 4 * (4 * n_objects + 8) * (pixels + math.prod(run.source.frame_shape))
    activations = max(pixels * cost.key.bytes, network_bytes) + masks + 4 * cells * model.value_dim * n_objects
    row = 4 * (4 * model.key_dim + 1 + _SIDE_COLUMNS) + n_objects * (4 * model.value_dim + 1)
    return seconds, activations, 1.5 * most * row


def _local(run: Run, cost: NetworkCost, n_objects: int) -> tuple[float, float, float]:
    """Return seconds per frame, bytes of activations and bytes of all banks."""
    memory, model = run.config.memory, run.network.config
    frame_pixels = math.prod(run.prepare.geometry.padded_shape)
    seconds, banks, largest = frame_pixels * cost.key.seconds, 0.0, 0
    row = 4 * (4 * model.key_dim + 1 + _SIDE_COLUMNS + model.value_dim) + 1
    growth: dict[int, tuple[float, int]] = {}
    for pixels in _region_pixels(run):
        cells = pixels // model.stride_px**2
        if cells not in growth:
            growth[cells] = elements_per_object(memory, run.n_results, cells)
        mean, most = growth[cells]
        seconds += pixels * (cost.decode.seconds + cost.value.seconds / memory.memory_interval_frames)
        seconds += cells * (mean * cost.match_seconds + cost.gather_seconds)
        seconds += _OBJECT_SECONDS + pixels * _MASK_SECONDS
        banks += 1.5 * most * row
        largest = max(largest, pixels)
    chunk = min(n_objects, 32)
    network_bytes = frame_pixels * cost.kept_bytes + largest * chunk * max(cost.decode.bytes, cost.value.bytes)
    masks = 4 * (3 * n_objects * largest + 8 * frame_pixels + 6 * math.prod(run.source.frame_shape))
    return seconds, max(frame_pixels * cost.key.bytes, network_bytes) + masks, banks


def _region_pixels(run: Run) -> list[int]:
    """Return the pixels of each object's region where it is first seeded."""
    follower = run.new_follower()
    if not isinstance(follower, LocalFollower):
        return []
    geometry, found = run.prepare.geometry, dict[int, int]()
    for labels in run.seeds.values():
        for object_id, (top, left, bottom, right) in object_boxes(labels).items():
            extent = ((bottom - top) * geometry.scale, (right - left) * geometry.scale)
            centre = ((top + bottom) / 2 * geometry.scale, (left + right) / 2 * geometry.scale)
            region = follower.scope.region_for(centre, extent, geometry.padded_shape)
            found.setdefault(object_id, region.height * region.width)
    return list(found.values())


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.0f} MB"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
