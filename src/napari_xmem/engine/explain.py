"""Provenance: which memory elements voted for the label of a pixel."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from napari_xmem.errors import InputError
from napari_xmem.memory import with_place

if TYPE_CHECKING:
    from torch import Tensor

    from napari_xmem.engine.run import Run
    from napari_xmem.engine.scopes.follow import Follower
    from napari_xmem.memory import MemoryIndex, MemoryVote

__all__ = ["Explainer", "Explanation", "MemoryTrail"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Who voted for the label of a pixel.

    Attributes
    ----------
    frame : int
        Frame of the pixel.
    y, x : float
        The pixel.
    object_id : int
        Object that was asked for.
    votes : tuple of MemoryVote
        Largest weight first; weights of all that answered sum to 1. Places are in pixels of the movie.
    exact : bool
        True if memory is as it was when the frame was asked for; False if a somewhat earlier state stood in.
    painted : bool
        The frame was seeded or corrected: its label was given, and memory was not asked.
    cell_px : float
        Side of the square of the movie that one element stands for.
    """

    frame: int
    y: float
    x: float
    object_id: int
    votes: tuple[MemoryVote, ...]
    exact: bool = True
    painted: bool = False
    cell_px: float = 1.0

    def share_of(self, store: str) -> float:
        """Return the weight that came from one store: working, long_term or permanent."""
        return sum(vote.weight for vote in self.votes if vote.store == store)


class MemoryTrail:
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

    def record(self, follower: Follower, frame: int) -> None:
        """Keep memory as it is after `frame` was done, unless it did not change."""
        marks = tuple(bank.version for bank in follower.banks)
        with self._lock:
            self._done[frame] = self._count
            self._expected[frame] = follower.expected_px
            if marks == self._marks:
                return
            self._marks = marks
            self._count += 1
            self._states[self._count] = self._index(follower)
            if len(self._states) > 2 and sum(self._buffers.values()) > self.max_bytes:
                self._thin()

    def _index(self, follower: Follower) -> tuple[MemoryIndex, ...]:
        """Return the state of every memory; one that did not change keeps its last."""
        latest = {}
        for bank in follower.banks:
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

    def before(self, frame: int) -> tuple[tuple[MemoryIndex, ...], bool] | None:
        """Return the state with which `frame` was done and whether it is exactly that; None if there is none."""
        with self._lock:
            wanted = self._done.get(frame)
            held = [number for number in self._states if wanted is not None and number <= wanted]
            return (self._states[held[-1]], held[-1] == wanted) if held else None


class Explainer:
    """Explains the pixels of one run.

    The state of memory comes from a `MemoryTrail` recorded while the run went on, or else is made anew: a follower does
    the frames up to the one asked for, which takes as long as they took. The query is the network's key of the frame
    asked for at the pixel, computed once per question.

    Parameters
    ----------
    run : Run
        The run.
    trail : MemoryTrail, optional
        What was recorded.
    """

    def __init__(self, run: Run, trail: MemoryTrail | None = None) -> None:
        self.run = run
        self.trail = MemoryTrail() if trail is None else trail
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
            raise InputError(f"No object lies at y {y:g}, x {x:g} of frame {frame}; choose a pixel inside an object.")
        seeds = self.run.seeds.get(frame)
        if seeds is not None and (seeds == object_id).any():
            return Explanation(frame, y, x, object_id, (), painted=True)
        with self._lock:
            state, exact = self._state(frame)
            banks = [index for index in state if object_id in index.object_ids]
            if not banks:
                raise InputError(f"Memory did not know object {object_id} when frame {frame} was done.")
            expected = self.trail.expected_px(frame, object_id)
            votes = banks[0].explain(*_query(self.run, frame, y, x, expected), object_id, top)
        scale = 1 / self.run.prepare.geometry.scale
        placed = tuple(
            replace(v, y=min(v.y * scale, shape[0]) - 0.5, x=min(v.x * scale, shape[1]) - 0.5) for v in votes
        )
        cell = self.run.network.config.stride_px * scale
        return Explanation(frame, y, x, object_id, placed, exact, cell_px=cell)

    def _state(self, frame: int) -> tuple[tuple[MemoryIndex, ...], bool]:
        found = self.trail.before(frame)
        if found is None:
            self._replay(frame)
            found = self.trail.before(frame)
        if found is None:
            raise InputError(f"Frame {frame} is not part of this run; choose one of the frames that were propagated.")
        return found

    def _replay(self, frame: int) -> None:
        from napari_xmem.engine.propagate import iter_run

        last = next((part for part in reversed(self.run.passes) if frame in part.frames[part.report_from :]), None)
        if last is None:
            return
        self.trail = MemoryTrail(self.trail.max_bytes)
        for result in iter_run(replace(self.run, passes=[last]), watch=self.trail.record):
            if result.frame == frame:
                return


@torch.inference_mode()
def _query(run: Run, frame: int, y: float, x: float, expected_px: tuple[float, float]) -> tuple[Tensor, Tensor]:
    """Return key and selection ``(Ck, 1)`` with which a place of a frame asks an object's memory."""
    image = run.prepare(run.source.read(frame), frame)
    features = run.network.encode_key(image.to(run.network.device, torch.float32)[None])
    rows, columns = features.key.shape[-2:]
    step = run.network.config.stride_px / run.prepare.geometry.scale
    row = min(max(int((y + 0.5) / step), 0), rows - 1)
    column = min(max(int((x + 0.5) / step), 0), columns - 1)
    key, selection = features.key[0, :, row, column, None], features.selection[0, :, row, column, None]
    model = run.network.config
    if run.scope == "global" or not model.locality_px:
        return key, selection
    centre = torch.tensor([[row + 0.5, column + 0.5]]) * model.stride_px
    return with_place(key, selection, centre - torch.tensor(expected_px), model.locality_px)
