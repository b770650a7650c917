"""Several runs on one movie at the same time, which share the network's work.

The runs differ in memory only, so that the frames are encoded once for all, and what they ask of the decoder and the
value encoder is computed in one batch. Each run is a thread that goes on when all others wait too.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from napari_xmem.engine.scopes.preprocess import NetworkInput
from napari_xmem.model import InferenceXMem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_xmem.imaging.brightness import BrightnessChange
    from napari_xmem.model import XMem

__all__ = ["SharedInput", "SharedNetwork"]


@dataclass(eq=False)
class _Request:
    """What one run asks for; answered when `result` is there."""

    kind: tuple[Any, ...]
    tensors: Any
    count: int
    result: Any = None


class SharedInput(NetworkInput):
    """What the network sees of each frame, made once for all runs."""

    def __init__(self, other: NetworkInput) -> None:
        super().__init__(other.model, other.normaliser, other.geometry)
        self._made: dict[tuple[int | None, tuple[BrightnessChange, ...]], Tensor] = {}

    def __call__(self, frame: Any, index: int | None = None, light: Sequence[BrightnessChange] = ()) -> Tensor:
        """See `NetworkInput`; `index` and `light` tell frames apart."""
        asked = index, tuple(light)
        if asked not in self._made:
            self._made[asked] = super().__call__(frame, index, light)
        return self._made[asked]


class SharedNetwork(InferenceXMem):
    """The network for several runs at the same time, see `run_together`.

    Parameters
    ----------
    network : XMem
        In eval mode, on the CPU.
    dtype : torch.dtype
        Type in which convolutions compute.
    """

    def __init__(self, network: XMem, dtype: torch.dtype) -> None:
        super().__init__(network, dtype)
        self._meeting = threading.Condition()
        self._waiting: list[_Request] = []
        self._alive = 0
        self._known: dict[Any, Any] = {}

    def run_together(self, runs: Sequence[Callable[[], Any]]) -> list[Any]:
        """Call functions that use this network in a thread each; returns their results, or raises their first error."""
        results: list[Any] = [None] * len(runs)
        errors: list[BaseException] = []

        def work(place: int) -> None:
            try:
                results[place] = runs[place]()
            except BaseException as error:
                errors.append(error)
            finally:
                self._leave()

        self._alive, self._known = len(runs), {}
        threads = [threading.Thread(target=work, args=(place,)) for place in range(len(runs))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._known = {}
        if errors:
            raise errors[0]
        return results

    def encode_key(self, image: Tensor) -> Any:
        """See `XMem.encode_key`; each image is encoded once."""
        return self._once(("key", image.numpy().tobytes()), lambda: super(SharedNetwork, self).encode_key(image))

    def decoder_context(self, features: Any) -> Any:
        """See `XMem.decoder_context`."""
        name = ("decoder", id(features))
        return self._once(name, lambda: super(SharedNetwork, self).decoder_context(features))

    def value_context(self, features: Any) -> Any:
        """See `XMem.value_context`."""
        return self._once(("value", id(features)), lambda: super(SharedNetwork, self).value_context(features))

    def decode(self, context: Any, readout: Tensor, hidden: Tensor | None, *, update_hidden: bool) -> Any:
        """See `XMem.decode`."""
        return self._ask(("decode", update_hidden), (context, readout, hidden))

    def encode_value(
        self, image: Tensor, masks: Tensor, others: Tensor, context: Any, hidden: Tensor | None, *, deep: bool
    ) -> Any:
        """See `XMem.encode_value`."""
        return self._ask(("value", deep), (image, masks, others, context, hidden))

    def _once(self, name: Any, compute: Callable[[], Any]) -> Any:
        with self._meeting:
            if name not in self._known:
                self._known[name] = compute()
            return self._known[name]

    def _ask(self, kind: tuple[Any, ...], tensors: Any) -> Any:
        first = tensors[1]
        request = _Request((*kind, *first.shape[1:], tensors[-1] is None), tensors, first.shape[0])
        with self._meeting:
            self._waiting.append(request)
            self._answer_if_all_wait()
            while request.result is None:
                self._meeting.wait()
        if isinstance(request.result, BaseException):
            raise request.result
        return request.result

    def _leave(self) -> None:
        with self._meeting:
            self._alive -= 1
            self._answer_if_all_wait()

    def _answer_if_all_wait(self) -> None:
        if not self._waiting or len(self._waiting) < self._alive:
            return
        waiting, self._waiting = self._waiting, []
        for kind in dict.fromkeys(request.kind for request in waiting):
            group = [request for request in waiting if request.kind == kind]
            try:
                with torch.inference_mode():
                    found = self._compute(kind, _merge([request.tensors for request in group]))
                parts = [part.split([r.count for r in group]) if part is not None else None for part in found]
                for place, request in enumerate(group):
                    request.result = tuple(None if part is None else part[place] for part in parts)
            except BaseException as error:
                for request in group:
                    request.result = error
        self._meeting.notify_all()

    def _compute(self, kind: tuple[Any, ...], tensors: Any) -> Any:
        if kind[0] == "decode":
            return super().decode(*tensors, update_hidden=kind[1])
        return super().encode_value(*tensors, deep=kind[1])


def _merge(items: Sequence[Any]) -> Any:
    """Join tensors, tuples and dataclasses of tensors along the first axis."""
    first = items[0]
    if first is None:
        return None
    if isinstance(first, Tensor):
        return torch.cat(list(items)) if len(items) > 1 else first
    if is_dataclass(first) and not isinstance(first, type):
        return type(first)(**{f.name: _merge([getattr(item, f.name) for item in items]) for f in fields(first)})
    parts = [_merge(part) for part in zip(*items, strict=True)]
    return type(first)(*parts) if hasattr(first, "_fields") else tuple(parts)
