from __future__ import annotations

import threading

import numpy as np
import pytest

import napari_xmem as nx
from napari_xmem.config import MemoryConfig
from napari_xmem.errors import InputError, SeedError, SessionError
from napari_xmem.session import SessionState, TrackingSession

S = SessionState


def test_run_gives_what_propagate_gives(make_session, movie, tiny):
    session = make_session()
    result = session.run()
    options = {"memory": session.memory_config, "device": "cpu", "scope": "global", "diameter_px": 42.0}
    plain = nx.propagate(movie[0], {0: movie[1][0]}, model=tiny, **options)
    np.testing.assert_array_equal(result.labels, plain.labels)
    np.testing.assert_array_equal(result.scores.confidence, plain.scores.confidence)
    assert session.state is S.FINISHED
    assert len(result.memory) == len(movie[0])


def test_results_are_kept_as_they_come_and_written_out(make_session):
    written = {}
    session = make_session(write=lambda t, labels: written.update({t: labels.copy()}))
    for count, result in enumerate(session.frames(), start=1):
        facts = session.snapshot()
        assert (facts.frames_done, facts.frames_total, facts.frame) == (count, 10, result.frame)
        np.testing.assert_array_equal(session.labels(result.frame), result.labels)
        np.testing.assert_array_equal(written[result.frame], result.labels)
        if count == 3:
            break
    assert session.state is S.FINISHED
    assert session.snapshot().with_result == (0, 1, 2)


def test_pause_and_resume_in_one_thread_change_nothing(make_session):
    whole = make_session().run()
    session = make_session()
    with pytest.raises(SessionError, match="no result"):
        session.result()
    for result in session.frames(wait=False):
        if result.frame == 4:
            session.pause()
    assert session.state is S.PAUSED
    with pytest.raises(SessionError, match="paused"):
        next(session.frames(wait=False))
    session.resume()
    frames = [result.frame for result in session.frames()]
    assert frames == [5, 6, 7, 8, 9]
    np.testing.assert_array_equal(session.result().labels, whole.labels)


def test_pause_resume_cancel_from_another_thread(make_session):
    session = make_session()
    seen, third = [], threading.Event()

    def work():
        for result in session.frames():
            seen.append(result.frame)
            if result.frame == 2:
                session.pause()
                third.set()

    thread = threading.Thread(target=work)
    thread.start()
    assert third.wait(60)
    assert not session.wait(0.2)
    assert seen == [0, 1, 2]
    session.cancel()
    thread.join(60)
    assert not thread.is_alive()
    assert session.state is S.FINISHED
    assert session.snapshot().with_result == (0, 1, 2)


def test_only_one_thread_drives(make_session):
    session = make_session()
    running = session.frames()
    next(running)
    with pytest.raises(SessionError, match="Another thread"):
        next(session.frames())
    running.close()
    assert session.state is S.FINISHED


def test_memory_changed_while_paused_takes_effect_on_resume(make_session):
    session = make_session(memory=MemoryConfig(memory_interval_frames=1, working_min_frames=1, working_max_frames=8))
    for result in session.frames(wait=False):
        if result.frame == 4:
            session.pause()
    held = {row.frame for row in session.memory.contents()}
    assert held == {0, 1, 2, 3, 4}
    session.memory_config = session.memory_config.replace(memory_interval_frames=100)
    session.resume()
    for _ in session.frames():
        pass
    assert {row.frame for row in session.memory.contents()} == held
    assert session.result().recipe["memory"]["memory_interval_frames"] == 100


def test_failure_is_told_and_the_session_stays_usable(make_session, movie):
    class Broken:
        shape, dtype = movie[0].shape, movie[0].dtype
        bad = True

        def __getitem__(self, index):
            if self.bad and (index[0] if isinstance(index, tuple) else index) == 3:
                raise InputError("frame 3 cannot be read")
            return movie[0][index]

    source = Broken()
    source.bad = False
    session = make_session()
    session = TrackingSession(source, {0: movie[1][0]}, model=session._context.model, config=session._context.config)
    session.prepare()
    source.bad = True
    with pytest.raises(InputError, match="frame 3"):
        session.run()
    assert session.state is S.FAILED
    assert "frame 3" in str(session.snapshot().error)
    assert session.snapshot().with_result == (0, 1, 2)
    source.bad = False
    session.run()
    assert session.state is S.FINISHED
    assert session.snapshot().error is None


def test_bad_seeds_are_told_by_the_first_frame(make_session, movie):
    session = make_session(seeds={0: np.zeros(movie[0].shape[1:], int)})
    with pytest.raises(SeedError):
        session.run()
    assert session.state is S.FAILED


def test_explain_names_elements_that_memory_held(make_session):
    session = make_session()
    result = session.run()
    y, x = np.argwhere(result.labels[7] > 0)[0]
    told = result.explain(7, int(y), int(x))
    assert told.exact
    assert told.object_id == result.labels[7, y, x]
    assert sum(vote.weight for vote in told.votes) == pytest.approx(1, abs=1e-4)
    assert [vote.weight for vote in told.votes] == sorted((vote.weight for vote in told.votes), reverse=True)
    assert {vote.frame for vote in told.votes} <= {0, 2, 4, 6}
    assert session.explain(0, *np.argwhere(result.labels[0])[0]).painted
    with pytest.raises(InputError, match="No object"):
        result.explain(7, int(y), int(x), 0)
    with pytest.raises(InputError, match="outside"):
        result.explain(7, 1000, 0)


@pytest.mark.parametrize("scope", ["local", "global"])
def test_recorded_and_replayed_memory_explain_alike(make_session, movie, tiny, scope):
    session = make_session(settings={"scope": scope})
    result = session.run()
    y, x = (int(v) for v in np.argwhere(result.labels[6] > 0)[3])
    options = {"memory": session.memory_config, "device": "cpu", "scope": scope, "diameter_px": 42.0}
    plain = nx.propagate(movie[0], {0: movie[1][0]}, model=tiny, **options)
    recorded, replayed = result.explain(6, y, x), plain.explain(6, y, x)
    assert [(v.frame, v.store) for v in recorded.votes] == [(v.frame, v.store) for v in replayed.votes]
    np.testing.assert_allclose([v.weight for v in recorded.votes], [v.weight for v in replayed.votes], atol=1e-6)


def test_little_room_for_memory_states_is_said(make_session):
    session = make_session(explain_bytes=1)
    result = session.run()
    y, x = np.argwhere(result.labels[9] > 0)[0]
    told = [result.explain(t, int(y), int(x), int(result.labels[9, y, x])) for t in range(1, 10)]
    assert not all(t.exact for t in told)
    assert all(t.votes for t in told)


@pytest.mark.parametrize("scope", ["local", "global"])
def test_cancel_gives_the_frame_at_hand_up(request, make_session, scope, monkeypatch):
    model = request.getfixturevalue("bundled" if scope == "local" else "tiny")
    session = make_session(settings={"scope": scope}, model=model)
    network, encode, calls = session.prepare().network, session.prepare().network.encode_key, []

    def watched(*arguments, **options):
        calls.append(1)
        return encode(*arguments, **options)

    monkeypatch.setattr(network, "encode_key", watched)
    source = session.current_run().source
    read = source.read

    def cancelling(t):
        if t == 6:
            session.cancel()
        return read(t)

    monkeypatch.setattr(source, "read", cancelling)
    frames = [result.frame for result in session.frames()]
    assert session.state is S.FINISHED
    assert not session.snapshot().complete
    assert frames == list(session.results.frames)
    assert len(frames) < 7
    assert len(calls) <= len(frames) + 1
    monkeypatch.undo()
    np.testing.assert_array_equal(
        session.run().labels, make_session(settings={"scope": scope}, model=model).run().labels
    )
