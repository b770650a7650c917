"""Endless, reproducible clips from worker processes."""

from __future__ import annotations

import multiprocessing
import os
import queue
import traceback
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from napari_xmem.errors import ConfigError, InputError
from napari_xmem_training.clips.clip import Clip, ClipConfig
from napari_xmem_training.clips.make import ClipMaker
from napari_xmem_training.clips.ops import Floats, single_threaded
from napari_xmem_training.clips.recordings import RecordingStore
from napari_xmem_training.clips.store import StillStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.context import SpawnProcess
    from types import TracebackType

__all__ = ["ClipStream"]

_ATTEMPTS = 5
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class _Packed:
    """A clip as it travels between processes: half precision, grey stored once."""

    image: npt.NDArray[np.float16]
    masks: npt.NDArray[np.uint8]
    events: Floats
    kind: str


def _pack(clip: Clip) -> _Packed:
    grey = np.array_equal(clip.image[:, 0], clip.image[:, 1]) and np.array_equal(clip.image[:, 0], clip.image[:, 2])
    image = clip.image[:, [0, 3]] if grey else clip.image
    masks = (clip.target + 2 * clip.others).astype(np.uint8)
    return _Packed(image.astype(np.float16), masks, clip.events, clip.kind)


def _unpack(packed: _Packed) -> Clip:
    image = packed.image[:, [0, 0, 0, 1]] if packed.image.shape[1] == 2 else packed.image
    masks = packed.masks
    target, others = ((masks == value).astype(np.float32) for value in (1, 2))
    return Clip(image.astype(np.float32), target, others, packed.events, packed.kind)


def _make(maker: ClipMaker, seed: int, index: int) -> Clip:
    """Make clip number `index`; where a draw cannot be turned into a clip, the next draw for that number."""
    for attempt in range(_ATTEMPTS):
        try:
            return maker.make(np.random.default_rng([seed, index, attempt] if attempt else [seed, index]))
        except (ValueError, IndexError, StopIteration, ArithmeticError):
            if attempt == _ATTEMPTS - 1:
                raise
    raise InputError("No clip could be made.")


@dataclass(frozen=True)
class _Job:
    """What a worker makes: clips `first`, `first + stride`, ... of the stream."""

    data_dir: Path | None
    split: str
    config: ClipConfig
    seed: int
    first: int
    stride: int

    def clips(self) -> Iterator[_Packed]:
        store = StillStore(self.data_dir, self.split) if self.data_dir is not None else None
        recordings = RecordingStore(self.data_dir, self.split) if self.data_dir is not None else None
        maker = ClipMaker(self.config, store, recordings)
        index = self.first
        while True:
            yield _pack(_make(maker, self.seed, index))
            index += self.stride


def _work(job: _Job, clips: Any, stop: Any) -> None:
    """Fill a bounded queue until `stop` is set or the parent is gone; an error travels as text."""
    single_threaded()
    parent = os.getppid()
    try:
        for clip in job.clips():
            while not stop.is_set():
                try:
                    clips.put(clip, timeout=1.0)
                    break
                except queue.Full:
                    if os.getppid() != parent:
                        stop.set()
            if stop.is_set():
                break
    except KeyboardInterrupt:
        pass
    except BaseException:
        clips.put(traceback.format_exc())
    if stop.is_set():
        clips.cancel_join_thread()


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Give processes started inside one numerical thread each."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


class ClipStream:
    """Infinite iterator of training clips.

    Clip number ``i`` depends on `seed`, ``i`` and the configuration only, not on the number of workers, so that a
    resumed training goes on with ``start=`` the number of clips already used.

    Parameters
    ----------
    data_dir : Path or None
        Folder of the still images (``bbbc038_fluo.npz``, ...); None: simulated and drawn kinds only.
    seed : int
        0 or more.
    config : ClipConfig or None
        Size and content of the clips; None: the default.
    n_workers : int
        Processes; 0 makes clips in this process, on demand.
    split : {"train", "val"}
        Which still images.
    start : int
        Number of the first clip.
    queued : int
        Clips each worker may hold ready.

    Raises
    ------
    ConfigError
        A size or weight is out of range.
    InputError
        `data_dir` has no training images.

    Notes
    -----
    Workers are spawned: a script that makes a stream with workers needs the usual ``if __name__ == "__main__"``.
    """

    def __init__(
        self,
        data_dir: Path | str | None,
        seed: int = 0,
        config: ClipConfig | None = None,
        *,
        n_workers: int = 1,
        split: str = "train",
        start: int = 0,
        queued: int = 8,
    ) -> None:
        if n_workers < 0 or seed < 0 or start < 0 or queued < 1:
            raise ConfigError(
                f"n_workers {n_workers}, seed {seed}, start {start}, queued {queued}: expected 0 or more (queued: 1)."
            )
        self.config = config or ClipConfig()
        self.position = start
        folder = Path(data_dir) if data_dir is not None else None
        if folder is not None:
            StillStore(folder, split)
        jobs = [_Job(folder, split, self.config, seed, start + k, max(n_workers, 1)) for k in range(max(n_workers, 1))]
        self._local = jobs[0].clips() if n_workers == 0 else None
        self._next, self._closed = 0, False
        self._processes: list[SpawnProcess] = []
        self._queues: list[Any] = []
        if n_workers:
            self._start(jobs, queued)

    def _start(self, jobs: list[_Job], queued: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._stop = context.Event()
        with _one_thread_each():
            for job in jobs:
                clips = context.Queue(queued)
                process = context.Process(target=_work, args=(job, clips, self._stop), daemon=True)
                process.start()
                self._queues.append(clips)
                self._processes.append(process)

    def __iter__(self) -> Iterator[Clip]:
        """Return itself."""
        return self

    def __next__(self) -> Clip:
        """Return the next clip, waiting for a worker if need be."""
        if self._closed:
            raise StopIteration
        packed = next(self._local) if self._local is not None else self._receive()
        self.position += 1
        return _unpack(packed)

    def _receive(self) -> _Packed:
        k = self._next
        while True:
            try:
                got = self._queues[k].get(timeout=1.0)
                break
            except queue.Empty:
                if not self._processes[k].is_alive():
                    code = self._processes[k].exitcode
                    self.close()
                    raise InputError(f"A clip worker ended with exit code {code}; n_workers=0 may show why.") from None
        if isinstance(got, str):
            self.close()
            raise InputError(f"A clip worker failed:\n{got}")
        self._next = (k + 1) % len(self._queues)
        packed: _Packed = got
        return packed

    def next_batch(self, batch: int) -> dict[str, Any]:
        """Return `batch` clips, stacked.

        Parameters
        ----------
        batch : int
            Number of clips.

        Returns
        -------
        dict
            ``image`` (B, T, 4, H, W), ``target`` and ``others`` (B, T, H, W), ``events`` (B, T, 3), all float32;
            ``kind``: list of str.
        """
        clips = [next(self) for _ in range(batch)]
        stacked: dict[str, Floats] = {
            name: np.stack([getattr(clip, name) for clip in clips]) for name in ("image", "target", "others", "events")
        }
        return {**stacked, "kind": [clip.kind for clip in clips]}

    def close(self) -> None:
        """End the workers; safe to call twice."""
        if self._closed:
            return
        self._closed = True
        if not self._processes:
            return
        self._stop.set()
        for clips in self._queues:
            clips.close()
        for process in self._processes:
            process.join(timeout=5.0)
            if process.is_alive():
                process.terminate()
                process.join(timeout=5.0)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the workers."""
        self.close()
