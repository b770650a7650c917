"""What a long run has done so far, on disk: finished frames, and from time to time the memory to go on with.

A folder beside the result, ``OUTPUT.unfinished``, holds one npz file per finished frame, ``run.json``, and the memory
after N frames worked on: ``memory-N.xmem``, with ``held-N.npz`` for what was found on frames that a later pass gives
out. ``outputs.json`` stands there from when all frames are done: the outputs that get their names now, and whether all
have them. The folder goes away when the result is whole; after a crash, a full disk or a lost machine the run is taken
up from it, with the results it would have had.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.config import MemoryConfig
from napari_xmem.engine.backward_finds import LateObjects
from napari_xmem.engine.frame_order import yielded_frames
from napari_xmem.engine.state_file import load_memory, rest_of_run, save_memory
from napari_xmem.errors import OutputError, SessionError
from napari_xmem.files import atomic_write, neighbour, parse_json, remove_partial
from napari_xmem.notices import warn
from napari_xmem.session.checkpoint_files import (
    held_beside,
    read_frame,
    read_held,
    reading_files,
    run_identity,
    using_files,
    write_frame,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_xmem.engine import Run
    from napari_xmem.engine.results import FrameResult
    from napari_xmem.engine.scopes.base import TrackingScope

__all__ = ["RunCheckpoint"]

_FACTS, _OUTPUTS = "run.json", "outputs.json"
#: What a checkpoint's folder holds besides plane-*, checkpoints of planes; memory-* are also folders that writing the
#: memory needs.
_OWN = ("frame-*.npz", "memory-*", "held-*.npz", ".*.partial", "*.partial")
#: Memory is saved after this many seconds at the earliest, and at most this share of the time is spent on it.
_SAVE_AFTER_S, _SAVE_SHARE = 60.0, 0.05


class RunCheckpoint:
    """Keeps the finished frames of a run, and takes it up again.

    Parameters
    ----------
    output : str or Path
        Where the result will be written; the checkpoint is the folder ``<output>.unfinished`` beside it.
    save_after_s : float, optional
        Seconds after which memory is saved; None: a minute.
    """

    def __init__(self, output: str | Path, save_after_s: float | None = None) -> None:
        self.folder = neighbour(output, ".unfinished")
        self.save_after_s = _SAVE_AFTER_S if save_after_s is None else save_after_s
        self._run: Run | None = None
        self._follower: TrackingScope | None = None
        self._held = LateObjects()
        self._n_worked = self._n_kept = 0
        self._saved = time.monotonic()
        self._cost_s = 0.0

    @property
    def exists(self) -> bool:
        """True if there is an unfinished run; a folder in which nothing was begun is none."""
        return any((self.folder / name).exists() for name in (_FACTS, _OUTPUTS)) or any(self.folder.glob("*/run.json"))

    @property
    def n_frames(self) -> int:
        """Number of finished frames, over all parts."""
        return len(list(self.folder.rglob("frame-*.npz")))

    @property
    def outputs(self) -> tuple[set[Path], bool]:
        """Outputs that were getting their names when the run was stopped, as absolute paths, and whether all have."""
        try:
            facts = parse_json((self.folder / _OUTPUTS).read_text(encoding="utf-8"))
            return {_absolute(self.folder.parent / path) for path in facts["outputs"]}, bool(facts["complete"])
        except FileNotFoundError:
            return set(), False
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SessionError(
                f"{self.folder / _OUTPUTS} is damaged ({error}). Start afresh (--overwrite without --resume)."
            ) from error

    def name_outputs(self, paths: Iterable[str | Path], *, complete: bool = False) -> None:
        """Note which outputs get their names from now on, or that all have theirs.

        A run that is taken up after that may replace them: they are its own.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        near = [os.path.relpath(path, self.folder.parent) for path in paths]
        with using_files(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            with atomic_write(self.folder / _OUTPUTS) as partial:
                partial.write_text(json.dumps({"outputs": near, "complete": complete}), encoding="utf-8")

    def part(self, name: str) -> RunCheckpoint:
        """Return the checkpoint of one of several runs that make one result; it lies inside this one's folder."""
        part = RunCheckpoint(self.folder / name, self.save_after_s)
        part.folder = self.folder / name
        return part

    def begin(self, run: Run) -> tuple[Run, list[FrameResult]]:
        """Start afresh; an earlier checkpoint is removed. Nothing is written before the first frame is done.

        Returns the run and no results, as `resume`.
        """
        self.remove()
        self._held = LateObjects()
        self._run, self._n_worked, self._n_kept, self._saved = run, 0, 0, time.monotonic()
        return replace(run, late=self._held), []

    def resume(self, run: Run) -> tuple[Run, list[FrameResult]]:
        """Take up the unfinished run, or begin where there is nothing to go on from.

        Parameters
        ----------
        run : Run
            The whole run, prepared again from the same movie, seeds and settings.

        Returns
        -------
        Run
            What is left of it.
        list of FrameResult
            The finished frames before that, without memory snapshots.

        Raises
        ------
        SessionError
            If the unfinished run had another movie, other seeds or other settings. Another device is warned of.
        MemoryBankError
            If its files are damaged.
        """
        if not (self.folder / _FACTS).exists():
            return self.begin(run)
        with reading_files(self.folder):
            facts = parse_json((self.folder / _FACTS).read_text(encoding="utf-8"))
            self._check(facts, run)
            run = replace(run, config=replace(run.config, memory=MemoryConfig.from_dict(facts["memory_used"])))
            saved = sorted(self.folder.glob("memory-*.xmem"))
            self._run, self._saved = run, time.monotonic()
            whole = yielded_frames(run.passes, sum(len(part.frames) for part in run.passes))
            if self.n_frames == len(whole):
                return replace(run, passes=[]), [self.read(frame) for frame in whole]
            self._held = LateObjects()
            self._n_worked = int(saved[-1].stem.removeprefix("memory-")) if saved else 0
            self._n_kept = 0
            if not saved:
                return replace(run, late=self._held), []
            memory = load_memory(saved[-1])
            self._held = read_held(held_beside(saved[-1]), run)
            rest = rest_of_run(run, self._n_worked, memory, self._held)
            wait = set(memory.waiting_frames)
            kept = [frame for frame in yielded_frames(run.passes, self._n_worked) if frame not in wait]
            self._n_kept = len(kept)
            return rest, [self.read(frame) for frame in kept]

    def watch(self, follower: TrackingScope, frame: int) -> None:
        """Look at the memory after each frame, also those that are not yielded; see `iter_run`."""
        self._follower = follower
        self._n_worked += 1
        if self.is_whole:
            self._save_if_due()

    @property
    def n_worked(self) -> int:
        """Frames worked on so far, over all passes, also those that are not yielded."""
        return self._n_worked

    @property
    def is_whole(self) -> bool:
        """True if all results that were yielded are kept: the run can be stopped here.

        Frames that wait for the decision on a division are part of the memory.
        """
        given_out = len(yielded_frames(self._require_run().passes, self._n_worked))
        divisions = None if self._follower is None else self._follower.divisions
        return self._n_kept == given_out - (0 if divisions is None else divisions.waiting.n_reported)

    def keep(self, result: FrameResult) -> None:
        """Write a finished frame, and the memory if it is time to.

        Raises
        ------
        OutputError
            If it cannot be written; what was kept before stays.
        """
        with using_files(self.folder):
            self._begin_folder()
            partial = self.folder / ".frame.partial"
            with partial.open("wb") as file:
                write_frame(file, result)
            partial.replace(self.folder / f"frame-{result.frame:06d}.npz")
        self._n_kept += 1
        self._save_if_due()

    def _save_if_due(self) -> None:
        since = time.monotonic() - self._saved
        if since > max(self.save_after_s, self._cost_s / _SAVE_SHARE):
            try:
                self.save_memory()
            except OutputError as error:
                self._saved = time.monotonic()
                warn(f"{error} The run goes on; stopped now, it would begin again.", stacklevel=2)

    def save_memory(self) -> None:
        """Write the memory, if the frame worked on last was kept, so that the run can go on after it.

        With it goes what was found on frames that a later pass yields.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        if self._run is None or self._follower is None or not self.is_whole:
            return
        begun = time.monotonic()
        target = self.folder / f"memory-{self._n_worked:08d}.xmem"
        with using_files(self.folder):
            self._begin_folder()
            with atomic_write(held_beside(target)) as partial, partial.open("wb") as file:
                np.savez_compressed(file, **self._held.to_arrays())  # type: ignore[arg-type]
        save_memory(self._follower, target, fingerprint=self._run.network.fingerprint)
        self._remove_memory(but=target)
        self._saved = time.monotonic()
        self._cost_s = self._saved - begun

    def forget_memory(self) -> None:
        """Remove the saved memory of a run that is done, and keep its frames."""
        self._remove_memory()

    def _remove_memory(self, but: Path | None = None) -> None:
        for saved in self.folder.glob("memory-*.xmem"):
            if saved != but:
                saved.unlink(missing_ok=True)
        for held in self.folder.glob("held-*.npz"):
            if but is None or held != held_beside(but):
                held.unlink(missing_ok=True)

    def remove(self) -> None:
        """Forget the unfinished run, and what is left of outputs that were being written.

        Killed in the middle of this, it is forgotten all the same: ``run.json`` goes first, and the frames without it
        are nothing to go on from; where all outputs have their names, that is known to the last.
        """
        with suppress(SessionError):
            for output in self.outputs[0]:
                remove_partial(output)
        with suppress(OSError):
            (self.folder / _FACTS).unlink(missing_ok=True)
            for part in self.folder.glob("plane-*"):
                self.part(part.name).remove()
            for pattern in _OWN:
                for path in self.folder.glob(pattern):
                    shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
            (self.folder / _OUTPUTS).unlink(missing_ok=True)
            self.folder.rmdir()

    def _begin_folder(self) -> None:
        if (self.folder / _FACTS).exists():
            return
        run = self._require_run()
        facts = run_identity(run) | {"device": run.recipe["device"], "memory_used": run.config.memory.to_dict()}
        self.folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(self.folder / _FACTS) as partial:
            partial.write_text(json.dumps(facts, indent=1), encoding="utf-8")

    def _require_run(self) -> Run:
        if self._run is None:
            raise SessionError("The checkpoint has no run: call begin or resume first.")
        return self._run

    def _check(self, facts: dict[str, Any], run: Run) -> None:
        for name, now in run_identity(run).items():
            if facts.get(name) != now:
                raise SessionError(
                    f"{self.folder} holds an unfinished run with {name} {facts.get(name)}, now it is {now}. "
                    "Go on with the same movie, seeds and settings, or start afresh (--overwrite without --resume)."
                )
        device = run.recipe["device"]
        if facts.get("device", device) != device:
            warn(
                f"This run was begun on {facts['device']} and goes on on {device}; from here on results may differ in "
                "rounding from those of one device.",
                stacklevel=3,
            )

    def read(self, frame: int) -> FrameResult:
        """Return a frame that was kept, without its memory snapshot."""
        return read_frame(self.folder / f"frame-{frame:06d}.npz", frame, self._require_run().source.frame_shape)


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))
