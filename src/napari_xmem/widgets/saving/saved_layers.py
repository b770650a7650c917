"""Labels layers as parts of a file: every plane that holds a label, and where the layer lies."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from napari_xmem.widgets.layers.label_colours import colours_of, own_colormap
from napari_xmem.widgets.layers.result_layer import zeros

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["SavedLayer", "pack_labels", "place_of", "unpack_labels"]

#: Labels of a frame beyond this many bytes, unpacked, are not believed.
_MOST_BYTES = 4_000_000_000


@dataclass(frozen=True, slots=True)
class SavedLayer:
    """A Labels layer without its pixels.

    Attributes
    ----------
    name : str
        Its name.
    shape : tuple of int
        Shape of its data.
    dtype : str
        Type of its data.
    place : dict
        Scale, translation and so on, as arguments of a layer.
    metadata : dict
        What runs say about it; empty for seeds.
    visible : bool
        It is shown.
    contour : int
        Width of its outlines; 0: filled.
    colours : dict of str to int
        Object to its place among the colours of results; empty where the layer has others.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    place: dict[str, Any]
    metadata: dict[str, Any] = field(default_factory=dict)
    visible: bool = True
    contour: int = 0
    colours: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of_layer(cls, layer: Any, metadata: dict[str, Any]) -> Self:
        """Describe a layer; `metadata` is what is kept of its own."""
        data = layer.data
        shape = tuple(int(n) for n in data.shape)
        dtype = np.dtype(data.dtype).str
        colours = {str(i): place for i, place in colours_of(layer).items()}
        visible, contour = bool(layer.visible), int(layer.contour)
        return cls(layer.name, shape, dtype, place_of(layer), metadata, visible, contour, colours)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Read what `dataclasses.asdict` gave; raises `ValueError`, `KeyError` or `TypeError` for all else."""
        shape = tuple(int(n) for n in values["shape"])
        if len(shape) < 2 or any(n < 1 for n in shape) or np.dtype(values["dtype"]).kind not in "iu":
            raise ValueError(f"labels of shape {shape} and type {values['dtype']}")
        colours = {str(int(i)): int(place) for i, place in dict(values.get("colours", {})).items()}
        return cls(**{**values, "shape": shape, "colours": colours})

    @property
    def arguments(self) -> dict[str, Any]:
        """Where it lies and how it looks, as arguments of a layer."""
        arrays = ("rotate", "shear", "affine")
        place = {name: np.array(value) if name in arrays else value for name, value in self.place.items()}
        if self.colours:
            place["colormap"] = own_colormap({int(i): colour for i, colour in self.colours.items()})
        return place

    def write_planes(self, file: zipfile.ZipFile, folder: str, data: Any) -> None:
        """Write every plane (rows and columns) of the layer's data that holds a label."""
        for number, index in _planes(self.shape):
            plane = np.asarray(data[index])
            if plane.any():
                file.writestr(f"{folder}/{number:06d}.npz", pack_labels(plane))

    def read_planes(self, file: zipfile.ZipFile, folder: str) -> NDArray[Any]:
        """Return the layer's data.

        Raises
        ------
        ValueError, KeyError
            If the file holds something else.
        OutputError
            If there is no room for it.
        """
        data = zeros(self.shape, self.dtype)
        indices = dict(_planes(self.shape))
        for member in file.namelist():
            if member.startswith(f"{folder}/"):
                number = int(member.removeprefix(f"{folder}/").removesuffix(".npz"))
                data[indices[number]] = unpack_labels(file, member, self.shape[-2:])
        return data


def place_of(layer: Any) -> dict[str, Any]:
    """Return where a layer lies, as plain values that are arguments of a layer."""
    return {
        "scale": [float(v) for v in layer.scale],
        "translate": [float(v) for v in layer.translate],
        "rotate": np.asarray(layer.rotate).tolist(),
        "shear": np.asarray(layer.shear).tolist(),
        "affine": np.asarray(layer.affine.affine_matrix).tolist(),
        "units": [str(unit) for unit in layer.units],
        "axis_labels": [str(label) for label in layer.axis_labels],
    }


def pack_labels(labels: NDArray[Any]) -> bytes:
    """Return labels (Y, X), compressed."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, labels=labels)
    return buffer.getvalue()


def unpack_labels(file: zipfile.ZipFile, member: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return labels (Y, X) of a shape; raises `ValueError` or `KeyError` if they are something else."""
    if file.getinfo(member).file_size > min(_MOST_BYTES, 16 * math.prod(shape) + 4096):
        raise ValueError(f"{member} is larger than a frame")
    with np.load(io.BytesIO(file.read(member)), allow_pickle=False) as held:
        labels: NDArray[Any] = held["labels"]
    if labels.shape != tuple(shape) or labels.dtype.kind not in "iu":
        raise ValueError(f"{member} holds labels {labels.shape} of {labels.dtype}, expected {tuple(shape)}")
    return labels


def _planes(shape: tuple[int, ...]) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield number and index of every plane of rows and columns."""
    yield from enumerate(np.ndindex(*shape[:-2]))
