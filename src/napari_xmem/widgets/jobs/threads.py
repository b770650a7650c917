"""Threads that report, pause, stop and never hang the viewer.

A job is a generator function ``job(control, ...)`` that yields messages. It runs in the pool of threads of napari, so
closing the viewer waits for it. Three traps of that machinery are handled here: a ``RuntimeError`` in a generator would
vanish without a signal, messages would pile up without limit when the viewer is slower than the job, and two jobs at
once would leave Python's warnings set to those of a job that is over.
"""

from __future__ import annotations

import atexit
import threading
from collections import deque
from collections.abc import Callable, Generator
from functools import partial
from typing import Any

from qtpy.QtCore import QEventLoop, QObject, QThreadPool, QTimer
from superqt.utils import GeneratorWorker

from napari_xmem.errors import OutOfMemoryError, PropagationError, XMemError, is_out_of_memory
from napari_xmem.notices import listening

#: Workers whose signals may still be on their way: one that died inside its own last signal would crash Qt.
_ALIVE: dict[GeneratorWorker, QObject] = {}
#: So long a program that ends waits for its jobs, which stop inside a frame.
_LAST_WAIT_MS = 10_000

__all__ = ["JobControl", "guarded", "handle_events_until", "in_plain_words", "start_job"]

Job = Callable[..., Generator[Any, None, Any]]


class JobControl:
    """What the viewer asks of one job: to stop, to grant a request, to wait until the viewer has kept up.

    Parameters
    ----------
    backlog : int
        Messages that may wait for the viewer before the job waits.
    """

    def __init__(self, backlog: int = 4) -> None:
        self._stop = threading.Event()
        self._news = threading.Event()
        self._room = threading.Semaphore(backlog)
        self._requests: deque[Callable[[], Any]] = deque()
        self.worker: GeneratorWorker | None = None

    @property
    def stopped(self) -> bool:
        """True once the job was asked to end."""
        return self._stop.is_set() or (self.worker is not None and self.worker.abort_requested)

    def stop(self) -> None:
        """Ask the job to end after what it is doing; what is done stays."""
        self._stop.set()
        self._news.set()

    def ask(self, request: Callable[[], Any]) -> None:
        """Have the job call `request` in its thread, between two frames; a paused job goes on for it."""
        self._requests.append(request)
        self._news.set()

    @property
    def has_request(self) -> bool:
        """True while a request waits."""
        return bool(self._requests)

    def take_request(self) -> Callable[[], Any] | None:
        """Return the oldest request, None if there is none."""
        self._news.clear()
        return self._requests.popleft() if self._requests else None

    def wait_for_news(self) -> None:
        """Wait, in the job's thread, until something is asked for, for a moment at most."""
        self._news.wait(0.05)

    def message_handled(self) -> None:
        """Say that the viewer is done with a message of the job."""
        self._room.release()

    def wait_for_room(self) -> bool:
        """Wait, in the job's thread, until the viewer has kept up; returns False if the job should end."""
        while not self.stopped:
            if self._room.acquire(timeout=0.05):
                return True
        return False


class _Worker(GeneratorWorker):
    """A worker of superqt that leaves Python's warnings, which all threads share, as they are."""

    def run(self) -> None:
        """Run the job in its thread and emit what becomes of it; called by Qt."""
        self.started.emit()
        self._running = True
        try:
            with listening(lambda warning: self.warned.emit((warning,))):
                value = self.work()
            if isinstance(value, Exception):
                raise value
            if not self.abort_requested:
                self.returned.emit(value)
        except Exception as error:
            self.errored.emit(error)
        self._running = False
        self.finished.emit()
        self._finished.emit(self)


class _Inbox(QObject):
    """Hands messages to callbacks strictly one after the other.

    A callback may make Qt handle further events (napari's progress bar does); without this, a message would then be
    handled in the middle of the one before.
    """

    def __init__(self, owner: QObject | None) -> None:
        super().__init__(owner)
        self._waiting: deque[tuple[Callable[..., Any], tuple[Any, ...]]] = deque()
        self._busy = False
        self.callbacks: dict[str, Callable[..., Any]] = {}

    def on_message(self, message: Any) -> None:
        """Take a message of the job."""
        self._put("message", message)

    def on_failed(self, error: XMemError) -> None:
        """Take the error of a failed job."""
        self._put("failed", error)

    def on_ended(self, value: Any) -> None:
        """Take the value of a job that came to its end."""
        self._put("ended", value)

    def on_warned(self, warning: tuple[Warning]) -> None:
        """Take a warning."""
        self._put("warned", *warning)

    def on_closed(self) -> None:
        """Take note that the thread is free."""
        self._put("closed")

    def _put(self, name: str, *values: Any) -> None:
        if name in self.callbacks:
            self._waiting.append((self.callbacks[name], values))
        if not self._busy:
            self._drain()

    def _drain(self) -> None:
        self._busy = True
        try:
            while self._waiting:
                callback, values = self._waiting.popleft()
                callback(*values)
        finally:
            self._busy = False
            if self._waiting:  # a callback failed: the others are not to suffer
                QTimer.singleShot(0, self._drain)


def start_job(
    job: Job,
    *args: Any,
    control: JobControl,
    owner: QObject | None = None,
    message: Callable[[Any], None],
    failed: Callable[[XMemError], None],
    ended: Callable[[Any], None],
    warned: Callable[[Warning], None] | None = None,
    closed: Callable[[], Any] | None = None,
) -> GeneratorWorker:
    """Run ``job(control, *args)`` in a thread; all callbacks are called in the viewer's thread.

    Parameters
    ----------
    job : generator function
        Yields messages, may return a value.
    *args
        Passed on to it.
    control : JobControl
        To pause and stop it.
    owner : QObject, optional
        When it is deleted, callbacks are no longer called.
    message : callable
        Called with each message. Jobs that yield often call ``control.wait_for_room()`` before each yield.
    failed : callable
        Called with an `XMemError`, whatever the job raised.
    ended : callable
        Called with the job's value when it came to its end or was stopped.
    warned : callable, optional
        Called with each warning of the program; without it they are dropped.
    closed : callable, optional
        Called last, however the job ended.
    """
    worker = _Worker(_work, job, control, args)
    control.worker = worker
    inbox = _Inbox(owner)
    given = {"message": message, "failed": failed, "ended": ended, "warned": warned, "closed": closed}
    inbox.callbacks = {name: callback for name, callback in given.items() if callback is not None}
    worker.yielded.connect(inbox.on_message)
    worker.errored.connect(inbox.on_failed)
    worker.returned.connect(inbox.on_ended)
    worker.warned.connect(inbox.on_warned)
    worker.finished.connect(inbox.on_closed)
    _ALIVE[worker] = inbox
    worker.finished.connect(partial(QTimer.singleShot, 0, partial(_ALIVE.pop, worker, None)))
    worker.start()
    return worker


@atexit.register
def _end_all() -> None:
    """Stop what still runs when the interpreter ends, say by an error in a script: its signals would be gone."""
    for worker in list(_ALIVE):
        worker.quit()
    pool = QThreadPool.globalInstance()
    if _ALIVE and pool is not None:
        pool.waitForDone(_LAST_WAIT_MS)


def _work(job: Job, control: JobControl, args: tuple[Any, ...]) -> Generator[Any, None, Any]:
    return (yield from guarded(job(control, *args)))


def handle_events_until(news: Any, over: Callable[[], bool]) -> None:
    """Handle events until `over()`, looked at whenever the signal `news` is emitted."""
    if over():
        return
    loop = QEventLoop()

    def look(*_: Any) -> None:
        if over():
            loop.quit()

    news.connect(look)
    loop.exec_() if hasattr(loop, "exec_") else loop.exec()
    news.disconnect(look)


def guarded(generator: Generator[Any, None, Any]) -> Generator[Any, None, Any]:
    """Let only `XMemError` out of a generator: anything else gets a plain message and stays attached as the cause."""
    try:
        return (yield from generator)
    except XMemError:
        raise
    except Exception as error:
        raise in_plain_words(error) from error


def in_plain_words(error: Exception) -> XMemError:
    """Return an error that a user can read for any exception."""
    if isinstance(error, XMemError):
        return error
    if isinstance(error, MemoryError):
        return OutOfMemoryError(f"There is not enough memory ({error}). Close other programs or use a smaller movie.")
    text = str(error) or "no further message"
    if is_out_of_memory(error):
        return OutOfMemoryError(
            f"The device ran out of memory ({text}). Choose Device: CPU, or the preset for little memory."
        )
    return PropagationError(f"Something unexpected went wrong: {type(error).__name__}: {text}.")
