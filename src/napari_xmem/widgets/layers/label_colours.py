"""Colours of a result: neighbours differ, for colour-blind eyes too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.colormaps import DirectLabelColormap

from napari_xmem.imaging import object_areas, object_centres

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = [
    "PALETTE",
    "ResultColormap",
    "choose_colours",
    "colours_of",
    "give_colours",
    "own_colormap",
    "warm_up_colours",
]

#: Seven colours that can be told apart with any kind of colour vision (Okabe and Ito 2008, without black).
PALETTE = np.array(
    [
        [0.902, 0.624, 0.000, 1.0],
        [0.337, 0.706, 0.914, 1.0],
        [0.000, 0.620, 0.451, 1.0],
        [0.941, 0.894, 0.259, 1.0],
        [0.000, 0.447, 0.698, 1.0],
        [0.835, 0.369, 0.000, 1.0],
        [0.800, 0.475, 0.655, 1.0],
    ],
    np.float32,
)
#: What has no colour yet: an object that was painted a moment ago.
_NEW = np.ones(4, np.float32)


def choose_colours(
    centres: NDArray[np.float64], taken: Mapping[int, int], n_colours: int = len(PALETTE)
) -> dict[int, int]:
    """Choose a colour for each object without one: that whose nearest holder is farthest away.

    Parameters
    ----------
    centres : ndarray, shape (N, 2)
        Centres of all objects of a frame, in pixels.
    taken : mapping of int to int
        Index of an object to its colour, of those that have one.
    n_colours : int
        Colours to choose from.

    Returns
    -------
    dict of int to int
        Index of an object to its colour, of those that had none.
    """
    chosen: dict[int, int] = {}
    nearest_px = np.full((len(centres), n_colours), np.inf)  # of each object to the nearest holder of each colour

    def give(i: int, colour: int) -> None:
        distances = np.hypot(*(centres - centres[i]).T)
        np.minimum(nearest_px[:, colour], distances, out=nearest_px[:, colour])

    for i, colour in taken.items():
        give(i, colour)
    for i in range(len(centres)):
        if i not in taken:
            chosen[i] = int(nearest_px[i].argmax())
            give(i, chosen[i])
    return chosen


class ResultColormap(DirectLabelColormap):
    """Colours by id, whose table for thumbnails is made at once.

    napari goes through all values of 16 bits one by one, a tenth of a second for which the window stands still,
    whenever an object is new.
    """

    def _map_precast(self, values: NDArray[Any], apply_selection: bool) -> NDArray[np.float32]:
        colours = self._values_mapping_to_minimum_values_set(apply_selection)[1]
        numbers = np.fromiter(colours, np.int64, len(colours))
        table = np.zeros((int(numbers.max()) + 1, 4), np.float32)
        table[numbers] = [colours[number] for number in numbers.tolist()]
        return table[values]


def own_colormap(colours: Mapping[int, int] | None = None) -> ResultColormap:
    """Return the colours of a result: none, or as `colours_of` gave them."""
    given = {i: PALETTE[place % len(PALETTE)] for i, place in (colours or {}).items()}
    return ResultColormap(color_dict={0: np.zeros(4, np.float32), None: _NEW, **given})


def colours_of(layer: Any) -> dict[int, int]:
    """Return object to place in `PALETTE`; empty for a layer that has other colours."""
    if not isinstance(layer.colormap, ResultColormap):
        return {}
    return {i: _place(colour) for i, colour in layer.colormap.color_dict.items() if i}


def _place(colour: NDArray[np.float32]) -> int:
    return int(np.abs(PALETTE - colour).sum(1).argmin())


def warm_up_colours() -> None:
    """Let napari compile what draws labels of a result; it takes a second or more, the first time."""
    own_colormap().map(np.zeros((2, 2), np.uint16))


def give_colours(layer: Any, labels: NDArray[Any]) -> None:
    """Give a colour to each object of a frame that has none; colours that a user chose for the layer stay.

    Parameters
    ----------
    layer : Labels layer
        A result; nothing is done unless it has colours as `own_colormap` makes them.
    labels : ndarray, shape (Y, X)
        Labels of the frame.
    """
    if not isinstance(layer.colormap, DirectLabelColormap):
        return
    known = layer.colormap.color_dict
    ids = object_areas(labels)[0].tolist()
    if all(i in known for i in ids):
        return
    centres = object_centres(labels, ids)
    taken = {k: _place(known[i]) for k, i in enumerate(ids) if i in known}
    new = {ids[k]: PALETTE[colour] for k, colour in choose_colours(centres, taken).items()}
    layer.colormap = ResultColormap(color_dict={**known, **new})
