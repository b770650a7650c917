from __future__ import annotations

import itertools
import threading

import pytest

from napari_xmem.errors import SessionError
from napari_xmem.session.state import TRANSITIONS, SessionState, StateMachine

S = SessionState


def machine_in(state):
    paths = {
        S.IDLE: (),
        S.RUNNING: (S.RUNNING,),
        S.PAUSED: (S.RUNNING, S.PAUSED),
        S.STOPPING: (S.RUNNING, S.STOPPING),
        S.FINISHED: (S.RUNNING, S.FINISHED),
        S.FAILED: (S.RUNNING, S.FAILED),
    }
    machine = StateMachine()
    for step in paths[state]:
        machine.to(step)
    return machine


@pytest.mark.parametrize(("source", "target"), list(itertools.product(S, S)))
def test_only_listed_transitions_are_legal(source, target):
    machine = machine_in(source)
    if target in TRANSITIONS[source]:
        machine.to(target)
        assert machine.state is target
    else:
        with pytest.raises(SessionError, match="cannot become"):
            machine.to(target)
        assert machine.state is source


def test_try_to_does_nothing_from_other_states():
    machine = machine_in(S.IDLE)
    assert not machine.try_to(S.STOPPING, (S.RUNNING, S.PAUSED))
    assert machine.state is S.IDLE


def test_wait_is_woken_by_another_thread():
    machine = machine_in(S.RUNNING)
    threading.Timer(0.05, machine.to, (S.FINISHED,)).start()
    assert machine.wait((S.FINISHED,), 10)
    assert not machine.wait((S.IDLE,), 0.01)


def test_require_says_what_is_going_on():
    with pytest.raises(
        SessionError, match=r"Undo is not possible now: the session is running; pause or cancel it first"
    ):
        machine_in(S.RUNNING).require((S.FINISHED,), "Undo")
