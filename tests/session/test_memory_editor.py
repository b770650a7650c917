from __future__ import annotations

import numpy as np
import pytest

from napari_xmem.engine import iter_run
from napari_xmem.engine.frame_order import Pass
from napari_xmem.engine.state_file import load_memory
from napari_xmem.errors import MemoryBankError, OutputError, SessionError


def paused_at(session, frame):
    for result in session.frames(wait=False):
        if result.frame == frame:
            session.pause()
    return session


@pytest.fixture(params=["local", "global"])
def paused(request, make_session):
    # The local scope memorises only what it is sure of, so it needs weights that work.
    model = request.getfixturevalue("bundled" if request.param == "local" else "tiny")
    settings = {"scope": request.param} | ({"diameter_px": None} if request.param == "local" else {})
    return paused_at(make_session(settings=settings, model=model), 4)


def held(session):
    return {(row.frame, row.store) for row in session.memory.contents()}


def test_contents(paused):
    assert held(paused) == {(0, "permanent"), (2, "working"), (4, "working")}
    assert all(row.object_ids == (1, 2, 3) for row in paused.memory.contents() if row.frame == 0)


def test_protect_forget_undo(paused):
    paused.memory.protect([2])
    assert (2, "permanent") in held(paused)
    paused.memory.forget_frames([4])
    assert (4, "working") not in held(paused)
    assert paused.memory.undo_title == "forget frame 4"
    paused.memory.undo()
    paused.memory.undo()
    assert held(paused) == {(0, "permanent"), (2, "working"), (4, "working")}
    with pytest.raises(SessionError, match="nothing|no change"):
        paused.memory.undo()
    with pytest.raises(MemoryBankError, match=r"nothing of frame 3; it holds frames 0, 2, 4\.$"):
        paused.memory.protect([3])
    with pytest.raises(MemoryBankError, match=r"nothing of frames 1, 7-8; it holds frames 0, 2, 4\.$"):
        paused.memory.forget_frames([8, 1, 7])
    with pytest.raises(MemoryBankError, match="no frame to change"):
        paused.memory.protect([])


def test_the_run_goes_on_with_the_changed_memory(paused):
    paused.memory.protect([2])
    paused.resume()
    for _ in paused.frames():
        pass
    assert (2, "permanent") in held(paused)
    assert paused.snapshot().with_result == tuple(range(10))


def test_forget_object(paused):
    paused.memory.forget_object(2)
    assert all(2 not in row.object_ids for row in paused.memory.contents())
    with pytest.raises(MemoryBankError, match="object 2"):
        paused.memory.forget_object(2)
    paused.resume()
    for result in paused.frames():
        assert not (result.labels == 2).any()
    assert (paused.labels(3) == 2).any()


def test_forgotten_seeds_no_longer_teach_corrections(paused, movie):
    paused.cancel()
    paused.memory.forget_frames([0])
    assert 0 not in paused._context.known_frames()[0]
    paused.memory.undo()
    assert 0 in paused._context.known_frames()[0]


def test_nothing_can_be_done_while_running(make_session):
    session = make_session()
    running = session.frames()
    next(running)
    assert not session.memory.is_open
    assert session.memory.contents() == ()
    with pytest.raises(SessionError, match="is running; pause or cancel"):
        session.memory.protect([0])
    running.close()


def test_saved_memory_goes_on_exactly(paused, tmp_path):
    file = tmp_path / "memory.xmem"
    paused.memory.save(file)
    run = paused.current_run()
    stored = load_memory(file)
    stored.check(run.network.fingerprint, run.scope)
    from dataclasses import replace

    rest = replace(run, seeds={}, passes=[Pass((5, 6, 7, 8, 9))], begin=stored.restore)
    again = [result.labels for result in iter_run(rest)]
    paused.resume()
    on = [result.labels for result in paused.frames()]
    np.testing.assert_array_equal(again, on)


def test_another_movie_starts_with_a_saved_memory(paused, make_session, movie, tmp_path):
    file = tmp_path / "memory.xmem"
    paused.memory.protect([2])
    paused.memory.save(file)
    settings = {"scope": paused.current_run().scope, "diameter_px": None}
    other = make_session(settings=settings, seeds={1: movie[1][1]}, model=paused._context.model)
    assert other.memory.load(file) == (1, 2, 3)
    other.run()
    permanent = {row.frame for row in other.memory.contents() if row.store == "permanent"}
    assert permanent == {0, 1, 2}


def test_files_are_checked(paused, make_session, tmp_path):
    with pytest.raises(MemoryBankError, match="cannot be read"):
        load_memory(tmp_path / "none")
    (tmp_path / "text").write_text("no zip")
    with pytest.raises(MemoryBankError, match="cannot be read"):
        load_memory(tmp_path / "text")
    with pytest.raises(OutputError, match="another place"):
        paused.memory.save(tmp_path / "folder" / "file")
    paused.memory.save(tmp_path / "memory")
    stored = load_memory(tmp_path / "memory")
    with pytest.raises(MemoryBankError, match="another model"):
        stored.check("other", stored.scope)
    with pytest.raises(MemoryBankError, match="scope"):
        stored.check(stored.fingerprint, "sideways")
    with pytest.raises(SessionError, match="cancel it first"):
        paused.memory.load(tmp_path / "memory")
