"""What a session works with: movie, settings, what was given, results; and what its tasks need of it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.config import PropagationConfig
from napari_xmem.engine import prepare_run
from napari_xmem.engine.frame_order import plan_passes
from napari_xmem.errors import SessionError
from napari_xmem.imaging import FrameSource, label_dtype, object_ids
from napari_xmem.session.history import Annotations, History
from napari_xmem.session.results import FrameRecord, PackedLabels, ResultsStore
from napari_xmem.session.runner import Driver

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_xmem.config import MemoryConfig
    from napari_xmem.engine import FrameResult, Run
    from napari_xmem.engine.explain import Explainer, MemoryHistory
    from napari_xmem.engine.scopes.base import TrackingScope, Watch
    from napari_xmem.engine.state_file import StoredMemory
    from napari_xmem.model import XMem

    Write = Callable[[int, NDArray[Any]], None]

__all__ = ["Workbench"]


class Workbench(Driver):
    """Everything a session holds, and how its tasks put results in; parameters as for `TrackingSession`."""

    def __init__(
        self,
        frames: Any,
        seeds: Any,
        model: str | Path | XMem,
        config: PropagationConfig | None,
        write: Write | None,
        explain_bytes: int,
    ) -> None:
        super().__init__()
        self._source = frames if isinstance(frames, FrameSource) else FrameSource(frames)
        self._seeds, self._model = seeds, model
        self._config = config or PropagationConfig()
        self._memory_config = self._config.memory
        self._run: Run | None = None
        self._annotations = Annotations()
        self._follower: TrackingScope | None = None
        self.write = write
        self.explain_bytes = explain_bytes
        self.results = ResultsStore()
        self.history = History()
        self.explainers: dict[int, tuple[tuple[frozenset[int] | None, Explainer], ...]] = {}
        self.start_memory: StoredMemory | None = None

    @property
    def annotations(self) -> Annotations:
        """What the person said: seeds, corrections, locked frames."""
        return self._annotations

    @property
    def n_frames(self) -> int:
        """Frames of the movie."""
        return len(self._source)

    @property
    def frame_shape(self) -> tuple[int, int]:
        """Rows and columns of a frame."""
        return self._source.frame_shape

    @property
    def frame_range(self) -> tuple[int, int]:
        """First frame and end (exclusive) of what corrections may change."""
        if self._run is not None and self._config.start is None and self._config.stop is None:
            return 0, self.n_frames
        low, high = self._config.start or 0, self._config.stop
        return low, self.n_frames if high is None else high

    @property
    def follower(self) -> TrackingScope | None:
        """What holds the memory of the present or latest run; look at it only while nothing runs."""
        return self._follower

    @property
    def network(self) -> XMem | None:
        """The network; None before the first run."""
        return None if self._run is None else self._run.network

    @property
    def memory_config(self) -> MemoryConfig:
        """The memory manager's settings; a change takes effect with the next frame, while paused on resume."""
        return self._memory_config

    @memory_config.setter
    def memory_config(self, memory: MemoryConfig) -> None:
        self._memory_config = memory

    def prepare(self) -> Run:
        """Check everything and load the model, if that was not done yet; `frames` does it by itself.

        Raises
        ------
        InputError, SeedError, ConfigError, CheckpointError, DeviceError
            See `napari_xmem.iter_propagate`.
        """
        with self._turn:
            if self._run is None:
                if self._seeds is None:
                    raise SessionError("This session has no seeds; correct a frame, and it is propagated from there.")
                config = replace(self._config, memory=self._memory_config)
                self._adopt(prepare_run(self._source, self._seeds, self._model, config))
            return self.current_run()

    def current_run(self) -> Run:
        """Return the prepared run with the settings of now."""
        run = self._run
        if run is None:
            raise SessionError("The session has no run yet; give seeds or a correction first.")
        recipe = {
            **run.recipe,
            "memory": self._memory_config.to_dict(),
            "corrected_frames": sorted(self._annotations.corrected),
        }
        return replace(run, config=replace(run.config, memory=self._memory_config), recipe=recipe)

    def next_run(self) -> Run:
        """Return the run of everything that is known: seeds, corrections, locked frames."""
        run = self.prepare()
        known, whole = self.known_frames()
        if self.start_memory is not None:
            run = replace(run, begin=partial(self.start_memory.start, object_ids=_ids_of(known)))
        if set(known) == set(run.seeds) and not whole:
            return run
        low, high = run.recipe["frames"]
        ids = _ids_of(known)
        absent = {t: tuple(sorted(ids - set(object_ids(known[t])))) for t in known if t in whole}
        passes = plan_passes(known, low, high, run.config.direction)
        dtype = np.promote_types(run.dtype, label_dtype(max(ids)))
        return replace(run, seeds=known, absent=absent, passes=passes, dtype=dtype)

    def known_frames(self) -> tuple[dict[int, NDArray[np.int64]], frozenset[int]]:
        """Return frames that memory may learn from, and those among them that are right as a whole."""
        annotations = self._annotations
        known = {t: packed.unpack().astype(np.int64) for t, packed in annotations.labels.items()}
        known |= {t: self.results.labels(t).astype(np.int64) for t in annotations.locked}
        known = {t: known[t] for t in sorted(known) if t not in annotations.forgotten}
        return known, (annotations.corrected | annotations.locked) & frozenset(known)

    def annotate(self, annotations: Annotations) -> None:
        """Replace what the person said."""
        with self._facts:
            self._annotations = annotations

    def keep(
        self, result: FrameResult, explainer: Explainer | None, objects: frozenset[int] | None = None
    ) -> FrameResult:
        """Take in the result of a frame, unless it is locked; returns what counts.

        `explainer` knows how the masks of `objects` (None: all) came about; None: they were given by hand.
        """
        if result.frame in self._annotations.locked:
            record = self.results.get(result.frame)
            return result if record is None else record.result
        self.results.put(result.frame, FrameRecord.of(result))
        with self._facts:
            earlier = () if objects is None else self.explainers.get(result.frame, ())
            self.explainers[result.frame] = () if explainer is None else ((objects, explainer), *earlier)
        self._tell(result.frame, result.labels)
        return result

    def watcher(self, trail: MemoryHistory) -> Watch:
        """Return what follows a run from inside: it keeps the follower in reach and memory's states for `explain`."""

        def watch(follower: TrackingScope, frame: int) -> None:
            self._follower = follower
            trail.record(follower, frame)

        return watch

    def _tell(self, frame: int, labels: NDArray[Any] | None = None) -> None:
        if self.write is None:
            return
        if labels is None:
            record = self.results.get(frame)
            labels = np.zeros(self.frame_shape, np.uint16) if record is None else record.packed.unpack()
        self.write(frame, labels)

    def _adopt(self, run: Run) -> None:
        with self._facts:
            self._run = run
            self._memory_config = run.config.memory
            seeds = {t: PackedLabels.pack(image) for t, image in run.seeds.items()}
            self._annotations = replace(self._annotations, labels={**seeds, **self._annotations.labels})

    def _before_frame(self) -> None:
        follower = self._follower
        if follower is not None and any(bank.config != self._memory_config for bank in follower.banks):
            follower.reconfigure(self._memory_config)


def _ids_of(known: Mapping[int, NDArray[Any]]) -> set[int]:
    return {i for labels in known.values() for i in object_ids(labels)}
