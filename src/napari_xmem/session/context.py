"""What the parts of a session share: movie, run, annotations, results with history, and the locks' order."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.config import PropagationConfig
from napari_xmem.engine import prepare_run
from napari_xmem.engine.frame_order import plan_passes
from napari_xmem.errors import SeedError, SessionError
from napari_xmem.imaging import FrameSource, check_labels, label_dtype, object_ids
from napari_xmem.io import Movie, open_movie
from napari_xmem.session.annotations import Annotations
from napari_xmem.session.lineage import SessionLineage
from napari_xmem.session.packed_labels import PackedLabels
from napari_xmem.session.renumbered_events import happenings_like
from napari_xmem.session.results import FrameRecord, History, Recording, ResultsStore
from napari_xmem.tracking.given_labels import given_labels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from numpy.typing import NDArray

    from napari_xmem.engine import FrameResult, Run
    from napari_xmem.engine.explain import Explainer, MemoryHistory
    from napari_xmem.engine.scopes.base import TrackingScope, Watch
    from napari_xmem.engine.state_file import StoredMemory
    from napari_xmem.model import XMem
    from napari_xmem.session.corrections.unfinished import Unfinished
    from napari_xmem.session.renamed_explainer import RenamedExplainer

    Write = Callable[[int, NDArray[Any]], None]
    Read = Callable[[int], NDArray[Any] | None]

__all__ = ["SessionContext"]


class SessionContext:
    """Movie, settings, run, annotations, results and history of a session; parameters as for `TrackingSession`.

    Whoever changes results or memory holds the runner's turn; annotations, run and history change under `facts`.

    Attributes
    ----------
    facts : RLock
        Guards the facts below and the state of the run; never wait for anything with it.
    run : Run or None
        The prepared run.
    annotations : Annotations
        What the person said.
    results : ResultsStore
        The latest result of every frame.
    lineage : SessionLineage
        Reads who is whose daughter off the results.
    history : History
        Steps that can be undone.
    follower : TrackingScope or None
        What holds the memory of the present or latest run; look at it only while nothing runs.
    upcoming : tuple of int
        Frames left in the present pass.
    movie_path : str or None
        Where the movie was opened from, as far as that is known.
    start_memory : StoredMemory or None
        What the memory of a new run starts with.
    unfinished : tuple of Unfinished
        What the latest correction left undone when it was stopped.
    made : (str, str, dict)
        Scope, reason and recipe of what was there before the first run.
    """

    def __init__(
        self,
        frames: Any,
        seeds: Any,
        model: str | Path | XMem,
        config: PropagationConfig | None,
        write: Write | None,
        read: Read | None,
        explain_bytes: int,
        detections: Any = None,
    ) -> None:
        self.facts = threading.RLock()
        if isinstance(frames, (str, Path)):
            frames = open_movie(frames)
        self.movie_path = str(frames.path) if isinstance(frames, Movie) else None
        frames = frames.data if isinstance(frames, Movie) else frames
        self.source = frames if isinstance(frames, FrameSource) else FrameSource(frames)
        self.seeds, self.model = seeds, model
        self.config = config or PropagationConfig()
        self.memory_config = self.config.memory
        self.write, self.read = write, read
        self.explain_bytes = explain_bytes
        self.detections = detections
        self.run: Run | None = None
        self.annotations = Annotations()
        self.results = ResultsStore()
        self.lineage = SessionLineage(self.results)
        self.history = History()
        self.follower: TrackingScope | None = None
        self.upcoming: tuple[int, ...] = ()
        self.start_memory: StoredMemory | None = None
        self.unfinished: tuple[Unfinished, ...] = ()
        self.made: tuple[str, str, dict[str, Any]] = ("", "not propagated", {})
        self._unwritten: set[int] = set()

    def check_frame(self, frame: int) -> None:
        """Raise `SessionError` if a frame does not exist or is locked."""
        n_frames = len(self.source)
        if not 0 <= frame < n_frames:
            raise SessionError(f"Frame {frame} does not exist: the movie has frames 0 to {n_frames - 1}.")
        if frame in self.annotations.locked:
            raise SessionError(f"Frame {frame} is locked; unlock it to correct it.")

    # ---- the run

    @property
    def frame_range(self) -> tuple[int, int]:
        """First frame and end (exclusive) of what corrections may change."""
        config, n_frames = self.config, len(self.source)
        if self.run is not None and config.start is None and config.stop is None:
            return 0, n_frames
        return config.start or 0, n_frames if config.stop is None else config.stop

    @property
    def has_seeds(self) -> bool:
        """True if a run can begin without a correction."""
        return self.seeds is not None or self.detections is not None

    def prepare(self) -> Run:
        """Check everything and load the model, if that was not done yet."""
        if self.run is None:
            if not self.has_seeds:
                raise SessionError("This session has no seeds; correct a frame, and it is propagated from there.")
            config = self.config_now()
            self.adopt(prepare_run(self.source, self.seeds, self.model, config, detections=self.detections))
        return self.current_run()

    def config_now(self) -> PropagationConfig:
        """Return the settings, with those of memory as they are now."""
        return replace(self.config, memory=self.memory_config)

    def adopt(self, run: Run) -> None:
        """Take over a prepared run and its seeds."""
        with self.facts:
            self.run = run
            self.memory_config = run.config.memory
            seeds = {t: PackedLabels.pack(image) for t, image in run.seeds.items()}
            self.annotations = replace(self.annotations, labels={**seeds, **self.annotations.labels})

    def adopt_labels(self, labels: Any) -> None:
        """Take a result that exists, frame by frame; frames without objects count as without result.

        Raises
        ------
        SeedError
            If the labels do not fit the movie.
        """
        n_frames = len(self.source)
        if hasattr(labels, "shape") or isinstance(labels, (str, list, tuple)) or not hasattr(labels, "__getitem__"):
            labels = given_labels(labels, "labels")
            if len(labels.shape) != 3 or labels.shape[0] != n_frames:
                raise SeedError(f"labels have shape {tuple(labels.shape)}, expected all {n_frames} frames (T, Y, X).")
        for t in range(n_frames):
            image = check_labels(labels[t], self.source.frame_shape, f"labels of frame {t}")
            if image.any():
                self.results.put(t, FrameRecord.of_labels(t, image, seeded=False, confidence=float("nan")))

    def adopt_records(self, records: Iterable[FrameRecord]) -> None:
        """Take frames of a result that exists; those with seeds count as painted."""
        seeds = {}
        for record in records:
            self.results.put(record.scores.frame, record)
            if record.scores.seeded:
                seeds[record.scores.frame] = record.packed
        self.annotate(replace(self.annotations, labels={**seeds, **self.annotations.labels}))
        self.tell(list(self.results.frames))

    def current_run(self) -> Run:
        """Return the prepared run with the settings of now."""
        run = self.run
        if run is None:
            raise SessionError("The session has no run yet; give seeds or a correction first.")
        corrected = sorted(self.annotations.corrected)
        recipe = {**run.recipe, "memory": self.memory_config.to_dict(), "corrected_frames": corrected}
        return replace(
            run,
            config=replace(run.config, memory=self.memory_config),
            recipe=recipe,
            first_new_id=1 + self.largest_id,
        )

    def next_run(self) -> Run:
        """Return the run of everything that is known: seeds, corrections, locked frames."""
        run = self.prepare()
        known, whole = self.known_frames()
        ids = {i for labels in known.values() for i in object_ids(labels)}
        if self.start_memory is not None:
            run = replace(run, begin=partial(self.start_memory.start, object_ids=ids))
        as_given = set(known) == set(run.seeds) and all(np.array_equal(known[t], run.seeds[t]) for t in known)
        if as_given and not whole and not self.annotations.absent:
            return run
        if not ids:
            raise SessionError("No frame is left that says what to follow: paint an object, or undo what removed it.")
        low, high = run.recipe["frames"]
        absent = {t: tuple(sorted(ids - set(object_ids(known[t])))) for t in known if t in whole}
        passes = plan_passes(known, low, high, run.config.direction)
        dtype = np.promote_types(run.dtype, label_dtype(max(ids)))
        first_new_id = max(1 + max(ids), 1 + self.largest_id)
        return replace(run, seeds=known, absent=absent, passes=passes, dtype=dtype, first_new_id=first_new_id)

    @property
    def largest_id(self) -> int:
        """The largest id that was ever given, by a person or a run."""
        painted = (max(object_ids(packed.unpack()), default=0) for packed in self.annotations.labels.values())
        given = 0 if self.run is None else self.run.first_new_id - 1
        return max(given, self.results.largest_id, max(painted, default=0))

    def known_frames(self) -> tuple[dict[int, NDArray[np.int64]], frozenset[int]]:
        """Return frames that memory may learn from, and those among them that are right as a whole."""
        said = self.annotations
        known = {t: packed.unpack().astype(np.int64) for t, packed in said.labels.items()}
        known |= {t: self.results.labels(t).astype(np.int64) for t in said.locked if t in self.results}
        whole = (said.corrected | said.locked) & frozenset(known)
        known = {t: known[t] for t in sorted(known) if t not in said.forgotten and (t in whole or known[t].any())}
        return known, whole & frozenset(known)

    # ---- what the person said

    def annotate(self, annotations: Annotations) -> None:
        """Replace what the person said."""
        with self.facts:
            self.annotations = annotations

    def record(self, title: str, after: Annotations) -> Recording:
        """Begin a step of the history; `after` is what the person has said from now on."""
        with self.facts:
            recording = Recording(self.history, title, self.annotations, after)
            self.annotations = after
            return recording

    # ---- results

    def keep(
        self,
        result: FrameResult,
        explainer: Explainer | RenamedExplainer | None,
        recording: Recording,
        objects: frozenset[int] | None = None,
    ) -> FrameResult:
        """Take in the result of a frame, unless it is locked; returns what counts.

        `explainer` knows how the masks of `objects` (None: all) came about; None: they were painted.
        """
        old = self.results.get(result.frame)
        earlier = () if objects is None or old is None else old.explainers
        record = FrameRecord.of(result, () if explainer is None else ((objects, explainer), *earlier))
        gone = self.annotations.absent_on(result.frame) & set(result.object_ids)
        kept = self.put(result.frame, record.without(gone) if gone else record, recording)
        return result if kept is record else kept.result

    def put(self, frame: int, record: FrameRecord, recording: Recording) -> FrameRecord:
        """Replace the record of a frame, unless it is locked; returns what counts."""
        before = self.standing(frame)
        with self.facts:
            locked = self.results.get(frame) if frame in self.annotations.locked else None
            if locked is not None:
                return locked
            self.results.put(frame, record)
            recording.note(frame, before, record, self.annotations)
        self.tell([frame])
        return record

    def agree(self, recording: Recording) -> None:
        """Let births and ends say what the lineage says, also where a person knows better than the run."""
        lineage, _ = self.lineage.read(self.annotations)
        for frame in self.results.frames:
            record = self.results.get(frame)
            if record is None or frame in self.annotations.locked:
                continue
            scores = happenings_like(record.scores, lineage)
            if scores is not record.scores:
                with self.facts:
                    told = replace(record, scores=scores)
                    self.results.put(frame, told)
                    recording.note(frame, record, told, self.annotations)

    def standing(self, frame: int) -> FrameRecord | None:
        """Return what stands on a frame: its result, or what somebody painted over it in the caller's copy."""
        record = self.results.get(frame)
        if self.read is None or frame in self._unwritten:
            return record
        labels = self.read(frame)
        if labels is None or (record is None and not labels.any()):
            return record
        if record is not None and np.array_equal(labels, record.packed.unpack()):
            return record
        return FrameRecord.of_labels(frame, np.array(labels), seeded=False, confidence=float("nan"))

    def painted_over(self, frames: Mapping[int, Any]) -> dict[int, FrameRecord | None]:
        """Return what somebody painted over results, among these frames."""
        standing = {t: self.standing(t) for t in frames}
        return {t: record for t, record in standing.items() if record is not self.results.get(t)}

    def tell(self, frames: list[int]) -> None:
        """Write frames into the caller's copy; those that fail are written with the next ones.

        Raises
        ------
        Exception
            What `write` raised first, when all others are written.
        """
        if self.write is None:
            return
        self._unwritten.update(frames)
        problem: Exception | None = None
        for frame in sorted(self._unwritten):
            record = self.results.get(frame)
            empty = np.zeros(self.source.frame_shape, np.uint16)
            try:
                self.write(frame, empty if record is None else record.packed.unpack())
                self._unwritten.discard(frame)
            except Exception as error:
                problem = problem or error
        if problem is not None:
            raise problem

    # ---- memory

    def watcher(self, run: Run, states: MemoryHistory) -> Watch:
        """Return what follows a run from inside: memory's states for `explain`, and objects that end."""
        order = [part.frames[place + 1 :] for part in run.passes for place in range(len(part.frames))]
        rest = iter(order)

        def watch(follower: TrackingScope, frame: int) -> None:
            self.follower = follower
            states.record(follower, frame)
            self.upcoming = tuple(next(rest, ()))
            self.release_absent()

        return watch

    def release_absent(self) -> None:
        """Stop looking for objects that are absent from the next frame on."""
        follower, said = self.follower, self.annotations
        if follower is not None and said.absent and self.upcoming:
            for object_id in said.gone_for_good(self.upcoming) & set(follower.object_ids):
                follower.forget(object_id)

    def before_frame(self) -> None:
        """Take over settings of memory that changed."""
        follower = self.follower
        if follower is not None and any(bank.config != self.memory_config for bank in follower.banks):
            follower.reconfigure(self.memory_config)
