"""Seeds in any of the three accepted forms become frames of labels."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.errors import SeedError
from napari_xmem.imaging.labels import MAX_ID, object_areas
from napari_xmem.imaging.reading import read_part

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["check_labels", "check_not_an_image", "normalise_seeds"]

#: More single pixels than this share of all pixels, or more than this share of touching foreground pixels that differ
#: in their label: that is an image. In labels of cells neighbours belong together, but for the outlines.
_MOST_PIXELS, _MOST_DIFFERENT = 0.05, 0.6
#: Fewer objects, or fewer touching pixels, prove nothing.
_FEW_OBJECTS, _FEW_PAIRS = 50, 500


def normalise_seeds(
    seeds: Any,
    n_frames: int,
    frame_shape: tuple[int, int],
    start: int | None = None,
) -> dict[int, NDArray[np.int64]]:
    """Bring seeds into the form {frame: labels}.

    Parameters
    ----------
    seeds : mapping or array_like
        ``{frame: (Y, X) labels}``; or a (T, Y, X) stack in which all-zero frames are unannotated (read frame by frame);
        or one (Y, X) image for frame `start`. Integer or bool (then one object, 1) of any width.
    n_frames : int
        Frames of the movie.
    frame_shape : tuple of 2 int
        Rows and columns of its frames, in pixels.
    start : int, optional
        Frame of a single (Y, X) image; 0 where not given.

    Returns
    -------
    dict
        Frame index, ascending, to labels (Y, X), int64, 0 background, up to 2**31 - 1. Only frames with labels.

    Raises
    ------
    SeedError
        If there are no labels at all, a shape or frame does not fit, values are negative, too large or floats, or the
        first frame with labels looks like an image (see `check_not_an_image`).
    """
    seeds = _opened(seeds, n_frames)
    if isinstance(seeds, Mapping):
        found = _from_mapping(seeds, n_frames, frame_shape)
    else:
        array = seeds if hasattr(seeds, "shape") and hasattr(seeds, "dtype") else _as_array(seeds)
        if array.ndim == 2:
            found = _from_mapping({0 if start is None else start: array}, n_frames, frame_shape)
        elif array.ndim == 3:
            found = _from_stack(array, n_frames, frame_shape)
        else:
            raise SeedError(
                f"seeds have shape {tuple(array.shape)}; expected one frame (Y, X) = {tuple(frame_shape)}, "
                f"a stack (T, Y, X) = {(n_frames, *frame_shape)} or a mapping {{frame: labels}}."
            )
    if not found:
        raise SeedError("seeds are empty: no pixel is above 0 on any frame; draw at least one object.")
    first = next(iter(found))
    check_not_an_image(found[first], f"seeds of frame {first}")
    return found


def _opened(seeds: Any, n_frames: int) -> Any:
    """Take the labels out of what `open_labels` returned; refuse paths, and say what to do with them."""
    if isinstance(seeds, (str, bytes, os.PathLike)):
        raise SeedError(f"seeds are a {type(seeds).__name__}; open a file first: open_labels({str(seeds)[:80]!r}).")
    if not (hasattr(seeds, "data") and hasattr(seeds, "axes") and hasattr(seeds, "path")):
        return seeds
    frames, labels = getattr(seeds, "frames", None) or (), seeds.data
    some = len(labels.shape) == 3 and 0 < len(frames) == labels.shape[0] < n_frames
    if some and all(0 <= frame < n_frames for frame in frames):
        return {frame: read_part(labels, place, f"seeds of frame {frame}") for place, frame in enumerate(frames)}
    return labels


def check_labels(labels: Any, frame_shape: tuple[int, int], name: str = "seeds") -> NDArray[np.int64]:
    """Check one frame of labels and return it as int64 (Y, X).

    Parameters
    ----------
    labels : array_like, (Y, X)
        Integers or bool.
    frame_shape : tuple of 2 int
        Expected rows and columns.
    name : str
        What to call the labels in messages.

    Raises
    ------
    SeedError
        If shape, dtype or values do not fit.
    """
    array = _as_array(labels, name)
    if array.shape != tuple(frame_shape):
        hint = " (rows and columns are swapped: transpose them)" if array.shape == tuple(frame_shape)[::-1] else ""
        raise SeedError(
            f"{name} have shape {array.shape}, expected {tuple(frame_shape)} like the movie's frames{hint}."
        )
    if array.dtype.kind == "f" and np.isfinite(array).all() and (array == np.round(array)).all():
        if abs(array).max(initial=0) > MAX_ID:
            raise SeedError(f"{name} hold {array.max():g}, expected at most {MAX_ID} (2**31 - 1); relabel them.")
        warnings.warn(f"{name} are whole numbers of dtype {array.dtype}; they are taken as labels.", stacklevel=3)
        array = array.astype(np.int64)
    if array.dtype.kind not in "bui":
        raise SeedError(_not_integers(array, name))
    if array.size and array.dtype.kind == "i" and int(array.min()) < 0:
        raise SeedError(f"{name} hold {int(array.min())}; labels are 0 for background and above 0 for objects.")
    if array.size and array.dtype.itemsize >= 4 and int(array.max()) > MAX_ID:
        raise SeedError(
            f"{name} hold the label {int(array.max())}, expected at most {MAX_ID} (2**31 - 1); relabel them."
        )
    return array.astype(np.int64)


def check_not_an_image(labels: NDArray[Any], name: str = "seeds") -> None:
    """Refuse labels (Y, X) that look like an image: the movie given in place of its seeds, for example.

    Raises
    ------
    SeedError
        If most objects are single pixels and there are more of them than 5 % of the pixels, or more than 60 % of the
        object pixels with another one on their right differ from it; in both cases only from 50 objects on.
    """
    ids, areas = object_areas(labels)
    if ids.size < _FEW_OBJECTS:
        return
    left, right = labels[:, :-1], labels[:, 1:]
    touching = (left > 0) & (right > 0)
    pairs = int(touching.sum())
    different = int((touching & (left != right)).sum())
    specks = np.median(areas) <= 1 and ids.size > _MOST_PIXELS * labels.size
    if not specks and (pairs < _FEW_PAIRS or different <= _MOST_DIFFERENT * pairs):
        return
    raise SeedError(
        f"{name} hold {ids.size} objects of {np.median(areas):g} pixels each (median), scattered like the pixels of an "
        "image; expected labels, one number per object. Was the movie given in place of its seeds?"
    )


def _as_array(labels: Any, name: str = "seeds") -> NDArray[Any]:
    if hasattr(labels, "shape") and hasattr(labels, "dtype"):
        return read_part(labels, ..., name)
    try:
        return np.asarray(labels)
    except ValueError as error:
        raise SeedError(f"{name} are no regular array ({error}); expected labels (Y, X) or (T, Y, X).") from error


def _not_integers(array: NDArray[Any], name: str) -> str:
    text = f"{name} have dtype {array.dtype}, expected integers"
    if array.dtype.kind != "f":
        return f"{text}."
    return f"{text}; their values are fractions or not finite, so this is an image rather than labels."


def _from_mapping(
    seeds: Mapping[Any, Any], n_frames: int, frame_shape: tuple[int, int]
) -> dict[int, NDArray[np.int64]]:
    found = {}
    for frame in seeds:
        if isinstance(frame, bool) or not isinstance(frame, (int, np.integer)):
            raise SeedError(f"seeds are given for frame {frame!r}, expected a whole number.")
        if not 0 <= frame < n_frames:
            raise SeedError(f"seeds are given for frame {frame}, but the movie has frames 0 to {n_frames - 1}.")
    for frame in sorted(seeds):
        labels = check_labels(seeds[frame], frame_shape, f"seeds of frame {frame}")
        if labels.any():
            found[int(frame)] = labels
    return found


def _from_stack(stack: Any, n_frames: int, frame_shape: tuple[int, int]) -> dict[int, NDArray[np.int64]]:
    n_labelled = int(stack.shape[0])
    if tuple(stack.shape[1:]) == tuple(frame_shape) and n_labelled < n_frames:
        raise SeedError(
            f"seeds are labels of {n_labelled} frames (shape {tuple(stack.shape)}) for a movie of {n_frames}. If they "
            f"belong to frames 0 to {n_labelled - 1}, say so with --seeds-axes TYX; else pass {{frame: labels}}."
        )
    if tuple(stack.shape) != (n_frames, *frame_shape):
        raise SeedError(
            f"seeds have shape {tuple(stack.shape)}, expected {(n_frames, *frame_shape)} like the movie; "
            "for labels of some frames only pass {frame: labels}."
        )
    found = {}
    for frame in range(n_frames):
        name = f"seeds of frame {frame}"
        labels = check_labels(read_part(stack, frame, name), frame_shape, name)
        if labels.any():
            found[frame] = labels
    return found
