"""Choosing between the two scopes, and saying why."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_xmem.config import ModelConfig, Scope

__all__ = ["choose_scope"]

#: More objects, or larger frames in pixels, than this are followed in regions of their own, by kind of device: whole
#: frames cost a CPU seconds per object, and need memory that grows with the square of their pixels.
_MANY_OBJECTS = {"cpu": 10, "mps": 15, "cuda": 30}
_LARGE_FRAME_PX = {"cpu": 1_200_000, "mps": 1_600_000, "cuda": 2_400_000}


def choose_scope(
    scope: Scope, model: ModelConfig, n_objects: int, shape: tuple[int, int], device: str = "cpu"
) -> tuple[str, str]:
    """Return "local" or "global", and the reason in a sentence.

    Parameters
    ----------
    scope : {"auto", "local", "global"}
        What was asked for.
    model : ModelConfig
        A model with a nominal object diameter was trained on regions.
    n_objects : int
        Objects seeded.
    shape : tuple of 2 int
        Frame size in pixels.
    device : {"cpu", "cuda", "mps"}
        Kind of device.
    """
    size, place = f"{shape[0]} x {shape[1]} px", device.upper()
    if scope != "auto":
        return scope, f"{scope}: as asked for."
    if model.nominal_diameter_px:
        return "local", f"local: the model {model.name} was trained to follow each object in its own region."
    most, largest = _MANY_OBJECTS.get(device, 10), _LARGE_FRAME_PX.get(device, 1_200_000)
    if n_objects > most:
        return "local", f"local: {n_objects} objects, more than {most}, cost too much on whole frames on {place}."
    if shape[0] * shape[1] > largest:
        return "local", f"local: frames of {size} are too large for whole-frame matching on {place}."
    return "global", f"global: {n_objects} objects on frames of {size} can be matched on whole frames on {place}."
