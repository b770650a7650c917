"""Choosing between the two scopes, and saying why."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_xmem.config import ModelConfig, Scope

__all__ = ["choose_scope"]

MANY_OBJECTS = 10
LARGE_FRAME_PX = 1_200_000


def choose_scope(scope: Scope, model: ModelConfig, n_objects: int, shape: tuple[int, int]) -> tuple[str, str]:
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
    """
    size = f"{shape[0]} x {shape[1]} px"
    if scope != "auto":
        return scope, f"{scope}: as asked for."
    if model.nominal_diameter_px:
        return "local", f"local: the model {model.name} was trained to follow each object in its own region."
    if n_objects > MANY_OBJECTS:
        return "local", f"local: {n_objects} objects, more than {MANY_OBJECTS}, cost too much on whole frames."
    if shape[0] * shape[1] > LARGE_FRAME_PX:
        return "local", f"local: frames of {size} are large for whole-frame matching."
    return "global", f"global: {n_objects} objects on frames of {size} can be matched on whole frames."
