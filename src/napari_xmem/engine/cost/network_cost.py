"""What a network costs on this machine: seconds and bytes per pixel, measured on a small sample."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.overrides import TorchFunctionMode

from napari_xmem.engine.device_resources import clock
from napari_xmem.memory.affinity import augment_memory, augment_query, readout, similarity, topk_affinity
from napari_xmem.model import inference_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_xmem.model import XMem

__all__ = ["LiveBytes", "NetworkBytes", "NetworkCost", "network_bytes", "probe_network"]

#: Side of the sample in key cells and its objects: as objects are decoded for a small network, less for a large one;
#: and of a sample that tells what a call costs.
_SAMPLE, _SMALL_SAMPLE, _LEAST_SAMPLE = (16, 8), (12, 1), (8, 1)
_LARGE_NETWORK = 20_000_000
_BYTES_SAMPLE = (8, 1)


@dataclass(frozen=True, slots=True)
class NetworkCost:
    """Seconds that the parts of a network take.

    Attributes
    ----------
    key : float
        Key encoder with the shared halves of decoder and value encoder, per pixel of the (scaled) frame.
    decode, value : float
        Decoder, value encoder: per pixel and object.
    decode_call, value_call : float
        The same, per call, whatever its size.
    match : float
        Comparing one query with one memory element and choosing the best.
    gather : float
        Averaging the values that answer one query of one object.
    """

    key: float
    decode: float
    decode_call: float
    value: float
    value_call: float
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


class LiveBytes(TorchFunctionMode):
    """Counts the bytes of tensors that are alive at a time, on any device; `peak` is the most so far.

    Only tensors that torch functions return inside count; scratch space within one function does not show.
    """

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._known: set[int] = set()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for tensor in _tensors((args, kwargs)):
            self._count(tensor.untyped_storage(), made_inside=False)
        result = func(*args, **(kwargs or {}))
        for tensor in _tensors(result):
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


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    """Yield the tensors in nested tuples, lists and dicts."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _tensors(item)
    elif isinstance(value, dict):
        yield from _tensors(tuple(value.values()))


def probe_network(network: XMem) -> NetworkCost:
    """Time every part of a network on a small sample, on the network's device."""
    large = sum(p.numel() for p in network.parameters()) > _LARGE_NETWORK
    sample = _Sample(network, _SMALL_SAMPLE if large else _SAMPLE)
    least, device = _Sample(network, _LEAST_SAMPLE), network.device
    with inference_settings():
        match, gather = _probe_read(network.config.key_dim, network.config.value_dim, device)
        key = _seconds(sample.encode, device) / sample.pixels
        least.encode()
        pixels = least.work, sample.work
        decode, decode_call = _line(pixels, (_seconds(least.decode, device), _seconds(sample.decode, device)))
        value, value_call = _line(pixels, (_seconds(least.value, device), _seconds(sample.value, device)))
        return NetworkCost(key, decode, decode_call, value, value_call, match, gather)


def _line(pixels: tuple[int, int], seconds: tuple[float, float]) -> tuple[float, float]:
    """Return seconds per pixel and per call, from the times of a small and a large call; neither is below 0."""
    (few, many), (short, long) = pixels, seconds
    call = min(max((short * many - long * few) / (many - few), 0.0), short, long)
    return (long - call) / many, call


def network_bytes(network: XMem) -> NetworkBytes:
    """Run every part of a network on a very small sample, and count the memory it needs."""
    sample = _Sample(network, _BYTES_SAMPLE)
    peaks: list[int] = []
    kept: list[int] = []
    with inference_settings():
        for call in (sample.encode, sample.decode, sample.value):
            with LiveBytes() as counter:
                call()
                peaks.append(counter.peak)
                kept.append(counter.live)
    key, decode, value = (peak / sample.pixels for peak in peaks)
    return NetworkBytes(key, kept[0] / sample.pixels, decode, value)


class _Sample:
    """A small image with some objects, and the calls of one frame on it."""

    def __init__(self, network: XMem, size: tuple[int, int]) -> None:
        cells, count = size
        config, side, device = network.config, cells * network.config.stride_px, network.device
        self.network, self.pixels, self.count = network, side * side, count
        self.image = torch.zeros(1, config.image_channels, side, side, dtype=torch.float32, device=device)
        self.values = torch.zeros(count, config.value_dim, cells, cells, dtype=torch.float32, device=device)
        self.mask = torch.zeros(count, side, side, dtype=torch.float32, device=device)
        self.hidden: torch.Tensor | None = None
        if config.hidden_dim:
            self.hidden = torch.zeros(count, config.hidden_dim, cells, cells, dtype=torch.float32, device=device)
        self.work = self.pixels * count
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
        image = self.image.expand(self.count, -1, -1, -1)
        return self.network.encode_value(image, self.mask, self.mask, self.encoding, self.hidden, deep=True)


def _seconds(call: Callable[[], Any], device: torch.device) -> float:
    """Time a call, done once before to warm up; a quick one twice."""
    call()
    best = float("inf")
    for _ in range(2):
        begun = clock(device)
        call()
        best = min(best, clock(device) - begun)
        if best > 0.1:
            break
    return best


def _probe_read(key_dim: int, value_dim: int, device: torch.device) -> tuple[float, float]:
    """Time a read of top 30: seconds per query and element, and per query and object."""
    queries, elements = 256, 3000

    def sample(*shape: int) -> torch.Tensor:
        return torch.rand(shape, dtype=torch.float32, device=device)

    memory = augment_memory(sample(key_dim, elements))
    query = augment_query(sample(key_dim, queries), sample(key_dim, queries))
    values = sample(elements, value_dim)
    affinity = topk_affinity(similarity(memory, query), 30)
    begun = clock(device)
    affinity = topk_affinity(similarity(memory, query), 30)
    middle = clock(device)
    readout(affinity, values)
    return (middle - begun) / (queries * elements), (clock(device) - middle) / queries
