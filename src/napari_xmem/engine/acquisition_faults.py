"""Collects what is seen of frames while they are read: by the frames themselves, by their light and by the scope."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from napari_xmem.imaging.acquisition import Finding, FindingKind
from napari_xmem.imaging.frame_inspector import FrameInspector

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_xmem.engine.scopes.region_masks import FrameLabels
    from napari_xmem.imaging import BrightnessChange

__all__ = ["AcquisitionWatch"]

#: The light has changed from one frame to the next: by so many times, or by so much of the movie's range.
_GAIN, _OFFSET = 1.2, 0.15
#: The frame's own intensities have changed by at least this share of it.
_CONFIRMED = 0.4
#: The field has moved at once: by so many pixels, and by so many times more than it usually moves.
_SHIFT_PX, _SHIFT = 3.0, 3.0
_USUAL_FRAMES = 15


class AcquisitionWatch:
    """Says of each frame of a pass what is wrong with it."""

    def __init__(self) -> None:
        self._inspector = FrameInspector()
        self._light, self._levels = (1.0, 0.0), (0.0, 0.0)
        self._ways: list[float] = []

    def look(
        self, pixels: NDArray[Any], frame: int, found: FrameLabels, changes: Sequence[BrightnessChange]
    ) -> tuple[Finding, ...]:
        """Return what is wrong with a frame.

        Parameters
        ----------
        pixels : ndarray, shape (Y, X) or (Y, X, C)
            As they are read.
        frame : int
            Index in the movie.
        found : FrameLabels
            What the scope made of it.
        changes : sequence of BrightnessChange
            How its light differs from that of the movie's beginning, per channel.
        """
        seen = list(self._inspector.look(pixels, frame))
        if found.not_believed is not None:
            return (*seen, Finding(FindingKind(found.not_believed[0]), frame))
        return (*seen, *self._compare_light(frame, changes), *self._compare_place(frame, found.drift_px))

    def _compare_light(self, frame: int, changes: Sequence[BrightnessChange]) -> list[Finding]:
        n = max(1, len(changes))
        gain = math.exp(sum(math.log(change.gain) for change in changes) / n)
        offset = sum(change.offset for change in changes) / n
        before, self._light = self._light, (gain, offset)
        (middle, span), self._levels = self._levels, self._inspector.levels
        found: list[Finding] = []
        if span <= 0 or self._levels[1] <= 0:
            return found
        # where frames cannot be compared, as after a jump, the light is counted from there: nothing has changed then
        step, added = math.log(gain / before[0]), offset - before[1]
        wider, higher = math.log(self._levels[1] / span), (self._levels[0] - middle) / span
        if abs(step) > math.log(_GAIN) and wider / step > _CONFIRMED:
            found.append(Finding(FindingKind.GAIN, frame, math.exp(step)))
        if abs(added) > _OFFSET and higher / added > _CONFIRMED:
            found.append(Finding(FindingKind.LAMP, frame, added))
        return found

    def _compare_place(self, frame: int, drift_px: tuple[float, float]) -> list[Finding]:
        way = math.hypot(*drift_px)
        usual = sorted(self._ways)[len(self._ways) // 2] if self._ways else 0.0
        self._ways = [*self._ways, way][-_USUAL_FRAMES:]
        if way <= max(_SHIFT_PX, _SHIFT * usual):
            return []
        return [Finding(FindingKind.SHIFT, frame, way, *drift_px)]
