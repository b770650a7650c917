"""What a network costs on this machine: seconds and bytes per pixel, measured on a small sample."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from napari_xmem.engine.devices import clock
from napari_xmem.memory.affinity import augment_memory, augment_query, readout, similarity, topk_affinity

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_xmem.model import XMem

__all__ = ["Cost", "LiveBytes", "NetworkCost", "probe_network"]

_SAMPLE_CELLS = 12
_SAMPLE_OBJECTS = 2


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds and bytes of activations of one call, per unit of work."""

    seconds: float
    bytes: float


@dataclass(frozen=True, slots=True)
class NetworkCost:
    """Costs of the parts of a network.

    Attributes
    ----------
    key : Cost
        Key encoder with the shared halves of decoder and value encoder, per pixel of the (scaled) frame.
    kept_bytes : float
        What stays of it until the frame is done, per pixel.
    decode, value : Cost
        Decoder, value encoder: per pixel and object.
    match_seconds : float
        Comparing one query with one memory element and choosing the best.
    gather_seconds : float
        Averaging the values that answer one query of one object.
    """

    key: Cost
    kept_bytes: float
    decode: Cost
    value: Cost
    match_seconds: float
    gather_seconds: float


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of tensors that are alive at a time, on any device; `peak` is the most so far.

    Only tensors made inside count; scratch space inside one operation does not show.
    """

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                self._count(tensor.untyped_storage())
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._known:
            return
        self._known.add(key)
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._release, key, size)

    def _release(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.live -= size


def probe_network(network: XMem, cells: int = _SAMPLE_CELLS, objects: int = _SAMPLE_OBJECTS) -> NetworkCost:
    """Run every part of a network on a small sample and return what it costs.

    Parameters
    ----------
    network : XMem
        On its device.
    cells : int
        Side of the sample in cells of the key grid.
    objects : int
        Objects in the sample.
    """
    config, device = network.config, network.device
    side = cells * config.stride_px
    image = torch.zeros(1, config.image_channels, side, side, device=device)
    grid = (objects, config.value_dim, cells, cells)
    values = torch.zeros(grid, device=device)
    hidden = torch.zeros(objects, config.hidden_dim, cells, cells, device=device) if config.hidden_dim else None
    mask = torch.zeros(objects, side, side, device=device)

    def encode() -> tuple[Any, Any, Any]:
        features = network.encode_key(image)
        return features, network.decoder_context(features), network.value_context(features)

    with torch.no_grad():
        kept, key, (_, decoding, encoding) = _measure(encode, device, side * side)
        work = side * side * objects
        _, decode, _ = _measure(lambda: network.decode(decoding, values, hidden, update_hidden=True), device, work)
        _, value, _ = _measure(
            lambda: network.encode_value(image, mask, mask, encoding, hidden, deep=True), device, work
        )
        match, gather = _probe_read(config.key_dim, config.value_dim, device)
    return NetworkCost(key, kept, decode, value, match, gather)


def _measure(call: Callable[[], Any], device: torch.device, work: int) -> tuple[float, Cost, Any]:
    """Return bytes kept, cost (both per unit of work) and result of a call, done once to warm up and once timed."""
    with LiveBytes() as counter:
        result = call()
        kept, peak = counter.live, counter.peak
    begun = clock(device)
    call()
    seconds = clock(device) - begun
    return kept / work, Cost(seconds / work, peak / work), result


def _probe_read(key_dim: int, value_dim: int, device: torch.device) -> tuple[float, float]:
    """Time a read of top 30: seconds per query and element, and per query and object."""
    queries, elements = 256, 3000
    memory = augment_memory(torch.rand(key_dim, elements, device=device))
    query = augment_query(torch.rand(key_dim, queries, device=device), torch.rand(key_dim, queries, device=device))
    values = torch.rand(elements, value_dim, device=device)
    affinity = topk_affinity(similarity(memory, query), 30)
    begun = clock(device)
    affinity = topk_affinity(similarity(memory, query), 30)
    middle = clock(device)
    readout(affinity, values)
    return (middle - begun) / (queries * elements), (clock(device) - middle) / queries
