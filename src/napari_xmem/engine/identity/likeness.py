"""How much speaks for two pictures being of one individual: logarithms of odds, from what is usual in this movie."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from scipy.fft import irfft2, next_fast_len, rfft2

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_xmem.engine.identity.portraits import Past, Portrait

__all__ = ["ALL_TURNS", "TURNS", "Likeness", "Track", "student_t", "texture"]

#: Turns at which two pictures are compared, in degrees: of what is followed, and of what was found elsewhere.
TURNS, ALL_TURNS = (0.0, -12.0, 12.0, -24.0, 24.0), tuple(15.0 * n for n in range(24))
#: Shifts at which they are compared, in pixels: usually, and if one is cut.
_SHIFT, _SHIFT_CUT = 2, 7
#: Share of the smaller picture, and pixels, that must lie on the other one.
_LEAST_SHARE, _LEAST_PX = 0.5, 16
#: If one is smaller than this share of the other it may be a part of it: larger shifts are tried.
_MUCH_SMALLER = 0.75
#: Portraits that a picture is compared with, of which the best two count; strangers that it is compared with.
_COMPARED, _BEST, _STRANGERS = 4, 2, 4
#: Texture scores, as if measured once: what strangers reach, and the scatter of both; and the least scatter.
_STRANGER, _STRANGER_SCATTER, _OWN_SCATTER, _LEAST_SCATTER = 0.45, 0.18, 0.08, 0.05
#: Textures tell individuals apart only if their own scores are so much higher than strangers'.
_LEAST_GAP = 0.08
#: What an object is like after a gap is known as far as it was followed before, times this.
_KNOWN_SPANS = 2.0
#: Most that one kind of evidence can say.
_MOST_TEXTURE, _MOST_BRIGHTNESS, _MOST_AREA = 6.0, 5.0, 2.0
#: Least scatter of brightness (a share) and of the logarithm of the area, of one object; and that of all objects, as if
#: measured once.
_BRIGHTNESS, _AREA = 0.08, 0.15
_OTHER_BRIGHTNESS, _OTHER_AREA = 0.35, 0.5
#: Frames after which the scatter of brightness has grown by half.
_CHANGE_FRAMES = 20
#: Degrees of freedom of looks, and of motion: objects change course sooner than looks.
_LOOKS, _MOTION = 8.0, 3.0


def student_t(distance: float, scatter: float, freedom: float, dimensions: int = 1) -> float:
    """Return the log density of Student's t, but for a constant; its tails are heavy, as in life."""
    power = (freedom + dimensions) / 2
    return -dimensions * math.log(scatter) - power * math.log1p(distance**2 / (freedom * scatter**2))


@lru_cache(maxsize=2048)  # each is compared as itself, and again as one of the strangers of every other
def texture(one: Portrait, other: Portrait, turns: tuple[float, ...] = TURNS) -> float | None:
    """Return how alike two objects are inside, -1 to 1, whatever their outlines.

    Pearson's correlation over the pixels that both cover, the outermost left out; the best one over `turns`, in
    degrees, and small shifts.

    Returns
    -------
    float or None
        None if too little is left to compare.
    """
    picture, inside = _framed(other)
    turned = [_turned(one, turn) for turn in turns]
    pictures, insides = np.stack([p for p, _ in turned]), np.stack([i for _, i in turned])
    scores = _best_correlations(pictures, insides, picture, inside)
    return max((score for score in scores if score is not None), default=None)


@lru_cache(maxsize=512)
def _turned(portrait: Portrait, degrees: float) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the picture with a frame of emptiness, turned about its centre, and which pixels count."""
    picture, inside = _framed(portrait)
    if degrees:
        filled = np.where(inside, picture, picture[inside].mean())
        picture = ndimage.rotate(filled, degrees, reshape=False, order=1, mode="nearest")
        inside = ndimage.rotate(inside.astype(np.float32), degrees, reshape=False, order=1) > 0.6
    return picture, inside


def _framed(portrait: Portrait) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the picture with a margin of one pixel, and which pixels count: not the outermost, if enough are left."""
    inside = np.pad(portrait.inside, 1)
    eroded = ndimage.binary_erosion(inside)
    picture = np.pad(portrait.patch.astype(np.float64), 1, mode="edge")
    return picture, eroded if eroded.sum() >= _LEAST_PX else inside


def _best_correlations(
    a: NDArray[np.float64], a_inside: NDArray[np.bool_], b: NDArray[np.float64], b_inside: NDArray[np.bool_]
) -> list[float | None]:
    """Lay each of some pictures `a` ``(N, h, w)`` on `b` at all small shifts, and take the best correlation of each.

    Larger shifts are tried if one of the two is cut.
    """
    sizes, size = a_inside.sum((1, 2)), b_inside.sum()
    alike = np.minimum(sizes, size) > _MUCH_SMALLER * np.maximum(sizes, size)
    best: list[float | None] = [None] * len(a)
    for reach, rows in ((_SHIFT, np.flatnonzero(alike)), (_SHIFT_CUT, np.flatnonzero(~alike))):
        if len(rows):
            found = _correlations(a[rows], a_inside[rows], b[None], b_inside[None], reach)
            for row, least, (score, n) in zip(rows, _LEAST_SHARE * np.minimum(sizes[rows], size), found, strict=True):
                enough = n >= max(_LEAST_PX, least)
                best[row] = float(np.clip(score[enough].max(), -1.0, 1.0)) if enough.any() else None
    return best


def _correlations(
    a: NDArray[np.float64], m: NDArray[np.bool_], b: NDArray[np.float64], w: NDArray[np.bool_], reach: int
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Return Pearson's correlation of each `a` where `m` with `b` where `w`, and of how many pixels, at all shifts."""
    side = tuple(max(n, k) for n, k in zip(a.shape[1:], b.shape[1:], strict=True))
    shape = tuple(next_fast_len(n + 2 * reach, real=True) for n in side)

    def spectra(picture: NDArray[np.float64], inside: NDArray[np.bool_]) -> NDArray[np.complex128]:
        on_canvas = np.zeros((len(picture), 3, *shape))
        top, left = ((n - k) // 2 for n, k in zip(side, picture.shape[1:], strict=True))
        window = on_canvas[:, :, top : top + picture.shape[1], left : left + picture.shape[2]]
        window[:, 0], window[:, 1] = inside, picture * inside
        window[:, 2] = picture * window[:, 1]
        return rfft2(on_canvas)

    (f0, f1, f2), (g0, g1, g2) = (np.moveaxis(x, 1, 0) for x in (spectra(a, m), np.conj(spectra(b, w))))
    full = irfft2(np.stack((f0 * g0, f1 * g0, f2 * g0, f0 * g1, f0 * g2, f1 * g1)), shape)
    near = np.roll(full, (reach, reach), (2, 3))[:, :, : 2 * reach + 1, : 2 * reach + 1]
    n = np.rint(near[0])
    mean_a, square_a, mean_b, square_b, product = near[1:] / np.maximum(n, 1)
    variances = (square_a - mean_a**2) * (square_b - mean_b**2)
    return list(zip((product - mean_a * mean_b) / np.sqrt(np.maximum(variances, 1e-16)), n, strict=True))


@dataclass(frozen=True, slots=True)
class Track:
    """Where an object goes: a straight line through where it was seen last, and how far it usually strays from it.

    Attributes
    ----------
    time : int
        When it was there, in frames since the pass began.
    centre_px, velocity_px : tuple of 2 float
        That place, y and x, and the mean motion per frame.
    scatter_px : float
        Standard deviation of a step about the mean motion.
    n_steps : int
        Steps that they are known from.
    drifts : bool
        The drift of the whole frame is taken off all places: so its steps were more alike.
    """

    time: int
    centre_px: tuple[float, float]
    velocity_px: tuple[float, float]
    scatter_px: float
    n_steps: int
    drifts: bool = False

    @classmethod
    def of(cls, past: Past, latest: int = 6) -> Track:
        """Fit the line to the latest portraits; the usual scatter counts as one step of 0.08 diameters."""
        seen = past.portraits[-latest:]
        usual = 0.08 * max(past.area_px, 1.0) ** 0.5
        gaps = np.diff([float(p.time) for p in seen])
        best = None
        for drifts in (False, True):
            places = np.array([_place(p, drifts=drifts) for p in seen])
            steps = np.diff(places, axis=0) / gaps[:, None] if len(gaps) else np.zeros((0, 2))
            mean = steps.mean(0) if len(steps) else np.zeros(2)
            scatter = math.sqrt((usual**2 + float(((steps - mean) ** 2).sum()) / 2) / max(len(steps), 1))
            if best is None or scatter < best.scatter_px:
                (y, x), (v, u) = places[-1].tolist(), mean.tolist()
                best = cls(seen[-1].time, (y, x), (v, u), scatter, len(steps), drifts)
        if best is None:
            raise ValueError("a past without portraits has no track")
        return replace(best, scatter_px=max(best.scatter_px, 0.5 * usual))

    def at(self, time: int, origin_px: tuple[float, float]) -> tuple[float, float]:
        """Return where its centre should be at a time, y and x; `origin_px` is the drift of the whole frame by then."""
        k = time - self.time
        y, x = (c + k * v for c, v in zip(self.centre_px, self.velocity_px, strict=True))
        return (y + origin_px[0], x + origin_px[1]) if self.drifts else (y, x)

    def log_likelihood(self, portrait: Portrait) -> float:
        """Return how well a portrait's place fits; the line is unsure by its steps and by how well it is known."""
        k = max(abs(portrait.time - self.time), 1)
        variance = self.scatter_px**2 * (k + k * k / max(self.n_steps, 1)) + 1.0
        if not self.n_steps:
            variance += portrait.area_px * k
        y, x = self.at(portrait.time, portrait.origin_px)
        distance = math.hypot(portrait.centre_px[0] - y, portrait.centre_px[1] - x)
        return student_t(distance, math.sqrt(variance), _MOTION, 2)


def _place(portrait: Portrait, *, drifts: bool) -> tuple[float, float]:
    (y, x), (oy, ox) = portrait.centre_px, portrait.origin_px
    return (y - oy, x - ox) if drifts else (y, x)


@dataclass(frozen=True)
class Likeness:
    """Tells individuals apart by their looks, as well as that can be done in this movie.

    How much the texture of an object is like its own of before, and like that of others, is measured on the pasts that
    are given. Where both are alike, texture says nothing.

    Attributes
    ----------
    pasts : mapping of int to Past
        Objects that are to be told apart, and some others.
    gap_frames : int
        Frames over which something is recognised.
    turns : tuple of float
        Turns at which textures are compared, in degrees.
    """

    pasts: Mapping[int, Past]
    gap_frames: int = 1
    turns: tuple[float, ...] = TURNS

    def log_odds(self, portrait: Portrait, object_id: int, *, change: float = 1.0) -> float:
        """Return by how much a portrait looks more like an object than like anybody: the log of the odds.

        Parameters
        ----------
        portrait : Portrait
            What was found.
        object_id : int
            Whom it may show.
        change : float
            By what factor the brightness of all objects has changed since.
        """
        past = self.pasts[object_id]
        return (
            self._by_texture(portrait, past, object_id)
            + self._by_brightness(portrait, past, change)
            + self._by_area(portrait, past)
        )

    def _by_texture(self, portrait: Portrait, past: Past, object_id: int) -> float:
        score = _score(portrait, past, self.turns)
        if score is None:
            return 0.0
        (own, own_scatter), (others, scatter) = self._usual
        here = [
            s
            for s in (_score(portrait, p, self.turns) for p in islice(self._others(object_id), _STRANGERS))
            if s is not None
        ]
        if here:  # a plain or a blurred picture is like everybody
            others = 0.5 * (others + float(np.mean(here)))
        span = past.last.time - past.portraits[0].time
        own = others + (own - others) * min(1.0, (_KNOWN_SPANS * max(span, 1) / self.gap_frames) ** 0.5)
        if own - others < _LEAST_GAP:
            return 0.0
        score = min(score, own)
        odds = student_t(score - own, own_scatter, _LOOKS) - student_t(score - others, scatter, _LOOKS)
        return max(-_MOST_TEXTURE, min(_MOST_TEXTURE, odds))

    def _others(self, object_id: int) -> Sequence[Past]:
        return [past for i, past in self.pasts.items() if i != object_id and len(past)]

    @cached_property
    def _usual(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Mean and scatter of texture scores: of individuals with themselves over such a gap, and with others."""
        own: list[float | None] = []
        others: list[float | None] = []
        known = [past for past in self.pasts.values() if len(past)]
        for number, past in enumerate(known[: _STRANGERS + 2]):
            for portrait in past.portraits[-2:]:
                far = [p for p in past.portraits if portrait.time - p.time >= self.gap_frames]
                far = far or [p for p in past.portraits[:2] if p.time < portrait.time]
                own.append(_score(portrait, type(past)(tuple(far)), self.turns))
            others += [_score(past.last, other, self.turns) for other in known[number + 1 : number + 3]]
        mine, theirs = ([s for s in scores if s is not None] for scores in (own, others))
        stranger = (_STRANGER + sum(theirs)) / (1 + len(theirs))
        mean = float(np.mean(mine)) if mine else stranger
        own_scatter = max(_LEAST_SCATTER, _population(mine, mean, _OWN_SCATTER))
        scatter = max(_LEAST_SCATTER, _population(theirs, stranger, _STRANGER_SCATTER))
        return (mean, own_scatter), (stranger, scatter)

    def _by_brightness(self, portrait: Portrait, past: Past, change: float) -> float:
        known = [p.brightness * change for p in past.portraits]
        mean, growth = float(np.median(known)), 1 + self.gap_frames / _CHANGE_FRAMES / 2
        own = max(_BRIGHTNESS * abs(mean), 0.01, float(np.std(known))) * growth
        everyone = [p.last.brightness * change for p in self.pasts.values() if len(p)]
        middle = float(np.median(everyone))
        other = max(own, _population(everyone, middle, _OTHER_BRIGHTNESS * abs(middle)))
        return _bounded(portrait.brightness, (mean, own), (middle, other), _MOST_BRIGHTNESS)

    def _by_area(self, portrait: Portrait, past: Past) -> float:
        if not portrait.whole or not past.area_px:
            return 0.0
        known = [math.log(p.area_px) for p in past.portraits if p.whole]
        own = max(_AREA, float(np.std(known)) if known else 0.0)
        everyone = [math.log(p.area_px) for p in self.pasts.values() if p.area_px]
        middle = float(np.median(everyone))
        sizes = (math.log(past.area_px), own), (middle, max(own, _population(everyone, middle, _OTHER_AREA)))
        return _bounded(math.log(portrait.area_px), *sizes, _MOST_AREA)


def _population(values: Sequence[float], mean: float, first: float) -> float:
    """Return the standard deviation about `mean`, with one more sample that deviates by `first`."""
    return math.sqrt((first**2 + sum((v - mean) ** 2 for v in values)) / (1 + len(values)))


def _bounded(value: float, own: tuple[float, float], other: tuple[float, float], most: float) -> float:
    odds = student_t(value - own[0], own[1], _LOOKS) - student_t(value - other[0], other[1], _LOOKS)
    return max(-most, min(most, odds))


def _score(portrait: Portrait, past: Past, turns: tuple[float, ...]) -> float | None:
    """Return the texture score of a portrait with an object: the mean of its best two."""
    few = past.portraits[-_COMPARED + 1 :]
    compared = few if past.portraits[:1] == few[:1] else (past.portraits[0], *few)
    scores = sorted(s for s in (texture(portrait, p, turns) for p in compared) if s is not None)
    return float(np.mean(scores[-_BEST:])) if scores else None
