"""Labels of another program, with other ids on every frame: they propose cells, our memory decides who is who."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.engine.scopes.seed_masks import seed_regions
from napari_xmem.errors import SeedError
from napari_xmem.imaging import check_labels, check_not_an_image, object_boxes
from napari_xmem.imaging.reading import read_part

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_xmem.engine.scopes.preprocess import FrameGeometry
    from napari_xmem.engine.scopes.region_masks import RegionMask
    from napari_xmem.engine.scopes.regions import Region

__all__ = ["GivenDetections"]


class GivenDetections:
    """Detections of a movie, read frame by frame.

    Parameters
    ----------
    stack : array_like, shape (T, Y, X), integer
        Labels; ids of different frames need have nothing to do with each other.
    n_frames : int
        Frames of the movie.
    frame_shape : tuple of 2 int
        Its rows and columns.

    Raises
    ------
    SeedError
        If the stack does not fit the movie.
    """

    def __init__(self, stack: Any, n_frames: int, frame_shape: tuple[int, int]) -> None:
        stack = stack if hasattr(stack, "shape") else np.asarray(stack)
        if tuple(stack.shape) != (n_frames, *frame_shape):
            raise SeedError(
                f"detections have shape {tuple(stack.shape)}, expected {(n_frames, *frame_shape)} like the movie: "
                "labels of every frame."
            )
        self._stack, self._shape, self._looked_at = stack, frame_shape, False

    def labels(self, frame: int) -> NDArray[np.int64]:
        """Return the detections of a frame, (Y, X).

        Raises
        ------
        SeedError
            If they are no labels.
        """
        name = f"detections of frame {frame}"
        found = check_labels(read_part(self._stack, frame, name), self._shape, name)
        if not self._looked_at and found.any():
            check_not_an_image(found, name)
            self._looked_at = True
        return found

    def first(self, frames: range) -> dict[int, NDArray[np.int64]]:
        """Return the detections of the first frame that has any, as seeds.

        Raises
        ------
        SeedError
            If none has.
        """
        for frame in frames:
            labels = self.labels(frame)
            if labels.any():
                return {frame: labels}
        raise SeedError(f"detections are empty on frames {frames.start} to {frames.stop - 1}.")

    def fingerprint(self, frame: int) -> str:
        """Return a short text that tells these detections from others, by one frame of them."""
        return f"{zlib.crc32(self.labels(frame).tobytes()):08x}"

    def proposals(
        self,
        frame: int,
        owner: NDArray[np.int32],
        geometry: FrameGeometry,
        region_for: Callable[[tuple[float, float], tuple[float, float]], Region],
        free_share: float,
    ) -> list[tuple[RegionMask, bool]]:
        """Return the detections of a frame that are mostly nobody's.

        Parameters
        ----------
        frame : int
            Index in the movie.
        owner : ndarray, shape (H, W), int
            Ids of the objects that own the pixels of the scaled frame; 0 for nobody's.
        geometry : FrameGeometry
            Sizes of the frames.
        region_for : callable
            As for `seed_regions`.
        free_share : float
            Share of its pixels that must be nobody's.

        Returns
        -------
        list of (RegionMask, bool)
            The mask of each, and whether it touches the border of the picture.
        """
        labels, (height, width) = self.labels(frame), geometry.shape
        rows, columns = (
            np.minimum(((np.arange(side) + 0.5) * geometry.scale).astype(np.intp), limit - 1)
            for side, limit in zip(geometry.shape, owner.shape, strict=True)
        )
        free = owner[np.ix_(rows, columns)] == 0
        ids, inverse = np.unique(labels, return_inverse=True)
        inverse = inverse.reshape(labels.shape)
        share = np.bincount(inverse.ravel(), free.ravel()) / np.bincount(inverse.ravel())
        wanted = (ids > 0) & (share >= free_share)
        boxes = object_boxes(labels)
        at_border = {i: b[0] == 0 or b[1] == 0 or b[2] == height or b[3] == width for i, b in boxes.items()}
        masks = seed_regions(np.where(wanted[inverse], labels, 0), geometry, region_for)
        return [(mask, bool(at_border[mask.object_id])) for mask in masks]
