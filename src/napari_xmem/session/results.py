"""Results so far, independent of any viewer: compressed labels and scores of every frame, and their history."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from napari_xmem.engine import FrameResult, Scores
from napari_xmem.errors import SessionError
from napari_xmem.imaging import object_areas
from napari_xmem.session.packed_labels import PackedLabels, renumbered_labels
from napari_xmem.session.renamed_explainer import renamed_explainers
from napari_xmem.session.renumbered_events import scores_renumbered, scores_without
from napari_xmem.words import counted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from numpy.typing import NDArray

    from napari_xmem.imaging.acquisition import Finding
    from napari_xmem.memory import MemorySnapshot
    from napari_xmem.session.annotations import Annotations
    from napari_xmem.session.renamed_explainer import Explainers

__all__ = ["Change", "FrameChange", "FrameRecord", "History", "Recording", "ResultsStore"]

_NO_LABELS = np.zeros((0, 0), np.uint16)


@dataclass(frozen=True, slots=True, eq=False)
class FrameRecord:
    """One frame of a result: a `FrameResult` whose labels are compressed.

    Attributes
    ----------
    packed : PackedLabels
        Its labels.
    scores : FrameResult
        All else; its own labels are empty.
    explainers : tuple
        Whose masks (None: all) are explained by what, latest first; empty: they were given by hand.
    """

    packed: PackedLabels
    scores: FrameResult
    explainers: Explainers = ()

    @classmethod
    def of(
        cls,
        result: FrameResult,
        explainers: Explainers = (),
    ) -> Self:
        """Compress a result."""
        return cls(PackedLabels.pack(result.labels), replace(result, labels=_NO_LABELS), explainers)

    @classmethod
    def of_labels(cls, frame: int, labels: NDArray[Any], *, seeded: bool = True, confidence: float = 1.0) -> Self:
        """Return a record of labels that no run made: confidence is 1 where a person vouches for them, else NaN."""
        ids, areas = object_areas(labels)
        sure = np.full(len(ids), confidence, np.float32)
        result = FrameResult(frame, _NO_LABELS, tuple(int(i) for i in ids), areas, sure, seeded)
        return cls(PackedLabels.pack(labels), result)

    @property
    def result(self) -> FrameResult:
        """The result with its labels."""
        return replace(self.scores, labels=self.packed.unpack())

    def without(self, objects: Collection[int]) -> FrameRecord:
        """Return the record without some objects: their pixels are background, and nothing is said of them."""
        labels = self.packed.unpack()
        labels[np.isin(labels, list(objects))] = 0
        return replace(self, packed=PackedLabels.pack(labels), scores=scores_without(self.scores, objects))

    def renumbered(self, numbers: Mapping[int, int]) -> FrameRecord:
        """Return the record with objects renumbered, all at once: old number to new number."""
        labels = self.packed.unpack()
        shown = any((labels == i).any() for i in numbers)
        packed = PackedLabels.pack(renumbered_labels(labels, numbers)) if shown else self.packed
        explainers = renamed_explainers(self.explainers, numbers) if shown else self.explainers
        return FrameRecord(packed, scores_renumbered(self.scores, numbers), explainers)


class ResultsStore:
    """The latest result of every frame; safe to read while a run writes."""

    def __init__(self) -> None:
        self._records: dict[int, FrameRecord] = {}
        self._lock = threading.Lock()
        self._largest_id = 0

    def __contains__(self, frame: int) -> bool:
        with self._lock:
            return frame in self._records

    @property
    def frames(self) -> tuple[int, ...]:
        """Frames with a result, ascending."""
        with self._lock:
            return tuple(sorted(self._records))

    @property
    def n_bytes(self) -> int:
        """Bytes of all compressed labels."""
        with self._lock:
            return sum(record.packed.n_bytes for record in self._records.values())

    def get(self, frame: int) -> FrameRecord | None:
        """Return the record of a frame, None if there is none."""
        with self._lock:
            return self._records.get(frame)

    def put(self, frame: int, record: FrameRecord | None) -> None:
        """Replace the record of a frame; None removes it."""
        with self._lock:
            if record is None:
                self._records.pop(frame, None)
            else:
                self._records[frame] = record
                self._largest_id = max((self._largest_id, *record.scores.object_ids))

    @property
    def largest_id(self) -> int:
        """The largest id that any result has held so far, also one that was replaced; 0 if there was none."""
        with self._lock:
            return self._largest_id

    def reserve_ids(self, largest: int) -> None:
        """Take ids up to `largest` for used: an earlier day's results held them."""
        with self._lock:
            self._largest_id = max(self._largest_id, largest)

    def labels(self, frame: int) -> NDArray[Any]:
        """Return the labels (Y, X) of a frame.

        Raises
        ------
        SessionError
            If the frame has no result.
        """
        record = self.get(frame)
        if record is None:
            raise SessionError(f"Frame {frame} has no result yet; propagate first.")
        return record.packed.unpack()

    def objects(self, frame: int) -> tuple[int, ...]:
        """Return the objects with scores on a frame; empty if it has no result."""
        record = self.get(frame)
        return () if record is None else record.scores.object_ids

    def scores(self) -> Scores:
        """Return confidence and area of every object on every frame."""
        with self._lock:
            return Scores.collect([record.scores for record in self._records.values()])

    def findings(self, frame: int) -> tuple[Finding, ...]:
        """Return what was wrong with a frame, as its run saw it."""
        record = self.get(frame)
        return () if record is None else record.scores.findings

    def snapshots(self, frames: Iterable[int]) -> tuple[MemorySnapshot, ...]:
        """Return memory after some frames, in that order."""
        records = [self.get(frame) for frame in frames]
        return tuple(r.scores.memory for r in records if r is not None and r.scores.memory is not None)


@dataclass(frozen=True, slots=True, eq=False)
class FrameChange:
    """How one frame changed: its compressed result before (None: it had none) and after."""

    before: FrameRecord | None
    after: FrameRecord | None

    @property
    def n_bytes(self) -> int:
        """Bytes that the history holds: one of both is also in the results."""
        return max((r.packed.n_bytes for r in (self.before, self.after) if r is not None), default=0)


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """One step that can be undone.

    Attributes
    ----------
    title : str
        In words, for a button: "correction of frame 17".
    frames : dict
        Frame to what changed there.
    before, after : Annotations
        What the person had said.
    """

    title: str
    frames: dict[int, FrameChange]
    before: Annotations
    after: Annotations

    def __repr__(self) -> str:
        return f"Change({self.title!r}, {counted(len(self.frames), 'frame')})"


class History:
    """Steps done and undone.

    Parameters
    ----------
    max_steps, max_bytes : int
        Beyond these the oldest steps can no longer be undone.
    """

    def __init__(self, max_steps: int = 100, max_bytes: int = 512_000_000) -> None:
        self.max_steps, self.max_bytes = max_steps, max_bytes
        self._done: list[Change] = []
        self._undone: list[Change] = []

    @property
    def undo_title(self) -> str:
        """What `undo` would take back; empty if nothing."""
        return self._done[-1].title if self._done else ""

    @property
    def redo_title(self) -> str:
        """What `redo` would do again; empty if nothing."""
        return self._undone[-1].title if self._undone else ""

    @property
    def latest(self) -> Change | None:
        """The latest step that is in effect."""
        return self._done[-1] if self._done else None

    @property
    def latest_undone(self) -> Change | None:
        """The latest step that was undone."""
        return self._undone[-1] if self._undone else None

    @property
    def n_bytes(self) -> int:
        """Bytes held."""
        return sum(part.n_bytes for change in (*self._done, *self._undone) for part in change.frames.values())

    def add(self, change: Change) -> None:
        """Add a step; what had been undone can no longer be done again."""
        self._undone.clear()
        self._done.append(change)
        self.trim()

    def trim(self) -> None:
        """Let go of the oldest steps beyond the limits."""
        while len(self._done) > 1 and (len(self._done) > self.max_steps or self.n_bytes > self.max_bytes):
            self._done.pop(0)

    def drop(self, change: Change) -> None:
        """Forget a step that changed nothing."""
        if change in self._done:
            self._done.remove(change)

    def clear(self) -> None:
        """Forget all steps."""
        self._done.clear()
        self._undone.clear()

    def undo(self, results: ResultsStore, standing: Mapping[int, FrameRecord | None] | None = None) -> Change:
        """Undo the latest step in `results`; returns it.

        Parameters
        ----------
        results : ResultsStore
            What it is undone in.
        standing : mapping, optional
            Frame to what stands there now, where that is not the result (somebody painted); `redo` brings it back.

        Raises
        ------
        SessionError
            If there is nothing to undo.
        """
        if not self._done:
            raise SessionError("There is nothing left to undo.")
        change = self._done.pop()
        for frame, part in change.frames.items():
            results.put(frame, part.before)
            if standing and frame in standing:
                change.frames[frame] = FrameChange(part.before, standing[frame])
        self._undone.append(change)
        return change

    def redo(self, results: ResultsStore, standing: Mapping[int, FrameRecord | None] | None = None) -> Change:
        """Do again what was undone last; returns it. Parameters as for `undo`.

        Raises
        ------
        SessionError
            If nothing was undone.
        """
        if not self._undone:
            raise SessionError("There is nothing to do again.")
        change = self._undone.pop()
        for frame, part in change.frames.items():
            results.put(frame, part.after)
            if standing and frame in standing:
                change.frames[frame] = FrameChange(standing[frame], part.after)
        self._done.append(change)
        return change


@dataclass(slots=True, eq=False)
class Recording:
    """Notes what a task changes, frame by frame, as one step of the history; a step taken in between splits it.

    Parameters
    ----------
    history : History
        Where the step is added, when the task begins.
    title : str
        Of the step.
    before, after : Annotations
        What the person had said before the task, and what it added to that.
    """

    history: History
    title: str
    before: Annotations
    after: Annotations
    _parts: list[Change] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._begin(self.before, self.after)

    def _begin(self, before: Annotations, after: Annotations) -> None:
        self._parts.append(Change(self.title, {}, before, after))
        self.history.add(self._parts[-1])

    @property
    def step(self) -> Change:
        """The step, or its latest part."""
        return self._parts[-1]

    def note(self, frame: int, before: FrameRecord | None, after: FrameRecord, now: Annotations) -> None:
        """Note that a frame changed.

        Parameters
        ----------
        frame : int
            The frame.
        before, after : FrameRecord or None
            What stood there, and what stands there now.
        now : Annotations
            What the person has said by now.
        """
        part = self._parts[-1]
        if self.history.latest is not part:
            self._begin(now, now)
            part = self._parts[-1]
        if frame in part.frames:
            before = part.frames[frame].before
        part.frames[frame] = FrameChange(before, after)

    def close(self, *, keep_first: bool) -> None:
        """End the step; one that changed nothing is forgotten.

        Parameters
        ----------
        keep_first : bool
            Keep it although there was nothing before it, on no frame.
        """
        only = len(self.history._done) == len(self._parts)
        for part in self._parts:
            fresh = only and all(change.before is None for change in part.frames.values())
            unchanged = part.before == part.after
            if unchanged and (not part.frames or (fresh and not keep_first)):
                self.history.drop(part)
        self.history.trim()
