"""Results so far: compressed labels and scores of every frame, independent of any viewer."""

from __future__ import annotations

import threading
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from napari_xmem.engine import FrameResult, Scores
from napari_xmem.errors import SessionError
from napari_xmem.imaging import label_dtype, object_areas

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from napari_xmem.memory import MemorySnapshot

__all__ = ["FrameRecord", "PackedLabels", "ResultsStore"]

_NO_LABELS = np.zeros((0, 0), np.uint16)


@dataclass(frozen=True, slots=True)
class PackedLabels:
    """A compressed label image (Y, X): some kilobytes instead of megabytes."""

    data: bytes
    shape: tuple[int, int]
    dtype: str

    @classmethod
    def pack(cls, labels: NDArray[Any]) -> Self:
        """Compress integer labels (Y, X)."""
        largest = int(labels.max()) if labels.size else 0
        small = np.ascontiguousarray(labels, label_dtype(largest))
        return cls(zlib.compress(small.tobytes(), 1), (small.shape[0], small.shape[1]), small.dtype.str)

    def unpack(self) -> NDArray[Any]:
        """Return the labels (Y, X), uint16 while the ids fit, else int32."""
        flat = np.frombuffer(bytearray(zlib.decompress(self.data)), self.dtype)
        return flat.reshape(self.shape)

    @property
    def n_bytes(self) -> int:
        """Bytes held."""
        return len(self.data)


@dataclass(frozen=True, slots=True, eq=False)
class FrameRecord:
    """One frame of a result: a `FrameResult` whose labels are compressed."""

    packed: PackedLabels
    scores: FrameResult

    @classmethod
    def of(cls, result: FrameResult) -> Self:
        """Compress a result."""
        return cls(PackedLabels.pack(result.labels), replace(result, labels=_NO_LABELS))

    @classmethod
    def of_labels(cls, frame: int, labels: NDArray[Any], *, seeded: bool = True, confidence: float = 1.0) -> Self:
        """Return a record of labels that no run made: confidence is 1 where a person vouches for them, else NaN."""
        ids, areas = object_areas(labels)
        sure = np.full(len(ids), confidence, np.float32)
        result = FrameResult(frame, _NO_LABELS, tuple(int(i) for i in ids), areas, sure, seeded)
        return cls(PackedLabels.pack(labels), result)

    @property
    def result(self) -> FrameResult:
        """The result with its labels."""
        return replace(self.scores, labels=self.packed.unpack())


class ResultsStore:
    """The latest result of every frame; safe to read while a run writes."""

    def __init__(self) -> None:
        self._records: dict[int, FrameRecord] = {}
        self._lock = threading.Lock()

    def __contains__(self, frame: int) -> bool:
        with self._lock:
            return frame in self._records

    @property
    def frames(self) -> tuple[int, ...]:
        """Frames with a result, ascending."""
        with self._lock:
            return tuple(sorted(self._records))

    @property
    def n_bytes(self) -> int:
        """Bytes of all compressed labels."""
        with self._lock:
            return sum(record.packed.n_bytes for record in self._records.values())

    def get(self, frame: int) -> FrameRecord | None:
        """Return the record of a frame, None if there is none."""
        with self._lock:
            return self._records.get(frame)

    def put(self, frame: int, record: FrameRecord | None) -> None:
        """Replace the record of a frame; None removes it."""
        with self._lock:
            if record is None:
                self._records.pop(frame, None)
            else:
                self._records[frame] = record

    def labels(self, frame: int) -> NDArray[Any]:
        """Return the labels (Y, X) of a frame.

        Raises
        ------
        SessionError
            If the frame has no result.
        """
        record = self.get(frame)
        if record is None:
            raise SessionError(f"Frame {frame} has no result yet; propagate first.")
        return record.packed.unpack()

    def scores(self) -> Scores:
        """Return confidence and area of every object on every frame."""
        with self._lock:
            return Scores.collect([record.scores for record in self._records.values()])

    def snapshots(self, frames: Iterable[int]) -> tuple[MemorySnapshot, ...]:
        """Return memory after some frames, in that order."""
        records = [self.get(frame) for frame in frames]
        return tuple(r.scores.memory for r in records if r is not None and r.scores.memory is not None)
