"""What the network sees of a frame: all of it, or, with few small objects on a large field, only where they may be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_xmem.engine.scopes.aggregation import others_in
from napari_xmem.engine.scopes.comparison_picture import Picture
from napari_xmem.imaging import local_contrast, luminance, object_boxes
from napari_xmem.imaging.block_means import block_means

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_xmem.engine.scopes.light import FrameLight
    from napari_xmem.engine.scopes.preprocess import FrameGeometry, NetworkInput
    from napari_xmem.engine.scopes.region_masks import RegionMask
    from napari_xmem.engine.scopes.regions import Region
    from napari_xmem.imaging import BrightnessChange

__all__ = ["PartialFrame", "WholeFrame", "is_sparse", "view_of"]

#: Objects are few if what is encoded for them is at most this share of the frame.
_SPARSE_SHARE = 0.25
#: Parts are kept account of in squares of so many pixels.
_BLOCK_PX = 8


def is_sparse(seeds: NDArray[Any], geometry: FrameGeometry, margin_px: float, halo_px: int) -> bool:
    """Return True if objects are so few and small that most of the frame need not be made for the network.

    Parameters
    ----------
    seeds : ndarray, shape (Y, X)
        Labels of a frame of the movie.
    geometry : FrameGeometry
        Scale and sizes.
    margin_px, halo_px : float, int
        How far around objects is looked, and what the encoder sees around that, in pixels of the scaled frame.
    """
    if geometry.scale < 1:  # shrinking looks at all pixels in any case
        return False
    around = 2 * (margin_px + halo_px)
    sides = [
        geometry.scale * max(bottom - top, right - left) + around
        for top, left, bottom, right in object_boxes(seeds).values()
    ]
    height, width = geometry.padded_shape
    return bool(sides) and sum(side * side for side in sides) <= _SPARSE_SHARE * height * width


def view_of(
    prepare: NetworkInput, light: FrameLight, frame: NDArray[Any], index: int, *, sparse: bool
) -> WholeFrame | PartialFrame:
    """Return a frame as the network sees it, in the light of the frames before.

    Parameters
    ----------
    prepare : NetworkInput
        Turns frames into network input.
    light : FrameLight
        Finds out how its light differs.
    frame : ndarray, shape (Y, X) or (Y, X, C)
        Pixels as they are read.
    index : int
        Index in the movie.
    sparse : bool
        Objects are few: it is made where it is asked for.
    """
    if not sparse:
        return WholeFrame(light.show(prepare, frame, index), prepare.geometry.scaled_shape)
    light.look(prepare, frame)
    return PartialFrame(prepare, frame, index, light.changes)


class WholeFrame:
    """A frame that is there as a whole.

    Parameters
    ----------
    image : Tensor
        ``(C, H, W)`` of the padded shape.
    scaled_shape : tuple of 2 int
        Size without padding.

    Attributes
    ----------
    scaled_shape : tuple of 2 int
        Size without padding.
    picture : Picture
        The frame in gray.
    need : None
        Nothing has to be asked for.
    """

    need = None

    def __init__(self, image: Tensor, scaled_shape: tuple[int, int]) -> None:
        rows, columns = scaled_shape
        self.image, self.scaled_shape = image, scaled_shape
        self.picture = Picture(image[:3].mean(0)[:rows, :columns].float().cpu().numpy())

    def shrunk(self, masks: Sequence[RegionMask], factor: int) -> NDArray[np.float32]:
        """Return block means ``(H // factor, W // factor)`` of the gray frame."""
        return block_means(self.picture.frame, factor)

    def where(self, masks: Sequence[RegionMask]) -> Picture:
        """Return where objects are."""
        rows, columns = self.picture.shape
        shape = (self.image.shape[-2], self.image.shape[-1])
        return Picture(others_in(masks, shape).clamp(0, 1).cpu().numpy()[:rows, :columns])


class PartialFrame:
    """What the network sees of a frame, made where it is asked for; but for rounding it is what `NetworkInput` makes.

    Parameters
    ----------
    prepare : NetworkInput
        Intensities, scale and padding.
    frame : ndarray, shape (Y, X) or (Y, X, C)
        Pixels as they are read.
    index : int
        Index in the movie.
    light : sequence of BrightnessChange
        How its light differs, per channel.

    Attributes
    ----------
    image : Tensor
        ``(C, H, W)`` float32 of the padded shape; without meaning where nothing was asked for.
    scaled_shape : tuple of 2 int
        Size without padding.
    picture : Picture
        The whole frame in gray, in pixels of the movie.
    """

    def __init__(
        self, prepare: NetworkInput, frame: NDArray[Any], index: int, light: Sequence[BrightnessChange] = ()
    ) -> None:
        normaliser = prepare.normaliser.in_light(light) if light else prepare.normaliser
        self._rgb = normaliser.to_rgb(frame, index)
        self._gray_only = normaliser.n_channels == 1
        self.geometry, self._contrast_px = prepare.geometry, prepare.model.contrast_px
        self.scaled_shape = self.geometry.scaled_shape
        self.picture = Picture(luminance(self._rgb), self.geometry.scale)
        height, width = self.geometry.padded_shape
        channels = 3 + (self._contrast_px > 0)
        self.image: Tensor = torch.empty((channels, height, width), dtype=torch.float32, device="cpu")
        self._made = np.zeros((-(-height // _BLOCK_PX), -(-width // _BLOCK_PX)), bool)

    def need(self, regions: Iterable[Region]) -> None:
        """Make some parts of the image."""
        for region in regions:
            rows = slice(region.y // _BLOCK_PX, -(-(region.y + region.height) // _BLOCK_PX))
            columns = slice(region.x // _BLOCK_PX, -(-(region.x + region.width) // _BLOCK_PX))
            if not self._made[rows, columns].all():
                self._make(region)
                self._made[rows, columns] = True

    def shrunk(self, masks: Sequence[RegionMask], factor: int) -> NDArray[np.float32]:
        """Return block means ``(H // factor, W // factor)`` of the gray image around masks; NaN elsewhere."""
        height, width = (side // factor for side in self.geometry.scaled_shape)
        out = np.full((height, width), np.nan, np.float32)
        self.need(mask.region for mask in masks)
        for mask in masks:
            spans = []
            for span, limit in zip(mask.region.slices, (height, width), strict=True):
                spans.append((-(-span.start // factor), min(limit, span.stop // factor)))
            (top, bottom), (left, right) = spans
            inside = self.image[:3, top * factor : bottom * factor, left * factor : right * factor]
            gray = (inside[0] if self._gray_only else inside.mean(0)).numpy()
            out[top:bottom, left:right] = block_means(gray, factor)
        return out

    def where(self, masks: Sequence[RegionMask]) -> Picture:
        """Return where objects are, in pixels of the movie: what `Picture.weight` is made of."""
        out = np.zeros(self.geometry.shape, np.float32)
        scale = self.geometry.scale
        for mask in masks:
            (y0, y1), (x0, x1) = (
                (int(np.ceil(s.start / scale)), min(limit, int(s.stop / scale)))
                for s, limit in zip(mask.region.slices, self.geometry.shape, strict=True)
            )
            rows = ((np.arange(y0, y1) + 0.5) * scale).astype(int) - mask.region.y
            columns = ((np.arange(x0, x1) + 0.5) * scale).astype(int) - mask.region.x
            inside = (rows < mask.region.height), (columns < mask.region.width)
            rows, columns = rows[inside[0]], columns[inside[1]]
            window = out[y0 : y0 + len(rows), x0 : x0 + len(columns)]
            window += mask.probability.cpu().numpy()[np.ix_(rows, columns)]
        return Picture(out.clip(0, 1, out=out), scale)

    def _make(self, region: Region) -> None:
        """Fill a window of the image: scaled bilinearly, with its local contrast, repeated beyond the border."""
        spans, inner, outer = [], [], []
        for span, limit in zip(region.slices, self.geometry.scaled_shape, strict=True):
            margin = self._contrast_px // 2 + 1 if self._contrast_px else 0
            begin, end = min(span.start, limit - 1), min(span.stop, limit)
            low, high = max(0, begin - margin), min(limit, end + margin)
            spans.append((low, high))
            inner.append(slice(begin - low, end - low))
            outer.append((0, span.stop - span.start - (end - begin)))
        planes = self._rgb[:1] if self._gray_only else self._rgb
        scaled = _scaled(planes, spans, self.geometry)
        parts = [np.repeat(scaled, 3, 0) if self._gray_only else scaled]
        if self._contrast_px:
            gray = scaled[0] if self._gray_only else scaled.mean(0)
            parts.append(local_contrast(gray, self._contrast_px)[None])
        window = np.concatenate(parts)[:, inner[0], inner[1]]
        if any(after for _, after in outer):
            window = np.pad(window, ((0, 0), *outer), mode="edge")
        self.image[(slice(None), *region.slices)] = torch.from_numpy(window)


def _scaled(planes: NDArray[np.float32], spans: list[tuple[int, int]], geometry: FrameGeometry) -> NDArray[np.float32]:
    """Return a window of the scaled frame, as bilinear interpolation makes it."""
    for axis, ((low, high), size, scaled) in enumerate(
        zip(spans, geometry.shape, geometry.scaled_shape, strict=True), start=1
    ):
        if size == scaled:
            planes = np.take(planes, range(low, high), axis)
            continue
        at = np.maximum((np.arange(low, high, dtype=np.float32) + np.float32(0.5)) * np.float32(size / scaled) - 0.5, 0)
        first = np.minimum(at.astype(np.int64), size - 1)
        share = (at - first).astype(np.float32).reshape((-1, 1) if axis == 1 else (1, -1))
        before, after = np.take(planes, first, axis), np.take(planes, np.minimum(first + 1, size - 1), axis)
        planes = before * (1 - share) + after * share
    return np.ascontiguousarray(planes, np.float32)
