"""Labels as a script has them: an array, a result, or what was opened from a file."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from napari_xmem.config.settings import shown
from napari_xmem.errors import InputError

__all__ = ["given_labels"]


def given_labels(labels: Any, name: str) -> Any:
    """Return labels as an array that can be read frame by frame.

    Parameters
    ----------
    labels : array_like, PropagationResult or Movie
        ``(T, Y, X)`` or ``(T, Z, Y, X)`` integers; a result or what `napari_xmem.open_labels` returned gives its own.
    name : str
        What the caller calls them, for messages.

    Raises
    ------
    InputError
        If there are no labels in it.
    """
    if not hasattr(labels, "shape") and hasattr(labels, "labels") and hasattr(labels, "scores"):
        labels = labels.labels
    elif hasattr(labels, "axes") and hasattr(labels, "path"):
        labels = labels.data
    if isinstance(labels, (list, tuple)):
        try:
            labels = np.asarray(labels)
        except ValueError as error:
            raise InputError(f"{name}: frames have different shapes, expected labels (T, Y, X).") from error
    if not isinstance(getattr(labels, "shape", None), tuple):
        hint = ""
        if isinstance(labels, (str, os.PathLike)):
            hint = " Open a file first: open_labels(path)."
        elif hasattr(getattr(labels, "data", None), "shape"):
            hint = " Pass its labels: .data."
        raise InputError(
            f"{name}: {shown(labels)}, expected labels (T, Y, X), a result, or what open_labels returns.{hint}"
        )
    return labels
