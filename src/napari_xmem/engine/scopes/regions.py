"""Regions of interest: squares of the (scaled) frame, aligned to the key grid, one per object."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from napari_xmem.config import ModelConfig

__all__ = [
    "Region",
    "RegionCells",
    "boxes_around",
    "bucket_side",
    "cell_centres",
    "corners",
    "crop_batch",
    "largest_margin_px",
    "object_region",
    "place_region",
    "stack_grids",
]


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of the scaled frame.

    Attributes
    ----------
    y, x : int
        Top left corner in pixels, multiples of the key stride.
    height, width : int
        Size in pixels, multiples of the key stride.
    """

    y: int
    x: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns of the frame."""
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.height, self.width

    def meets(self, other: Region) -> bool:
        """Return True if they have pixels in common."""
        return (
            self.y < other.y + other.height
            and other.y < self.y + self.height
            and self.x < other.x + other.width
            and other.x < self.x + self.width
        )


def bucket_side(length_px: float, step_px: int, smallest_px: int = 96) -> int:
    """Round a side up to a multiple of the key stride, at least 96: few sizes, so that regions can share a batch.

    Coarser steps make larger batches, which gain little, of larger regions: twice the step costs a sixth more.
    """
    return max(smallest_px, -(-int(length_px) // step_px) * step_px)


def place_region(centre_px: tuple[float, float], side_px: int, frame_shape: tuple[int, int], stride_px: int) -> Region:
    """Put a square around `centre_px`, on the key grid and inside the frame.

    Near the frame's border the square moves inwards; where the frame is smaller than the square, it is cut.

    Parameters
    ----------
    centre_px : tuple of 2 float
        y, x.
    side_px : int
        Wanted side, a multiple of `stride_px`.
    frame_shape : tuple of 2 int
        Frame size, multiples of `stride_px`.
    stride_px : int
        Key stride.
    """
    corner, size = [], []
    for centre, length in zip(centre_px, frame_shape, strict=True):
        side = min(side_px, length)
        start = round((centre - side / 2) / stride_px) * stride_px
        corner.append(max(0, min(start, length - side)))
        size.append(side)
    return Region(corner[0], corner[1], size[0], size[1])


def largest_margin_px(model: ModelConfig, max_displacement_px: float | None = None, detail: float = 1.0) -> float:
    """Return how far around an object it is looked for at most, in pixels of the scaled frame.

    `max_displacement_px` if it is given, else 0.8 of the model's nominal diameter, at least 32, times `detail`, see
    `FrameGeometry`.
    """
    return max_displacement_px or detail * max(32.0, 0.8 * model.nominal_diameter_px)


def object_region(
    centre_px: tuple[float, float],
    extent_px: tuple[float, float],
    frame_shape: tuple[int, int],
    stride_px: int,
    margin_px: float,
    grow: float = 1.0,
) -> Region:
    """Return the region of an object.

    Parameters
    ----------
    centre_px, extent_px : tuple of 2 float
        Centre y, x and height, width of its box.
    frame_shape : tuple of 2 int
        Frame size, multiples of `stride_px`.
    stride_px : int
        Key stride.
    margin_px : float
        How far around the box it is looked for.
    grow : float
        Factor on the side.
    """
    return place_region(
        centre_px, bucket_side(grow * (max(extent_px) + 2 * margin_px), stride_px), frame_shape, stride_px
    )


def boxes_around(regions: Iterable[Region]) -> list[Region]:
    """Return boxes that do not overlap and cover all regions: regions that overlap share one."""
    boxes: list[Region] = []
    for region in regions:
        box = region
        while near := [other for other in boxes if _overlap(box, other)]:
            boxes = [other for other in boxes if other not in near]
            top, left = min(b.y for b in (box, *near)), min(b.x for b in (box, *near))
            bottom, right = max(b.y + b.height for b in (box, *near)), max(b.x + b.width for b in (box, *near))
            box = Region(top, left, bottom - top, right - left)
        boxes.append(box)
    return boxes


def _overlap(a: Region, b: Region) -> bool:
    return a.y < b.y + b.height and b.y < a.y + a.height and a.x < b.x + b.width and b.x < a.x + a.width


def corners(places: Iterable[tuple[int, int]]) -> Tensor:
    """Return corners as ``(N, 2)`` int64 y, x on the CPU."""
    return torch.tensor(list(places), dtype=torch.int64, device="cpu")


@lru_cache(maxsize=32)
def cell_centres(cells: tuple[int, int], stride_px: int) -> Tensor:
    """Return the centres of a key grid's cells, row by row: ``(h w, 2)`` float32 y, x in pixels, on the CPU.

    Not to be written to: others get the same tensor.
    """
    with torch.inference_mode(False):
        y, x = ((torch.arange(n, dtype=torch.float32, device="cpu") + 0.5) * stride_px for n in cells)
        return torch.stack(torch.meshgrid(y, x, indexing="ij"), -1).flatten(0, 1)


def crop_batch(tensor: Tensor, regions: Sequence[Region], step_px: int) -> Tensor:
    """Cut equally large regions out of one frame's tensor.

    Parameters
    ----------
    tensor : Tensor
        ``(1, C, H / step, W / step)``.
    regions : sequence of Region
        ``N`` regions of one shape.
    step_px : int
        Pixels per cell of `tensor`.

    Returns
    -------
    Tensor
        ``(N, C, h / step, w / step)``, channels last if `tensor` is.
    """
    spans = [
        (slice(r.y // step_px, (r.y + r.height) // step_px), slice(r.x // step_px, (r.x + r.width) // step_px))
        for r in regions
    ]
    if tensor.is_contiguous(memory_format=torch.channels_last):
        rows = tensor[0].permute(1, 2, 0)
        return torch.stack([rows[span] for span in spans]).permute(0, 3, 1, 2)
    return torch.stack([tensor[0, :, y, x] for y, x in spans])


@dataclass(frozen=True, slots=True, eq=False)
class RegionCells:
    """Key cells of regions of any sizes in one table, row by row of each; those with fewer are filled up.

    Attributes
    ----------
    index : ndarray
        ``(N, most)`` int64, places in the frame's key grid; 0 behind the last of each.
    counts : tuple of int
        How many of each.
    columns, stride_px : int
        Of the frame's key grid.
    """

    index: NDArray[np.int64]
    counts: tuple[int, ...]
    columns: int
    stride_px: int

    @classmethod
    def of(cls, regions: Sequence[Region], columns: int, stride_px: int) -> Self:
        """List the cells of ``N`` regions on a key grid with so many columns."""
        each = []
        for region in regions:
            y = np.arange(region.y // stride_px, (region.y + region.height) // stride_px)
            x = np.arange(region.x // stride_px, (region.x + region.width) // stride_px)
            each.append((y[:, None] * columns + x).ravel())
        index = np.zeros((len(each), max(map(len, each))), np.int64)
        for row, cells in zip(index, each, strict=True):
            row[: len(cells)] = cells
        return cls(index, tuple(map(len, each)), columns, stride_px)

    def take(self, *tensors: Tensor) -> list[Tensor]:
        """Take the cells ``(N, C, most)`` of frame tensors ``(1, C, h, w)`` of the key grid's resolution."""
        index = torch.from_numpy(self.index).to(tensors[0].device).flatten()
        rows = (tensor[0].flatten(1).T.index_select(0, index) for tensor in tensors)
        return [taken.unflatten(0, self.index.shape).mT for taken in rows]

    def centres(self) -> NDArray[np.float32]:
        """Return the cells' centres ``(N, most, 2)`` as y, x in pixels of the scaled frame."""
        places = np.stack(np.divmod(self.index, self.columns), -1)
        return (places.astype(np.float32) + np.float32(0.5)) * np.float32(self.stride_px)


def stack_grids(grids: Sequence[Tensor | None], channels: int, shape: tuple[int, int], like: Tensor) -> Tensor:
    """Cut or zero-pad sensory memories ``(C, h, w)`` around their centres to `shape` cells and stack them.

    Parameters
    ----------
    grids : sequence of Tensor or None
        ``N`` of them; None: zeros.
    channels : int
        ``C``.
    shape : tuple of 2 int
        Rows and columns.
    like : Tensor
        On the device of the answer.

    Returns
    -------
    Tensor
        ``(N, C, h, w)`` float32, channels last.
    """
    out = like.new_zeros(len(grids), *shape, channels, dtype=torch.float32)
    rooms, parts = [], []
    for room, grid in zip(out, grids, strict=True):
        if grid is None:
            continue
        (oy, ny), (ox, nx) = (_centred(old, new) for old, new in zip(grid.shape[1:], shape, strict=True))
        rooms.append(room[ny, nx])
        parts.append(grid[:, oy, ox].permute(1, 2, 0))
    if rooms:
        torch._foreach_copy_(rooms, parts)
    return out.permute(0, 3, 1, 2)


def _centred(old: int, new: int) -> tuple[slice, slice]:
    """Return where the middle of a side of `old` cells lies, and where in one of `new` cells it goes."""
    size = min(old, new)
    first, second = (old - size) // 2, (new - size) // 2
    return slice(first, first + size), slice(second, second + size)
