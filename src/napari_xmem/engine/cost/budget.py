"""How a budget in bytes is shared out: memory banks, and how much is computed at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from napari_xmem.engine.cost.compute_limit import WorkLimit
from napari_xmem.engine.device_resources import free_bytes
from napari_xmem.memory.affinity import CHUNK_ELEMENTS
from napari_xmem.memory.few_calls import wants_few_calls
from napari_xmem.model import can_tile, receptive_halo_px

if TYPE_CHECKING:
    from napari_xmem.config import MemoryDevice, ModelConfig
    from napari_xmem.engine.cost.network_cost import NetworkBytes
    from napari_xmem.model import InferenceXMem

__all__ = ["Budget"]

#: Share of the free memory that a run may take if nothing else is said.
_SHARE = {"cpu": 0.5, "cuda": 0.85, "mps": 0.5}
#: Region pixels computed at a time however much memory there is: more than this gains nothing (measured on a CPU).
_MOST_PIXELS = {"cpu": 16 * 128 * 128, "cuda": 512 * 128 * 128, "mps": 64 * 128 * 128}
#: Likewise pixels of a frame encoded at a time.
_MOST_TILE_PIXELS = {"cpu": 1024 * 1024, "cuda": 4096 * 4096, "mps": 2048 * 2048}
#: Likewise similarities held at a time: an accelerator compares all objects of a frame at once where it can.
_MOST_SIMILARITIES = {"cpu": CHUNK_ELEMENTS, "cuda": 16 * CHUNK_ELEMENTS, "mps": 2 * CHUNK_ELEMENTS}
#: Bytes per query and element while memory is read: the similarity, and what choosing the best takes.
_SIMILARITY_BYTES = 12
#: Queries are never compared with less at a time than this.
_LEAST_SIMILARITIES = 65_536


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
        kind = _kind(device)
        work, tile = _MOST_PIXELS[kind], _MOST_TILE_PIXELS[kind]
        alike = _MOST_SIMILARITIES[kind]
        return cls(0, 0, WorkLimit(work, device), WorkLimit(tile, device), similarities=alike)

    @classmethod
    def plan(
        cls,
        network: InferenceXMem,
        need: NetworkBytes,
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
        need : NetworkBytes
            What its parts hold at a time, see `network_bytes`.
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
        device, asked = network.device, memory_budget_bytes is not None
        total = int(memory_budget_bytes or _SHARE[device.type] * free_bytes(device))
        least_tile, per_pixel = _least_tile_pixels(network.config, frame_pixels), max(need.decode, need.value)
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
            WorkLimit(max(1, min(_MOST_PIXELS[_kind(device)], work)), device, few_sizes),
            WorkLimit(max(least_tile, min(_MOST_TILE_PIXELS[_kind(device)], tile)), device, few_sizes),
            torch.device("cpu") if on_host else None,
            max(_LEAST_SIMILARITIES, min(_MOST_SIMILARITIES[_kind(device)], rest // _SIMILARITY_BYTES)),
            fixed + int(max(at_least)) + (0 if may_part else least_bank_bytes),
            asked,
        )


def _kind(device: torch.device) -> str:
    """Return whose limits hold: a CPU that is to share out its work as an accelerator does has those of a GPU."""
    return "cuda" if device.type == "cpu" and wants_few_calls(device) else device.type


def _least_tile_pixels(config: ModelConfig, frame_pixels: int) -> int:
    """Return the pixels of the smallest tile, with its halo: below it most of what is computed is halo."""
    return min(frame_pixels, (4 * receptive_halo_px(config)) ** 2) if can_tile(config) else frame_pixels
