"""What a person said about a movie: seeds, corrections, locked frames, and where objects are not."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from napari_xmem.imaging import object_ids

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from napari_xmem.session.packed_labels import PackedLabels

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
    """

    labels: Mapping[int, PackedLabels] = field(default_factory=dict)
    corrected: frozenset[int] = frozenset()
    locked: frozenset[int] = frozenset()
    forgotten: frozenset[int] = frozenset()
    absent: Mapping[int, Spans] = field(default_factory=dict)

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
