"""What a person said about a movie: seeds, corrections, locked frames, and where objects are not."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from napari_xmem.imaging import object_ids
from napari_xmem.session.packed_labels import PackedLabels, renumbered_labels

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["Annotations"]

Spans = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Annotations:
    """What a person said about the movie; replaced as a whole, never changed.

    Attributes
    ----------
    labels : mapping
        Frame to labels: seeds and corrections.
    corrected : frozenset of int
        Frames among them that are right as a whole: objects that are not painted there are absent.
    locked : frozenset of int
        Frames whose result is never overwritten; they count as right too.
    forgotten : frozenset of int
        Annotated frames that memory shall not use.
    absent : mapping
        Object id to spans of frames, first and end (exclusive), on which the object is not: it ended, was erased, or
        its absence was confirmed.
    mothers : mapping
        Daughter to mother where the person said so, over what runs found; 0: she has none.
    removed : frozenset of int
        Objects among the absent ones that were removed, rather than known to have left.
    settled : frozenset of (int, str, tuple of int)
        Keys of questions (`EventToCheck.key`) that the person answered with: it is right.
    """

    labels: Mapping[int, PackedLabels] = field(default_factory=dict)
    corrected: frozenset[int] = frozenset()
    locked: frozenset[int] = frozenset()
    forgotten: frozenset[int] = frozenset()
    absent: Mapping[int, Spans] = field(default_factory=dict)
    mothers: Mapping[int, int] = field(default_factory=dict)
    removed: frozenset[int] = frozenset()
    settled: frozenset[tuple[int, str, tuple[int, ...]]] = frozenset()

    @property
    def seeded(self) -> tuple[int, ...]:
        """Frames annotated before the first run, ascending."""
        return tuple(sorted(set(self.labels) - self.corrected))

    @property
    def checked(self) -> tuple[int, ...]:
        """Frames that a person vouches for, ascending."""
        return tuple(sorted({*self.labels, *self.locked}))

    def with_corrections(self, corrections: Mapping[int, PackedLabels]) -> Annotations:
        """Return them with corrected frames added; an absent object that is painted there is back from then on."""
        frames = frozenset(corrections)
        absent = dict(self.absent)
        for frame, packed in corrections.items():
            for i in set(object_ids(packed.unpack())) & set(absent):
                absent[i] = tuple((low, frame if low <= frame < high else high) for low, high in absent[i])
        return replace(
            self,
            labels={**self.labels, **corrections},
            corrected=self.corrected | frames,
            forgotten=self.forgotten - frames,
            absent=_tidy(absent),
        )

    def with_absence(self, object_id: int, low: int, high: int) -> Annotations:
        """Return them with an object absent on frames `low` to `high` (exclusive)."""
        spans = sorted([*self.absent.get(object_id, ()), (low, high)])
        joined: list[tuple[int, int]] = []
        for begin, end in spans:
            if joined and begin <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(joined[-1][1], end))
            else:
                joined.append((begin, end))
        return replace(self, absent=_tidy({**self.absent, object_id: tuple(joined)}))

    def renumbered(self, numbers: Mapping[int, int], from_frame: int) -> Annotations:
        """Return them with objects renumbered from a frame on, all at once.

        Parameters
        ----------
        numbers : mapping of int to int
            Old number to new number; 0 removes an object.
        from_frame : int
            First frame concerned. Mothers are left alone.
        """
        labels = dict(self.labels)
        for t, packed in self.labels.items():
            image = packed.unpack() if t >= from_frame else None
            if image is not None and any((image == i).any() for i in numbers):
                labels[t] = PackedLabels.pack(renumbered_labels(image, numbers))
        absent: dict[int, list[tuple[int, int]]] = {}
        for i, spans in self.absent.items():
            for low, high in spans:
                if low < from_frame:
                    absent.setdefault(i, []).append((low, min(high, from_frame)))
                if high > from_frame and numbers.get(i, i):
                    absent.setdefault(numbers.get(i, i), []).append((max(low, from_frame), high))
        said = replace(self, labels=labels, absent={})
        for i, found in absent.items():
            for low, high in found:
                said = said.with_absence(i, low, high)
        return said

    def absent_on(self, frame: int) -> set[int]:
        """Return the objects that are known not to be on a frame."""
        return {i for i, spans in self.absent.items() if any(low <= frame < high for low, high in spans)}

    def gone_for_good(self, frames: Collection[int]) -> set[int]:
        """Return the objects that are absent on all of these frames but those on which they were painted again.

        Parameters
        ----------
        frames : collection of int
            What is left of a pass, in its order.

        Returns
        -------
        set of int
            Objects that need not be looked for until somebody paints them.
        """
        gone = set()
        for i, spans in self.absent.items():
            for t in frames:
                if not any(low <= t < high for low, high in spans):
                    if t not in self.labels and t not in self.locked:
                        break
                    gone.add(i)
                    break
            else:
                gone.add(i)
        first = next(iter(frames), None)
        return gone & self.absent_on(first) if first is not None else set()

    def with_edits_of_memory(self, now: Annotations, since: Annotations) -> Annotations:
        """Return them with what was forgotten or remembered between `since` and `now`: undo leaves memory alone."""
        forgotten = (self.forgotten | (now.forgotten - since.forgotten)) - (since.forgotten - now.forgotten)
        return replace(self, forgotten=forgotten)


def _tidy(absent: Mapping[int, Spans]) -> dict[int, Spans]:
    """Drop spans that hold no frame."""
    kept = {i: tuple((low, high) for low, high in spans if low < high) for i, spans in absent.items()}
    return {i: spans for i, spans in sorted(kept.items()) if spans}
