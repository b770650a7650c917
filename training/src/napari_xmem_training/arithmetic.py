"""How many floating-point operations a network needs per frame, counted while it follows a movie."""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from napari_xmem.engine import propagate
from napari_xmem.errors import XMemError
from napari_xmem.model.inference import InferenceXMem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from napari_xmem.model import XMem

__all__ = ["STEPS", "count_flops"]

STEPS = ("encode_key", "decoder_context", "value_context", "decode", "encode_value")
"""Calls of the network that are counted each by itself; what memory does is ``other``."""


def count_flops(network: XMem, frames: NDArray[Any], seeds: NDArray[Any], **options: Any) -> dict[str, float]:
    """Follow a movie and count.

    Parameters
    ----------
    network : XMem
        In eval mode, on the CPU.
    frames : ndarray
        (T, Y, X[, C]); T at least 2.
    seeds : ndarray
        (Y, X) labels of frame 0.
    **options
        Of `napari_xmem.propagate`.

    Returns
    -------
    dict of str to float
        GFLOP per frame after the first, by step, and their ``total``. A multiplication and an addition are two.

    Raises
    ------
    XMemError
        If this version of PyTorch, as 2.4, counts nothing that is done in inference mode.
    """
    spent: dict[str, float] = defaultdict(float)
    with _counting(spent), FlopCounterMode(display=False) as counter:
        propagate(frames, seeds, model=network, **options)
    if not counter.get_total_flops():
        raise XMemError(f"PyTorch {torch.__version__} counts no operations in inference mode; a newer one does.")
    after = len(frames) - 1
    per_frame = {step: spent[step] / after / 1e9 for step in STEPS}
    per_frame["other"] = counter.get_total_flops() / after / 1e9 - sum(per_frame.values())
    per_frame["total"] = sum(per_frame.values())
    return per_frame


@contextmanager
def _counting(spent: dict[str, float]) -> Iterator[None]:
    """Count the operations of each step of every network that runs meanwhile."""
    originals = {step: getattr(InferenceXMem, step) for step in STEPS}

    def counted(step: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            with FlopCounterMode(display=False) as counter:
                result = original(*arguments, **options)
            spent[step] += counter.get_total_flops()
            return result

        return call

    for step, original in originals.items():
        setattr(InferenceXMem, step, counted(step, original))
    try:
        yield
    finally:
        for step, original in originals.items():
            setattr(InferenceXMem, step, original)
