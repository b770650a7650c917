"""What a person gave, and taking it back: undo and redo over compressed frames."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from napari_xmem.errors import SessionError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_xmem.engine.explain import Explainer
    from napari_xmem.session.results import FrameRecord, PackedLabels, ResultsStore

__all__ = ["Annotations", "Change", "FrameChange", "History"]


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
    """

    labels: Mapping[int, PackedLabels] = field(default_factory=dict)
    corrected: frozenset[int] = frozenset()
    locked: frozenset[int] = frozenset()
    forgotten: frozenset[int] = frozenset()

    @property
    def seeded(self) -> tuple[int, ...]:
        """Frames given before the first run, ascending."""
        return tuple(sorted(set(self.labels) - self.corrected))

    def with_corrections(self, corrections: Mapping[int, PackedLabels]) -> Annotations:
        """Return it with corrected frames added."""
        frames = frozenset(corrections)
        return replace(
            self,
            labels={**self.labels, **corrections},
            corrected=self.corrected | frames,
            forgotten=self.forgotten - frames,
        )


@dataclass(frozen=True, slots=True, eq=False)
class FrameChange:
    """How one frame changed: its compressed result before (None: it had none) and after."""

    before: FrameRecord | None
    after: FrameRecord

    @property
    def n_bytes(self) -> int:
        """Bytes that only the history holds once the change is in effect."""
        return 0 if self.before is None else self.before.packed.n_bytes


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """One step that can be taken back.

    Attributes
    ----------
    title : str
        In words, for a button: "correction of frame 17".
    frames : dict
        Frame to what changed there.
    before, after : Annotations
        What the person had said.
    explainers_before, explainers_after : mapping
        Frame to what explains its labels; None: as it was.
    """

    title: str
    frames: dict[int, FrameChange]
    before: Annotations
    after: Annotations
    explainers_before: Mapping[int, tuple[tuple[frozenset[int] | None, Explainer], ...]] | None = None
    explainers_after: Mapping[int, tuple[tuple[frozenset[int] | None, Explainer], ...]] | None = None


class History:
    """Steps done and taken back.

    Parameters
    ----------
    max_steps, max_bytes : int
        Beyond these the oldest steps can no longer be taken back.
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
    def n_bytes(self) -> int:
        """Bytes held."""
        return sum(part.n_bytes for change in (*self._done, *self._undone) for part in change.frames.values())

    def add(self, change: Change) -> None:
        """Add a step; what had been taken back can no longer be done again."""
        self._undone.clear()
        self._done.append(change)
        while len(self._done) > 1 and (len(self._done) > self.max_steps or self.n_bytes > self.max_bytes):
            self._done.pop(0)

    def clear(self) -> None:
        """Forget all steps."""
        self._done.clear()
        self._undone.clear()

    def undo(self, results: ResultsStore) -> Change:
        """Take back the latest step in `results`; returns it.

        Raises
        ------
        SessionError
            If there is nothing to take back.
        """
        if not self._done:
            raise SessionError("There is nothing left to undo.")
        change = self._done.pop()
        for frame, part in change.frames.items():
            results.put(frame, part.before)
        self._undone.append(change)
        return change

    def redo(self, results: ResultsStore) -> Change:
        """Do again what was taken back last; returns it.

        Raises
        ------
        SessionError
            If nothing was taken back.
        """
        if not self._undone:
            raise SessionError("There is nothing to do again.")
        change = self._undone.pop()
        for frame, part in change.frames.items():
            results.put(frame, part.after)
        self._done.append(change)
        return change
