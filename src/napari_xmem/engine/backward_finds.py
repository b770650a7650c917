"""Objects that the way back found on frames which the way forward yields later."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.engine.division import pack_happenings, unpack_happenings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_xmem.engine.results import FrameResult

__all__ = ["LateObjects"]

#: What is left of an object where others leave less room than this share of it is nothing of it.
_LEAST_FREE = 0.3


class LateObjects:
    """Objects that a pass found on frames of a later pass, as pixel lists, until that pass comes there.

    With them go the divisions of mothers that the later pass does not know.
    """

    def __init__(self) -> None:
        self._pixels: dict[int, list[tuple[int, NDArray[Any], float]]] = {}
        self._happened: dict[int, dict[str, Any]] = {}

    def put(self, found: FrameResult, known: set[int]) -> None:
        """Keep the objects of a frame that are not in `known`."""
        late = [(i, row) for row, i in enumerate(found.object_ids) if i not in known and found.area_px[row]]
        self._pixels[found.frame] = [
            (i, np.flatnonzero(found.labels == i), float(found.confidence[row])) for i, row in late
        ]
        unknown = {event.mother for event in found.events if event.mother is not None} - known
        if unknown:
            told = replace(
                found,
                births=tuple(birth for birth in found.births if birth[1] in unknown),
                ends=tuple(end for end in found.ends if end[0] in unknown),
                events=tuple(event for event in found.events if event.mother in unknown),
            )
            self._happened[found.frame] = pack_happenings(told)

    def merge(self, result: FrameResult, dtype: Any) -> FrameResult:
        """Add the kept objects of a frame where the forward result left room."""
        kept = [late for late in self._pixels.pop(result.frame, []) if late[0] not in result.object_ids]
        happened = self._happened.pop(result.frame, None)
        if happened is not None:
            more = unpack_happenings(happened)
            result = replace(
                result,
                births=(*result.births, *more["births"]),
                ends=(*result.ends, *more["ends"]),
                events=(*result.events, *more["events"]),
            )
        if not kept:
            return result
        labels = result.labels.copy()
        area, confidence = list(result.area_px), list(result.confidence)
        for object_id, pixels, score in kept:
            free = pixels[labels.flat[pixels] == 0]
            free = free if len(free) >= _LEAST_FREE * len(pixels) else free[:0]
            labels.flat[free] = object_id
            area.append(len(free))
            confidence.append(score if len(free) else 0.0)
        return replace(
            result,
            labels=labels.astype(dtype, copy=False),
            object_ids=(*result.object_ids, *(i for i, _, _ in kept)),
            area_px=np.array(area, np.int64),
            confidence=np.array(confidence, np.float32),
        )

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that is kept, as arrays for `from_arrays`.

        Returns
        -------
        dict
            `frames`, `object_ids`, `sizes` (n,) int64 and `confidence` (n,) float64 of the objects, in order, and their
            `pixels` one after the other, int64; `happened` is text.
        """
        rows = [(frame, *kept) for frame, objects in self._pixels.items() for kept in objects]
        pixels = [pixels for _, _, pixels, _ in rows]
        return {
            "frames": np.array([row[0] for row in rows], np.int64),
            "object_ids": np.array([row[1] for row in rows], np.int64),
            "sizes": np.array([len(p) for p in pixels], np.int64),
            "confidence": np.array([row[3] for row in rows], np.float64),
            "pixels": np.concatenate([np.zeros(0, np.int64), *pixels]).astype(np.int64),
            "happened": np.array(json.dumps(self._happened)),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> LateObjects:
        """Return what `to_arrays` described."""
        late = cls()
        ends = np.cumsum(arrays["sizes"])
        pixels = np.split(arrays["pixels"], ends[:-1]) if len(ends) else []
        for frame, i, confidence, where in zip(
            arrays["frames"], arrays["object_ids"], arrays["confidence"], pixels, strict=True
        ):
            late._pixels.setdefault(int(frame), []).append((int(i), where, float(confidence)))
        late._happened = {int(frame): told for frame, told in json.loads(str(arrays["happened"])).items()}
        return late
