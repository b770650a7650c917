"""A picture of family trees: time downwards, a column for each cell, colours as in the frames above it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from napari_xmem.tracking.tree_layout import dividing_founders, tree_columns

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_xmem.tracking import Lineage

__all__ = ["draw_trees"]

_BACKGROUND = (24, 26, 30)
_TEXT = (225, 228, 232)
_LINK = (120, 126, 134)
_MARGIN_PX = 44
_HEAD_PX = 22
_MOST_COLUMN_PX = 44


def draw_trees(
    lineage: Lineage, width_px: int, colour_of: Callable[[int], tuple[int, int, int]], height_px: int = 260
) -> Image.Image:
    """Draw the families that divide.

    Parameters
    ----------
    lineage : Lineage
        The cells; those of families in which nothing divides are left out.
    width_px, height_px : int
        Size of the picture in pixels.
    colour_of : callable
        Red, green, blue, 0 to 255, of an id.

    Returns
    -------
    Image
        RGB picture.
    """
    picture = Image.new("RGB", (width_px, height_px), _BACKGROUND)
    draw = ImageDraw.Draw(picture)
    columns = tree_columns(lineage, dividing_founders(lineage))
    if not columns:
        return picture
    font = ImageFont.load_default(13)
    first = min(lineage.first_frame[i] for i in columns)
    last = max(lineage.last_frame[i] for i in columns)
    step_x = min(_MOST_COLUMN_PX, (width_px - _MARGIN_PX - 10) / len(columns))
    step_y = (height_px - _HEAD_PX - 12) / max(1, last - first)

    def x_of(cell: int) -> float:
        return _MARGIN_PX + (columns[cell] + 0.5) * step_x

    def y_of(frame: float) -> float:
        return _HEAD_PX + (frame - first) * step_y

    for frame in (first, last):
        draw.text((2, y_of(frame) - 8), f"{frame:4d}", fill=_TEXT, font=font)
    draw.text((2, 1), "frame", fill=_LINK, font=font)
    for mother, daughters in lineage.daughters.items():
        if mother not in columns:
            continue
        born = min(lineage.first_frame[i] for i in daughters)
        reach = [x_of(i) for i in (mother, *daughters)]
        draw.line([(min(reach), y_of(born - 0.5)), (max(reach), y_of(born - 0.5))], fill=_LINK, width=1)
    for cell, column in columns.items():
        x, top, bottom = x_of(cell), y_of(lineage.first_frame[cell]), y_of(lineage.last_frame[cell])
        if cell in lineage.parents:
            top = y_of(lineage.first_frame[cell] - 0.5)
        if cell in lineage.daughters:
            bottom = max(bottom, y_of(min(lineage.first_frame[i] for i in lineage.daughters[cell]) - 0.5))
        draw.line([(x, top), (x, max(bottom, top + 1))], fill=colour_of(cell), width=4)
        if step_x >= 22 or column % 2 == 0:
            draw.text((x - 4 * len(str(cell)), 1), str(cell), fill=colour_of(cell), font=font)
    return picture
