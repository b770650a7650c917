"""Objects that hide each other: who is who afterwards is decided once, from what was known of them before."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from scipy import ndimage

from napari_xmem.engine.identity.disc_overlap import shared_by_discs
from napari_xmem.engine.identity.likeness import Likeness, Track

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_xmem.engine.identity.portraits import Past, Portrait, Scene

__all__ = ["Encounter", "Encounters", "Fragment", "Outcome", "decide", "fragments_of"]

#: Two objects hide each other if together they show less than this share of their usual area.
HIDDEN_SHARE = 0.8
#: Where they should be, they overlap by at least this share of what is missing.
_OVERLAP_SHARE = 0.75
#: Frames of touching after which the last few before now, not those before the touch, say how they were before.
_LONG_TOUCH_FRAMES, _LAST_FRAMES = 12, 3
#: Frames for which the touch of an object that is gone is remembered, and after which an encounter is given up.
_GONE_FRAMES, LONGEST_FRAMES = 3, 30
#: A part of a mask is somebody if it has this share of the smallest member's area; and together they must show this
#: share of their usual area before anything is decided.
_FRAGMENT_SHARE, _SHOWN_SHARE = 0.35, 0.65
#: So many members and parts are tried in all ways.
_MOST_MEMBERS, _MOST_FRAGMENTS = 5, 6
#: Log odds for going on as the pixels say, of objects that hid each other but little.
_KEEP_MOST, _HALF_HIDDEN = 3.0, 0.6
#: Most that motion can say of one object.
_MOST_MOTION = 6.0


@dataclass(frozen=True, slots=True, eq=False)
class Fragment:
    """A connected part of what the members of an encounter cover together.

    Attributes
    ----------
    label : int
        Whose mask most of it is so far.
    inside : ndarray, shape (Y, X), bool
        Its pixels, on the whole of a `Scene`.
    portrait : Portrait
        What it looks like.
    """

    label: int
    inside: NDArray[np.bool_]
    portrait: Portrait


@dataclass(slots=True)
class Encounter:
    """Objects that hide each other.

    Attributes
    ----------
    members : tuple of int
        Who, ascending.
    frame : int
        Frame of the movie on which they first touched.
    since : int
        The same in frames since the pass began: memories of before count.
    least_shown : float
        The smallest share of their usual area that they showed together.
    """

    members: tuple[int, ...]
    frame: int
    since: int
    least_shown: float = 1.0

    def state_dict(self) -> dict[str, Any]:
        """Return what `from_state_dict` needs."""
        names = ("frame", "since", "least_shown")
        return {"members": list(self.members)} | {name: getattr(self, name) for name in names}

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """Return the encounter that `state_dict` described."""
        members = tuple(int(i) for i in state["members"])
        return cls(members, int(state["frame"]), int(state["since"]), float(state["least_shown"]))


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """Who is who after an encounter.

    Attributes
    ----------
    encounter : Encounter
        The encounter.
    parts : dict of int to Fragment
        Every member's part; empty if it was given up.
    odds : float
        Probability of this assignment among all, 0 to 1.
    sure : dict of int to float
        Probability that a member's part is its own.
    """

    encounter: Encounter
    parts: dict[int, Fragment]
    odds: float
    sure: dict[int, float]


def fragments_of(scene: Scene, members: Sequence[int], least_px: float) -> list[Fragment]:
    """Return the connected parts of what some objects cover that have `least_px` pixels or more, the largest first."""
    parts, count = ndimage.label(np.isin(scene.ids, members))
    areas = np.bincount(parts.ravel(), minlength=count + 1)
    found = []
    for number in range(1, count + 1):
        if areas[number] < least_px:
            continue
        inside = parts == number
        label, portrait = int(np.bincount(scene.ids[inside]).argmax()), scene.portrait(inside)
        if portrait is not None:
            found.append(Fragment(label, inside, portrait))
    return sorted(found, key=lambda f: (-f.portrait.area_px, f.label))[:_MOST_FRAGMENTS]


def decide(
    encounter: Encounter, fragments: Sequence[Fragment], pasts: Mapping[int, Past], strangers: Mapping[int, Past]
) -> Outcome:
    """Weigh all ways of giving each member one part.

    The log probability of an assignment is the sum over members of how well its part fits where it was going (a
    straight line from before the encounter), and how much it looks like the member rather than like anybody. Going on
    as the pixels say is favoured by up to 3 where little was hidden.

    Parameters
    ----------
    encounter : Encounter
        Who, since when.
    fragments : sequence of Fragment
        As many as members, or more.
    pasts : mapping of int to Past
        Members as they were before.
    strangers : mapping of int to Past
        Other objects: what looks say in this movie is measured on them too.
    """
    members = encounter.members
    gap = max((f.portrait.time for f in fragments), default=0) - min(p.last.time for p in pasts.values())
    likeness = Likeness({**pasts, **strangers}, max(gap, 1))
    scores = np.zeros((len(members), len(fragments)))
    for row, i in enumerate(members):
        track = Track.of(pasts[i])
        motion = np.array([track.log_likelihood(f.portrait) for f in fragments])
        motion = np.maximum(motion, motion.max() - _MOST_MOTION)
        scores[row] = motion + [likeness.log_odds(f.portrait, i) for f in fragments]
    keep = _KEEP_MOST * min(1.0, max(0.0, (encounter.least_shown - _HALF_HIDDEN) / (HIDDEN_SHARE - _HALF_HIDDEN)))
    weighed = []
    for order in permutations(range(len(fragments)), len(members)):
        stays = all(fragments[k].label == i for i, k in zip(members, order, strict=True))
        total = sum(scores[row, k] for row, k in enumerate(order)) + keep * stays
        weighed.append((float(total), stays, order))
    weighed.sort(key=lambda item: (-item[0], not item[1], item[2]))
    best = weighed[0]
    weights = np.exp([item[0] - best[0] for item in weighed])
    weights /= weights.sum()
    sure = {
        i: float(sum(w for w, item in zip(weights, weighed, strict=True) if item[2][row] == best[2][row]))
        for row, i in enumerate(members)
    }
    parts = {i: fragments[k] for i, k in zip(members, best[2], strict=True)}
    return Outcome(encounter, parts, float(weights[0]), sure)


class Encounters:
    """Watches who touches whom, opens an encounter where objects hide each other, and closes it when they are apart."""

    def __init__(self) -> None:
        self.touching: dict[tuple[int, int], tuple[int, int, int]] = {}
        self.open: list[Encounter] = []

    @property
    def engaged(self) -> set[int]:
        """Members of open encounters."""
        return {i for encounter in self.open for i in encounter.members}

    def drop(self, objects: set[int]) -> None:
        """Forget encounters and touches of some objects: they were painted, or are no longer followed."""
        self.open = [e for e in self.open if not objects & set(e.members)]
        self.touching = {pair: told for pair, told in self.touching.items() if not objects & set(pair)}

    def advance(self, scene: Scene, frame: int, pasts: Mapping[int, Past], gone: set[int]) -> list[Outcome]:
        """Take in a frame; returns the encounters that ended on it.

        Parameters
        ----------
        scene : Scene
            The frame, with all masks as the pixels say.
        frame : int
            Its index in the movie.
        pasts : mapping of int to Past
            What is known of each object.
        gone : set of int
            Objects that are not seen here.
        """
        self._touch(scene, frame, pasts, gone)
        areas = dict(zip(*(a.tolist() for a in np.unique(scene.ids, return_counts=True)), strict=True))
        shown = {i: areas.get(i, 0) / past.area_px for i, past in pasts.items() if past.area_px}
        free = [share for i, share in shown.items() if share and not any(i in pair for pair in self.touching)]
        common = min(1.0, float(np.median(free))) if free else 1.0
        for pair, (since, began, _) in self.touching.items():
            if not all(i in pasts for i in pair):
                continue
            before = {i: pasts[i].before(self._known_until(scene.time, since)) for i in pair}
            if not all(len(past) and past.last.whole for past in before.values()) or self._at_border(scene, pair):
                continue
            share = sum(areas.get(i, 0) for i in pair) / (common * sum(past.area_px for past in before.values()))
            if share <= HIDDEN_SHARE and may_hide(scene, before, 1 - share):
                self._open(pair, began, self._known_until(scene.time, since), share)
        return self._close(scene, pasts)

    def _known_until(self, now: int, since: int) -> int:
        return since if now - since <= _LONG_TOUCH_FRAMES else now - _LAST_FRAMES

    def _touch(self, scene: Scene, frame: int, pasts: Mapping[int, Past], gone: set[int]) -> None:
        """Note who touches whom, since when, and when last; who vanishes under another touches it."""
        now = _neighbours(scene.ids)
        for i in gone:
            if i in pasts and len(pasts[i]) and scene.time - pasts[i].last.time <= _GONE_FRAMES:
                under = _under(scene, pasts[i])
                now |= {(min(i, j), max(i, j)) for j in under if j != i}
        for pair in now:
            since, began, _ = self.touching.get(pair, (scene.time, frame, 0))
            self.touching[pair] = (since, began, scene.time)
        for pair, (_, _, last) in list(self.touching.items()):
            kept = bool(gone & set(pair)) and scene.time - last <= _GONE_FRAMES
            if not (last == scene.time or kept):
                del self.touching[pair]

    def _at_border(self, scene: Scene, pair: tuple[int, int]) -> bool:
        edge = np.concatenate([scene.ids[0], scene.ids[-1], scene.ids[:, 0], scene.ids[:, -1]])
        return bool(np.isin(edge, pair).any())

    def _open(self, pair: tuple[int, int], frame: int, since: int, share: float) -> None:
        joined = [e for e in self.open if set(pair) & set(e.members)]
        members = tuple(sorted({*pair, *(i for e in joined for i in e.members)}))
        first = min([(since, frame), *((e.since, e.frame) for e in joined)])
        least = min([share, *(e.least_shown for e in joined)])
        self.open = [e for e in self.open if e not in joined]
        self.open.append(Encounter(members, first[1], first[0], least))

    def _close(self, scene: Scene, pasts: Mapping[int, Past]) -> list[Outcome]:
        ended: list[Outcome] = []
        for encounter in list(self.open):
            before = {i: pasts[i].before(encounter.since) for i in encounter.members if i in pasts}
            before = {i: past for i, past in before.items() if len(past)}
            usual = [past.area_px for past in before.values()]
            outcome = None
            if len(before) == len(encounter.members) <= _MOST_MEMBERS:
                fragments = fragments_of(scene, encounter.members, _FRAGMENT_SHARE * min(usual))
                if _are_apart(fragments, len(before), _SHOWN_SHARE * sum(usual)):
                    strangers = {i: past for i, past in pasts.items() if i not in before and len(past)}
                    outcome = decide(encounter, fragments, before, strangers)
            if outcome is None and scene.time - encounter.since > LONGEST_FRAMES:
                n = len(encounter.members)
                outcome = Outcome(encounter, {}, 1 / math.factorial(n), dict.fromkeys(encounter.members, 1 / n))
            if outcome is not None:
                self.open.remove(encounter)
                self.drop(set(encounter.members))
                ended.append(outcome)
        return ended

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs."""
        touching = [[*pair, *told] for pair, told in self.touching.items()]
        return {"touching": touching, "open": [encounter.state_dict() for encounter in self.open]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        self.touching = {(int(i), int(j)): (int(a), int(b), int(c)) for i, j, a, b, c in state["touching"]}
        self.open = [Encounter.from_state_dict(encounter) for encounter in state["open"]]


def may_hide(scene: Scene, before: Mapping[int, Past], missing: float) -> bool:
    """Return True if two objects can lie over each other as far as their area is missing, by where they should be.

    Discs of their usual areas, where their ways lead and nearer by how far they stray from them, have to share three
    quarters of what is missing. Cells that lie side by side and become smaller, as before a division, hide nothing.

    Parameters
    ----------
    scene : Scene
        The frame.
    before : mapping of int to Past
        Two objects as they were before they touched.
    missing : float
        Share of their usual area together that is not seen, 0 to 1.
    """
    tracks = [Track.of(past) for past in before.values()]
    areas = [past.area_px for past in before.values()]
    apart = math.dist(*(track.at(scene.time, scene.origin_px) for track in tracks))
    nearest = max(0.0, apart - sum(track.scatter_px for track in tracks))
    shared = shared_by_discs(nearest, *((area / math.pi) ** 0.5 for area in areas))
    return shared >= _OVERLAP_SHARE * missing * sum(areas)


def _neighbours(ids: NDArray[np.int32]) -> set[tuple[int, int]]:
    """Return pairs of objects with at most one pixel between them."""
    found: set[tuple[int, int]] = set()
    for axis in (0, 1):
        for step in (1, 2):
            a = ids[:-step] if axis == 0 else ids[:, :-step]
            b = ids[step:] if axis == 0 else ids[:, step:]
            differ = (a != b) & (a > 0) & (b > 0)
            pairs = np.unique(np.stack([np.minimum(a[differ], b[differ]), np.maximum(a[differ], b[differ])], 1), axis=0)
            found |= {(int(i), int(j)) for i, j in pairs}
    return found


def _under(scene: Scene, past: Past) -> set[int]:
    """Return who is where an object should be now."""
    y, x = Track.of(past).at(scene.time, scene.origin_px)
    reach = max(1, round(0.5 * (past.area_px / math.pi) ** 0.5))
    rows = slice(max(0, round(y) - reach), max(0, round(y) + reach + 1))
    columns = slice(max(0, round(x) - reach), max(0, round(x) + reach + 1))
    return {int(i) for i in np.unique(scene.ids[rows, columns]) if i}


def _are_apart(fragments: Sequence[Fragment], n_members: int, least_px: float) -> bool:
    """Return True if there is a part for everybody, and together they show enough."""
    return len(fragments) >= n_members and sum(f.portrait.area_px for f in fragments) >= least_px
