"""The key encoder in tiles: only where objects may be, and never more at a time than fits.

Every tile is encoded with a halo as wide as the encoder sees, so that what is kept equals the untiled result.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from napari_xmem.engine.interruption import stop_if_asked
from napari_xmem.engine.scopes.regions import Region
from napari_xmem.model import DecoderContext, ValueContext, can_tile, receptive_halo_px
from napari_xmem.model.blocks import FusionContext

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from napari_xmem.engine.cost.compute_limit import WorkLimit
    from napari_xmem.model import XMem

__all__ = [
    "TILE_STEP_PX",
    "EncodedFrame",
    "encode_frame",
    "encode_regions",
    "plan_tiles",
]

#: Tiles have their corners on multiples of this.
TILE_STEP_PX = 32
#: What starting one more tile costs, in pixels encoded.
_TILE_OVERHEAD_PX = 4096
#: Sides of windows are multiples of this where few sizes are wanted.
_FEW_SIZES_PX = 64


@dataclass(frozen=True, slots=True, eq=False)
class EncodedFrame:
    """What the objects of one frame read of it; meaningless outside the tiles that were encoded.

    Attributes
    ----------
    key, shrinkage, selection : Tensor
        ``(1, Ck or 1, h, w)`` float32, see `ImageFeatures`.
    decoding : DecoderContext
        The image's share of the decoder.
    encoding : ValueContext or None
        The image's share of the value encoder, on memory frames.
    """

    key: Tensor
    shrinkage: Tensor
    selection: Tensor
    decoding: DecoderContext
    encoding: ValueContext | None


def plan_tiles(
    regions: Iterable[Region], frame_shape: tuple[int, int], halo: int, max_pixels: int | None = None
) -> list[Region]:
    """Cover regions with rectangles that are cheap to encode.

    Starting from all of the frame that regions touch, a rectangle is cut in two, at the gap where that saves most, as
    long as encoding both (with their halos) is cheaper than encoding one, or it is larger than `max_pixels`.

    Parameters
    ----------
    regions : iterable of Region
        What must be covered.
    frame_shape : tuple of 2 int
        Size of the frame in pixels.
    halo : int
        Pixels to encode around each tile.
    max_pixels : int, optional
        Largest tile with its halo; None: no limit.

    Returns
    -------
    list of Region
        Rectangles without overlap, corners on multiples of 32 px, inside the frame.
    """
    needed = np.zeros(tuple(-(-side // TILE_STEP_PX) for side in frame_shape), bool)
    for region in regions:
        rows, columns = region.slices
        needed[
            rows.start // TILE_STEP_PX : -(-rows.stop // TILE_STEP_PX),
            columns.start // TILE_STEP_PX : -(-columns.stop // TILE_STEP_PX),
        ] = True
    planner = _Planner(needed, frame_shape, halo, max_pixels)
    boxes = [] if not needed.any() else planner.split(planner.trim((0, needed.shape[0], 0, needed.shape[1])))
    return [planner.region(box) for box in boxes]


def encode_frame(
    network: XMem,
    image: Tensor,
    tiles: Sequence[Region],
    *,
    memorise: bool,
    step_px: int = 1,
    need: Callable[[Iterable[Region]], None] | None = None,
    halo_px: int | None = None,
) -> EncodedFrame:
    """Encode the tiles of a frame.

    Parameters
    ----------
    network : XMem
        The network.
    image : Tensor
        ``(1, C, H, W)``, sides multiples of the key stride.
    tiles : sequence of Region
        From `plan_tiles`; one that covers the frame gives the untiled result itself.
    memorise : bool
        Make the value encoder's share too.
    step_px : int
        Encode windows whose sides are multiples of this where the frame is large enough: of few sizes.
    need : callable, optional
        Called with each part of the image before it is looked at.
    halo_px : int, optional
        How far around each tile the encoder sees, a multiple of the key stride; None: so far that nothing is lost.
    """
    height, width = image.shape[-2:]
    if len(tiles) == 1 and tiles[0].shape == (height, width):
        if need is not None:
            need(tiles)
        return _encode(network, image, memorise=memorise)
    config = network.config
    halo, stride = receptive_halo_px(config) if halo_px is None else halo_px, config.stride_px
    canvas: dict[str, Tensor] = {}
    for tile in tiles:
        stop_if_asked()
        top, bottom = _window(tile.y, tile.height, halo, height, step_px)
        left, right = _window(tile.x, tile.width, halo, width, step_px)
        if need is not None:
            need([Region(top, left, bottom - top, right - left)])
        part = _tensors(_encode(network, image[:, :, top:bottom, left:right], memorise=memorise))
        for name, (tensor, scale) in part.items():
            step = stride // scale
            if name not in canvas:
                canvas[name] = _blank(tensor, (height // step, width // step))
            y, x = (tile.y - top) // step, (tile.x - left) // step
            rows, columns = -(-tile.height // step), -(-tile.width // step)
            target = canvas[name][:, :, tile.y // step :, tile.x // step :][:, :, :rows, :columns]
            target.copy_(tensor[:, :, y : y + target.shape[2], x : x + target.shape[3]])
    return _assemble(canvas)


def encode_regions(
    network: XMem,
    image: Tensor,
    regions: Sequence[Region],
    limit: WorkLimit,
    *,
    memorise: bool,
    need: Callable[[Iterable[Region]], None] | None = None,
) -> EncodedFrame:
    """Encode the parts of a frame ``(1, C, H, W)`` that any region touches, at most `limit` pixels at a time.

    `need` is called with each part of the image before it is looked at.

    Out of memory, it goes on with half of them. Networks with group normalisation see the frame as a whole.
    """
    config, shape = network.config, (image.shape[-2], image.shape[-1])
    whole = [Region(0, 0, *shape)]
    if not can_tile(config):
        return encode_frame(network, image, whole, memorise=memorise, need=need)
    halo = receptive_halo_px(config)

    def encode(pixels: int) -> EncodedFrame:
        stop_if_asked()
        tiles = plan_tiles(regions, shape, halo, pixels) or whole
        step = _FEW_SIZES_PX if limit.few_sizes else 1
        return encode_frame(network, image, tiles, memorise=memorise, step_px=step, need=need)

    return limit.call(encode, least_pixels=(3 * halo) ** 2)


def _window(start: int, length: int, halo: int, limit: int, step: int) -> tuple[int, int]:
    """Return begin and end of a tile with its halo, inside the frame, in a length that is a multiple of `step`."""
    low, high = max(0, start - halo), min(limit, start + length + halo)
    size = min(limit, -(-(high - low) // step) * step)
    low = min(low, limit - size)
    return low, low + size


def _encode(network: XMem, image: Tensor, *, memorise: bool) -> EncodedFrame:
    features = network.encode_key(image)
    encoding = network.value_context(features) if memorise else None
    return EncodedFrame(
        features.key, features.shrinkage, features.selection, network.decoder_context(features), encoding
    )


def _tensors(frame: EncodedFrame) -> dict[str, tuple[Tensor, int]]:
    """List the tensors of a frame with their resolution relative to the keys."""
    decoding = frame.decoding
    out = {
        "key": (frame.key, 1),
        "shrinkage": (frame.shrinkage, 1),
        "selection": (frame.selection, 1),
        "conv": (decoding.fusion.conv, 1),
        "shortcut": (decoding.fusion.shortcut, 1),
        "skip_s8": (decoding.skip_s8, 2),
        "skip_s4": (decoding.skip_s4, 4),
    }
    if frame.encoding is not None:
        out |= {"value_conv": (frame.encoding.fusion.conv, 1), "value_shortcut": (frame.encoding.fusion.shortcut, 1)}
    return out


def _assemble(canvas: dict[str, Tensor]) -> EncodedFrame:
    fusion = FusionContext(canvas["conv"], canvas["shortcut"])
    return EncodedFrame(
        canvas["key"],
        canvas["shrinkage"],
        canvas["selection"],
        DecoderContext(fusion, canvas["skip_s8"], canvas["skip_s4"]),
        ValueContext(FusionContext(canvas["value_conv"], canvas["value_shortcut"])) if "value_conv" in canvas else None,
    )


def _blank(like: Tensor, shape: tuple[int, int]) -> Tensor:
    """Room for a frame, untouched: pages of it that no tile writes to cost nothing."""
    last = like.is_contiguous(memory_format=torch.channels_last)
    memory_format = torch.channels_last if last else torch.contiguous_format
    return torch.empty((1, like.shape[1], *shape), dtype=like.dtype, device=like.device, memory_format=memory_format)


_Box = tuple[int, int, int, int]


class _Planner:
    """Guillotine cuts over the blocks that are needed."""

    def __init__(
        self, needed: NDArray[np.bool_], frame_shape: tuple[int, int], halo: int, max_pixels: int | None
    ) -> None:
        self.needed, self.frame_shape, self.halo = needed, frame_shape, halo
        self.max_pixels = max_pixels or frame_shape[0] * frame_shape[1]

    def region(self, box: _Box) -> Region:
        """Return a box of blocks in pixels, inside the frame."""
        top, bottom, left, right = (n * TILE_STEP_PX for n in box)
        bottom, right = min(bottom, self.frame_shape[0]), min(right, self.frame_shape[1])
        return Region(top, left, bottom - top, right - left)

    def trim(self, box: _Box) -> _Box:
        """Shrink a box to the needed blocks in it."""
        top, bottom, left, right = box
        inside = self.needed[top:bottom, left:right]
        rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        if not len(rows):
            return top, top, left, left
        return top + int(rows[0]), top + int(rows[-1]) + 1, left + int(columns[0]), left + int(columns[-1]) + 1

    def cost(self, box: _Box) -> int:
        """Return the pixels that encoding a box takes."""
        region = self.region(box)
        if not region.height or not region.width:
            return 0
        height = min(self.frame_shape[0], region.y + region.height + self.halo) - max(0, region.y - self.halo)
        width = min(self.frame_shape[1], region.x + region.width + self.halo) - max(0, region.x - self.halo)
        return height * width + _TILE_OVERHEAD_PX

    def split(self, box: _Box) -> list[_Box]:
        """Cut a trimmed box as often as it pays or must be."""
        whole = self.cost(box)
        best: tuple[int, _Box, _Box] | None = None
        for first, second in self._cuts(box, forced=whole > self.max_pixels + _TILE_OVERHEAD_PX):
            cost = self.cost(first) + self.cost(second)
            if best is None or cost < best[0]:
                best = cost, first, second
        too_large = whole > self.max_pixels + _TILE_OVERHEAD_PX
        if best is None or (best[0] >= whole and not too_large):
            return [box]
        return [part for half in best[1:] if half[1] > half[0] for part in self.split(half)]

    def _cuts(self, box: _Box, *, forced: bool) -> list[tuple[_Box, _Box]]:
        """Return the pairs of trimmed boxes that cuts at gaps give; forced: a cut through the middle too."""
        top, bottom, left, right = box
        inside = self.needed[top:bottom, left:right]
        out: list[tuple[_Box, _Box]] = []
        for axis, (low, high) in enumerate(((top, bottom), (left, right))):
            counts = np.count_nonzero(inside, axis=1 - axis)  # a cut pays only where the outline steps
            edges = set((np.flatnonzero(np.diff(counts)) + 1 + low).tolist())
            if forced and high - low > 1:
                edges.add((low + high) // 2)
            for edge in edges:
                if low < edge < high:
                    first = (top, edge, left, right) if axis == 0 else (top, bottom, left, edge)
                    second = (edge, bottom, left, right) if axis == 0 else (top, bottom, edge, right)
                    out.append((self.trim(first), self.trim(second)))
        return out
