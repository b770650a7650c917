"""How much is computed at a time: from a budget in bytes, and less when the device refuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import torch

from napari_xmem.engine.cost.cost_model import network_bytes
from napari_xmem.engine.devices import free_bytes, release_cache
from napari_xmem.engine.scopes.tiling import least_tile_pixels
from napari_xmem.errors import is_out_of_memory
from napari_xmem.memory.affinity import CHUNK_ELEMENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_xmem.config import MemoryDevice
    from napari_xmem.model import InferenceXMem

__all__ = ["Budget", "WorkLimit"]

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Share of the free memory that a run may take if nothing else is said.
_SHARE = {"cpu": 0.5, "cuda": 0.85, "mps": 0.5}
#: Region pixels computed at a time however much memory there is: more than this gains nothing (measured on a CPU).
_MOST_PIXELS = {"cpu": 16 * 128 * 128, "cuda": 512 * 128 * 128, "mps": 64 * 128 * 128}
#: Likewise pixels of a frame encoded at a time.
_MOST_TILE_PIXELS = {"cpu": 1024 * 1024, "cuda": 4096 * 4096, "mps": 2048 * 2048}
#: Bytes per query and element while memory is read: the similarity, and what choosing the best takes.
_SIMILARITY_BYTES = 12
#: Queries are never compared with less at a time than this.
_LEAST_SIMILARITIES = 65_536


@dataclass(slots=True)
class WorkLimit:
    """A limit on pixels computed at a time, halved whenever the device has no room.

    Parameters
    ----------
    pixels : int
        Pixels at a time, over all objects.
    device : torch.device or None
        Whose cache to empty before another try.
    few_sizes : bool
        Compute 1, 2, 4, 8 ... items at a time, and tiles of few sizes: for every size of its input a CPU's library
        keeps what it prepared.
    """

    pixels: int
    device: torch.device | None = None
    few_sizes: bool = False

    def size(self, pixels_each: int, count: int | None = None) -> int:
        """Return how many of `count` items (None: endless) of `pixels_each` are computed at a time, at least 1."""
        size = max(1, self.pixels // max(1, pixels_each))
        size = size if count is None else min(size, count)
        return 1 << (size.bit_length() - 1) if self.few_sizes else size

    def map(
        self, items: Sequence[Item], pixels_each: int, compute: Callable[[Sequence[Item]], Sequence[Result]]
    ) -> list[Result]:
        """Compute items in chunks.

        Parameters
        ----------
        items : sequence
            What to compute.
        pixels_each : int
            Size of each.
        compute : callable
            Takes some items and returns a result for each. Out of memory, it is called again with half of them, so it
            must leave nothing half-changed when it fails.

        Raises
        ------
        RuntimeError, MemoryError
            What `compute` raised for a single item.
        """
        out: list[Result] = []
        while len(out) < len(items):
            chunk = items[len(out) : len(out) + self.size(pixels_each, len(items) - len(out))]
            try:
                out += compute(chunk)
                continue
            except (RuntimeError, MemoryError) as error:
                if len(chunk) == 1 or not is_out_of_memory(error):
                    raise
            self.pixels = pixels_each * (len(chunk) // 2)
            self.make_room()
        return out

    def call(self, compute: Callable[[int], Result], least_pixels: int) -> Result:
        """Call ``compute(pixels)`` with the limit, and with half of it while the device refuses.

        Raises
        ------
        RuntimeError, MemoryError
            What `compute` raised at `least_pixels` or below.
        """
        while True:
            try:
                return compute(self.pixels)
            except (RuntimeError, MemoryError) as error:
                if self.pixels <= least_pixels or not is_out_of_memory(error):
                    raise
            self.pixels //= 2
            self.make_room()

    def make_room(self) -> None:
        """Empty the device's cache."""
        if self.device is not None:
            release_cache(self.device)


@dataclass(frozen=True, slots=True)
class Budget:
    """Bytes for the parts of a run.

    Attributes
    ----------
    total : int
        Bytes that tensors may take at a time, without the network's weights.
    banks : int
        Of these, for memory banks.
    work : WorkLimit
        Pixels of objects decoded or encoded at a time.
    tile : WorkLimit
        Pixels of the frame encoded at a time.
    bank_device : torch.device or None
        Where memory banks are kept; None: on the network's device.
    similarities : int
        Queries times memory elements compared at a time.
    least : int
        The smallest total with which the run would keep within it.
    asked : bool
        The total was asked for, not taken from what is free.
    """

    total: int
    banks: int
    work: WorkLimit
    tile: WorkLimit
    bank_device: torch.device | None = None
    similarities: int = CHUNK_ELEMENTS
    least: int = 0
    asked: bool = False

    @property
    def is_short(self) -> bool:
        """True if a total was asked for that the run cannot keep within."""
        return self.asked and self.total < self.least

    @classmethod
    def unplanned(cls, device: torch.device) -> Budget:
        """Return what suits a device with memory enough."""
        work, tile = _MOST_PIXELS[device.type], _MOST_TILE_PIXELS[device.type]
        return cls(0, 0, WorkLimit(work, device), WorkLimit(tile, device))

    @classmethod
    def plan(
        cls,
        network: InferenceXMem,
        frame_pixels: int,
        bank_bytes: int,
        masks_bytes: int = 0,
        memory_budget_bytes: int | None = None,
        memory_device: MemoryDevice = "auto",
        *,
        least_bank_bytes: int = 0,
        region_pixels: int = 0,
    ) -> Budget:
        """Share a budget out.

        A frame's features and masks get what they need, and so does one object, one tile or one chunk of queries at a
        time; then banks up to what is left, or half of the budget if that is more; the rest makes the chunks larger.
        Banks that outgrow a device go to the host's memory, up to a share of what is free there.

        Parameters
        ----------
        network : InferenceXMem
            The network.
        frame_pixels : int
            Pixels of the (scaled) frame.
        bank_bytes : int
            Bytes that memory would take at its largest.
        masks_bytes : int
            Bytes of all objects' masks.
        memory_budget_bytes : int, optional
            The budget; None: a share of what the device has free.
        memory_device : {"auto", "device", "host"}
            Where banks are kept; "auto": on the device where they fit.
        least_bank_bytes : int
            Bytes of memory with long-term memory as short as it can be.
        region_pixels : int
            Pixels of the largest region of an object.
        """
        device, need, asked = network.device, network_bytes(network), memory_budget_bytes is not None
        total = int(memory_budget_bytes or _SHARE[device.type] * free_bytes(device))
        least_tile, per_pixel = least_tile_pixels(network.config, frame_pixels), max(need.decode, need.value)
        at_least = [need.key * least_tile, region_pixels * per_pixel, _SIMILARITY_BYTES * _LEAST_SIMILARITIES]
        fixed = masks_bytes + int(need.kept * frame_pixels)
        left = total - fixed - int(max(at_least))
        may_part = device.type != "cpu" and memory_device != "device"
        on_host = memory_device == "host" or (may_part and bank_bytes > min(left, total // 2))
        apart = on_host and device.type != "cpu"
        room = int(_SHARE["cpu"] * free_bytes(torch.device("cpu"))) if apart else max(left, total // 2)
        banks = min(bank_bytes, room)
        rest = total - (0 if apart else banks) - fixed
        rest = max(rest, 0 if asked else total // 8)
        work, tile, few_sizes = int(rest / per_pixel), int(rest / need.key), asked and device.type == "cpu"
        return cls(
            total,
            banks,
            WorkLimit(max(1, min(_MOST_PIXELS[device.type], work)), device, few_sizes),
            WorkLimit(max(least_tile, min(_MOST_TILE_PIXELS[device.type], tile)), device, few_sizes),
            torch.device("cpu") if on_host else None,
            max(_LEAST_SIMILARITIES, min(CHUNK_ELEMENTS, rest // _SIMILARITY_BYTES)),
            fixed + int(max(at_least)) + (0 if may_part else least_bank_bytes),
            asked,
        )
