from __future__ import annotations

import pickle

import numpy as np
import pytest

import napari_xmem as nx
from napari_xmem.errors import InputError, SeedError, SessionError
from napari_xmem.sample_data import dividing_nuclei


@pytest.fixture(scope="module")
def made(bundled):
    """A movie with a division, one nucleus painted later, and its result."""
    drawn = dividing_nuclei(frames=8, size_px=(72, 72), n_objects=1, seed=3)
    seeds = {0: drawn.bodies[0] * (drawn.bodies[0] != 1), 1: drawn.bodies[1]}
    return drawn.image, seeds, nx.propagate(drawn.image, seeds, model=bundled, device="cpu")


def test_a_session_of_a_result_is_that_of_its_run(made, bundled, tmp_path):
    movie, seeds, result = made
    ran = nx.TrackingSession(movie, seeds, model=bundled, config=nx.PropagationConfig(device="cpu"))
    ran.run()
    result.save(tmp_path / "result.npz")
    written = {}
    for told in (result, pickle.loads(pickle.dumps(result)), nx.PropagationResult.load(tmp_path / "result.npz")):
        session = nx.TrackingSession.of_result(movie, told, model=bundled, write=written.__setitem__)
        again = session.result()
        np.testing.assert_array_equal(again.labels, result.labels)
        np.testing.assert_array_equal(again.scores.confidence, result.scores.confidence)
        assert again.recipe == result.recipe and again.scope == result.scope
        assert len(session.lineage.parents) == 2
        assert (session.lineage.parents, session.events) == (ran.lineage.parents, ran.events)
        assert [item.frame for item in session.review().frames_to_check()] == [
            item.frame for item in ran.review().frames_to_check()
        ]
        for t in range(len(movie)):
            np.testing.assert_array_equal(written[t], result.labels[t])
            ours, theirs = session.results.get(t).scores, ran.results.get(t).scores
            assert (ours.seeded, sorted(ours.births), sorted(ours.ends)) == (
                theirs.seeded,
                sorted(theirs.births),
                sorted(theirs.ends),
            ), t


def test_it_is_corrected_undone_explained_and_run_again(made, tmp_path):
    movie, _, result = made
    session = nx.TrackingSession.of_result(movie, result)
    y, x = np.argwhere(result.labels[6] > 0)[0].tolist()
    assert session.explain(6, y, x).votes[0].weight == result.explain(6, y, x).votes[0].weight
    gone = int(result.labels[6, y, x])
    session.end_object(gone, from_frame=6)
    assert not (session.labels(7) == gone).any()
    session.undo()
    corrected = result.labels[6].copy()
    corrected[corrected == gone] = 0
    session.correct({6: corrected})
    session.undo()
    np.testing.assert_array_equal(session.result().labels, result.labels)
    session.save(tmp_path / "work.xmem-session")
    calls = []
    again = session.run(progress=lambda done, total: calls.append((done, total)))
    for new, old in zip(again.scores.object_ids, result.scores.object_ids, strict=True):
        np.testing.assert_array_equal(again.labels == new, result.labels == old)  # daughters get new ids
    assert calls == [(k + 1, len(movie)) for k in range(len(movie))]


def test_what_does_not_fit_is_said(made, bundled, movie):
    frames, _, result = made
    with pytest.raises(SeedError, match=r"expected \(8, 60, 72\)"):
        nx.TrackingSession.of_result(frames[:, :60], result)
    bare = nx.PropagationResult(result.labels, result.scores)
    with pytest.raises(SessionError, match="of_labels"):
        nx.TrackingSession.of_result(frames, bare)
    with pytest.raises(nx.errors.ArgumentError, match="expected a PropagationResult"):
        nx.TrackingSession.of_result(frames, result.labels)
    loaded = nx.TrackingSession.of_result(frames, pickle.loads(pickle.dumps(result)))
    with pytest.raises(InputError, match="file"):
        loaded.explain(6, *np.argwhere(result.labels[6] > 0)[0].tolist())


def test_progress_of_a_session_is_checked_at_once_and_may_fail(make_session):
    session = make_session()
    with pytest.raises(nx.errors.ConfigError, match="two numbers"):
        session.run(progress=len)

    def stop(done, total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        session.run(progress=stop)
    assert session.snapshot().with_result == (0, 1, 2)
    assert len(session.run().scores.frames) == 10
