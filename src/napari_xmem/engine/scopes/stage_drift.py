"""Shift of the whole frame from one frame to the next: stage drift and jumps."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from scipy import fft, ndimage

from napari_xmem.engine.scopes.comparison_picture import Frame, Picture
from napari_xmem.imaging.block_means import block_means

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = [
    "DriftTracker",
    "Views",
    "estimate_drift",
    "farther_candidates",
    "packed_pictures",
    "unpacked_pictures",
]

_LEAST_OVERLAP = 0.25
_MARGIN = 0.15
_LEAST_MATCH = 0.3
_LEAST_FOCUS = 0.3
#: So many followed objects may decide against the rest of the frame: one alone may just look like another.
_MANY = 4
#: Reach, in pixels of a picture shrunk to it, and side of a part, when parts are matched each by itself.
_REACH, _PART = 8, 10


def estimate_drift(
    before: Frame | Picture,
    after: Frame | Picture,
    focus: Frame | Picture | None = None,
    reach_px: float = 0.0,
    enough: float = 1.0,
) -> tuple[float, float]:
    """Estimate by how much the picture, or what is followed in it, moved as a whole.

    Phase correlation proposes shifts; one is believed only if it matches clearly better than no shift does. A shift
    beyond `reach_px` must also match better than when every part of the picture moves by itself within that reach:
    two cells of which one is carried onto the other's place are cells that moved each on its own way. Few objects do
    not decide alone on such a shift: the whole frame must agree.

    Parameters
    ----------
    before, after : ndarray, shape (Y, X), float32, or Picture
        Two frames.
    focus : ndarray, shape (Y, X), float32, or Picture, optional
        Where the followed objects were, 0 to 1: they decide, so that dirt on the camera or an uneven background that
        stays behind does not. None: the whole frame decides.
    reach_px : float
        How far objects are looked for without any drift, in pixels; 0: not known.
    enough : float
        Where frames match so well as they are, nothing is looked for: nothing has moved farther than objects are
        looked for in any case.

    Returns
    -------
    tuple of 2 float
        y, x shift in pixels of the scaled frame: what was at ``p`` is now at ``p + shift``.

    References
    ----------
    Kuglin & Hines 1975, The phase correlation image alignment method.
    """
    before, after = Picture.of(before), Picture.of(after)
    a, b, step = before.detail, after.detail, before.step_px
    if min(a.shape) < 8 or a.shape != b.shape or not a.any() or not b.any():
        return 0.0, 0.0
    known = None if focus is None else Picture.of(focus)
    weight = np.ones_like(a) if known is None else known.weight
    stay = _match(a, b, weight, (0, 0))
    if stay >= enough:
        return 0.0, 0.0
    window = _window((a.shape[0], a.shape[1]))
    candidates = {*_peaks(a * window, b * window), *_peaks(a, b), *_peaks(a * weight, b)}
    best, shift = max(_LEAST_MATCH, stay + _MARGIN * (1 - max(stay, 0.0))), (0, 0)
    parts: _Parts | None = None
    many = known is None or ndimage.label(known.frame > 0.5)[1] >= _MANY
    for candidate in sorted(candidates):
        score = _match(a, b, weight, candidate)
        if score <= best:
            continue
        if reach_px and max(map(abs, candidate)) * step > reach_px:
            parts = _Parts(a, b, weight, reach_px / step) if parts is None else parts
            if not parts.went(candidate) or not (many or _whole_frame_agrees(a, b, candidate)):
                continue
        best, shift = score, candidate
    return float(shift[0] * step), float(shift[1] * step)


@cache
def _window(shape: tuple[int, int]) -> Frame:
    return np.asarray(np.hanning(shape[0])[:, None] * np.hanning(shape[1])[None], np.float32)


class DriftTracker:
    """The drift of every frame against the one before it, decided by where the followed objects were."""

    def __init__(self) -> None:
        self._before: Picture | None = None
        self._last: Picture | None = None
        self._focus: Picture | None = None

    def advance(self, frame: Frame | Picture, reach_px: float, enough: float = 1.0) -> tuple[float, float]:
        """Return the drift from the frame before to `frame`, see `estimate_drift`; 0 on the first frame."""
        self._last, before, self._before = self._before, self._before, Picture.of(frame)
        if before is None:
            return 0.0, 0.0
        return estimate_drift(before, self._before, self._focus, reach_px, enough)

    def skip(self) -> None:
        """Forget the frame of the last `advance`: the next one is compared with the one before it."""
        self._before = self._last

    def focus_on(self, objects: Frame | Picture) -> None:
        """Say where objects are on the frame of the last `advance`, ``(Y, X)`` from 0 to 1."""
        self._focus = Picture.of(objects)

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs."""
        return packed_pictures(before=self._before, focus=self._focus)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        self._before, self._focus = unpacked_pictures(state, "before", "focus")


def packed_pictures(**pictures: Picture | None) -> dict[str, Any]:
    """Return pictures as plain values and tensors, by name."""
    out: dict[str, Any] = {
        name: None if one is None else torch.from_numpy(np.ascontiguousarray(one.frame))
        for name, one in pictures.items()
    }
    return out | {"pixel_px": next((one.pixel_px for one in pictures.values() if one is not None), 1.0)}


def unpacked_pictures(state: Mapping[str, Any], *names: str) -> tuple[Picture | None, ...]:
    """Return what `packed_pictures` made; states that are older than pictures hold scaled frames."""
    pixel_px = float(state.get("pixel_px", 1.0))
    return tuple(None if state[n] is None else Picture(state[n].cpu().numpy().copy(), pixel_px) for n in names)


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """Two frames as they are compared: shrunk, without slow background.

    Attributes
    ----------
    before, after : ndarray, shape (Y, X), float32
        The two.
    weight : ndarray, shape (Y, X), float32
        1 where followed objects were, and a little around them; 1 everywhere where that is not known.
    step_px : float
        Pixels of the scaled frame per pixel of these.
    """

    before: Frame
    after: Frame
    weight: Frame
    step_px: float

    @classmethod
    def of(cls, before: Frame | Picture, after: Frame | Picture, focus: Frame | Picture | None = None) -> Self:
        """Shrink two frames ``(Y, X)``; `focus` as for `estimate_drift`."""
        before, after = Picture.of(before), Picture.of(after)
        weight = np.ones_like(before.detail) if focus is None else Picture.of(focus).weight
        return cls(before.detail, after.detail, weight, before.step_px)

    @property
    def comparable(self) -> bool:
        """True if there is something on the first frame to compare with."""
        return min(self.before.shape) >= 8 and float(self.before.std()) > 0

    @property
    def contrast(self) -> float:
        """Contrast of the second frame as a share of the first one's."""
        return float(self.after.std() / max(self.before.std(), 1e-20))

    def match(self, shift_px: tuple[float, float]) -> float:
        """Return how well the frames match, -1 to 1, if the second is shifted by `shift_px` against the first."""
        return _match(self.before, self.after, np.ones_like(self.before), self._shrunk(shift_px))

    def match_focus(self, shift_px: tuple[float, float]) -> float:
        """Return how well the places match where objects were."""
        return _match(self.before, self.after, self.weight, self._shrunk(shift_px))

    def resemblance(self, shift_px: tuple[float, float]) -> float:
        """Return how alike the places are where objects were and would be, -1 to 1, whatever share leaves the frame.

        Measured in the frames and in their difference, in which what is fixed to the detector is gone: the better one.
        """
        shift, change = self._shrunk(shift_px), self.after - self.before
        share = _share(self.weight, shift)
        pairs = ((self.before, self.after), (-change, change))
        return max(_match(a, b, self.weight, shift) for a, b in pairs) / np.sqrt(share) if share else -1.0

    def _shrunk(self, shift_px: tuple[float, float]) -> tuple[int, int]:
        return round(shift_px[0] / self.step_px), round(shift_px[1] / self.step_px)


def farther_candidates(views: Views, count: int = 3) -> list[tuple[float, float]]:
    """Propose shifts of what was followed, in pixels, best first: what stays where it is has no say.

    In the difference of two frames all that is fixed to the detector (stripes, dirt, burnt-in text) is gone; what
    moved is there twice, dark where it was and bright where it is.
    """
    change = views.after - views.before
    was = -change * views.weight
    scored = sorted({(_match(-change, change, views.weight, c), c) for c in _peaks(was, change, 2 * count)})
    out: list[tuple[int, int]] = []
    for score, candidate in reversed(scored):
        if score > 0 and all(max(abs(candidate[0] - y), abs(candidate[1] - x)) > 3 for y, x in out):
            out.append(candidate)
    return [(float(y * views.step_px), float(x * views.step_px)) for y, x in out[:count]]


def _whole_frame_agrees(a: Frame, b: Frame, shift: tuple[int, int]) -> bool:
    """Return True if all that is seen, followed or not, fits the shift better than none."""
    everything = np.ones_like(a)
    return _match(a, b, everything, shift) > _match(a, b, everything, (0, 0))


def _peaks(a: Frame, b: Frame, count: int = 3) -> list[tuple[int, int]]:
    """Return the strongest shifts of the phase correlation, with the ones they stand for across the border."""
    cross = fft.rfft2(b) * np.conj(fft.rfft2(a))
    surface = fft.irfft2(cross / np.maximum(np.abs(cross), 1e-9 * np.abs(cross).max() + 1e-20), s=a.shape)
    surface = ndimage.gaussian_filter(surface, 1.0, mode="wrap")
    found = []
    for _ in range(count):
        y, x = np.unravel_index(int(surface.argmax()), surface.shape)
        found += [(int(y) - wy, int(x) - wx) for wy in (0, a.shape[0]) for wx in (0, a.shape[1])]
        surface[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3] = -np.inf
    return found


def _overlap(shape: tuple[int, ...], shift: tuple[int, int]) -> tuple[tuple[slice, ...], tuple[slice, ...]] | None:
    """Return which part of the first frame lies on which part of the second; None for too little."""
    before, after = [], []
    for step, size in zip(shift, shape, strict=True):
        if size - abs(step) < _LEAST_OVERLAP * size:
            return None
        before.append(slice(max(0, -step), size - max(0, step)))
        after.append(slice(max(0, step), size - max(0, -step)))
    return tuple(before), tuple(after)


def _share(weight: Frame, shift: tuple[int, int]) -> float:
    """Return how much of the weight stays on the frame; 0 for too little."""
    overlap, total = _overlap(weight.shape, shift), float(weight.sum())
    share = 0.0 if overlap is None or not total else float(weight[overlap[0]].sum()) / total
    return share if share >= (_LEAST_FOCUS if weight.min() < 1 else 0.0) else 0.0


def _match(a: Frame, b: Frame, weight: Frame, shift: tuple[int, int]) -> float:
    """Return the weighted correlation of the overlapping parts times the root of their share, -1 for too little."""
    overlap, share = _overlap(a.shape, shift), _share(weight, shift)
    if overlap is None or not share:
        return -1.0
    x, y, w = a[overlap[0]], b[overlap[1]], weight[overlap[0]]
    total = float(w.sum())
    x = x - (w * x).sum() / total
    y = y - (w * y).sum() / total
    norm = float(np.sqrt((w * x * x).sum() * (w * y * y).sum()))
    # a match of few remaining pixels says little
    return float(np.sqrt(share) * (w * x * y).sum() / norm) if norm > 0 else -1.0


class _Parts:
    """The picture in parts of about an object's size, each matched by itself within reach of some place."""

    def __init__(self, a: Frame, b: Frame, weight: Frame, reach_px: float) -> None:
        self.factor = max(1, round(reach_px / _REACH))
        self.reach = max(1, round(reach_px / self.factor))
        a, self.b, self.weight = (block_means(frame, self.factor) for frame in (a, b, weight))
        self.known = np.maximum(self._sums(self.weight), 1e-6)
        self.x = a * self.weight
        self.mean = self._sums(self.x) / self.known
        self.variance = np.maximum(self._sums(self.x * a) / self.known - self.mean**2, 0.0)
        self.contrast = self.known * self.variance
        self.here = self._best(self.b)
        # what look-alikes reach wherever one looks
        self.chance = self._best(np.roll(self.b, (self.b.shape[0] // 2, self.b.shape[1] // 2), axis=(0, 1)))

    def went(self, shift: tuple[int, int]) -> bool:
        """Return True if the parts match better where the shift brings them than where they were."""
        overlap = _overlap(self.b.shape, (round(shift[0] / self.factor), round(shift[1] / self.factor)))
        if overlap is None:
            return False
        moved, inside = np.zeros_like(self.b), np.zeros_like(self.b)
        moved[overlap[0]], inside[overlap[0]] = self.b[overlap[1]], self.weight[overlap[0]]
        left = np.clip(self._sums(inside) / self.known, 0.0, 1.0)
        there = left * self._best(moved) + (1 - left) * self.chance  # nothing is known of what leaves the frame
        return float((self.contrast * (there - self.here)).sum()) > 0

    def _best(self, b: Frame) -> NDArray[np.float64]:
        """Return each part's best correlation."""
        padded, best = np.pad(b, self.reach, mode="edge"), np.full(self.known.shape, -1.0)
        for dy in range(2 * self.reach + 1):
            for dx in range(2 * self.reach + 1):
                y = padded[dy : dy + b.shape[0], dx : dx + b.shape[1]]
                mean = self._sums(self.weight * y) / self.known
                variance = self._sums(self.weight * y * y) / self.known - mean**2
                covariance = self._sums(self.x * y) / self.known - self.mean * mean
                found = covariance / np.sqrt(np.maximum(variance * self.variance, 1e-20))
                np.maximum(best, found, out=best)
        return best

    def _sums(self, values: Frame) -> NDArray[np.float64]:
        """Sum over each part; the last of a row or column may be smaller."""
        rows = np.add.reduceat(values.astype(np.float64), np.arange(0, values.shape[0], _PART), axis=0)
        return np.asarray(np.add.reduceat(rows, np.arange(0, values.shape[1], _PART), axis=1), np.float64)
