"""Provenance: which memory elements voted for the label of a pixel."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from napari_xmem.engine.explanation import Explanation
from napari_xmem.errors import InputError
from napari_xmem.memory import add_position
from napari_xmem.model import inference_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import Tensor

    from napari_xmem.engine.results import FrameResult
    from napari_xmem.engine.run import Run
    from napari_xmem.engine.scopes.base import TrackingScope, Watch
    from napari_xmem.imaging import BrightnessChange
    from napari_xmem.memory import MemoryIndex

    #: Does the frames of a run, with the watch called after each.
    Replay = Callable[[Run, Watch], Iterable[FrameResult]]

__all__ = ["Explainer", "MemoryHistory"]


class MemoryHistory:
    """Memory as it was when each frame of a pass was asked for, without values.

    States share their keys until memory removes elements. Beyond a limit every second one is let go, oldest first; a
    frame whose state is gone is explained with the one before, and says so.

    Parameters
    ----------
    max_bytes : int
        Limit of all states together.
    """

    def __init__(self, max_bytes: int = 256_000_000) -> None:
        self.max_bytes = max_bytes
        self._lock = threading.Lock()
        self._marks: tuple[int, ...] = ()
        self._done: dict[int, int] = {}  # frame to how many states there had been before it
        self._states: dict[int, tuple[MemoryIndex, ...]] = {}  # number of the state to what is kept of it
        self._expected: dict[int, dict[int, tuple[float, float]]] = {}
        self._light: dict[int, tuple[BrightnessChange, ...]] = {}
        self._latest: dict[int, MemoryIndex] = {}  # version of a bank to its state
        self._buffers: dict[int, int] = {}  # address of a buffer to its bytes; several states may share it
        self._count = 0

    def __len__(self) -> int:
        return len(self._states)

    @property
    def n_bytes(self) -> int:
        """Bytes of all states; what several share counts once."""
        with self._lock:
            return sum(self._buffers.values())

    def record(self, scope: TrackingScope, frame: int) -> None:
        """Keep memory as it is after `frame` was done, unless it did not change."""
        marks = tuple(bank.version for bank in scope.banks)
        with self._lock:
            self._done[frame] = self._count
            self._expected[frame] = scope.expected_px
            self._light[frame] = scope.light.changes
            if marks == self._marks:
                return
            self._marks = marks
            self._count += 1
            self._states[self._count] = self._index(scope)
            if len(self._states) > 2 and sum(self._buffers.values()) > self.max_bytes:
                self._thin()

    def _index(self, scope: TrackingScope) -> tuple[MemoryIndex, ...]:
        """Return the state of every memory; one that did not change keeps its last."""
        latest = {}
        for bank in scope.banks:
            if bank.object_ids:
                latest[bank.version] = self._latest.get(bank.version) or bank.index()
        for version, index in latest.items():
            if version not in self._latest:
                self._buffers |= index.buffers()
        self._latest = latest
        return tuple(latest.values())

    def _thin(self) -> None:
        """Let go of every second state of the older three quarters."""
        numbers = list(self._states)
        for number in numbers[1 : max(2, len(numbers) * 3 // 4) : 2]:
            del self._states[number]
        self._buffers = {}
        for state in self._states.values():
            for index in state:
                self._buffers |= index.buffers()

    def expected_px(self, frame: int, object_id: int) -> tuple[float, float]:
        """Return where an object's centre was expected on a frame, y and x in pixels of the scaled frame."""
        with self._lock:
            return self._expected.get(frame, {}).get(object_id, (0.0, 0.0))

    def light(self, frame: int) -> tuple[BrightnessChange, ...]:
        """Return how the light of a frame differed when it was done, per channel; empty: not at all."""
        with self._lock:
            return self._light.get(frame, ())

    def before(self, frame: int) -> tuple[tuple[MemoryIndex, ...], bool] | None:
        """Return the state with which `frame` was done and whether it is exactly that; None if there is none."""
        with self._lock:
            wanted = self._done.get(frame)
            kept = [number for number in self._states if wanted is not None and number <= wanted]
            return (self._states[kept[-1]], kept[-1] == wanted) if kept else None


class Explainer:
    """Explains the pixels of one run.

    The state of memory comes from a `MemoryHistory` recorded while the run went on, or else is made again: the frames
    up to the one asked for are done once more, which takes as long as they took. The query is the network's key of the
    frame asked for at the pixel, computed once per question.

    Parameters
    ----------
    run : Run
        The run.
    replay : callable
        Does the run once more: called with a run and what to call after every frame, yields results
        (`napari_xmem.engine.run_passes.replay_run`).
    history : MemoryHistory, optional
        What was recorded.
    """

    def __init__(self, run: Run, replay: Replay, history: MemoryHistory | None = None) -> None:
        self.run = run
        self.history = MemoryHistory() if history is None else history
        self._do = replay
        self._lock = threading.Lock()

    def explain(
        self, frame: int, y: float, x: float, object_id: int | None = None, top: int | None = None
    ) -> Explanation:
        """Answer `napari_xmem.engine.PropagationResult.explain`; `object_id` 0 or None: nothing is there."""
        n_frames, shape = len(self.run.source), self.run.source.frame_shape
        if not (0 <= frame < n_frames and -0.5 <= y <= shape[0] - 0.5 and -0.5 <= x <= shape[1] - 0.5):
            raise InputError(
                f"Frame {frame}, y {y:g}, x {x:g} lies outside the movie of {n_frames} frames of "
                f"{shape[0]} x {shape[1]} pixels."
            )
        if not object_id:
            raise InputError(
                f"No object lies at y {y:.0f}, x {x:.0f} of frame {frame}; choose a pixel inside an object."
            )
        seeds = self.run.seeds.get(frame)
        if seeds is not None and (seeds == object_id).any():
            return Explanation(frame, y, x, object_id, (), painted=True)
        with self._lock:
            state, exact = self._state(frame)
            banks = [index for index in state if object_id in index.object_ids]
            if not banks:
                raise InputError(f"Memory did not know object {object_id} when frame {frame} was done.")
            expected, light = self.history.expected_px(frame, object_id), self.history.light(frame)
            votes = banks[0].explain(*_query(self.run, frame, y, x, expected, light), object_id, top)
        scale = 1 / self.run.prepare.geometry.scale
        placed = tuple(
            replace(v, y=min(v.y * scale, shape[0]) - 0.5, x=min(v.x * scale, shape[1]) - 0.5) for v in votes
        )
        cell = self.run.network.config.stride_px * scale
        return Explanation(frame, y, x, object_id, placed, exact, cell_px=cell)

    def _state(self, frame: int) -> tuple[tuple[MemoryIndex, ...], bool]:
        found = self.history.before(frame)
        if found is None:
            self._replay(frame)
            found = self.history.before(frame)
        if found is None:
            raise InputError(f"Frame {frame} is not part of this run; choose one of the frames that were propagated.")
        return found

    def _replay(self, frame: int) -> None:
        last = next((part for part in reversed(self.run.passes) if frame in part.frames[part.report_from :]), None)
        if last is None:
            return
        self.history = MemoryHistory(self.history.max_bytes)
        for result in self._do(replace(self.run, passes=[last]), self.history.record):
            if result.frame == frame:
                return


@inference_settings()
def _query(
    run: Run,
    frame: int,
    y: float,
    x: float,
    expected_px: tuple[float, float],
    light: tuple[BrightnessChange, ...],
) -> tuple[Tensor, Tensor]:
    """Return key and selection ``(Ck, 1)`` with which a place of a frame asks an object's memory."""
    image = run.prepare(run.source.read(frame), frame, light)
    features = run.network.encode_key(image.to(run.network.device, torch.float32)[None])
    rows, columns = features.key.shape[-2:]
    step = run.network.config.stride_px / run.prepare.geometry.scale
    row = min(max(int((y + 0.5) / step), 0), rows - 1)
    column = min(max(int((x + 0.5) / step), 0), columns - 1)
    key, selection = features.key[0, :, row, column, None], features.selection[0, :, row, column, None]
    model = run.network.config
    if run.scope == "global" or not model.locality_px:
        return key, selection
    centre = torch.tensor([[row + 0.5, column + 0.5]], dtype=torch.float32, device="cpu") * model.stride_px
    expected = torch.tensor(expected_px, dtype=torch.float32, device="cpu")
    return add_position(key, selection, centre - expected, model.locality_px)
