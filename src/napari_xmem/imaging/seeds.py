"""Seeds in any of the three accepted forms become frames of labels."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.errors import SeedError
from napari_xmem.imaging.labels import MAX_ID, object_areas
from napari_xmem.imaging.reading import read_part
from napari_xmem.notices import warn

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
        _check_not_masks(seeds)
        found = _from_mapping(seeds, n_frames, frame_shape)
    else:
        array = _plain(seeds if hasattr(seeds, "shape") and hasattr(seeds, "dtype") else _as_array(seeds), frame_shape)
        _check_not_one_hot(array, n_frames, frame_shape)
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
    if seeds is None or isinstance(seeds, (int, float, complex)):
        raise SeedError(
            f"seeds are {seeds!r}; expected labels: {{frame: (Y, X) labels}}, one image, a stack, or what "
            f"open_labels(path) "
            "returns."
        )
    if isinstance(seeds, (str, bytes, os.PathLike)):
        raise SeedError(f"seeds are a {type(seeds).__name__}; open a file first: open_labels({str(seeds)[:80]!r}).")
    if not (hasattr(seeds, "path") and hasattr(seeds, "axes") and hasattr(seeds, "data")):
        if not hasattr(seeds, "shape") and hasattr(getattr(seeds, "data", None), "shape"):
            raise SeedError(f"seeds are a {type(seeds).__name__}; pass its labels: .data.")
        return seeds
    frames, labels = getattr(seeds, "frames", None) or (), seeds.data
    some = len(labels.shape) == 3 and 0 < len(frames) == labels.shape[0] < n_frames
    if some and all(0 <= frame < n_frames for frame in frames):
        return {frame: read_part(labels, place, f"seeds of frame {frame}") for place, frame in enumerate(frames)}
    return labels


def _plain(array: Any, frame_shape: tuple[int, int]) -> Any:
    """Return seeds without axes of length one, and with named axes in order (T, Y, X)."""
    dims = getattr(array, "dims", None)
    if isinstance(dims, tuple) and all(isinstance(name, str) and name for name in dims):
        letters = [name[0].upper() for name in dims]
        if {"Y", "X"} <= set(letters) and len(set(letters)) == len(letters):
            order = sorted(range(len(letters)), key=lambda axis: "YX".find(letters[axis]))  # others come first
            array = array.transpose(*(dims[axis] for axis in order))
    if not isinstance(array.shape, tuple):
        raise SeedError(f"seeds are a {type(array).__name__}, expected an array or a mapping {{frame: labels}}.")
    shape = tuple(array.shape)
    if len(shape) > 2 and 1 in shape and shape[-2:] == tuple(frame_shape):
        long = tuple(n for n in shape[:-2] if n > 1)
        if len(long) <= 1 and len(long) + 2 < len(shape):
            return _as_array(array).reshape(*long, *shape[-2:])
    if len(shape) == 3 and shape[-1] == 1 and shape[:2] == tuple(frame_shape):
        return _as_array(array)[..., 0]
    return array


def _check_not_masks(seeds: Mapping[Any, Any]) -> None:
    """Refuse {object: mask}, which would be taken for {frame: labels}.

    Raises
    ------
    SeedError
        If several frames hold one object each, and these lie apart though their frames are next to each other: or all
        are bool, which has no numbers for objects.
    """
    images = [np.asarray(image) for image in seeds.values() if hasattr(image, "shape") and np.ndim(image) == 2]
    if len(images) < 2 or len(images) != len(seeds) or len({image.shape for image in images}) > 1:
        return
    single = all(image.dtype.kind == "b" for image in images) or all(_values(image) == {1} for image in images)
    if single and not _overlap(images):
        raise SeedError(
            f"seeds {{{', '.join(map(str, list(seeds)[:3]))}: mask}} hold one object on each of {len(images)} "
            f"frames, at "
            "places that have nothing in common: are the keys objects? Expected {frame: labels}; one image with all "
            "objects of a frame is made with sum(number * mask for number, mask in masks.items())."
        )


def _check_not_one_hot(array: Any, n_frames: int, frame_shape: tuple[int, int]) -> None:
    """Refuse a stack of one mask per object, which would be taken for one image per frame."""
    shape = tuple(array.shape)
    if len(shape) == 3 and shape[:2] == tuple(frame_shape) and shape[2] > 1 and shape[2] != frame_shape[1]:
        raise SeedError(
            f"seeds have shape {shape}: rows and columns come first; expected (T, Y, X) = "
            f"{(n_frames, *frame_shape)}. If the last axis is objects, one image with all of them is "
            "(masks * numpy.arange(1, n + 1)).sum(-1)."
        )
    if len(shape) != 3 or shape[1:] != tuple(frame_shape) or not 2 <= shape[0] <= min(n_frames, 256):
        return
    taken, value = np.zeros(shape[1:], bool), None
    for t in range(shape[0]):
        mask = read_part(array, t, f"seeds of frame {t}")
        values = _values(mask)
        if len(values) != 1 or value not in (None, values) or (taken & (mask != 0)).any():
            return
        taken, value = taken | (mask != 0), values
    raise SeedError(
        f"seeds are a stack of {shape[0]} masks, shape {shape}, at places that have nothing in common: is that one "
        "mask per object? Expected one image per frame; one image with all objects is "
        "sum(number * (mask > 0) for number, mask in enumerate(masks, 1)). If they are frames, pass "
        "dict(enumerate(masks))."
    )


def _values(image: NDArray[Any]) -> set[Any]:
    values = np.unique(image)
    return set(values[values != 0].tolist())


def _overlap(images: list[NDArray[Any]]) -> bool:
    """Return whether some pixel lies in two of the masks."""
    return bool((sum((image != 0).astype(np.int32) for image in images) > 1).any())


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
    if isinstance(labels, (str, bytes, os.PathLike)):
        raise SeedError(
            f"{name} are a {type(labels).__name__}; open a file first: open_labels({str(labels)[:80]!r}).data."
        )
    if not hasattr(labels, "shape") and hasattr(getattr(labels, "data", None), "shape"):
        raise SeedError(f"{name} are a {type(labels).__name__}; pass its labels: .data.")
    array = _as_array(_plain(labels, frame_shape) if hasattr(labels, "shape") else labels, name)
    if array.shape != tuple(frame_shape):
        hint = " (rows and columns are swapped: transpose them)" if array.shape == tuple(frame_shape)[::-1] else ""
        raise SeedError(
            f"{name} have shape {array.shape}, expected {tuple(frame_shape)} like the movie's frames{hint}."
        )
    if array.dtype.kind == "f" and np.isfinite(array).all() and (array == np.round(array)).all():
        if float(abs(array).max(initial=0)) > MAX_ID:
            raise SeedError(f"{name} hold {array.max():g}, expected at most {MAX_ID} (2**31 - 1); relabel them.")
        warn(f"{name} are whole numbers of dtype {array.dtype}; they are taken as labels.", stacklevel=3)
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
        _check_time_last(seeds[frame], n_frames, frame_shape)
        labels = check_labels(seeds[frame], frame_shape, f"seeds of frame {frame}")
        if labels.any():
            found[int(frame)] = labels
    return found


def _check_time_last(labels: Any, n_frames: int, frame_shape: tuple[int, int]) -> None:
    """Say that it is the movie whose axes are in another order, where its shape and that of the seeds show it."""
    shape = tuple(getattr(labels, "shape", ()))
    if len(shape) == 2 and shape == (n_frames, frame_shape[0]) and shape != tuple(frame_shape):
        raise SeedError(
            f"the movie has shape {(n_frames, *frame_shape)} and the seeds {shape}: time seems to be the movie's last "
            'axis; pass numpy.moveaxis(frames, -1, 0), or axes="YXT".'
        )


def _from_stack(stack: Any, n_frames: int, frame_shape: tuple[int, int]) -> dict[int, NDArray[np.int64]]:
    n_labelled = int(stack.shape[0])
    if tuple(stack.shape[1:]) == tuple(frame_shape) and n_labelled < n_frames:
        raise SeedError(
            f"seeds are labels of {n_labelled} frames (shape {tuple(stack.shape)}) for a movie of {n_frames}. If they "
            f"belong to frames 0 to {n_labelled - 1}, say so with --seeds-axes TYX; in Python pass {{frame: labels}}."
        )
    if tuple(stack.shape) != (n_frames, *frame_shape):
        raise SeedError(
            f"seeds have shape {tuple(stack.shape)}, expected {(n_frames, *frame_shape)} like the movie; "
            "frames without labels are 0 there. In Python, {frame: labels} gives those of some frames only."
        )
    found = {}
    for frame in range(n_frames):
        name = f"seeds of frame {frame}"
        labels = check_labels(read_part(stack, frame, name), frame_shape, name)
        if labels.any():
            found[frame] = labels
    return found
