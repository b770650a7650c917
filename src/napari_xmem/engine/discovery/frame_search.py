"""Searching one encoded frame for objects like the examples, as long as something likely is left."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_xmem.engine.discovery.candidate_filter import ExampleKind, Ground, distinct
from napari_xmem.engine.discovery.candidate_masks import Candidate, Place, Transplanter
from napari_xmem.engine.discovery.candidate_parts import parts_of
from napari_xmem.engine.discovery.edge_strength import Outlines
from napari_xmem.engine.discovery.example_transform import Fit, spread
from napari_xmem.engine.discovery.key_similarity import Appearance, cover, likely_centres
from napari_xmem.engine.discovery.more_examples import differing, learned
from napari_xmem.engine.discovery.template_matching import Templates
from napari_xmem.engine.scopes.region_masks import RegionMask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_xmem.config import ModelConfig
    from napari_xmem.engine.division.trial_protocol import SearchHost
    from napari_xmem.engine.scopes.object_state import TrackedObject
    from napari_xmem.engine.scopes.tiling import EncodedFrame

__all__ = ["least_likeness", "likeness_to_owned", "search_frame"]

#: A place is decoded again around what was seen there, if that lies further off than this share of the radius.
_OFF_CENTRE_RADII = 0.35
#: How far a place moves to where it is most like an example, in radii.
_SETTLE_RADII = 0.5
#: Of places that have come nearer to each other than this, the one that is most like an example is looked at.
_APART_RADII = 0.6
#: Between these confidences a place is tried with other examples, and with the same one fitted to what was seen; what
#: is less sure is none with any of them.
_DOUBTFUL, _FITTED = (0.3, 0.8), (0.15, 0.8)
#: Searches of what is left: least distance between places, in radii, and least confidence.
_ROUNDS = ((1.2, 0.8), (0.9, 0.65), (0.7, 0.0))
#: A place is new if none was looked at within so many radii with the same examples.
_TRIED_RADII = 0.5
#: In so many of them, what was found before says again what objects look like.
_FRESH_ROUNDS = 2
#: What is less sure than this share of what is asked for is not kept for later: on large frames that would be most.
_HOPELESS_SHARE = 0.5
#: A place is looked at if its likeness is at least this share of that of the examples' own pixels, within these limits.
_LIKELY_SHARE, _LIKELY = 0.5, (0.15, 0.35)
#: Given examples whose memory is asked, at most, and how many of them at one place.
MOST_EXAMPLES, _MOST_TRIES = 6, 3


def search_frame(
    host: SearchHost,
    examples: Sequence[TrackedObject],
    masks: Sequence[RegionMask],
    owner: NDArray[np.int32],
    allowed: NDArray[np.bool_],
    scaled_shape: tuple[int, int],
    least_confidence: float,
) -> list[Candidate]:
    """Return what looks like the examples and is nobody's, most confident first within a round.

    Parameters
    ----------
    host : SearchHost
        The frame, wholly encoded, the value encoder's share too.
    examples : sequence of TrackedObject
        Objects whose memory says what is looked for.
    masks : sequence of RegionMask
        All objects that are known on the frame.
    owner : ndarray, shape (H, W), int
        Ids of the objects that own the pixels of the scaled frame; 0 for nobody's.
    allowed : ndarray, shape (H, W), bool
        Pixels that may be the centre of an object found.
    scaled_shape : tuple of 2 int
        Size of the frame without padding.
    least_confidence : float
        What is less sure is left out.
    """
    stride = host.network.config.stride_px
    all_examples, examples = examples, representative(examples)
    radius = math.sqrt(float(np.median([example.area_px for example in examples])) / math.pi)
    areas, ids = [e.area_px for e in all_examples], [e.object_id for e in all_examples]
    where = cover(torch.from_numpy(allowed), stride).numpy() > 0.5
    known = _KnownExamples(host, examples, masks, owner)
    image = host.image[0].float().mean(0).cpu().numpy()
    outlines = Outlines(image, scaled_shape)
    ground, found, pool = Ground(owner > 0), list[Candidate](), list[Candidate]()
    tried, likeness = list[tuple[float, float]](), np.zeros(where.shape, np.float32)
    barren = np.zeros(owner.shape, bool)
    for number, (spacing, limit) in enumerate(_ROUNDS):
        if number < _FRESH_ROUNDS:
            likeness = likeness_to_owned(host.network.config, host.encoded, ground.owned, host.budget.similarities)
        kind = ExampleKind.of(areas, owner, ids, likeness, stride, scaled_shape, outlines)
        least = least_likeness(kind.usual_likeness)
        free = likeness * where * (1 - cover(torch.from_numpy(ground.owned), stride).numpy())
        free *= 1 - cover(torch.from_numpy(barren), stride).numpy()
        centres = [(y * stride, x * stride) for y, x in likely_centres(free, radius / stride, spacing, least)]
        if known.learn(found):
            tried.clear()
        centres = [c for c in centres if kind.may_hold_one(c, radius) and not _near(c, tried, _TRIED_RADII * radius)]
        tried += centres
        seen = _look(known, kind, centres, radius)
        for c in seen:
            if c.area_px and not kind.may_become_one(c):
                barren[c.region.slices] |= c.inside
        seen = [c for c in seen if c.confidence >= _HOPELESS_SHARE * least_confidence and _within(allowed, c)]
        pool += seen
        several = [c for c in seen if kind.may_become_one(c) and kind.may_be_several(c)]
        pool += [part for c in several for part in parts_of(c, radius)]
        accepted, pool = ground.accept(pool, kind, max(least_confidence, limit))
        found += accepted
    return found


def likeness_to_owned(
    model: ModelConfig, encoded: EncodedFrame, owned: NDArray[np.bool_], similarities: int
) -> NDArray[np.float32]:
    """Return how much key cells ``(h, w)`` look like what is owned ``(H, W)``, 1 everywhere if that cannot be said."""
    appearance = Appearance.of(encoded, owned, model.stride_px, model.nominal_diameter_px or 40, similarities)
    if appearance is None:
        return np.ones((owned.shape[0] // model.stride_px, owned.shape[1] // model.stride_px), np.float32)
    return appearance.likeness(encoded, similarities)


def least_likeness(usual: float) -> float:
    """Return how alike a place must be to be looked at, where `usual` is what the examples' own pixels are."""
    return min(max(_LIKELY_SHARE * usual, _LIKELY[0]), _LIKELY[1])


class _KnownExamples:
    """The examples of a search: those given, and those that it found itself."""

    def __init__(
        self,
        host: SearchHost,
        examples: Sequence[TrackedObject],
        masks: Sequence[RegionMask],
        owner: NDArray[np.int32],
    ) -> None:
        self.host, self.masks, self.labels = host, list(masks), owner.copy()
        self.examples = list(examples)
        self._considered = 0
        self._prepare()

    def _prepare(self) -> None:
        host, shape = self.host, (self.labels.shape[0], self.labels.shape[1])
        stride = host.network.config.stride_px
        banks = [example.bank.fork() for example in self.examples]  # a read counts usage
        self.transplanter = Transplanter(host.network, host.encoded, self.examples, banks, shape, host.budget)
        self.templates = Templates(host.encoded, self.examples, self.labels, stride)
        self.spreads = [spread(self.labels == e.object_id) for e in self.examples]

    def fitted(self, seen: Candidate, example: int) -> Place:
        """Return the place of an example turned and stretched to what was seen."""
        inside = seen.inside
        rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        extent = (float(rows[-1] + 1 - rows[0]), float(columns[-1] + 1 - columns[0]))
        return Place(example, seen.centre_px, Fit.of(self.spreads[example], spread(inside), extent))

    def learn(self, found: Sequence[Candidate]) -> bool:
        """Make examples of what was found since, where it differs from those there are; return True if there were."""
        new, self._considered = found[self._considered :], len(found)
        chosen = differing(self.host.encoded, self.examples, self.labels, new, self.host.network.config.stride_px)
        others = [m for n, m in enumerate(new) if n not in chosen]
        self.masks += [RegionMask(0, c.region, c.probability) for c in others]
        if not chosen:
            return False
        picked = [new[n] for n in chosen]
        ids = self._free_ids(len(picked))
        for i, candidate in zip(ids, picked, strict=True):
            self.labels[candidate.region.slices][candidate.inside] = i
        self.examples += learned(self.host, picked, ids, self.masks)
        self.masks += [RegionMask(i, c.region, c.probability) for i, c in zip(ids, picked, strict=True)]
        self._prepare()
        return True

    def _free_ids(self, count: int) -> list[int]:
        """Return ids that no object on the frame has."""
        taken = {int(i) for i in np.unique(self.labels)}
        return list(itertools.islice((i for i in itertools.count(1) if i not in taken), count))


def representative(examples: Sequence[TrackedObject]) -> list[TrackedObject]:
    """Return the examples whose memory is asked: of many, those that spread evenly over their sizes."""
    ordered = sorted(examples, key=lambda e: (e.area_px, e.object_id))
    if len(ordered) <= MOST_EXAMPLES:
        return ordered
    return [ordered[round(k * (len(ordered) - 1) / (MOST_EXAMPLES - 1))] for k in range(MOST_EXAMPLES)]


def _look(
    known: _KnownExamples, kind: ExampleKind, centres: Sequence[tuple[float, float]], radius_px: float
) -> list[Candidate]:
    """Decode places with the example that is most alike, again around what was seen.

    What is doubtful is looked at again with the example turned and stretched to what was seen, then with others, both
    like that and as they are. What ends nowhere is left at that.
    """
    transplanter = known.transplanter
    reach = max(1, round(_SETTLE_RADII * radius_px / transplanter.network.config.stride_px))
    centres, alike = known.templates.settled(centres, reach, _APART_RADII * radius_px)
    order = np.argsort(-alike, axis=1, kind="stable")
    best = transplanter.decode([Place(int(order[n, 0]), centre) for n, centre in enumerate(centres)])
    best = _again(transplanter, best, distinct(best, [n for n, c in enumerate(best) if c.area_px]), radius_px)
    clear = [kind.may_become_one(c) for c in best]
    left = distinct(best, [n for n in range(len(best)) if clear[n]])
    for turn in range(min(_MOST_TRIES, len(transplanter.examples))):
        low, high = _DOUBTFUL if turn else _FITTED
        doubtful = [n for n in left if low <= best[n].confidence < high]
        places = [known.fitted(best[n], int(order[n, turn])) for n in doubtful]
        if turn:
            places += [Place(place.example, place.centre_px) for place in places]
        for n, candidate in zip(itertools.cycle(doubtful), transplanter.decode(places), strict=False):
            if candidate.confidence > best[n].confidence:
                best[n] = candidate
    return best


def _near(centre: tuple[float, float], places: Sequence[tuple[float, float]], reach_px: float) -> bool:
    """Return True if one of the places lies within reach."""
    return any((centre[0] - y) ** 2 + (centre[1] - x) ** 2 < reach_px**2 for y, x in places)


def _within(allowed: NDArray[np.bool_], candidate: Candidate) -> bool:
    y, x = (min(max(0, int(c)), side - 1) for c, side in zip(candidate.centre_px, allowed.shape, strict=True))
    return bool(allowed[y, x])


def _again(
    transplanter: Transplanter, seen: list[Candidate], chosen: Sequence[int], radius_px: float
) -> list[Candidate]:
    """Decode chosen places once more where what was seen lies off the place that was looked at."""
    off = [n for n in chosen if math.dist(seen[n].centre_px, seen[n].place.centre_px) > _OFF_CENTRE_RADII * radius_px]
    moved = transplanter.decode([Place(seen[n].place.example, seen[n].centre_px) for n in off])
    out = list(seen)
    for n, candidate in zip(off, moved, strict=True):
        if candidate.confidence > seen[n].confidence:
            out[n] = candidate
    return out
