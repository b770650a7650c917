"""The state machine of a run, driven by tasks without a network."""

from __future__ import annotations

import itertools
import threading
import time

import numpy as np
import pytest

from napari_xmem.engine import FrameResult
from napari_xmem.engine.interruption import stop_if_asked
from napari_xmem.errors import SessionError
from napari_xmem.session.session_runner import SessionRunner
from napari_xmem.session.session_states import AT_REST, SETTLED, TRANSITIONS, SessionState

S = SessionState


class Counting:
    """A task of `total` frames; `during` is called inside each frame."""

    title = "counting"

    def __init__(self, total=5, during=None):
        self.total, self.during = total, during
        self.finished = []

    def frames(self):
        for t in range(self.total):
            if self.during is not None:
                self.during(t)
            yield FrameResult(t, np.zeros((1, 1), np.uint16), (), np.zeros(0, np.int64), np.zeros(0, np.float32))

    def finish(self, *, complete):
        self.finished.append(complete)


def runner_of(task):
    return SessionRunner(lambda: task, lambda: None, threading.RLock())


def runner_in(state):
    """Bring a runner into a state; return it."""
    runner = runner_of(Counting())
    paths = {
        S.IDLE: (),
        S.PREPARING: (S.PREPARING,),
        S.RUNNING: (S.RUNNING,),
        S.PAUSING: (S.RUNNING, S.PAUSING),
        S.PAUSED: (S.RUNNING, S.PAUSING, S.PAUSED),
        S.STOPPING: (S.RUNNING, S.STOPPING),
        S.FINISHED: (S.RUNNING, S.STOPPING, S.FINISHED),
        S.FAILED: (S.RUNNING, S.STOPPING, S.FAILED),
    }
    with runner._changed:
        for step in paths[state]:
            runner._to(step)
    return runner


@pytest.mark.parametrize(("source", "target"), list(itertools.product(S, S)))
def test_only_listed_transitions_are_legal(source, target):
    runner = runner_in(source)
    with runner._changed:
        if target in TRANSITIONS[source]:
            runner._to(target)
            assert runner.state is target
        else:
            with pytest.raises(SessionError, match="cannot become"):
                runner._to(target)
            assert runner.state is source


def test_every_state_leads_to_rest():
    for state in S:
        reached, new = {state}, {state}
        while new:
            new = {after for before in new for after in TRANSITIONS[before]} - reached
            reached |= new
        assert reached & AT_REST, state


def test_a_run_comes_to_its_end():
    task = Counting()
    runner = runner_of(task)
    assert [r.frame for r in runner.frames()] == [0, 1, 2, 3, 4]
    assert runner.state is S.FINISHED
    assert runner.status.complete
    assert (runner.status.frames_done, runner.status.frames_total, runner.status.frame) == (5, 5, 4)
    assert task.finished == [True]


def test_a_pause_inside_a_frame_waits_for_its_end():
    seen = []
    runner = runner_of(None)

    def during(t):
        if t == 2:
            runner.pause()
            seen.append(runner.state)

    runner._first_task = lambda: Counting(during=during)
    assert [r.frame for r in runner.frames(wait=False)] == [0, 1, 2]
    assert seen == [S.PAUSING]
    assert runner.state is S.PAUSED
    runner.resume()
    assert [r.frame for r in runner.frames()] == [3, 4]


def test_cancel_ends_a_run_that_nobody_drives():
    task = Counting()
    runner = runner_of(task)
    running = runner.frames()
    next(running)
    runner.cancel()
    assert runner.state is S.FINISHED, "nobody has to come back for it"
    assert not runner.status.complete
    assert task.finished == [False]
    assert list(running) == []


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt(), SystemExit(3), MemoryError()])
def test_whatever_is_raised_in_a_frame_ends_the_run(error):
    def during(t):
        if t == 2:
            raise error

    task = Counting(during=during)
    runner = runner_of(task)
    with pytest.raises(type(error)):
        list(runner.frames())
    assert runner.state is S.FAILED
    assert runner.status.error is error
    assert task.finished == [False]
    runner._first_task = Counting
    assert len(list(runner.frames())) == 5
    assert runner.status.error is None


def test_an_error_while_summing_up_ends_it_too():
    class Bad(Counting):
        def finish(self, *, complete):
            raise OSError("no room")

    runner = runner_of(Bad())
    with pytest.raises(OSError, match="no room"):
        list(runner.frames())
    assert runner.state is S.FAILED


def test_another_task_takes_the_place_of_a_paused_one():
    old, new = Counting(), Counting(2)
    runner = runner_of(old)
    seen = []
    third = threading.Event()

    def work():
        for result in runner.frames():
            seen.append(result.frame)
            if result.frame == 2:
                runner.pause()
                third.set()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert third.wait(30)
    with runner.hold("It"):
        assert runner.take_up(lambda: new, "It") is new
    assert runner.state is S.RUNNING
    thread.join(30)
    assert not thread.is_alive(), "the old thread noticed"
    assert seen == [0, 1, 2]
    assert old.finished == [False]
    assert len(list(runner.frames())) == 2
    assert new.finished == [True]


def test_a_task_that_cannot_be_made_leaves_rest():
    runner = runner_of(Counting())

    def make():
        raise ValueError("no")

    with runner.hold("It"), pytest.raises(ValueError, match="no"):
        runner.take_up(make, "It")
    assert runner.state is S.IDLE


def test_changes_wait_for_the_frame_at_hand_after_a_pause():
    inside, go = threading.Event(), threading.Event()

    def during(t):
        if t == 1:
            inside.set()
            go.wait(30)

    runner = runner_of(Counting(during=during))
    thread = threading.Thread(target=lambda: list(runner.frames(wait=False)), daemon=True)
    thread.start()
    assert inside.wait(30)
    with pytest.raises(SessionError, match="is running; pause or cancel it first"), runner.hold("It"):
        pass
    runner.pause()
    assert runner.state is S.PAUSING
    held = []

    def change():
        with runner.hold("It"):
            held.append(runner.state)

    changing = threading.Thread(target=change, daemon=True)
    changing.start()
    changing.join(0.1)
    assert not held
    go.set()
    changing.join(30)
    assert held == [S.PAUSED]
    thread.join(30)
    runner.cancel()
    assert runner.state in SETTLED


def test_nothing_waits_for_itself():
    refused = []
    runner = runner_of(None)

    def during(t):
        for call in (
            runner.wait,
            lambda: runner.hold("It").__enter__(),
            lambda: runner.between_frames("It").__enter__(),
        ):
            try:
                call()
            except SessionError as error:
                refused.append(str(error))

    runner._first_task = lambda: Counting(1, during)
    list(runner.frames())
    assert len(refused) == 3
    assert all("in the middle of a frame" in text for text in refused)


def test_only_one_thread_drives():
    runner = runner_of(Counting())
    running = runner.frames()
    next(running)
    with pytest.raises(SessionError, match="Another thread"):
        next(runner.frames())
    running.close()
    assert runner.state is S.FINISHED


def test_wait_is_woken_by_another_thread():
    runner = runner_of(Counting())
    running = runner.frames()
    next(running)
    assert not runner.wait(0.01)
    threading.Timer(0.05, runner.cancel).start()
    assert runner.wait(30)


def test_a_cancelled_frame_is_given_up():
    after = []
    runner = runner_of(None)

    def during(t):
        if t == 2:
            runner.cancel()
            stop_if_asked()
            after.append(t)

    task = Counting(during=during)
    runner._first_task = lambda: task
    assert [result.frame for result in runner.frames()] == [0, 1]
    assert not after
    assert runner.state is S.FINISHED
    assert not runner.status.complete
    assert runner.status.error is None
    assert task.finished == [False]
    stop_if_asked()  # outside of a run nothing happens


def slow_run(**how):
    """Return a runner in a thread, inside a frame that goes on until `go`, with a look before every layer."""
    inside, go = threading.Event(), threading.Event()

    def during(t):
        inside.set()
        while t == 1 and not go.wait(0.001):
            stop_if_asked()

    task = Counting(during=during)
    runner, done = runner_of(task), []
    thread = threading.Thread(target=lambda: done.extend(r.frame for r in runner.frames(**how)), daemon=True)
    thread.start()
    assert inside.wait(30)
    return runner, task, go, thread, done


def wait_until(holds):
    end = time.monotonic() + 30
    while not holds() and time.monotonic() < end:
        time.sleep(0.002)
    assert holds()


def test_a_pause_waits_inside_a_frame_until_it_goes_on_or_somebody_needs_the_turn():
    runner, _task, go, thread, done = slow_run()
    runner.pause()
    wait_until(lambda: runner.is_inside_frame)
    with runner.at_rest() as still:
        assert still
    runner.resume()
    assert runner.state is S.RUNNING
    runner.pause()
    wait_until(lambda: runner.is_inside_frame)
    held = []

    def change(how):
        with how("It"):
            held.append((runner.state, runner.is_inside_frame, list(done)))

    changing = [
        threading.Thread(target=change, args=(how,), daemon=True) for how in (runner.hold, runner.between_frames)
    ]
    for other in changing:
        other.start()
    wait_until(lambda: runner.state is S.PAUSING)
    assert not held
    go.set()
    for other in changing:
        other.join(30)
    assert [item[:2] for item in held] == [(S.PAUSED, False)] * 2, "the frame was finished first"
    runner.resume()
    thread.join(30)
    assert done == list(range(5))


def test_a_frame_that_waits_is_given_up_or_finished_as_told():
    runner, task, _go, thread, done = slow_run()
    runner.pause()
    wait_until(lambda: runner.is_inside_frame)
    runner.cancel()
    thread.join(30)
    assert (done, runner.state, task.finished) == ([0], S.FINISHED, [False])

    stays = threading.Event()
    runner, task, go, thread, done = slow_run(wait=False, stay=lambda: not stays.is_set())
    runner.pause()
    wait_until(lambda: runner.is_inside_frame)
    stays.set()
    wait_until(lambda: runner.state is S.PAUSING)
    go.set()
    thread.join(30)
    assert (done, runner.state) == ([0, 1], S.PAUSED)
