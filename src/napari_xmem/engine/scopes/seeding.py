"""Checking the masks given to a step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_xmem.errors import SeedError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["seed_rows"]


def seed_rows(
    masks: Tensor | None, object_ids: Sequence[int] | None, known: tuple[int, ...], shape: tuple[int, int]
) -> dict[int, Tensor]:
    """Pair masks with object ids.

    Parameters
    ----------
    masks : Tensor or None
        ``(O, H, W)``, any numeric type, 0 to 1.
    object_ids : sequence of int or None
        One id per mask; None: the known objects in order, or 1 to O where none is known.
    known : tuple of int
        Objects so far.
    shape : tuple of 2 int
        Size of the frame.

    Returns
    -------
    dict
        Object id to float mask; empty where no mask is given.

    Raises
    ------
    SeedError
        If shapes or numbers do not fit, ids repeat or are not positive.
    """
    if masks is None:
        if object_ids:
            raise SeedError(f"object_ids {list(object_ids)} were given without masks; give one mask per id.")
        return {}
    if masks.ndim != 3 or tuple(masks.shape[1:]) != shape:
        raise SeedError(f"masks have shape {tuple(masks.shape)}, expected (objects, {shape[0]}, {shape[1]}).")
    if object_ids is None:
        object_ids = known if known else range(1, len(masks) + 1)
    ids = [int(i) for i in object_ids]
    if len(ids) != len(masks) or len(set(ids)) != len(ids) or any(i < 1 for i in ids):
        raise SeedError(f"object_ids are {ids} for {len(masks)} masks; expected {len(masks)} different ids above 0.")
    return dict(zip(ids, masks.to(torch.float32), strict=True))
