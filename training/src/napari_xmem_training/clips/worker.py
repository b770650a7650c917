"""What a worker process does: make clips and put them, packed, into a queue."""

from __future__ import annotations

import os
import queue
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem_training.clips.clip import Clip, ClipConfig
from napari_xmem_training.clips.make import ClipMaker
from napari_xmem_training.clips.ops import single_threaded
from napari_xmem_training.clips.store import StillStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

__all__ = ["Job", "Packed", "pack", "unpack", "work"]


@dataclass(frozen=True)
class Packed:
    """A clip as it travels between processes: half precision, grey stored once."""

    image: npt.NDArray[np.float16]
    masks: npt.NDArray[np.uint8]
    kind: str


def pack(clip: Clip) -> Packed:
    """Round a clip to half precision."""
    grey = np.array_equal(clip.image[:, 0], clip.image[:, 1]) and np.array_equal(clip.image[:, 0], clip.image[:, 2])
    image = clip.image[:, [0, 3]] if grey else clip.image
    masks = (clip.target + 2 * clip.others).astype(np.uint8)
    return Packed(image.astype(np.float16), masks, clip.kind)


def unpack(packed: Packed) -> Clip:
    """Return the clip that was packed, float32."""
    image = packed.image[:, [0, 0, 0, 1]] if packed.image.shape[1] == 2 else packed.image
    masks = packed.masks
    return Clip(image.astype(np.float32), (masks == 1).astype(np.float32), (masks == 2).astype(np.float32), packed.kind)


@dataclass(frozen=True)
class Job:
    """What a worker makes: clips `first`, `first + stride`, ... of the stream."""

    data_dir: Path | None
    split: str
    config: ClipConfig
    seed: int
    first: int
    stride: int

    def clips(self) -> Iterator[Packed]:
        """Make clips for ever."""
        store = StillStore(self.data_dir, self.split) if self.data_dir is not None else None
        maker = ClipMaker(self.config, store)
        index = self.first
        while True:
            yield pack(maker.make(np.random.default_rng([self.seed, index])))
            index += self.stride


def work(job: Job, clips: Any, stop: Any) -> None:
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
