"""What a run gives: one frozen record per frame, and all of them together."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.config.arguments import checked_methods
from napari_xmem.engine.explanation import LeftBehind
from napari_xmem.engine.result_file import read_result, write_result
from napari_xmem.errors import InputError
from napari_xmem.imaging import label_at
from napari_xmem.imaging.acquisition import Acquisition
from napari_xmem.tracking import End, EventKind, Lineage, sorted_events
from napari_xmem.words import counted

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from napari_xmem.engine.explanation import Explains, Explanation
    from napari_xmem.imaging.acquisition import Finding
    from napari_xmem.memory import MemorySnapshot
    from napari_xmem.tracking import Event

__all__ = ["FrameResult", "PropagationResult", "Scores", "lineage_of"]


def _span(values: NDArray[Any]) -> str:
    low, high = float(values.min()), float(values.max())
    return f"{low:.2f}" if low == high else f"{low:.2f} to {high:.2f}"


@dataclass(frozen=True, slots=True, eq=False)
class FrameResult:
    """Labels and scores of one frame.

    Attributes
    ----------
    frame : int
        Index in the movie.
    labels : ndarray, shape (Y, X), uint16 or int32
        Object ids, 0 = background.
    object_ids : tuple of int
        Objects known on this frame, in order of first appearance.
    area_px : ndarray, shape (O,), int64
        Pixels of each object, in pixels of the movie; 0 = not found here.
    confidence : ndarray, shape (O,), float32
        Expected Jaccard index of each object's mask, 0 to 1: ``sum(p inside) / (area + sum(p outside))`` with the
        aggregated probability ``p``, which is the expected overlap with the truth divided by the expected union if the
        probabilities are right; then calibrated (`engine/identity/calibration.py`). 1 on a seeded frame, 0 for an
        object not found.
    seeded : bool
        True if labels were given on this frame.
    memory : MemorySnapshot or None
        State of the memory after this frame.
    seconds : float
        Time spent on this frame.
    births : tuple of (int, int or None)
        Objects that begin on this frame, each with its mother, or None where it was painted.
    ends : tuple of (int, str)
        Objects that are gone from this frame on, and why: "divided", or "continued" under an id that was painted.
    events : tuple of Event
        What happened on this frame; more than `births` and `ends` it says how sure that is.
    findings : tuple of Finding
        What was wrong with the movie here, see `Acquisition`.
    """

    frame: int
    labels: NDArray[Any]
    object_ids: tuple[int, ...]
    area_px: NDArray[np.int64]
    confidence: NDArray[np.float32]
    seeded: bool = False
    memory: MemorySnapshot | None = None
    seconds: float = 0.0
    births: tuple[tuple[int, int | None], ...] = ()
    ends: tuple[tuple[int, str], ...] = ()
    events: tuple[Event, ...] = ()
    findings: tuple[Finding, ...] = ()

    def __repr__(self) -> str:
        found, seeded = int(np.count_nonzero(self.area_px)), ", seeded" if self.seeded else ""
        sure = "" if not len(self.confidence) else f", confidence {_span(self.confidence)}"
        return f"FrameResult(frame {self.frame}, {counted(found, 'object')}{sure}{seeded})"


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Confidence and area of every object on every frame.

    Attributes
    ----------
    frames : ndarray, shape (F,), int64
        Frames that were propagated, ascending.
    object_ids : ndarray, shape (O,), int64
        Objects in order of first appearance.
    confidence : ndarray, shape (F, O), float32
        See `FrameResult.confidence`; NaN before an object is known.
    area_px : ndarray, shape (F, O), int64
        Pixels; 0 where an object is absent or not yet known.
    """

    frames: NDArray[np.int64]
    object_ids: NDArray[np.int64]
    confidence: NDArray[np.float32]
    area_px: NDArray[np.int64]

    def __repr__(self) -> str:
        return f"Scores({counted(len(self.object_ids), 'object')} on {counted(len(self.frames), 'frame')})"

    def of(self, object_id: int) -> dict[str, NDArray[Any]]:
        """Return the scores of one object on all frames, by name: frame, area_px and confidence, each ``(F,)``.

        Raises
        ------
        InputError
            If there is no such object.
        """
        (columns,) = np.nonzero(self.object_ids == object_id)
        if not columns.size:
            ids = ", ".join(map(str, self.object_ids[:20].tolist()))
            raise InputError(
                f"There is no object {object_id}; objects are {ids}{' ...' if len(self.object_ids) > 20 else ''}."
            )
        column = int(columns[0])
        return {"frame": self.frames, "area_px": self.area_px[:, column], "confidence": self.confidence[:, column]}

    def to_records(self) -> NDArray[Any]:
        """Return a row per frame and object known there: a structured array of frame, object, area_px, confidence."""
        rows, columns = np.nonzero(~np.isnan(self.confidence))
        table = np.empty(
            len(rows), [("frame", np.int64), ("object", np.int64), ("area_px", np.int64), ("confidence", np.float32)]
        )
        table["frame"], table["object"] = self.frames[rows], self.object_ids[columns]
        table["area_px"], table["confidence"] = self.area_px[rows, columns], self.confidence[rows, columns]
        return table

    def to_dataframe(self) -> Any:
        """Return `to_records` as a pandas DataFrame; needs pandas.

        Raises
        ------
        InputError
            If pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise InputError("pandas is not installed: pip install pandas, or use to_records().") from error
        return pd.DataFrame(self.to_records())

    @classmethod
    def collect(cls, results: list[FrameResult]) -> Scores:
        """Join the scores of frames, in any order."""
        results = sorted(results, key=lambda r: r.frame)
        ids = list(dict.fromkeys(i for r in results for i in r.object_ids))
        column = {object_id: k for k, object_id in enumerate(ids)}
        confidence = np.full((len(results), len(ids)), np.nan, np.float32)
        area = np.zeros((len(results), len(ids)), np.int64)
        for row, result in enumerate(results):
            columns = [column[i] for i in result.object_ids]
            confidence[row, columns] = result.confidence
            area[row, columns] = result.area_px
        frames = np.array([r.frame for r in results], np.int64)
        return cls(frames, np.array(ids, np.int64), confidence, area)


def lineage_of(labels: NDArray[Any], frames: range, events: Iterable[Event]) -> tuple[Lineage, tuple[Event, ...]]:
    """Return the lineage of labels, and the events that still hold.

    Parameters
    ----------
    labels : ndarray, shape (T, Y, X)
        Labels of the movie.
    frames : range
        Frames that were followed.
    events : iterable of Event
        What happened. A division of which an object is no longer there, as after a correction, is left out.
    """
    plain = Lineage.from_labels((labels[t] for t in frames), {}, frames=frames)
    first = plain.first_frame

    def holds(event: Event) -> bool:
        if event.kind is not EventKind.DIVISION or event.mother is None:
            return True
        return event.mother in first and all(first.get(i, -1) > first[event.mother] for i in event.daughters)

    kept = sorted_events(event for event in events if holds(event))
    return Lineage.from_detections(plain.detections, start=frames.start, stop=frames.stop, events=kept), kept


@checked_methods
@dataclass(frozen=True, slots=True, eq=False)
class PropagationResult:
    """A whole run.

    Pickled, deeply copied or sent to another process it leaves its explainer behind.

    Attributes
    ----------
    labels : ndarray, shape (T, Y, X), uint16 or int32
        Object ids on every frame of the movie; frames outside the run are 0.
    scores : Scores
        Per object and frame.
    memory : tuple of MemorySnapshot
        State of the memory after each frame, in the order the frames were done.
    scope, scope_reason : str
        The scope used ("local" or "global") and why.
    recipe : dict
        All settings of the run and the versions of napari-xmem and torch, as plain values. With movie and seeds it is
        enough to repeat the run: ``propagate(movie, seeds, **settings_of_recipe(recipe))``.
    lineage : Lineage
        Who is whose daughter, and how objects begin and end.
    events : tuple of Event
        What happened, by frame.
    acquisition : Acquisition
        What was wrong with the movie's frames: repeated, torn, shifted, flat, out of focus, in another light.
    explainer : Explains or None
        Answers `explain`; keeps the movie and the network alive.
    """

    labels: NDArray[Any]
    scores: Scores
    memory: tuple[MemorySnapshot, ...] = ()
    scope: str = "global"
    scope_reason: str = ""
    recipe: dict[str, Any] = field(default_factory=dict)
    lineage: Lineage = field(default_factory=lambda: Lineage.from_labels([]), repr=False)
    events: tuple[Event, ...] = ()
    acquisition: Acquisition = field(default_factory=Acquisition, repr=False)
    explainer: Explains | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        shape, sure = " x ".join(map(str, self.labels.shape)), self.scores.confidence
        mean = "" if not np.isfinite(sure).any() else f", mean confidence {np.nanmean(sure):.2f}"
        divisions = sum(event.kind is EventKind.DIVISION for event in self.events)
        bad = sum(event.kind is EventKind.BAD_FRAME for event in self.events)
        doubted = "" if not bad else f", {counted(bad, 'bad frame')}"
        divided = "" if not divisions else f", {counted(divisions, 'division')}"
        return (
            f"PropagationResult({counted(len(self.scores.object_ids), 'object')} on "
            f"{counted(len(self.scores.frames), 'frame')}, labels {shape} {self.labels.dtype}, scope {self.scope}"
            f"{mean}{divided}{doubted})"
        )

    def __copy__(self) -> PropagationResult:
        return replace(self)

    def __reduce__(self) -> tuple[Any, ...]:
        values = [getattr(self, part.name) for part in fields(self)[:-1]]
        return PropagationResult, (*values, None if self.explainer is None else LeftBehind())

    def frame(self, frame: int) -> FrameResult:
        """Return one frame: its labels, and area and confidence of the objects known there.

        Parameters
        ----------
        frame : int
            Frame of the movie; one that was propagated.

        Raises
        ------
        InputError
            If the frame is no part of the run.
        """
        (rows,) = np.nonzero(self.scores.frames == frame)
        if not rows.size:
            known = self.scores.frames
            span = f"those are {known[0]} to {known[-1]}" if known.size else "there are none"
            raise InputError(f"Frame {frame} was not propagated; {span}.")
        row = int(rows[0])
        known = ~np.isnan(self.scores.confidence[row])
        births, ends = self._births_and_ends(row)
        return FrameResult(
            int(frame),
            self.labels[frame],
            tuple(self.scores.object_ids[known].tolist()),
            self.scores.area_px[row, known],
            self.scores.confidence[row, known],
            seeded=frame in self.recipe.get("seeded_frames", ()),
            births=births,
            ends=ends,
            events=tuple(event for event in self.events if event.frame == frame),
            findings=tuple(one for one in self.acquisition.findings if one.frame == frame),
        )

    def _births_and_ends(self, row: int) -> tuple[tuple[tuple[int, int | None], ...], tuple[tuple[int, str], ...]]:
        """Return who begins and who ends on a frame, as `FrameResult` says it."""
        frame, lineage = int(self.scores.frames[row]), self.lineage
        births: dict[int, int | None] = {
            event.objects[0]: None for event in self.events if event.frame == frame and event.kind is EventKind.ENTRY
        }
        if frame in self.recipe.get("seeded_frames", ()) and self.recipe.get("direction") == "forward":
            new = np.isnan(self.scores.confidence[:row]).all(axis=0) & ~np.isnan(self.scores.confidence[row])
            births |= dict.fromkeys(self.scores.object_ids[new].tolist())
        births |= {i: mother for i, mother in lineage.parents.items() if lineage.first_frame[i] == frame}
        ends = {}
        for mother in dict.fromkeys(mother for mother in births.values() if mother is not None):
            if lineage.last_frame[mother] < frame and lineage.ends[mother] in (End.DIVIDED, End.CONTINUED):
                ends[mother] = str(lineage.ends[mother])
        return tuple(births.items()), tuple(ends.items())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write labels, scores, lineage, events, what was wrong with frames and recipe into one file, for `load`.

        What memory held and what `explain` needs is left out: `napari_xmem.TrackingSession.save` keeps that too.

        Parameters
        ----------
        path : path-like
            Name of the file, ``.npz``; replaced if it exists, whole or not at all.

        Raises
        ------
        OutputError
            If it cannot be written or has another ending.
        """
        arrays = {"labels": self.labels} | {part.name: getattr(self.scores, part.name) for part in fields(self.scores)}
        about = {"scope": self.scope, "scope_reason": self.scope_reason, "recipe": self.recipe}
        said = {**about, "acquisition": [list(one) for one in self.acquisition.findings]}
        write_result(path, arrays, said, self.events)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> PropagationResult:
        """Read what `save` wrote; nothing in the file can run code.

        Raises
        ------
        InputError
            If the file is missing or is no result.
        """
        arrays, about, events = read_result(path)
        labels, scores = arrays["labels"], Scores(*(arrays[part.name] for part in fields(Scores)))
        done = range(int(min(scores.frames, default=0)), int(max(scores.frames, default=-1)) + 1)
        lineage, kept = lineage_of(labels, done, events)
        seen = about["acquisition"]
        return cls(labels, scores, (), about["scope"], about["scope_reason"], about["recipe"], lineage, kept, seen)

    def explain(self, frame: int, y: float, x: float, object_id: int | None = None) -> Explanation:
        """Say which memory elements voted for the label at a pixel.

        The state that memory had when the frame was asked for is made again by running up to that frame, once per frame
        asked for; a `napari_xmem.session.TrackingSession` keeps these states while it runs and answers at once.

        Parameters
        ----------
        frame : int
            Frame of the movie.
        y, x : float
            Row and column in pixels.
        object_id : int, optional
            Ask for this object; None: the one at this pixel.

        Returns
        -------
        Explanation
            Frame, place, store and weight of every element that voted, largest weight first.

        Raises
        ------
        InputError
            If the pixel lies outside the movie or the run, there is no object, or this result cannot be explained.
        """
        if self.explainer is None:
            raise InputError("This result was not made by propagate() or a session, so it cannot be explained.")
        if object_id is None and 0 <= frame < len(self.labels):
            object_id = label_at(self.labels[frame], y, x)
        return self.explainer.explain(frame, y, x, object_id)
