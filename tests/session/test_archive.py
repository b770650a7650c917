"""A session is saved and opened again another day."""

from __future__ import annotations

import json
import random
import shutil
import zipfile

import numpy as np
import pytest

import napari_xmem as nx
from napari_xmem.errors import OutputError, SessionError, XMemError
from napari_xmem.session import Agreement, SessionState, TrackingSession


def worked_on(make_session, movie, **options):
    """Return a session with a bit of everything."""
    session = make_session(**options)
    for result in session.frames(wait=False):
        if result.frame == 7:
            session.pause()
    session.memory.protect([2])
    session.resume()
    session.run()
    labels = movie[1][4].astype(np.int64)
    labels[50:60, 50:60] = 70_000
    session.correct({4: labels}, agreement=Agreement(frames=0))
    session.end_object(2, 7)
    session.lock([1, 2])
    session.memory.forget_frames([4])
    return session


def same(one, other):
    first, second = one.result(), other.result()
    np.testing.assert_array_equal(first.labels, second.labels)
    for name in ("frames", "object_ids", "confidence", "area_px"):
        np.testing.assert_array_equal(getattr(first.scores, name), getattr(second.scores, name))
    assert first.memory == second.memory
    assert one.annotations == other.annotations
    assert one.memory_config == other.memory_config
    assert one.memory.contents() == other.memory.contents()
    assert one.frame_range == other.frame_range


@pytest.mark.parametrize("scope", ["local", "global"])
def test_everything_comes_back_and_goes_on_alike(request, make_session, movie, tmp_path, scope):
    model = request.getfixturevalue("bundled" if scope == "local" else "tiny")
    session = worked_on(make_session, movie, settings={"scope": scope}, model=model)
    file = tmp_path / "movie.xmem-session"
    session.save(file)
    written = {}
    opened = nx.TrackingSession.load(file, movie[0], model=model, write=lambda t, labels: written.update({t: labels}))
    assert opened.state is SessionState.IDLE
    same(session, opened)
    assert sorted(written) == list(opened.results.frames)
    np.testing.assert_array_equal(written[4], session.labels(4))
    again = tmp_path / "again.xmem-session"
    opened.save(again)
    with zipfile.ZipFile(file) as one, zipfile.ZipFile(again) as other:
        assert sorted(one.namelist()) == sorted(other.namelist())
    shifted = np.roll(movie[1][6], 3, 0)
    for one in (session, opened):
        one.correct({6: shifted}, backward=True, agreement=Agreement(frames=0))
    same(session, opened)
    for one in (session, opened):
        one.undo()
        one.run()
    same(session, opened)


def test_a_movie_from_a_file_is_found_again(make_session, movie, tiny, tmp_path):
    np.save(tmp_path / "movie.npy", movie[0])
    for frames in (nx.open_movie(tmp_path / "movie.npy"), tmp_path / "movie.npy"):
        session = TrackingSession(frames, {0: movie[1][0]}, model=tiny)
        session.run()
        session.save(tmp_path / "a")
        same(session, TrackingSession.load(tmp_path / "a", model=tiny))
    with pytest.raises(SessionError, match="no name; give it: model="):
        TrackingSession.load(tmp_path / "a")


def test_the_model_is_found_by_its_name(bundled, movie, tmp_path):
    session = TrackingSession(movie[0], {0: movie[1][0]}, model="bundled")
    session.run()
    session.save(tmp_path / "a")
    same(session, TrackingSession.load(tmp_path / "a", movie[0]))


def test_before_the_first_run_and_without_seeds(make_session, movie, tiny, tmp_path):
    make_session().save(tmp_path / "a")
    assert TrackingSession.load(tmp_path / "a", movie[0], model=tiny).results.frames == ()
    session = TrackingSession.of_labels(*movie, model=tiny)
    session.save(tmp_path / "b")
    opened = TrackingSession.load(tmp_path / "b", movie[0], model=tiny)
    np.testing.assert_array_equal(opened.result().labels, movie[1])


def test_wrong_files_are_refused(make_session, movie, tiny, bundled, tmp_path):
    session = make_session()
    session.run()
    file = tmp_path / "a"
    session.save(file)
    with pytest.raises(SessionError, match="where its movie is"):
        TrackingSession.load(file, model=tiny)
    with pytest.raises(SessionError, match="another movie"):
        TrackingSession.load(file, movie[0][:8], model=tiny)
    with pytest.raises(SessionError, match="another movie"):
        TrackingSession.load(file, movie[0] + 1, model=tiny)
    with pytest.raises(SessionError, match="another model"):
        TrackingSession.load(file, movie[0], model=bundled)
    with pytest.raises(SessionError, match="cannot be read"):
        TrackingSession.load(tmp_path / "none", movie[0])
    (tmp_path / "text").write_text("no zip")
    with pytest.raises(SessionError, match="damaged"):
        TrackingSession.load(tmp_path / "text", movie[0])
    with pytest.raises(OutputError, match="another place"):
        session.save(tmp_path / "folder" / "file")
    assert not list(tmp_path.glob("*.partial"))


def rewritten(file, target, change):
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = change(name, old.read(name))
            if content is not None:
                new.writestr(name, content)


def test_crafted_files_are_refused(make_session, movie, tiny, tmp_path):
    session = make_session()
    session.run()
    file, crafted = tmp_path / "a", tmp_path / "b"
    session.save(file)

    def pickled(name, content):
        if name != "results/000003.npz":
            return content
        with (tmp_path / "p.npz").open("wb") as out:
            np.savez(out, labels=np.array([{}], object))
        return (tmp_path / "p.npz").read_bytes()

    def of_another_size(name, content):
        if name != "annotations/000000.npz":
            return content
        with (tmp_path / "p.npz").open("wb") as out:
            np.savez_compressed(out, labels=np.zeros((5000, 5000), np.uint16))
        return (tmp_path / "p.npz").read_bytes()

    def facts(**changes):
        def change(name, content):
            return json.dumps({**json.loads(content), **changes}) if name == "session.json" else content

        return change

    for change in (
        pickled,
        of_another_size,
        facts(format="other"),
        facts(config={"memory": {}, "colour": 1}),
        facts(absent={"x": 3}),
        facts(locked="all"),
        facts(memory_config=None),
        lambda name, content: None if name == "session.json" else content,
        lambda name, content: b"[" * 100_000 if name == "session.json" else content,
    ):
        rewritten(file, crafted, change)
        with pytest.raises(XMemError):
            TrackingSession.load(crafted, movie[0], model=tiny)


def test_flipped_bytes_end_in_our_errors(make_session, movie, tiny, tmp_path):
    session = make_session()
    session.run()
    file, damaged = tmp_path / "a", tmp_path / "b"
    session.save(file)
    content = file.read_bytes()
    chance = random.Random(0)
    for _ in range(40):
        bad = bytearray(content)
        for _ in range(chance.choice([1, 20])):
            bad[chance.randrange(len(bad))] = chance.randrange(256)
        damaged.write_bytes(bad[: chance.randrange(len(bad))] if chance.random() < 0.2 else bad)
        try:
            TrackingSession.load(damaged, movie[0], model=tiny)
        except XMemError:
            continue


def test_saving_waits_for_the_frame_at_hand_only(make_session, movie, tiny, tmp_path):
    session = make_session()
    running = session.frames()
    next(running)
    next(running)
    session.save(tmp_path / "a")
    running.close()
    opened = TrackingSession.load(tmp_path / "a", movie[0], model=tiny)
    assert opened.results.frames == (0, 1)
    opened.run()
    np.testing.assert_array_equal(opened.result().labels, make_session().run().labels)
    shutil.rmtree(tmp_path)
