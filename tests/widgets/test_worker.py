"""Threads: every exception comes out, stopping and pausing work, nothing piles up."""

from __future__ import annotations

import subprocess
import sys
import threading
import warnings

import pytest
import torch

from napari_xmem.errors import InputError, OutOfMemoryError, PropagationError, XMemError
from napari_xmem.notices import warn
from napari_xmem.widgets.common.time_left import TimeLeft, short_time
from napari_xmem.widgets.jobs.threads import JobControl, start_job

pytestmark = pytest.mark.gui
WAIT = 10_000


class Record:
    """Callbacks that remember."""

    def __init__(self):
        self.messages, self.warnings = [], []
        self.error, self.value, self.closed = None, None, False

    def start(self, job, *args, control=None):
        self.control = control or JobControl()
        return start_job(
            job,
            *args,
            control=self.control,
            message=self.messages.append,
            failed=lambda error: setattr(self, "error", error),
            ended=lambda value: setattr(self, "value", value),
            warned=lambda warning: self.warnings.append(str(warning)),
            closed=lambda: setattr(self, "closed", True),
        )


@pytest.mark.parametrize(
    ("raised", "kind", "words"),
    [
        (RuntimeError("shapes differ"), PropagationError, "RuntimeError: shapes differ"),
        (torch.OutOfMemoryError("CUDA out of memory"), OutOfMemoryError, "CUDA out of memory"),
        (MemoryError(), OutOfMemoryError, "not enough memory"),
        (ZeroDivisionError("division by zero"), PropagationError, "ZeroDivisionError"),
        (StopIteration(), PropagationError, "went wrong"),
        (InputError("no frames"), InputError, "no frames"),
    ],
)
def test_every_exception_comes_out(qtbot, raised, kind, words):
    def job(control):
        yield "first"
        raise raised

    record = Record()
    record.start(job)
    qtbot.waitUntil(lambda: record.closed, timeout=WAIT)
    assert record.messages == ["first"]
    assert type(record.error) is kind and isinstance(record.error, XMemError)
    assert words in str(record.error)


def test_jobs_at_once_leave_the_warnings_of_other_threads_alone(qtbot):
    def job(control, name, may_end):
        warn(f"{name} begins")
        yield name
        may_end.wait(WAIT / 1000)
        warn(f"{name} ends")
        warn(f"{name} ends")

    filters, shown_by = list(warnings.filters), warnings.showwarning
    first, second = Record(), Record()
    ends = threading.Event(), threading.Event()
    first.start(job, "first", ends[0])
    qtbot.waitUntil(lambda: first.messages == ["first"], timeout=WAIT)
    second.start(job, "second", ends[1])
    qtbot.waitUntil(lambda: second.messages == ["second"], timeout=WAIT)
    assert warnings.filters == filters and warnings.showwarning is shown_by
    with warnings.catch_warnings():  # as napari does while it makes the colours of a layer
        warnings.filterwarnings("ignore", message="out of range")
        ends[0].set()
        qtbot.waitUntil(lambda: first.closed, timeout=WAIT)
        warnings.warn("out of range", stacklevel=1)
    ends[1].set()
    qtbot.waitUntil(lambda: second.closed, timeout=WAIT)
    assert warnings.filters == filters and warnings.showwarning is shown_by
    for record, name in ((first, "first"), (second, "second")):
        assert record.warnings == [f"{name} begins", f"{name} ends", f"{name} ends"]
    with pytest.warns(UserWarning, match="nobody listens"):
        warn("nobody listens")


def test_the_backlog_is_bounded(qtbot):
    made, full = [], threading.Event()

    def job(control):
        for k in range(50):
            if len(made) == 4:
                full.set()
            if not control.wait_for_room():
                return "stopped"
            made.append(k)
            yield k
        return "done"

    record = Record()
    record.start(job)
    qtbot.waitUntil(full.is_set, timeout=WAIT)
    qtbot.waitUntil(lambda: len(record.messages) == 4, timeout=WAIT)
    assert len(made) == 4
    record.control.message_handled()
    qtbot.waitUntil(lambda: len(made) == 5, timeout=WAIT)
    record.control.stop()
    qtbot.waitUntil(lambda: record.closed, timeout=WAIT)
    assert record.value == "stopped"


def test_time_left():
    left = TimeLeft(10)
    assert left.seconds is None and str(left) == ""
    left.step()
    assert left.seconds == pytest.approx(9 * left.seconds_per_frame)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "less than 1 s"), (5, "5 s"), (60, "1 min"), (130, "2 min 10 s"), (1234, "20 min"), (3900, "1 h 05 min")],
)
def test_short_time(seconds, text):
    assert short_time(seconds) == text


SCRIPT_WITH_A_MISTAKE = """
import time
from qtpy.QtWidgets import QApplication
from napari_xmem.widgets.jobs.threads import JobControl, start_job

app, began, control = QApplication([]), [], JobControl()

def job(control):
    yield "begun"
    while not control.stopped:
        time.sleep(0.01)

start_job(job, control=control, message=began.append, failed=print, ended=print)
while not began:
    app.processEvents()
raise ValueError("a mistake of the script")
"""


def test_a_program_that_ends_by_an_error_ends_its_jobs() -> None:
    ended = subprocess.run([sys.executable, "-c", SCRIPT_WITH_A_MISTAKE], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert ended.stderr.strip().endswith("ValueError: a mistake of the script")
