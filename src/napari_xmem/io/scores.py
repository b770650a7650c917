"""Scores per object and frame as CSV."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Protocol, Self

from napari_xmem.errors import OutputError
from napari_xmem.files import atomic_write
from napari_xmem.io.writer import check_output

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ScoreWriter"]


class Scored(Protocol):
    """What a frame's result must have, see `napari_xmem.engine.FrameResult`."""

    @property
    def frame(self) -> int: ...
    @property
    def object_ids(self) -> Sequence[int]: ...
    @property
    def area_px(self) -> NDArray[np.int64]: ...
    @property
    def confidence(self) -> NDArray[np.float32]: ...
    @property
    def seeded(self) -> bool: ...


class ScoreWriter:
    """Collect scores and write them, in order of frames, when the ``with`` block ends without an error.

    Parameters
    ----------
    path : str or Path
        File that ends in .csv. Columns: frame, object, area_px, confidence (0..1), seeded (0 or 1).
    overwrite : bool
        Replace what stands there.
    size : str
        Name of the third column: "volume_voxels" for volumes.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """

    def __init__(self, path: str | Path, overwrite: bool = False, size: str = "area_px") -> None:
        self.path = check_output(path, overwrite, ".csv")
        self._size = size
        self._rows: dict[tuple[int, int], tuple[int, float, int]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()

    def write(self, result: Scored) -> None:
        """Keep the scores of one frame; a frame written again is replaced."""
        for i, area, confidence in zip(result.object_ids, result.area_px, result.confidence, strict=True):
            self._rows[result.frame, int(i)] = (int(area), float(confidence), int(result.seeded))

    def close(self) -> None:
        """Write the file."""
        try:
            with atomic_write(self.path) as part, part.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(["frame", "object", self._size, "confidence", "seeded"])
                for (frame, i), (area, confidence, seeded) in sorted(self._rows.items()):
                    writer.writerow([frame, i, area, f"{confidence:.4f}", seeded])
        except OSError as error:
            raise OutputError(f"{self.path} cannot be written: {error.strerror or error}.") from error
