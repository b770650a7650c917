"""Corrections of who is whose daughter and of who is who, as steps of a session's history.

`napari_xmem.tracking.corrections` decides what a correction means and whether it can be; here it is carried out on
results, annotations and locks. Where numbers suffice nothing is propagated; where a mother is cut in two, or daughters
were painted, they are followed from there as after any other correction.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.errors import InputError, SessionError
from napari_xmem.imaging import check_labels
from napari_xmem.session.corrections.compare import Agreement
from napari_xmem.session.corrections.cut_mask import cut_in_two
from napari_xmem.session.lineage import found_parents
from napari_xmem.session.renumbered_events import happenings_like
from napari_xmem.session.results import Change
from napari_xmem.session.session_states import AT_REST
from napari_xmem.tracking import corrections

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_xmem.session.annotations import Annotations
    from napari_xmem.session.context import SessionContext
    from napari_xmem.session.corrections.result_edits import ResultEdits
    from napari_xmem.session.results import FrameRecord
    from napari_xmem.session.session_runner import SessionRunner
    from napari_xmem.session.tasks import CorrectionTask
    from napari_xmem.tracking import Lineage, LineageEdit

__all__ = ["LineageEdits"]

#: So many ids are given at a time: what is asked for beyond that is a mistake.
_MOST_NEW_IDS = 100_000


class LineageEdits:
    """What a person says about who is who, each a step of the history; what cannot be is refused, and changes nothing.

    A session has the same methods.

    Parameters
    ----------
    context : SessionContext
        What is changed.
    runner : SessionRunner
        Says when.
    edits : ResultEdits
        Takes up what is to be propagated.
    """

    def __init__(self, context: SessionContext, runner: SessionRunner, edits: ResultEdits) -> None:
        self._context, self._runner, self._edits = context, runner, edits

    @property
    def lineage(self) -> Lineage:
        """The lineage of the results of now."""
        return self._context.lineage.read(self._context.annotations)[0]

    def begin_division(
        self, mother: int, frame: int, daughters: Sequence[int] = (), labels: NDArray[Any] | None = None
    ) -> CorrectionTask | Change:
        """Say that a cell divides; iterate over the session's `frames` if there is something to propagate.

        Parameters
        ----------
        mother : int
            The dividing cell, seen before `frame`.
        frame : int
            First frame of the daughters.
        daughters : sequence of int
            Cells that are there already and begin on `frame` or later; one of them may be a new id, which takes over
            the mother's label from `frame` on. Two new ids, or none (ids are found): the mother is cut in two on
            `frame`, and both are followed from there. One cell that is there while the mother goes on is her bud.
        labels : ndarray, shape (Y, X), optional
            All labels of `frame` with the daughters painted, in place of the cut.

        Returns
        -------
        CorrectionTask or Change
            A task where daughters have to be followed; else the step, which is done.

        Raises
        ------
        SessionError
            If the frame lies outside the movie or is locked, or something runs.
        InputError
            If it cannot be, see `napari_xmem.tracking.corrections.divide`.
        """
        if labels is None and not self._needs_propagation(mother, frame, daughters):
            return self._divide(mother, frame, daughters)
        return self._take_up(mother, frame, daughters, labels)

    def divide(
        self, mother: int, frame: int, daughters: Sequence[int] = (), labels: NDArray[Any] | None = None
    ) -> Change:
        """Say that a cell divides, and follow its daughters in this thread; parameters and errors as `begin_division`.

        Returns
        -------
        Change
            The step, with the frames that changed.
        """
        begun = self.begin_division(mother, frame, daughters, labels)
        if isinstance(begun, Change):
            return begun
        for _ in self._runner.frames():
            pass
        return begun.step

    def _needs_propagation(self, mother: int, frame: int, daughters: Sequence[int]) -> bool:
        """Return True if the mother has to be cut in two: she is there, and no daughter is."""
        lineage = self.lineage
        return mother in lineage and not any(d in lineage for d in daughters) and len(daughters) != 1

    def _divide(self, mother: int, frame: int, daughters: Sequence[int]) -> Change:
        """Let a mother divide into objects that are there, or into one of them and the rest of herself."""
        title = f"division of object {mother} on frame {frame}"
        return self._relabel(title, frame, lambda lineage: corrections.divide(lineage, mother, frame, daughters))

    def _take_up(
        self, mother: int, frame: int, daughters: Sequence[int], labels: NDArray[Any] | None
    ) -> CorrectionTask:
        """Take up daughters that were painted, or that the mother is cut into."""
        with self._runner.hold("A division"):
            self._context.check_frame(frame)
            lineage = self.lineage
            daughters = tuple(int(d) for d in daughters) or self.new_ids(2)
            painted = self._painted(lineage, mother, frame, daughters) if labels is None else np.asarray(labels)
            painted = check_labels(painted, self._context.source.frame_shape, f"labels of frame {frame}")
            edit = corrections.divide(lineage, mother, frame, daughters, painted.astype(np.int64))
            shown = {int(t) for t in lineage.detections.frames[lineage.detections.rows_of(mother)] if t > frame}
            stays = sorted(shown & (self._context.annotations.locked | set(self._context.annotations.labels)))
            if stays and edit.ids:
                raise SessionError(
                    f"Object {mother} cannot end on frame {frame}: you locked or painted frame {stays[0]}, which shows "
                    f"it. Remove it from there first."
                )
        return self._edits.take_up(
            {frame: painted},
            True,
            False,
            Agreement(),
            mothers=dict.fromkeys(daughters, mother),
            title=f"division of object {mother} on frame {frame}",
        )

    def link(self, daughter: int, mother: int) -> Change:
        """Say whose daughter a cell is; a mother it had is replaced. No labels change.

        Parameters
        ----------
        daughter, mother : int
            Two cells; the mother begins first.

        Returns
        -------
        Change
            The step.

        Raises
        ------
        InputError
            If one does not exist, the mother begins too late, or she descends from the daughter.
        SessionError
            If the daughter's first frame is locked, or something runs.
        """
        title = f"object {mother} as the mother of {daughter}"
        return self._relabel(title, None, lambda lineage: corrections.link(lineage, daughter, mother))

    def unlink(self, daughter: int) -> Change:
        """Take a cell's mother away. No labels change; returns and raises as `link`."""
        title = f"object {daughter} without a mother"
        return self._relabel(title, None, lambda lineage: corrections.unlink(lineage, daughter))

    def swap(self, a: int, b: int, from_frame: int) -> Change:
        """Exchange two cells from a frame on, with the daughters they have later; at once, without the network.

        Parameters
        ----------
        a, b : int
            Two cells.
        from_frame : int
            First frame on which they are exchanged.

        Returns
        -------
        Change
            The step.

        Raises
        ------
        InputError
            If one does not exist, or none is seen from there on.
        SessionError
            If a frame concerned is locked, or something runs.
        """
        title = f"exchange of objects {a} and {b} from frame {from_frame}"
        return self._relabel(title, from_frame, lambda lineage: corrections.swap(lineage, a, b, from_frame))

    def join(self, a: int, b: int) -> Change:
        """Say that two cells are one that was given two ids; the id of the earlier one stays. Raises as `swap`."""

        def edit(lineage: Lineage) -> LineageEdit:
            first = lineage.first_frame
            kept, ended = (b, a) if first.get(b, 0) < first.get(a, 0) else (a, b)
            return corrections.join(lineage, kept, ended)

        return self._relabel(f"objects {a} and {b} as one", None, edit)

    def remove(self, cell: int, from_frame: int = 0) -> Change:
        """Remove a cell from a frame on, from painted frames too; what begins later by it has no mother then.

        Other than `end_object` it stops at nothing: a locked frame that shows the cell is an error. Raises as `swap`.
        """
        title = f"removal of object {cell} from frame {from_frame}"
        return self._relabel(title, from_frame, lambda lineage: corrections.remove(lineage, cell, from_frame))

    def new_ids(self, count: int = 1) -> tuple[int, ...]:
        """Return ids that no object has, or ever had.

        Parameters
        ----------
        count : int
            How many, 0 to 100,000.

        Raises
        ------
        SessionError
            If more are asked for.
        """
        if not 0 <= count <= _MOST_NEW_IDS:
            raise SessionError(f"{count} new ids were asked for, expected 0 to {_MOST_NEW_IDS:,}.")
        first = 1 + self._context.largest_id
        return tuple(range(first, first + count))

    # ---- carrying them out

    def _relabel(self, title: str, frame: int | None, decide: Callable[[Lineage], LineageEdit]) -> Change:
        context = self._context
        with self._runner.hold("A correction of the lineage", AT_REST):
            if frame is not None:
                self._context.check_frame(frame)
            before = self.lineage
            edit = decide(before)
            self._check_locks(before, edit)
            numbers = dict(edit.ids or {})
            start = 0 if edit.event.detail == "join" else edit.frames.start
            records = self._records(edit, numbers, start)
            recording = context.record(title, self._said(before, edit, numbers, start, records))
            problem: Exception | None = None
            try:
                for t, record in records.items():
                    if record is not context.results.get(t):
                        try:
                            context.put(t, record, recording)
                        except Exception as error:  # all frames change, or none: the caller's copy follows later
                            problem = problem or error
            finally:
                with context.facts:
                    recording.close(keep_first=True)
            if problem is not None:
                raise problem
            return recording.step

    def _records(self, edit: LineageEdit, numbers: dict[int, int], start: int) -> dict[int, FrameRecord]:
        """Return the record of every frame after a correction."""
        context, records = self._context, {}
        gone = {i for i, new in numbers.items() if not new}
        for t in context.results.frames:
            record = context.results.get(t)
            if record is None:
                continue
            if t not in context.annotations.locked:
                named = {*record.scores.object_ids, *(i for birth in record.scores.births for i in birth if i)}
                named |= {i for event in record.scores.events for i in event.objects}
                if numbers and t >= start and named & set(numbers):
                    record = record.without(gone) if gone else record.renumbered(numbers)
                scores = happenings_like(record.scores, edit.lineage)
                record = record if scores is record.scores else replace(record, scores=scores)
            records[t] = record
        return records

    def _said(
        self,
        before: Lineage,
        edit: LineageEdit,
        numbers: dict[int, int],
        start: int,
        records: dict[int, FrameRecord],
    ) -> Annotations:
        """Return what the person has said after a correction, so that results and it give the lineage of `edit`."""
        said, after = self._context.annotations, edit.lineage
        detail, ids = edit.event.detail, edit.event.objects
        if detail == "join":
            kept, ended = ids
            spans = [(low, min(high, before.first_frame[ended])) for low, high in said.absent.get(kept, ())]
            said = replace(said, absent={**said.absent, kept: tuple(span for span in spans if span[0] < span[1])})
        if numbers:
            said = said.renumbered(numbers, start)
        removed = said.removed
        if detail == "remove":
            said = said.with_absence(ids[0], edit.frames.start, len(self._context.source))
            removed = removed | {ids[0]}
        elif detail == "join":
            removed = (removed - {ids[0]}) | ({ids[0]} if ids[1] in removed else set())
        elif detail == "swap":
            other = {ids[0]: ids[1], ids[1]: ids[0]}
            removed = frozenset(other.get(i, i) for i in removed)
        elif numbers:
            removed = frozenset(numbers.get(i, i) for i in removed)
        found, _ = found_parents(
            (event for t in sorted(records) for event in records[t].scores.events), after.first_frame
        )
        mothers = {
            i: after.parents.get(i, 0)
            for i in after.object_ids
            if found.get(i, 0) != after.parents.get(i, 0) or said.mothers.get(i) == after.parents.get(i, 0)
        }
        if detail in ("divide", "link", "unlink"):
            concerned = ids[1:] if detail == "divide" else ids[:1]
            mothers |= {i: after.parents.get(i, 0) for i in concerned}
        return replace(said, mothers=dict(sorted(mothers.items())), removed=frozenset(removed))

    def _painted(self, lineage: Lineage, mother: int, frame: int, daughters: tuple[int, ...]) -> NDArray[Any]:
        if mother not in lineage:
            raise InputError(f"object {mother} does not exist.")
        if len(daughters) != 2:
            raise InputError(f"object {mother} can be cut in two only; paint {len(daughters)} daughters: labels=.")
        record = self._context.results.get(frame)
        labels = None if record is None else record.packed.unpack().astype(np.int64)
        if labels is None or not (labels == mother).any():
            raise InputError(f"object {mother} is not on frame {frame}; paint the daughters there: labels=.")
        parts = cut_in_two(labels == mother)
        labels[parts > 0] = np.array(daughters)[parts[parts > 0] - 1]
        return labels

    def _check_locks(self, before: Lineage, edit: LineageEdit) -> None:
        """Refuse to change what a locked frame shows: a number, or who is born there."""
        locked, rows = self._context.annotations.locked, before.detections
        shown = {(int(t), i) for i in edit.ids or () for t in rows.frames[rows.rows_of(i)] if t in edit.frames}
        born = {
            (before.first_frame[i], i)
            for i in edit.object_ids
            if i in before and before.parents.get(i) != edit.lineage.parents.get(i)
            and edit.event.detail in ("divide", "link", "unlink")
        }  # fmt: skip
        stopped = sorted((t, i) for t, i in shown | born if t in locked)
        if stopped:
            t, i = stopped[0]
            raise SessionError(f"Frame {t} is locked and shows object {i}; unlock it to change that.")
