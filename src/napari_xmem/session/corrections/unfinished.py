"""What a correction that was stopped left undone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari_xmem.session.corrections.affected_objects import AffectedObjects
    from napari_xmem.session.corrections.compare import Agreement
    from napari_xmem.session.corrections.correction_segments import Segment

__all__ = ["Unfinished"]


@dataclass(frozen=True, slots=True)
class Unfinished:
    """The rest of one stretch of a correction.

    Attributes
    ----------
    segment : Segment
        From the frame that was done last.
    objects : frozenset of int or None
        Objects whose new masks count; None: all.
    followed : frozenset of int or None
        Objects that take part; None: all.
    agreement : Agreement
        When to stop early, as the correction was begun.
    title : str
        The correction, in words.
    """

    segment: Segment
    objects: frozenset[int] | None
    followed: frozenset[int] | None
    agreement: Agreement
    title: str

    @classmethod
    def after(
        cls, segment: Segment, done: Collection[int], affected: AffectedObjects, agreement: Agreement, title: str
    ) -> Unfinished | None:
        """Return what is left of a segment when some of its frames are done; None if nothing is."""
        left = tuple(t for t in segment.frames if t not in done)
        if not left or affected.objects == set():
            return None
        last = next((t for t in reversed(segment.frames) if t in done), segment.frame)
        objects = None if affected.objects is None else frozenset(affected.objects)
        return cls(replace(segment, frame=last, frames=left), objects, affected.followed, agreement, title)
