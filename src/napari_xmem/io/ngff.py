"""Metadata of OME-Zarr (NGFF 0.4 and 0.5): images of several levels, plates and wells, labels, units.

They are read and written here rather than by a library: `ome-zarr` and `ngff-zarr` write arrays that are there as a
whole, while labels come frame by frame and in any order, and the former pins a pydantic that napari does not take.
"""

from __future__ import annotations

import colorsys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = [
    "child_paths",
    "image_label",
    "label_names",
    "level_scale",
    "multiscale",
    "multiscale_of",
    "ngff_unit",
    "ome_attributes",
    "ome_unit",
]

#: Names of units as NGFF has them, and their signs, the first of which OME-XML has.
_UNITS = {
    "angstrom": ("Å", "a"),
    "picometer": ("pm", "picometre"),
    "nanometer": ("nm", "nanometre", "nanometers"),
    "micrometer": ("µm", "um", "μm", "micron", "microns", "micrometre", "micrometers", "\\u00b5m"),
    "millimeter": ("mm", "millimetre", "millimeters"),
    "centimeter": ("cm", "centimetre"),
    "meter": ("m", "metre"),
    "inch": ("in",),
}
_BY_SIGN = {sign: name for name, signs in _UNITS.items() for sign in (name, *signs)}
#: Steps of hue that keep neighbours apart: the golden ratio.
_HUE_STEP = 0.61803398875


def ngff_unit(unit: str | None) -> str | None:
    """Return a unit of length as NGFF calls it ("micrometer"); one that is not known as it is."""
    return None if not unit else _BY_SIGN.get(unit, _BY_SIGN.get(unit.lower(), unit))


def ome_unit(unit: str | None) -> str | None:
    """Return a unit of length as OME-XML calls it ("µm"); one that is not known as it is."""
    name = ngff_unit(unit)
    return _UNITS[name][0] if name in _UNITS else name


def ome_attributes(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what OME says about a group: under "ome" since 0.5, at the top before."""
    ome = attributes.get("ome")
    return ome if isinstance(ome, dict) else attributes


def multiscale_of(attributes: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the first image of several levels that a group is; None: it is none."""
    for place in (attributes, ome_attributes(attributes)):
        found = place.get("multiscales")
        if isinstance(found, list) and found and isinstance(found[0], dict):
            return found[0]
    return None


def child_paths(attributes: Mapping[str, Any]) -> list[str] | None:
    """Return the groups of a plate's wells, or of a well's fields; None: a group is neither."""
    about = ome_attributes(attributes)
    for kind, inside in (("plate", "wells"), ("well", "images")):
        listed = about.get(kind)
        if isinstance(listed, dict) and isinstance(listed.get(inside), list):
            return [str(entry["path"]) for entry in listed[inside] if isinstance(entry, dict) and "path" in entry]
    return None


def label_names(attributes: Mapping[str, Any]) -> list[str]:
    """Return the names that a group of labels lists."""
    listed = ome_attributes(attributes).get("labels")
    return [str(name) for name in listed] if isinstance(listed, list) else []


def level_scale(image: Mapping[str, Any], level: Mapping[str, Any]) -> list[float] | None:
    """Return the size of an element of a level along each axis: its own scale times that of the whole image.

    Raises
    ------
    KeyError, TypeError, ValueError
        If it makes no sense.
    """
    sizes: list[float] | None = None
    for place in (level, image):
        for transform in place.get("coordinateTransformations") or ():
            if transform.get("type") == "scale":
                factors = [float(n) for n in transform["scale"]]
                sizes = factors if sizes is None else [a * b for a, b in zip(sizes, factors, strict=True)]
    return sizes


def multiscale(
    name: str, ndim: int, factors: Sequence[int], sizes: Sequence[float], unit: str | None, seconds: bool
) -> dict[str, Any]:
    """Return the metadata of an image (T, Y, X) or (T, Z, Y, X) of several levels.

    Parameters
    ----------
    name : str
        What it is called.
    ndim : int
        3 or 4.
    factors : sequence of int
        How much smaller each level is along y and x, beginning with 1.
    sizes : sequence of float
        Seconds between frames, and size of an element along z, y and x; 1 where not known.
    unit : str or None
        Unit of the sizes in space.
    seconds : bool
        The size along time is known.
    """
    space = {} if unit is None else {"unit": ngff_unit(unit)}
    axes: list[dict[str, Any]] = [{"name": "t", "type": "time", **({"unit": "second"} if seconds else {})}]
    axes += [{"name": axis, "type": "space", **space} for axis in ("zyx" if ndim == 4 else "yx")]
    levels = [
        {
            "path": str(number),
            "coordinateTransformations": [
                {"type": "scale", "scale": [float(n) for n in (*sizes[:-2], sizes[-2] * factor, sizes[-1] * factor)]}
            ],
        }
        for number, factor in enumerate(factors)
    ]
    return {"name": name, "axes": axes, "datasets": levels}


def image_label(object_ids: Iterable[int], image: str | None) -> dict[str, Any]:
    """Return what makes an image one of labels: a colour for each, and where the image is that they lie on.

    Parameters
    ----------
    object_ids : iterable of int
        Labels that occur.
    image : str or None
        Path of the image's group from that of the labels.
    """
    colors = [{"label-value": int(i), "rgba": _colour(int(i))} for i in sorted(object_ids)]
    return {"colors": colors, **({} if image is None else {"source": {"image": image}})}


def _colour(object_id: int) -> list[int]:
    hue = object_id * _HUE_STEP % 1
    value = (1.0, 0.8)[object_id % 2]
    return [*(round(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.75, value)), 255]
