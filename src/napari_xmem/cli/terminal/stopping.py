"""Being asked to stop: Ctrl-C, a cluster's scheduler, a terminal that is closed."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from napari_xmem.cli.terminal.printing import say_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["StopRequest", "cleaning_up_when_terminated", "stopping_gently"]


class StopRequest:
    """What the user or the system has asked for while a frame was at hand."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def obey(self) -> None:
        """Raise what the signal stands for, if there was one."""
        if self.signal == signal.SIGINT:
            raise KeyboardInterrupt
        if self.signal is not None:
            raise SystemExit(128 + self.signal)


@contextmanager
def stopping_gently() -> Iterator[StopRequest]:
    """Let the frame at hand be finished when asked to stop (Ctrl-C, SIGTERM, SIGHUP); asked twice, stop at once."""
    request = StopRequest()

    def ask(number: int, frame: object) -> None:
        if request.signal is not None:
            request.signal = number
            request.obey()
        request.signal = number
        say_error("stopping after this frame; once more to stop at once.", kind="note")

    with _handling((signal.SIGINT, *_endings()), ask):
        yield request


@contextmanager
def cleaning_up_when_terminated() -> Iterator[None]:
    """Leave by an exception when asked to terminate, so that writers tidy up.

    That is what cluster schedulers ask (SIGTERM), and a terminal or connection that is closed (SIGHUP).
    """

    def leave(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    with _handling(_endings(), leave):
        yield


def _endings() -> tuple[int, ...]:
    """Return the signals that ask a process to end; under nohup a closed terminal is none."""
    hangup: int | None = getattr(signal, "SIGHUP", None)
    if hangup is None or signal.getsignal(hangup) == signal.SIG_IGN:
        return (signal.SIGTERM,)
    return (signal.SIGTERM, hangup)


@contextmanager
def _handling(signals: tuple[int, ...], handler: Callable[[int, Any], None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in signals}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
