"""What a network costs on this machine: seconds and bytes per pixel, measured on a small sample."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from napari_xmem.engine.devices import clock
from napari_xmem.memory.affinity import augment_memory, augment_query, readout, similarity, topk_affinity
from napari_xmem.model import XMem

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_xmem.config import ModelConfig

__all__ = ["LiveBytes", "NetworkBytes", "NetworkCost", "network_bytes", "probe_network"]

_SAMPLE_CELLS = 12
_SAMPLE_OBJECTS = 2


@dataclass(frozen=True, slots=True)
class NetworkCost:
    """Seconds that the parts of a network take.

    Attributes
    ----------
    key : float
        Key encoder with the shared halves of decoder and value encoder, per pixel of the (scaled) frame.
    decode, value : float
        Decoder, value encoder: per pixel and object.
    match : float
        Comparing one query with one memory element and choosing the best.
    gather : float
        Averaging the values that answer one query of one object.
    """

    key: float
    decode: float
    value: float
    match: float
    gather: float


@dataclass(frozen=True, slots=True)
class NetworkBytes:
    """Bytes that the parts of a network hold at a time, without their input.

    Attributes
    ----------
    key : float
        Key encoder with the shared halves, per pixel of the (scaled) frame.
    kept : float
        What stays of it until the frame is done.
    decode, value : float
        Decoder, value encoder: per pixel and object.
    """

    key: float
    kept: float
    decode: float
    value: float


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of tensors that are alive at a time, on any device; `peak` is the most so far.

    Only tensors made inside count; scratch space inside one operation does not show.
    """

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for tensor in tree_leaves((args, kwargs)):
            if isinstance(tensor, torch.Tensor):
                self._count(tensor.untyped_storage(), made_inside=False)
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                self._count(tensor.untyped_storage(), made_inside=True)
        return result

    def _count(self, storage: torch.UntypedStorage, *, made_inside: bool) -> None:
        key, size = storage._cdata, storage.nbytes() if made_inside else 0
        if key in self._known:
            return
        self._known.add(key)
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._release, key, size)

    def _release(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.live -= size


def probe_network(network: XMem) -> NetworkCost:
    """Time every part of a network on a small sample, on the network's device."""
    sample = _Sample(network)
    work = sample.pixels * _SAMPLE_OBJECTS
    device = network.device
    with torch.no_grad():
        match, gather = _probe_read(network.config.key_dim, network.config.value_dim, device)
        return NetworkCost(
            key=_seconds(sample.encode, device) / sample.pixels,
            decode=_seconds(sample.decode, device) / work,
            value=_seconds(sample.value, device) / work,
            match=match,
            gather=gather,
        )


@cache
def network_bytes(config: ModelConfig, dtype: torch.dtype) -> NetworkBytes:
    """Count the memory that a network computing in `dtype` needs, without computing anything."""
    with torch.device("meta"), torch.no_grad():
        sample = _Sample(XMem(config).eval().to(dtype), dtype)
        with LiveBytes() as counter:
            sample.encode()
            key, kept = counter.peak, counter.live
        work = sample.pixels * _SAMPLE_OBJECTS
        with LiveBytes() as counter:
            sample.decode()
            decode = counter.peak
        with LiveBytes() as counter:
            sample.value()
            return NetworkBytes(key / sample.pixels, kept / sample.pixels, decode / work, counter.peak / work)


class _Sample:
    """A small image with some objects, and the calls of one frame on it."""

    def __init__(self, network: XMem, dtype: torch.dtype = torch.float32) -> None:
        config, side = network.config, _SAMPLE_CELLS * network.config.stride_px
        count, cells, options = _SAMPLE_OBJECTS, _SAMPLE_CELLS, {"device": network.device, "dtype": dtype}
        self.network, self.pixels = network, side * side
        self.image = torch.zeros(1, config.image_channels, side, side, **options)  # type: ignore[call-overload]
        self.values = torch.zeros(count, config.value_dim, cells, cells, **options)  # type: ignore[call-overload]
        self.mask = torch.zeros(count, side, side, **options)  # type: ignore[call-overload]
        self.hidden: torch.Tensor | None = None
        if config.hidden_dim:
            self.hidden = torch.zeros(count, config.hidden_dim, cells, cells, device=network.device)
        self.features: Any = None
        self.decoding: Any = None
        self.encoding: Any = None

    def encode(self) -> None:
        """Encode the image; what it gives is kept."""
        self.features = features = self.network.encode_key(self.image)
        self.decoding, self.encoding = self.network.decoder_context(features), self.network.value_context(features)

    def decode(self) -> Any:
        """Decode all objects."""
        return self.network.decode(self.decoding, self.values, self.hidden, update_hidden=True)

    def value(self) -> Any:
        """Encode the values of all objects."""
        image = self.image.expand(_SAMPLE_OBJECTS, -1, -1, -1)
        return self.network.encode_value(image, self.mask, self.mask, self.encoding, self.hidden, deep=True)


def _seconds(call: Callable[[], Any], device: torch.device) -> float:
    """Time a call, done once before to warm up."""
    call()
    begun = clock(device)
    call()
    return clock(device) - begun


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
