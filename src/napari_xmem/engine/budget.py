"""How much is computed at a time: from a budget in bytes, and less when the device refuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import torch

from napari_xmem.engine.devices import free_bytes, release_cache
from napari_xmem.engine.probe import network_bytes
from napari_xmem.errors import is_out_of_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_xmem.config import MemoryConfig, MemoryDevice, ModelConfig
    from napari_xmem.model import InferenceXMem

__all__ = ["Budget", "WorkLimit", "bank_row_bytes", "elements_per_object", "fit_long_term"]

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Share of the free memory that a run may take if nothing else is said.
_SHARE = {"cpu": 0.5, "cuda": 0.85, "mps": 0.5}
#: Region pixels computed at a time however much memory there is: more than this gains nothing (measured on a CPU).
_MOST_PIXELS = {"cpu": 16 * 128 * 128, "cuda": 512 * 128 * 128, "mps": 64 * 128 * 128}
#: Likewise pixels of a frame encoded at a time.
_MOST_TILE_PIXELS = {"cpu": 1024 * 1024, "cuda": 4096 * 4096, "mps": 2048 * 2048}
#: float32 columns of a memory element besides key, selection and the augmented key.
_SIDE_COLUMNS = 13


@dataclass(slots=True)
class WorkLimit:
    """A limit on pixels computed at a time, halved whenever the device has no room.

    Parameters
    ----------
    pixels : int
        Pixels at a time, over all objects.
    device : torch.device or None
        Whose cache to empty before another try.
    """

    pixels: int
    device: torch.device | None = None

    def size(self, pixels_each: int) -> int:
        """Return how many items of `pixels_each` are computed at a time, at least 1."""
        return max(1, self.pixels // max(1, pixels_each))

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
            chunk = items[len(out) : len(out) + self.size(pixels_each)]
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
    """

    total: int
    banks: int
    work: WorkLimit
    tile: WorkLimit
    bank_device: torch.device | None = None

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
    ) -> Budget:
        """Share a budget out.

        Banks get what they need up to half of it, a frame's features what they need; what is left, and at least an
        eighth, is for activations. Banks that outgrow a device's half go to the host's memory, up to a share of what
        is free there.

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
        """
        device, host = network.device, torch.device("cpu")
        total = memory_budget_bytes or int(_SHARE[device.type] * free_bytes(device))
        on_host = memory_device == "host" or (
            memory_device == "auto" and device.type != "cpu" and bank_bytes > total // 2
        )
        apart = on_host and device.type != "cpu"
        room = int(_SHARE["cpu"] * free_bytes(host)) if apart else total // 2
        banks = min(bank_bytes, room)
        need = network_bytes(network)
        rest = max(total - (0 if apart else banks) - masks_bytes - int(need.kept * frame_pixels), total // 8)
        work = min(_MOST_PIXELS[device.type], int(rest / max(need.decode, need.value)))
        tile = min(_MOST_TILE_PIXELS[device.type], int(rest / need.key))
        home = host if on_host else None
        return cls(total, banks, WorkLimit(max(1, work), device), WorkLimit(max(1, tile), device), home)


def bank_row_bytes(model: ModelConfig, n_objects: int = 1) -> int:
    """Return the bytes of one memory element of a bank that `n_objects` share."""
    return 4 * (4 * model.key_dim + 1 + _SIDE_COLUMNS) + n_objects * (4 * model.value_dim + 1)


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
    return total / max(1, n_frames), most


def fit_long_term(memory: MemoryConfig, cells: int, row_bytes: int, bytes_each: float) -> MemoryConfig:
    """Lower the limit of long-term memory so that one bank takes at most `bytes_each`.

    Working memory is not touched, and long-term memory keeps room for one consolidation.

    Parameters
    ----------
    memory : MemoryConfig
        The settings asked for.
    cells : int
        Elements that one frame leaves.
    row_bytes : int
        Bytes of an element.
    bytes_each : float
        Room for one bank.
    """
    if not memory.long_term:
        return memory
    room = int(bytes_each / row_bytes) - memory.working_max_frames * cells
    least = min(memory.num_prototypes, memory.long_term_max_elements)
    limit = max(least, min(memory.long_term_max_elements, room))
    return memory if limit == memory.long_term_max_elements else memory.replace(long_term_max_elements=limit)
