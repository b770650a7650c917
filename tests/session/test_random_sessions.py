"""Sessions driven at random from two threads: nothing hangs, nothing painted or locked changes, undo is exact."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from napari_xmem.config import MemoryConfig, PropagationConfig
from napari_xmem.errors import XMemError
from napari_xmem.session import Agreement, SessionState, TrackingSession
from napari_xmem.session.session_states import AT_REST, SETTLED
from session.conftest import discs

N_FRAMES = 6
#: Whatever takes longer hangs.
PATIENCE_S = 60
FRAMES = st.integers(0, N_FRAMES - 1)
OBJECTS = st.integers(1, 3)
MEMORY = MemoryConfig(memory_interval_frames=1, working_min_frames=1, working_max_frames=3)


class Disk:
    """A movie and a place for labels that fail when they are told to."""

    def __init__(self, movie):
        self._movie = movie
        self.shape, self.dtype = movie.shape, movie.dtype
        self.labels = np.zeros(movie.shape, np.int32)
        self.bad_reads: set[int] = set()
        self.bad_writes: set[int] = set()

    def __getitem__(self, index):
        t = index[0] if isinstance(index, tuple) else index
        if t in self.bad_reads:
            raise OSError(f"frame {t} is gone")
        return self._movie[index]

    def write(self, t, labels):
        if t in self.bad_writes:
            raise OSError("disk full")
        self.labels[t] = labels

    def read(self, t):
        return self.labels[t]


class Sessions(RuleBasedStateMachine):
    """One session, a thread that drives it and one that does everything else."""

    network = None
    reference = None

    def __init__(self):
        super().__init__()
        movie, self.truth = discs(frames=N_FRAMES, size=32, centres=((8, 8), (8, 22), (22, 8)), radius=4)
        self.disk = Disk(movie)
        config = PropagationConfig(memory=MEMORY, device="cpu", scope="global", diameter_px=42.0)
        self.session = TrackingSession(
            self.disk, {0: self.truth[0]}, model=self.network, config=config, write=self.disk.write, read=self.disk.read
        )
        self.session.prepare()
        self.thread: threading.Thread | None = None
        self.raised: list[BaseException] = []
        self.locked: dict[int, np.ndarray] = {}
        self.touched = False  # anything but runs and pauses has happened

    # ---- two threads

    def within_patience(self, call):
        """Call in another thread; fail if it hangs. Errors of ours and of the disk are part of life."""
        errors = []

        def work():
            try:
                call()
            except (XMemError, OSError) as error:
                errors.append(error)
            except BaseException as error:
                self.raised.append(error)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(PATIENCE_S)
        assert not thread.is_alive(), "it hangs"
        return not errors

    def drive(self):
        try:
            for _ in self.session.frames():
                pass
        except (XMemError, OSError):
            pass
        except BaseException as error:
            self.raised.append(error)

    @property
    def driven(self):
        return self.thread is not None and self.thread.is_alive()

    def settle(self):
        """Let a running session come to its end or pause."""
        if self.session.state is not SessionState.PAUSED:
            assert self.session.runner._changed is not None
            with self.session.runner._changed:
                settled = self.session.runner._changed.wait_for(lambda: self.session.state in SETTLED, PATIENCE_S)
            assert settled, f"it stays {self.session.state}"

    # ---- what people do

    # What may be drawn never depends on how far a thread has come: rules that do not apply do nothing.

    @rule()
    def run_in_another_thread(self):
        if self.driven:
            return
        self.thread = threading.Thread(target=self.drive, daemon=True)
        self.thread.start()

    @rule()
    def run_to_the_end(self):
        if self.driven:
            return
        self.within_patience(self.session.run)

    @rule(frame=FRAMES)
    def run_and_pause(self, frame):
        if self.driven:
            return

        def work():
            for result in self.session.frames(wait=False):
                if result.frame >= frame:
                    self.session.pause()

        self.within_patience(work)

    @rule()
    def pause(self):
        self.within_patience(self.session.pause)

    @rule()
    def resume(self):
        self.within_patience(self.session.resume)

    @rule()
    def cancel(self):
        self.within_patience(self.session.cancel)

    @rule()
    def wait_a_little(self):
        self.within_patience(lambda: self.session.wait(0.02))

    @rule(frame=FRAMES, kind=st.sampled_from(["right", "erased", "shifted", "swapped"]), backward=st.booleans())
    def correct(self, frame, kind, backward):
        labels = self.truth[frame].astype(np.int64)
        if kind == "erased":
            labels[labels == 2] = 0
        elif kind == "shifted":
            labels = np.roll(labels, 3, 0)
        elif kind == "swapped":
            labels = np.array([0, 2, 1, 3])[labels]
        self.touched = True
        agreement = Agreement(frames=0)
        self.within_patience(
            lambda: self.session.begin_correction({frame: labels}, backward=backward, agreement=agreement)
        )

    @rule(frame=FRAMES, object_id=OBJECTS)
    def end_object(self, frame, object_id):
        self.touched = True
        self.within_patience(lambda: self.session.end_object(object_id, frame))

    @rule(frame=FRAMES)
    def lock(self, frame):
        self.touched = True
        if self.within_patience(lambda: self.session.lock([frame])):
            self.locked.setdefault(frame, self.session.labels(frame))

    @rule(frame=FRAMES)
    def unlock(self, frame):
        self.within_patience(lambda: self.session.unlock([frame]))
        self.locked.pop(frame, None)

    @rule(frame=FRAMES)
    def protect(self, frame):
        self.touched = True
        self.within_patience(lambda: self.session.memory.protect([frame]))

    @rule(frame=FRAMES)
    def forget(self, frame):
        self.touched = True
        self.within_patience(lambda: self.session.memory.forget_frames([frame]))

    @rule(object_id=OBJECTS)
    def forget_object(self, object_id):
        self.touched = True
        self.within_patience(lambda: self.session.memory.forget_object(object_id))

    @rule()
    def undo_edit_of_memory(self):
        self.within_patience(self.session.memory.undo)

    @rule(frame=FRAMES, where=st.sampled_from(["bad_reads", "bad_writes"]))
    def something_fails_for_a_while(self, frame, where):
        self.touched = True
        getattr(self.disk, where).add(frame)
        if self.driven:
            self.within_patience(lambda: self.session.wait(0.02))
        else:
            self.within_patience(self.session.run)
        getattr(self.disk, where).clear()

    @rule(steps=st.integers(1, 3))
    def undo_and_redo_are_exact(self, steps):
        """Undo some steps and do them again: results, scores, annotations and the written labels are what they were."""
        if self.driven or self.session.state not in AT_REST:
            return
        states = [self.everything()]
        for _ in range(steps):
            if not self.session.snapshot().undo:
                break
            assert self.within_patience(self.session.undo)
            states.append(self.everything())
        for state in reversed(states[:-1]):
            assert self.within_patience(self.session.redo)
            self.same(state, self.everything())

    @rule()
    def undo(self):
        if self.within_patience(self.session.undo):
            self.forget_changed_locks()

    @rule()
    def redo(self):
        if self.within_patience(self.session.redo):
            self.forget_changed_locks()

    def forget_changed_locks(self):
        """Undo may unlock, and lock what was locked before."""
        now = self.session.annotations.locked
        self.locked = {t: labels for t, labels in self.locked.items() if t in now}
        for t in now - set(self.locked):
            self.locked[t] = self.session.labels(t)

    # ---- what always holds

    def everything(self):
        session = self.session
        records = {t: session.results.get(t) for t in session.results.frames}
        return {
            "labels": {t: record.packed for t, record in records.items()},
            "scores": {t: record.scores for t, record in records.items()},
            "annotations": session.annotations,
            "written": self.disk.labels.copy(),
        }

    def same(self, one, other):
        assert one["labels"] == other["labels"]
        assert one["scores"] == other["scores"], "the very same records"
        assert one["annotations"] == other["annotations"]
        np.testing.assert_array_equal(one["written"], other["written"])

    @invariant()
    def a_snapshot_never_waits(self):
        assert self.within_patience(self.session.snapshot)
        assert self.within_patience(self.session.memory.contents)

    @invariant()
    def nothing_unexpected_was_raised(self):
        assert not self.raised

    @invariant()
    def locked_frames_never_change(self):
        for t, labels in self.locked.items():
            np.testing.assert_array_equal(self.session.labels(t), labels)

    @invariant()
    def painted_labels_never_change(self):
        said = self.session.annotations
        if self.session.state not in SETTLED:
            return
        for t in said.corrected - said.locked:
            record = self.session.results.get(t)
            if record is not None and record.scores.seeded:
                assert record.packed == said.labels[t]

    @invariant()
    def states_are_true(self):
        if self.session.state in AT_REST:
            assert self.session.runner.task is None

    def teardown(self):
        self.within_patience(self.session.cancel)
        if self.thread is not None:
            self.thread.join(PATIENCE_S)
            assert not self.thread.is_alive(), "the thread hangs"
        assert self.session.state in AT_REST
        if not self.touched:  # runs and pauses only: the results are those of one run
            assert self.within_patience(self.session.run)
            np.testing.assert_array_equal(self.session.result().labels, self.reference)
        assert not self.raised


@pytest.fixture
def machine(tiny):
    Sessions.network = tiny
    if Sessions.reference is None:
        Sessions.reference = Sessions().session.run().labels
    return Sessions


def test_random_sessions(machine):
    torch.set_num_threads(1)
    from hypothesis.stateful import run_state_machine_as_test

    checks = settings(
        max_examples=25,
        stateful_step_count=25,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],  # threads never meet twice in the same way
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=checks)
