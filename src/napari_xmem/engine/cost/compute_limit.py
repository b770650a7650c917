"""How many pixels are computed at a time, and half as many when the device refuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from napari_xmem.engine.device_resources import release_cache
from napari_xmem.errors import is_out_of_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch

__all__ = ["WorkLimit"]

Item = TypeVar("Item")
Result = TypeVar("Result")


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
