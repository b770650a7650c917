"""What a run will cost, before it starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_xmem.config import (
    Direction,
    Divisions,
    Entries,
    MemoryConfig,
    MemoryDevice,
    Precision,
    PropagationConfig,
    Scope,
)
from napari_xmem.config.arguments import checked_arguments
from napari_xmem.engine.cost.network_cost import NetworkCost, probe_network
from napari_xmem.engine.cost.run_size import RunSize
from napari_xmem.engine.device_resources import clock, free_bytes
from napari_xmem.engine.discovery.expected_finds import room_for_more
from napari_xmem.engine.inputs import open_movie_input, open_seeds
from napari_xmem.engine.prepare import prepare_run, short_budget
from napari_xmem.engine.scopes.stage_drift import estimate_drift
from napari_xmem.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_xmem.config.given import Frames, Seeds
    from napari_xmem.engine.run import Run
    from napari_xmem.model import XMem

__all__ = ["Forecast", "forecast", "forecast_run"]

#: Seconds per pixel of a region for taking its mask apart, looking for daughters in it, and putting it into the frame's
#: labels.
_MASK_SECONDS = 1.6e-7
#: Seconds per object and frame for everything that does not depend on its size.
_OBJECT_SECONDS = 2.5e-3
#: How often a region is read and decoded for each new object that is found, trials and places that are none included;
#: and the share of that which searches after the first take, when little is nobody's.
_LOOKS_PER_FIND, _LATER_SHARE = 5.0, 0.25
#: Python, torch and the libraries, before anything is loaded.
_BASE_BYTES = 350_000_000


@dataclass(frozen=True, slots=True)
class Forecast:
    """Expected cost of a run; times within a factor of about 1.5 on a machine that has nothing else to do.

    Every object is counted with the region in which it is looked for at first; objects that keep calm are looked for in
    smaller ones later, so movies of such objects take less time than said. With ``entries="find"``, time and memory
    count as many new objects as have room in what looks like the painted ones on the first painted frame.

    Attributes
    ----------
    seconds_per_frame : float
        Mean over the run.
    peak_bytes : int
        Largest memory of the process on a CPU, of the device's tensors elsewhere. Memory banks are counted at the
        size they reach at the end of the run, and not where they are kept in the host's memory.
    memory_bank_bytes : int
        The banks' share of it.
    free_bytes : int
        What the device has free now.
    scope, reason : str
        "local" or "global", and why.
    precision : str
        Type in which convolutions compute.
    n_frames, n_objects : int
        Size of the run.
    device : str
        Where it will run.
    long_term_max_elements : int
        Limit of long-term memory, lower than asked for where the budget needs that.
    budget_bytes : int or None
        ``memory_budget_bytes`` as asked for.
    least_budget_bytes : int
        The smallest budget that this run can keep: features and masks of a frame, one object or tile at a time, and
        working and permanent memory of all objects. The network's weights and the program itself are not in it.
    """

    seconds_per_frame: float
    peak_bytes: int
    memory_bank_bytes: int
    free_bytes: int
    scope: str
    reason: str
    precision: str
    n_frames: int
    n_objects: int
    device: str
    long_term_max_elements: int
    budget_bytes: int | None = None
    least_budget_bytes: int = 0

    @property
    def seconds(self) -> float:
        """Seconds for the whole run."""
        return self.seconds_per_frame * self.n_frames

    @property
    def fits(self) -> bool:
        """False if the run needs more memory than is free, or than the budget that was asked for."""
        return self.peak_bytes <= self.free_bytes and self.keeps_budget

    @property
    def keeps_budget(self) -> bool:
        """False if the run needs more memory than ``memory_budget_bytes``, however little is computed at a time."""
        return self.budget_bytes is None or self.least_budget_bytes <= self.budget_bytes

    def describe(self, unit: str = "frame") -> str:
        """Return the forecast as one line; `unit` is what is counted."""
        room = "" if self.peak_bytes <= self.free_bytes else f", more than the {_size(self.free_bytes)} that are free"
        if self.budget_bytes is not None and not self.keeps_budget:
            room += f"; {short_budget(self.budget_bytes, self.least_budget_bytes)}"
        return (
            f"about {_duration(self.seconds_per_frame)} per {unit}, {_duration(self.seconds)} for "
            f"{counted(self.n_frames, unit)}, {_size(self.peak_bytes)} of memory{room}"
        )


@checked_arguments
def forecast(
    frames: Frames,
    seeds: Seeds,
    *,
    axes: str | None = None,
    channels: Sequence[int] | None = None,
    model: str | Path | XMem = "bundled",
    memory: MemoryConfig | None = None,
    device: str = "auto",
    scope: Scope = "auto",
    direction: Direction = "forward",
    divisions: Divisions = "track",
    entries: Entries = "ignore",
    entry_interval_frames: int = 3,
    min_confidence: float = 0.75,
    start: int | None = None,
    stop: int | None = None,
    diameter_px: float | None = None,
    max_displacement_px: float | None = None,
    memory_budget_bytes: int | None = None,
    precision: Precision = "auto",
    memory_device: MemoryDevice = "auto",
    percentiles: tuple[float, float] = (0.5, 99.8),
) -> Forecast:
    """Say what `propagate` would cost with the same arguments, without running it.

    Every part of the network is timed on a small sample (about a second), and multiplied with the pixels, objects and
    memory elements of the run.

    Parameters
    ----------
    frames : array_like, Movie or path
        The movie, as for `iter_propagate`.
    seeds : mapping, array, Movie or path
        Labels of one or more frames, as for `iter_propagate`.
    axes, channels, model, memory, device, scope, direction, divisions, entries, entry_interval_frames, \
min_confidence, start, stop, diameter_px, max_displacement_px, memory_budget_bytes, precision, memory_device, \
percentiles
        See `iter_propagate`.

    Returns
    -------
    Forecast
        Seconds per frame, bytes, and whether they are free; ``describe()`` says it in a line.

    Raises
    ------
    InputError, SeedError, ConfigError, CheckpointError, DeviceError
        As `iter_propagate`.

    Examples
    --------
    >>> import napari_xmem as nx
    >>> from napari_xmem.sample_data import simulated_nuclei
    >>> movie, truth = simulated_nuclei(frames=3, size_px=(64, 64), n_objects=2)
    >>> expected = nx.forecast(movie, {0: truth[0]})
    >>> expected.n_objects, expected.scope, expected.fits
    (3, 'local', True)
    """
    config = PropagationConfig.among(locals())
    return forecast_run(
        prepare_run(open_movie_input(frames, axes, channels), open_seeds(seeds), model, config, announce=False)
    )


def forecast_run(run: Run) -> Forecast:
    """Say what a prepared run will cost; see `forecast`."""
    size, device, cost = RunSize.of(run), run.network.device, probe_network(run.network)
    more = room_for_more(run, size.budget) if run.config.entries == "find" and run.detections is None else 0
    grown = 1 + more / max(1, len(size.region_pixels))
    seconds = _frame_seconds(run) + _object_seconds(run, size, cost, grown)
    if more:
        seconds += _search_seconds(run, size, cost, more)
    elsewhere = size.budget.bank_device is not None and size.budget.bank_device != device
    banks = int(grown * size.bank_bytes)
    base = _BASE_BYTES if device.type == "cpu" else 0
    weights = sum(t.nbytes for t in (*run.network.parameters(), *run.network.buffers()))
    return Forecast(
        seconds_per_frame=seconds,
        peak_bytes=base + weights + _activation_bytes(run, size) + (0 if elsewhere else banks),
        memory_bank_bytes=banks,
        free_bytes=free_bytes(device),
        scope=run.scope,
        reason=run.scope_reason,
        precision=run.network.precision,
        n_frames=run.n_results,
        n_objects=len(size.region_pixels),
        device=str(device),
        long_term_max_elements=size.memory.long_term_max_elements,
        budget_bytes=run.config.memory_budget_bytes,
        least_budget_bytes=size.budget.least,
    )


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


def _object_seconds(run: Run, size: RunSize, cost: NetworkCost, grown: float = 1.0) -> float:
    """Return the seconds that network and memory take per frame with `grown` times the painted objects."""
    interval, cell = size.memory.memory_interval_frames, run.network.config.stride_px**2
    objects, pixels = len(size.region_pixels), sum(size.region_pixels)
    key = size.padded_pixels * cost.key
    seconds = pixels * (cost.decode + cost.value / interval)
    seconds += size.n_calls * (cost.decode_call + cost.value_call / interval)
    seconds += pixels * _MASK_SECONDS + objects * _OBJECT_SECONDS + pixels / cell * cost.gather
    queries = [n // cell for n in size.region_pixels]
    seconds += cost.match * sum(q * m for q, m in zip(queries, size.mean_elements, strict=False))
    return key + grown * seconds


def _search_seconds(run: Run, size: RunSize, cost: NetworkCost, more: int) -> float:
    """Return the seconds per frame that looking for new objects takes where `more` of them have room."""
    searches = 1 + (run.n_results - 1) // run.config.entry_interval_frames
    pixels = sum(size.region_pixels) / max(1, len(size.region_pixels))
    cells, elements = pixels / run.network.config.stride_px**2, min(size.mean_elements, default=0.0)
    look = pixels * (cost.decode + _MASK_SECONDS) + cells * (cost.gather + cost.match * elements) + _OBJECT_SECONDS
    return more * _LOOKS_PER_FIND * look * (1 + _LATER_SHARE * (searches - 1)) / max(1, run.n_results)


def _activation_bytes(run: Run, size: RunSize) -> int:
    """Return the bytes of everything but weights and banks, at the largest moment of a frame."""
    need, kept = run.network_bytes, size.kept_pixels
    largest, tile = max(size.region_pixels, default=0), size.budget.tile.pixels
    at_a_time = min(sum(size.region_pixels), size.budget.work.size(largest) * largest) * max(need.decode, need.value)
    encoding = need.key * kept if tile >= kept else need.kept * kept + need.key * tile
    return int(max(encoding, need.kept * kept + at_a_time)) + size.masks_bytes


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.0f} MB"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
