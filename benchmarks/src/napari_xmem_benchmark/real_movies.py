"""Real cells for the benchmark: movies, and still pictures that drift."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["movie_size", "real_movie"]


def real_movie(name: str, n_frames: int) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """Read as many frames of real cells as wanted.

    Parameters
    ----------
    name : str
        An npz file with ``frames`` (T, Y, X) and ``labels`` (T, Y, X), which is run through to and fro; or ``FILE:N``
        for the pair ``img_N``, ``lab_N`` of a file of still pictures, which drifts to the right, a pixel every second
        frame, under fresh noise of one per cent.
    n_frames : int
        How many.

    Returns
    -------
    frames : ndarray, shape (T, Y, X)
        The movie.
    labels : ndarray, shape (Y, X), int32
        Seeds of frame 0.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    path, _, number = name.partition(".npz:")
    try:
        if number:
            with np.load(f"{path}.npz", allow_pickle=False) as file:
                return _drifting(file[f"img_{number}"], n_frames), file[f"lab_{number}"].astype(np.int32)
        with np.load(name, allow_pickle=False) as file:
            frames, labels = file["frames"], file["labels"][0].astype(np.int32)
    except (OSError, KeyError, ValueError) as error:
        raise InputError(
            f"{name}: cannot be read ({error}); expected an npz file with frames and labels, or FILE.npz:N for one "
            "with img_N and lab_N."
        ) from error
    turn = max(1, 2 * len(frames) - 2)
    places = [t % turn if t % turn < len(frames) else turn - t % turn for t in range(n_frames)]
    return frames[places], labels


def movie_size(name: str) -> tuple[int, int, int]:
    """Return height, width and seeds of a movie for `real_movie`."""
    frames, labels = real_movie(name, 1)
    return frames.shape[1], frames.shape[2], int(np.unique(labels).size - 1)


def _drifting(image: NDArray[Any], n_frames: int) -> NDArray[np.float32]:
    rng, contrast = np.random.default_rng(0), float(np.ptp(image))
    frames = np.stack([np.roll(image, t // 2, axis=1) for t in range(n_frames)]).astype(np.float32)
    return (frames + 0.01 * contrast * rng.normal(size=frames.shape)).astype(np.float32)
