"""What a Dask worker does for a movie: begin its process, watch over it, and say what became of it."""

from __future__ import annotations

import json
import os
import platform
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any

from napari_xmem.cli.batch.one_movie import FAILED, OCCUPIED

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["run_movie"]

_LOOK_EVERY_S = 0.5
_LEAVING_S = 30.0
#: So long a movie's outputs may be held by the process of a worker that was lost, which finishes its frame first.
_OCCUPIED_S, _OCCUPIED_EVERY_S = 60.0, 2.0
#: Dask ends a worker at this share of its memory, and so do we with a movie's process.
_MEMORY_SHARE = 0.95
_LONGEST_SAID = 4000


def run_movie(order: dict[str, Any]) -> dict[str, Any]:
    """Do a movie in a process of its own; to be run by a Dask worker.

    Parameters
    ----------
    order : dict
        ``name``, ``arguments`` (see `movie_arguments`, paths as text), ``threads``, ``stalled_after_s`` and ``gpus``,
        the devices that workers of one computer share out among themselves, or nothing.

    Returns
    -------
    dict
        The fields of `Outcome`, ``worker`` (computer and name), ``said`` (lines of stderr) and ``seconds``.
    """
    began = time.monotonic()
    place = _Place()
    told: dict[str, Any] = {}
    while True:
        told = _Process(order, place).run()
        held = told["state"] == OCCUPIED and time.monotonic() - began < _OCCUPIED_S and not place.is_cancelled()
        if not held:
            return {**told, "worker": place.name, "seconds": time.monotonic() - began}
        time.sleep(_OCCUPIED_EVERY_S)


class _Place:
    """The worker that this runs on."""

    def __init__(self) -> None:
        from distributed import get_worker

        self._worker = get_worker()
        self._key = self._worker.get_current_task()
        self.name = f"{platform.node()} {self._worker.name}"

    def environment(self, gpus: list[str]) -> dict[str, str]:
        """Return the environment of processes; workers of one computer are numbered, and so are its GPUs."""
        environment = dict(os.environ)
        if gpus:
            environment["CUDA_VISIBLE_DEVICES"] = gpus[int(self._worker.name) % len(gpus)]
        return environment

    @property
    def memory_bytes(self) -> float | None:
        """Memory that a movie may take here."""
        limit = self._worker.memory_manager.memory_limit
        return _MEMORY_SHARE * limit / self._worker.state.nthreads if limit else None

    def is_cancelled(self) -> bool:
        """Return True if nobody waits for the result any more."""
        task = self._worker.state.tasks.get(self._key)
        return task is None or task.state == "cancelled"


class _Process:
    """The process of a movie; `run` returns when it has ended, whatever ended it."""

    def __init__(self, order: dict[str, Any], place: _Place) -> None:
        self._order, self._place = order, place
        self._lines: queue.Queue[bytes] = queue.Queue()
        self._outcome: dict[str, Any] | None = None
        self._ended_for: str | None = None

    def run(self) -> dict[str, Any]:
        """Begin, watch, and return the fields of the outcome and what was said."""
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "napari_xmem.cli.batch.cluster.movie_process"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                env=self._place.environment(self._order["gpus"]),
            )
            try:
                threading.Thread(target=self._listen, args=(process.stdout,), daemon=True).start()
                with suppress(OSError):  # it has ended already, which is seen below
                    _give(process.stdin, json.dumps(self._order).encode() + b"\n")
                self._watch(process)
            finally:
                _end(process, gently=False)
            lines = _tail(said)
        outcome = self._outcome or self._lost(process.returncode, lines)
        return {**outcome, "said": lines}

    def _listen(self, stream: IO[bytes]) -> None:
        for line in stream:
            self._lines.put(line)
        self._lines.put(b"")

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        """Take in what the process says until it ends, or has to be ended."""
        heard = looked = time.monotonic()
        while True:
            with suppress(queue.Empty):
                line = self._lines.get(timeout=_LOOK_EVERY_S)
                if not line:
                    process.wait()
                    return
                heard = time.monotonic()
                self._outcome = json.loads(line).get("outcome", self._outcome)
            if time.monotonic() - looked < _LOOK_EVERY_S:
                continue
            looked = time.monotonic()
            if looked - heard > self._order["stalled_after_s"]:
                self._ended_for = f"no frame was done in {looked - heard:.0f} s, and its process was stopped"
                _end(process, gently=False)
            elif (taken := self._too_large(process)) is not None:
                self._ended_for = f"its process took {taken / 1e9:.1f} GB, more than the worker has, and was stopped"
                _end(process, gently=False)
            elif self._place.is_cancelled():
                self._ended_for = "cancelled"
                _end(process, gently=True)

    def _too_large(self, process: subprocess.Popen[bytes]) -> int | None:
        """Return the memory that the process takes, if that is more than it may."""
        import psutil

        limit = self._place.memory_bytes
        if limit is None:
            return None
        try:
            taken = int(psutil.Process(process.pid).memory_info().rss)
        except psutil.Error:
            return None
        return taken if taken > limit else None

    def _lost(self, code: int, lines: list[str]) -> dict[str, Any]:
        """Return the outcome of a process that could not say it."""
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        last = f": {lines[-1]}" if lines else ""
        reason = self._ended_for or f"its process ended {how}{last}"
        return {"state": FAILED, "reason": reason, "facts": {}, "transient": True}


def _give(stream: IO[bytes] | None, text: bytes) -> None:
    """Write to a pipe and leave it open: the process ends when it is closed."""
    if stream is not None:
        stream.write(text)
        stream.flush()


def _end(process: subprocess.Popen[bytes], *, gently: bool) -> None:
    ask: Callable[[], None] = process.terminate if gently else process.kill
    if process.poll() is None:
        ask()
        try:
            process.wait(_LEAVING_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdin is not None:
        with suppress(OSError):
            process.stdin.close()


def _tail(file: IO[bytes]) -> list[str]:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _LONGEST_SAID))
    return [line for line in file.read().decode("utf-8", "replace").splitlines() if line.strip()]
