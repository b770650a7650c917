"""A picture of some frames with the outlines of their labels, and of the family trees of their cells."""

from __future__ import annotations

import colorsys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from napari_xmem.errors import InputError, OutputError
from napari_xmem.files import atomic_write
from napari_xmem.imaging import IntensityNormaliser, resize_image, resize_labels
from napari_xmem.io.tree_picture import draw_trees

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_xmem.imaging import FrameSource
    from napari_xmem.tracking import Lineage

__all__ = ["Overview", "label_color", "outlines"]

_BACKGROUND = (24, 26, 30)
_GAP_PX = 10
_CAPTION_PX = 24
_TINT = 0.22


def label_color(object_id: int) -> tuple[int, int, int]:
    """Return a bright colour for an object; ids that follow each other look different."""
    hue = (object_id * 0.61803398875 + 0.1) % 1.0
    light = (0.62, 0.55, 0.70)[object_id % 3]
    red, green, blue = colorsys.hls_to_rgb(hue, light, 0.95)
    return round(red * 255), round(green * 255), round(blue * 255)


def outlines(labels: NDArray[Any], width_px: int = 1) -> NDArray[np.bool_]:
    """Mark pixels of objects (Y, X) that lie within `width_px` of another label or background."""
    low = ndimage.minimum_filter(labels, size=2 * width_px + 1, mode="nearest")
    high = ndimage.maximum_filter(labels, size=2 * width_px + 1, mode="nearest")
    return (labels > 0) & (low != high)


class Overview:
    """Draw chosen frames, side by side, with the outlines of their labels in colours that stay with the objects.

    Parameters
    ----------
    source : FrameSource
        The movie.
    frames : sequence of int
        Frames to show.
    tile_px : int, optional
        Longer side of a frame in the picture, in pixels; by default so that four, or two wide ones, stand in a row.
    """

    def __init__(self, source: FrameSource, frames: Sequence[int], tile_px: int | None = None) -> None:
        self._source, self._frames = source, tuple(frames)
        rows, columns = source.frame_shape
        self._columns = 4 if columns <= 1.5 * rows else 2
        self._tile_px = tile_px or (380 if self._columns == 4 else 640)
        self._normaliser: IntensityNormaliser | None = None
        self._tiles: dict[int, Image.Image] = {}
        self._lineage: Lineage | None = None

    @classmethod
    def of_range(cls, source: FrameSource, start: int, stop: int, n_frames: int = 8) -> Self:
        """Show up to `n_frames` frames spread evenly over ``start`` to ``stop - 1``."""
        chosen = np.unique(np.linspace(start, stop - 1, min(n_frames, stop - start)).round().astype(int))
        return cls(source, [int(t) for t in chosen])

    def add(self, frame: int, labels: NDArray[Any], seeded: bool = False) -> None:
        """Draw the labels (Y, X) of a frame; frames that were not chosen are passed over."""
        if frame not in self._frames:
            return
        if self._normaliser is None:
            self._normaliser = IntensityNormaliser.fit(self._source, (0.5, 99.7))
        rgb = self._normaliser.to_rgb(self._source.read(frame))
        scale = self._tile_px / max(labels.shape)
        shape = (max(1, round(labels.shape[0] * scale)), max(1, round(labels.shape[1] * scale)))
        picture = np.clip(np.moveaxis(resize_image(rgb, shape), 0, -1), 0, 1) ** 0.8
        small = resize_labels(labels, shape)
        ids, index = np.unique(small, return_inverse=True)
        colors = np.array([label_color(int(i)) for i in ids], np.float32)[index.reshape(shape)] / 255
        inside, edge = small > 0, outlines(small)
        picture[inside] = (1 - _TINT) * picture[inside] + _TINT * colors[inside]
        picture[edge] = colors[edge]
        self._tiles[frame] = self._captioned(picture, f"frame {frame}" + (" (seeds)" if seeded else ""))

    def set_tree(self, lineage: Lineage) -> None:
        """Draw the family trees of the cells that divide below the frames; if none divides, nothing."""
        self._lineage = lineage if lineage.divisions else None

    def save(self, path: str | Path) -> None:
        """Write the picture as PNG.

        Raises
        ------
        InputError
            If no frame was drawn.
        OutputError
            If the file cannot be written.
        """
        if not self._tiles:
            raise InputError("the overview holds no frame: none of the chosen ones was labelled.")
        target = Path(path)
        try:
            with atomic_write(target) as part:
                self._montage().save(part, format="PNG")
        except OSError as error:
            raise OutputError(f"{target} cannot be written: {error.strerror or error}.") from error

    def _captioned(self, picture: NDArray[np.float32], text: str) -> Image.Image:
        rows, columns = picture.shape[:2]
        tile = Image.new("RGB", (columns, rows + _CAPTION_PX), _BACKGROUND)
        tile.paste(Image.fromarray((picture * 255).round().astype(np.uint8)), (0, _CAPTION_PX))
        ImageDraw.Draw(tile).text((2, 3), text, fill=(225, 228, 232), font=ImageFont.load_default(15))
        return tile

    def _montage(self) -> Image.Image:
        tiles = [self._tiles[t] for t in sorted(self._tiles)]
        width, height = tiles[0].size
        n_rows = -(-len(tiles) // self._columns)
        wide = -(-len(tiles) // n_rows)
        size = (wide * (width + _GAP_PX) + _GAP_PX, n_rows * (height + _GAP_PX) + _GAP_PX)
        tree = None if self._lineage is None else draw_trees(self._lineage, size[0] - 2 * _GAP_PX, label_color)
        below = 0 if tree is None else tree.height + _GAP_PX
        sheet = Image.new("RGB", (size[0], size[1] + below), _BACKGROUND)
        for k, tile in enumerate(tiles):
            row, column = divmod(k, wide)
            sheet.paste(tile, (_GAP_PX + column * (width + _GAP_PX), _GAP_PX + row * (height + _GAP_PX)))
        if tree is not None:
            sheet.paste(tree, (_GAP_PX, size[1]))
        return sheet
