"""The process of one movie, beside a Dask worker: ``python -m napari_xmem.cli.batch.cluster.movie_process``.

It is told what to do by a line of JSON on stdin, and says on stdout, a line of JSON each, which frame is done and in
the end what became of the movie. When stdin ends, whoever wanted the movie is gone: the frame at hand is finished, the
memory is saved, and the process leaves, so that another worker can go on.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from napari_xmem.cli.terminal import progress
from napari_xmem.cli.terminal.threads import settle_threads, wait_passively

__all__ = ["main"]

#: Paths among the arguments, which are texts in JSON.
_PATHS = ("record",)
_LEAVING_S = 20.0
EXIT_LEFT_ALONE = 143


def main() -> int:
    """Do the movie; what became of it is said on stdout, the exit code is 0 unless the process was stopped."""
    wait_passively()
    order = json.loads(_line())
    threading.Thread(target=_leave_with_the_caller, name="caller", daemon=True).start()
    settle_threads(order["threads"])
    progress.followers.append(lambda done, total: _say({"done": done, "total": total}))
    one = argparse.Namespace(**order["arguments"])
    for name in _PATHS:
        value = getattr(one, name)
        setattr(one, name, None if value is None else Path(value))

    from napari_xmem.cli.batch.one_movie import attempt
    from napari_xmem.cli.terminal.json_file import as_plain
    from napari_xmem.cli.terminal.printing import keeping_stdout
    from napari_xmem.cli.terminal.stopping import cleaning_up_when_terminated

    _say({"begun": order["name"]})
    try:
        with keeping_stdout(True), cleaning_up_when_terminated():
            outcome = attempt(one, order["name"], order["name"])
    except KeyboardInterrupt:
        return 130
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 1
    _say({"outcome": json.loads(json.dumps(asdict(outcome), default=as_plain))})
    return 0


def _line() -> bytes:
    """Read a line of stdin without taking more, so that nothing holds a buffer when the interpreter ends."""
    text = bytearray()
    while not text.endswith(b"\n"):
        read = os.read(0, 1 << 16)
        if not read:
            raise SystemExit(EXIT_LEFT_ALONE)
        text += read
    return bytes(text)


def _leave_with_the_caller() -> None:
    while os.read(0, 1 << 10):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_LEAVING_S)
    os._exit(EXIT_LEFT_ALONE)


def _say(message: dict[str, Any]) -> None:
    try:
        os.write(1, json.dumps(message).encode() + b"\n")
    except OSError:
        pass  # the caller is gone, and the other thread knows


if __name__ == "__main__":
    sys.exit(main())
