"""Searching one encoded frame for objects like the examples, as long as something likely is left."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_xmem.engine.discovery.candidate_filter import ExampleKind, Ground
from napari_xmem.engine.discovery.candidate_parts import parts_of
from napari_xmem.engine.discovery.likeness import Appearance, cover, likely_centres
from napari_xmem.engine.discovery.moved_examples import Candidate, Place, Transplanter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_xmem.engine.cost.budget import Budget
    from napari_xmem.engine.scopes.object_state import TrackedObject
    from napari_xmem.engine.scopes.tiling import EncodedFrame
    from napari_xmem.model import XMem

__all__ = ["search_frame"]

#: A place is decoded again around what was seen there, if that lies further off than this share of the radius.
_OFF_CENTRE_RADII = 0.35
#: Between these confidences a place is tried with other examples; what is less sure is none with any of them.
_DOUBTFUL = (0.3, 0.8)
#: Searches of what is left: least distance between places, in radii, and least confidence.
_ROUNDS = ((1.2, 0.8), (0.9, 0.65), (0.7, 0.0))
#: What is less sure than this share of what is asked for is not kept for later: on large frames that would be most.
_HOPELESS_SHARE = 0.5
#: A place is looked at if its likeness is at least this share of that of the examples' own pixels, within these limits.
_LIKELY_SHARE, _LIKELY = 0.5, (0.15, 0.35)
#: Examples whose memory is asked, at most.
MOST_EXAMPLES = 6


def search_frame(
    network: XMem,
    encoded: EncodedFrame,
    examples: Sequence[TrackedObject],
    appearance: Appearance | None,
    owner: NDArray[np.int32],
    allowed: NDArray[np.bool_],
    scaled_shape: tuple[int, int],
    budget: Budget,
    least_confidence: float,
) -> list[Candidate]:
    """Return what looks like the examples and is nobody's, most confident first within a round.

    Parameters
    ----------
    network : XMem
        The network, in eval mode.
    encoded : EncodedFrame
        The frame.
    examples : sequence of TrackedObject
        Objects whose memory says what is looked for.
    appearance : Appearance or None
        Keys inside and around examples; None searches everywhere alike.
    owner : ndarray, shape (H, W), int
        Ids of the objects that own the pixels of the scaled frame; 0 for nobody's.
    allowed : ndarray, shape (H, W), bool
        Pixels that may be the centre of an object found.
    scaled_shape : tuple of 2 int
        Size of the frame without padding.
    budget : Budget
        How much is computed at a time.
    least_confidence : float
        What is less sure is left out.
    """
    stride = network.config.stride_px
    shape = (owner.shape[0], owner.shape[1])
    all_examples, examples = examples, representative(examples)
    radius = math.sqrt(float(np.median([example.area_px for example in examples])) / math.pi)
    likeness = np.ones((shape[0] // stride, shape[1] // stride), np.float32)
    banks = [example.bank.fork() for example in examples]  # a read counts usage
    if appearance is not None:
        likeness = appearance.likeness(encoded, budget.similarities)
    areas, ids = [e.area_px for e in all_examples], [e.object_id for e in all_examples]
    kind = ExampleKind.of(areas, owner, ids, likeness, stride, scaled_shape)
    transplanter = Transplanter(network, encoded, examples, banks, shape, budget)
    likeness = likeness * (cover(torch.from_numpy(allowed), stride).numpy() > 0.5)
    least = min(max(_LIKELY_SHARE * kind.usual_likeness, _LIKELY[0]), _LIKELY[1])
    ground, found, pool = Ground(owner > 0, kind), list[Candidate](), list[Candidate]()
    tried = set[tuple[int, int]]()
    for spacing, limit in _ROUNDS:
        free = likeness * (1 - cover(torch.from_numpy(ground.owned), stride).numpy())
        centres = [(y * stride, x * stride) for y, x in likely_centres(free, radius / stride, spacing, least)]
        centres = [c for c in centres if (int(c[0]), int(c[1])) not in tried]
        tried.update((int(y), int(x)) for y, x in centres)
        seen = _look(transplanter, centres, radius)
        seen = [c for c in seen if c.confidence >= _HOPELESS_SHARE * least_confidence]
        pool += seen
        pool += [part for c in seen if kind.may_be_several(c) for part in parts_of(c, radius)]
        accepted, pool = ground.accept(pool, max(least_confidence, limit))
        found += accepted
    return found


def representative(examples: Sequence[TrackedObject]) -> list[TrackedObject]:
    """Return the examples whose memory is asked: of many, those that spread evenly over their sizes."""
    ordered = sorted(examples, key=lambda e: (e.area_px, e.object_id))
    if len(ordered) <= MOST_EXAMPLES:
        return ordered
    return [ordered[round(k * (len(ordered) - 1) / (MOST_EXAMPLES - 1))] for k in range(MOST_EXAMPLES)]


def _look(transplanter: Transplanter, centres: Sequence[tuple[float, float]], radius_px: float) -> list[Candidate]:
    """Decode places with the middle example, again around what was seen, and doubtful ones with the other examples."""
    count = len(transplanter.examples)
    best = transplanter.decode([Place(count // 2, centre) for centre in centres])
    best = _again(transplanter, best, radius_px)
    for example in [k for k in range(count) if k != count // 2]:
        doubtful = [n for n, c in enumerate(best) if _DOUBTFUL[0] <= c.confidence < _DOUBTFUL[1]]
        if not doubtful:
            break
        other = transplanter.decode([Place(example, best[n].centre_px) for n in doubtful])
        for n, candidate in zip(doubtful, other, strict=True):
            if candidate.confidence > best[n].confidence:
                best[n] = candidate
    return best


def _again(transplanter: Transplanter, seen: list[Candidate], radius_px: float) -> list[Candidate]:
    """Decode once more where what was seen lies off the place that was looked at."""
    off = [
        n
        for n, c in enumerate(seen)
        if c.area_px and math.dist(c.centre_px, c.place.centre_px) > _OFF_CENTRE_RADII * radius_px
    ]
    moved = transplanter.decode([Place(seen[n].place.example, seen[n].centre_px) for n in off])
    out = list(seen)
    for n, candidate in zip(off, moved, strict=True):
        if candidate.confidence > seen[n].confidence:
            out[n] = candidate
    return out
