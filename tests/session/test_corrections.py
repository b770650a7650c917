from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

from napari_xmem.config import PropagationConfig
from napari_xmem.errors import SeedError, SessionError
from napari_xmem.session import Agreement, SessionState, TrackingSession
from napari_xmem.session.corrections.correction_segments import plan_segments


def test_segments_end_at_corrected_and_locked_frames():
    segments = plan_segments((5, 8), {2: "corrected", 12: "locked"}, 0, 20, forward=True, backward=True)
    assert [(s.frame, s.direction, s.frames, s.ended, s.ended_at) for s in segments] == [
        (5, "forward", (6, 7), "corrected", 8),
        (8, "forward", (9, 10, 11), "locked", 12),
        (5, "backward", (4, 3), "corrected", 2),
        (8, "backward", (7, 6), "corrected", 5),
    ]


def test_segments_end_at_the_range():
    (only,) = plan_segments((3,), {}, 2, 6)
    assert (only.frames, only.ended, only.ended_at) == ((4, 5), "end", None)
    assert plan_segments((5,), {}, 2, 6) == ()
    assert plan_segments((4,), {5: "locked"}, 0, 9) == ()


@pytest.fixture
def done(make_session):
    session = make_session()
    session.run()
    return session


def changed_frames(old, new):
    return [t for t in range(len(old)) if (old[t] != new[t]).any()]


def without(session, frame, object_id):
    labels = session.labels(frame).astype(np.int32)
    labels[labels == object_id] = 0
    return labels


def clipped(session, frame, object_id):
    """Labels of a frame with a part of an object cut off."""
    labels = session.labels(frame).astype(np.int32)
    rows, columns = np.nonzero(labels == object_id)
    labels[rows[: len(rows) // 2], columns[: len(rows) // 2]] = 0
    return labels


def test_correcting_nothing_changes_nothing(done):
    before = done.result().labels
    summary = done.correct({4: done.labels(4)}, backward=True)
    assert summary.frames_changed == ()
    assert summary.frames_done == 0
    np.testing.assert_array_equal(done.result().labels, before)
    assert done.snapshot().corrected == (4,)


def test_correction_goes_forward_only_unless_asked(done, movie):
    before = done.result().labels
    summary = done.correct({4: movie[1][4]}, agreement=Agreement(frames=0))
    assert min(changed_frames(before, done.result().labels)) == 4
    assert summary.segments[0].frames_done == (5, 6, 7, 8, 9)
    assert str(summary.segments[0]) == "forward from frame 4 to the end"
    both = done.correct({7: movie[1][7]}, forward=False, backward=True, agreement=Agreement(frames=0))
    assert both.segments[0].frames_done == (6, 5)
    assert (both.segments[0].ended, both.segments[0].ended_at) == ("corrected", 4)


def test_corrected_frame_is_exactly_as_painted_and_vouched_for(done, movie):
    done.correct({4: movie[1][4]})
    np.testing.assert_array_equal(done.labels(4), movie[1][4])
    record = done.results.get(4).scores
    assert record.seeded
    assert (record.confidence == 1).all()


def test_stops_where_old_and_new_agree(make_session):
    session = make_session()
    session.run()
    lenient = Agreement(outline_px=1e9, patch_share=1e9)
    summary = session.correct({2: clipped(session, 2, 1)}, agreement=lenient)
    assert summary.segments[0].frames_done == (3, 4, 5)
    assert (summary.segments[0].ended, summary.segments[0].ended_at) == ("agreed", 5)


def test_summary_names_frames_and_objects(done):
    before = done.result().labels
    summary = done.correct({5: without(done, 5, 2)}, agreement=Agreement(frames=0))
    after = done.result().labels
    assert list(summary.frames_changed) == changed_frames(before, after)
    for object_id in (1, 2, 3):
        frames = tuple(t for t in range(10) if ((before[t] == object_id) != (after[t] == object_id)).any())
        assert summary.objects_changed.get(object_id, ()) == frames
    assert 5 in summary.objects_changed[2]
    assert "object" in str(summary)


def test_locked_frames_are_never_overwritten(done, movie):
    before = done.result().labels
    done.lock([6, 7])
    summary = done.correct({4: movie[1][4]}, agreement=Agreement(frames=0))
    assert summary.segments[0].frames_done == (5,)
    assert (summary.segments[0].ended, summary.segments[0].ended_at) == ("locked", 6)
    np.testing.assert_array_equal(done.result().labels[6:], before[6:])
    with pytest.raises(SessionError, match="locked"):
        done.correct({6: movie[1][6]})
    again = done.run()
    np.testing.assert_array_equal(again.labels[6:8], before[6:8])
    done.unlock([6, 7])
    done.correct({6: movie[1][6]})
    np.testing.assert_array_equal(done.labels(6), movie[1][6])


def test_lock_needs_a_result(make_session):
    with pytest.raises(SessionError, match=r"Frames \[3\]"):
        make_session().lock([3])


def test_everything_can_be_undone_and_redone(done, movie):
    states = [(done.result().labels, done.annotations)]
    done.correct({4: movie[1][4]}, backward=True)
    states.append((done.result().labels, done.annotations))
    done.lock([4, 5])
    states.append((done.result().labels, done.annotations))
    done.correct({8: without(done, 8, 1)}, backward=True)
    states.append((done.result().labels, done.annotations))
    assert done.snapshot().undo == "correction of frame 8"
    for labels, said in reversed(states[:-1]):
        done.undo()
        np.testing.assert_array_equal(done.result().labels, labels)
        assert done.annotations == said
    with pytest.raises(SessionError, match="nothing left to undo"):
        done.undo()
    for labels, said in states[1:]:
        done.redo()
        np.testing.assert_array_equal(done.result().labels, labels)
        assert done.annotations == said
    with pytest.raises(SessionError, match="nothing to do again"):
        done.redo()


def test_undo_restores_scores_and_tells_the_writer(make_session, movie):
    written = {}
    session = make_session(write=lambda t, labels: written.update({t: labels.copy()}))
    before = session.run()
    session.correct({4: movie[1][4]})
    session.undo()
    np.testing.assert_array_equal(session.result().scores.confidence, before.scores.confidence)
    np.testing.assert_array_equal(np.stack([written[t] for t in range(10)]), before.labels)


def test_cancelled_correction_is_one_undoable_step(done, movie):
    before = done.result().labels
    task = done.begin_correction({3: movie[1][3]}, agreement=Agreement(frames=0))
    for result in done.frames():
        if result.frame == 5:
            done.cancel()
    assert done.state is SessionState.FINISHED
    assert task.summary.segments[0].frames_done == (4, 5)
    assert task.summary.segments[0].ended == "stopped"
    np.testing.assert_array_equal(done.result().labels[6:], before[6:])
    done.undo()
    np.testing.assert_array_equal(done.result().labels, before)


def test_correction_of_a_paused_run_also_does_the_rest(make_session, movie):
    session = make_session()
    for result in session.frames(wait=False):
        if result.frame == 5:
            session.pause()
    summary = session.correct({3: movie[1][3]})
    assert summary.segments[0].frames_done == (4, 5, 6, 7, 8, 9)
    assert session.snapshot().with_result == tuple(range(10))


def test_new_objects_and_large_labels(make_session, movie):
    session = make_session()
    session.run()
    labels = movie[1][5].astype(np.int64)
    labels[50:60, 50:60] = 70_000
    session.correct({5: labels})
    assert session.labels(5).max() == 70_000
    assert 70_000 in session.result().scores.object_ids
    assert session.result().labels.dtype == np.int32


def test_erased_object_is_absent_and_can_be_the_only_one(make_session, movie):
    truth = (movie[1] == 1).astype(np.uint16)
    for scope in ("local", "global"):
        session = make_session(seeds={0: truth[0]}, settings={"scope": scope})
        session.run()
        session.correct({4: np.zeros_like(truth[4])})
        assert not session.labels(4).any()
        assert session.state is SessionState.FINISHED


def test_wrong_corrections_are_refused(done, movie):
    with pytest.raises(SessionError, match="frames 0 to 9"):
        done.correct({10: movie[1][0]})
    with pytest.raises(SeedError, match="shape"):
        done.correct({3: movie[1][3, :5]})
    with pytest.raises(SessionError, match="No frame"):
        done.correct({})
    assert done.state is SessionState.FINISHED


def test_labels_of_another_program_can_be_corrected(movie, tiny):
    frames, truth = movie
    session = TrackingSession.of_labels(frames, truth, model=tiny)
    assert np.isnan(session.result().scores.confidence).all()
    with pytest.raises(SessionError, match="no seeds"):
        session.run()
    session = TrackingSession.of_labels(frames, truth, model=tiny)
    labels = truth[5].copy()
    labels[labels == 2] = 0
    summary = session.correct({5: labels})
    assert set(summary.objects_changed) >= {2}
    assert summary.frames_changed[0] == 5
    np.testing.assert_array_equal(session.labels(4), truth[4])
    session.undo()
    np.testing.assert_array_equal(session.result().labels, truth)


def test_untouched_objects_keep_their_masks(bundled):
    """With a network that works: one corrected nucleus changes, others only where it touches them."""
    from napari_xmem.sample_data import simulated_nuclei

    movie, truth = simulated_nuclei(frames=8, size_px=(128, 128), n_objects=6)
    session = TrackingSession(movie, {0: truth[0]}, model=bundled)
    before = session.run().labels
    labels = session.labels(3).astype(np.int32)
    rows = np.nonzero(labels == 1)[0]
    labels[(labels == 1) & (np.arange(128)[:, None] > np.median(rows))] = 0
    summary = session.correct({3: labels})
    after = session.result().labels
    assert 1 in summary.objects_changed
    for other in set(np.unique(before)) - {0, 1}:
        old, new = before == other, after == other
        assert (old & new).sum() / (old | new).sum() > 0.85, f"object {other}"


def test_correction_helps_the_frames_after_it(bundled):
    from napari_xmem.sample_data import simulated_nuclei

    movie, truth = simulated_nuclei(frames=8, size_px=(128, 128), n_objects=6, seed=7)
    wrong = truth[0].copy()
    wrong[truth[0] == 1], wrong[truth[0] == 2] = 2, 1  # identities swapped by a slip of the hand
    # In this truth daughters keep their mother's id.
    session = TrackingSession(movie, {0: wrong}, model=bundled, config=PropagationConfig(divisions="keep"))
    session.run()

    def quality(t):
        labels = session.labels(t)
        return np.mean(
            [((labels == i) & (truth[t] == i)).sum() / ((labels == i) | (truth[t] == i)).sum() for i in (1, 2)]
        )

    assert quality(6) < 0.3
    session.correct({3: truth[3]})
    assert quality(6) > 0.7


def test_a_backward_run_is_corrected_backward(make_session, movie):
    session = make_session(seeds={9: movie[1][9]}, settings={"direction": "backward"})
    session.run()
    summary = session.correct({6: movie[1][6]}, agreement=Agreement(frames=0))
    assert [(s.direction, s.frames_done) for s in summary.segments] == [("backward", (5, 4, 3, 2, 1, 0))]


@pytest.mark.parametrize("scope", ["local", "global"])
def test_an_object_ends_at_once(request, make_session, scope, monkeypatch):
    model = request.getfixturevalue("bundled" if scope == "local" else "tiny")
    written = {}
    session = make_session(
        settings={"scope": scope}, model=model, write=lambda t, labels: written.update({t: labels.copy()})
    )
    before = session.run()
    said = session.annotations
    monkeypatch.setattr(session.network, "encode_key", None)  # no network is run
    change = session.end_object(2, 4)
    after = session.result()
    np.testing.assert_array_equal(after.labels[:4], before.labels[:4])
    np.testing.assert_array_equal(np.stack([written[t] for t in range(10)]), after.labels)
    column = list(after.scores.object_ids).index(2)
    assert np.isnan(after.scores.confidence[4:, column]).all(), "what is known to be absent is not in doubt"
    assert set(change.frames) == set(range(4, 10))
    session.undo()
    np.testing.assert_array_equal(session.result().labels, before.labels)
    np.testing.assert_array_equal(session.result().scores.confidence, before.scores.confidence)
    assert session.annotations == said
    session.redo()
    np.testing.assert_array_equal(session.result().labels, after.labels)


def frames_from(first, labels):
    return (np.arange(len(labels)) >= first)[:, None, None]


@pytest.mark.parametrize("scope", ["local", "global"])
def test_an_object_that_ended_stays_away(request, make_session, scope, movie):
    """In the rest of a paused run, in the next run, and in corrections after it."""
    model = request.getfixturevalue("bundled" if scope == "local" else "tiny")
    session = make_session(settings={"scope": scope}, model=model)
    for result in session.frames(wait=False):
        if result.frame == 5:
            session.pause()
    session.end_object(2, 3)
    assert session.state is SessionState.PAUSED
    assert 2 not in session.follower.object_ids
    session.resume()
    for result in session.frames():
        assert 2 not in result.object_ids
    for labels in (session.result().labels, session.run().labels):
        assert not (labels[3:] == 2).any()
        assert (labels[:3] == 2).any()
    labels = movie[1][6].copy()
    labels[labels == 2] = 0
    session.correct({6: labels}, agreement=Agreement(frames=0))
    assert not (session.result().labels[3:] == 2).any()


def test_an_object_ends_while_another_thread_runs(make_session):
    session = make_session()
    third = threading.Event()

    def work():
        for result in session.frames():
            if result.frame == 3:
                third.set()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert third.wait(60)
    session.end_object(2, 2)
    thread.join(60)
    assert session.state is SessionState.FINISHED
    assert session.snapshot().with_result == tuple(range(10))
    assert not (session.result().labels[2:] == 2).any()


def test_what_was_painted_or_locked_later_stays(done, movie):
    done.correct({6: movie[1][6]})
    done.lock([8])
    before = done.result().labels
    done.end_object(1, 3)
    after = done.result().labels
    assert not (after[3:6] == 1).any()
    np.testing.assert_array_equal(after[6:], before[6:])
    with pytest.raises(SessionError, match="locked"):
        done.end_object(1, 8)
    with pytest.raises(SessionError, match="no object 99"):
        done.end_object(99, 3)
    with pytest.raises(SessionError, match="frames 0 to 9"):
        done.end_object(1, 10)


def test_painted_again_it_is_back(done, movie):
    done.end_object(1, 3)
    done.correct({6: movie[1][6]}, agreement=Agreement(frames=0))
    labels = done.result().labels
    assert not (labels[3:6] == 1).any()
    assert (labels[6] == 1).any()
    assert done.annotations.absent == {1: ((3, 6),)}


def test_backward_the_object_ends_towards_the_beginning(make_session, movie):
    session = make_session(seeds={9: movie[1][9]}, settings={"direction": "backward"})
    before = session.run().labels
    session.end_object(2, 4)
    after = session.result().labels
    assert not (after[:5] == 2).any()
    np.testing.assert_array_equal(after[5:], before[5:])


def test_erasing_ends_an_object_without_the_network(done, monkeypatch):
    before = done.result().labels
    monkeypatch.setattr(done.network, "encode_key", None)
    summary = done.correct({4: without(done, 4, 2)})
    expected = np.where(frames_from(4, before) & (before == 2), 0, before)
    np.testing.assert_array_equal(done.result().labels, expected)
    assert "Object 2 ends at frame 4" in str(summary)
    assert done.snapshot().corrected == (4,)
    done.undo()
    np.testing.assert_array_equal(done.result().labels, before)


def test_renumbering_and_swapping_need_no_network(done, monkeypatch):
    before = done.result().labels
    monkeypatch.setattr(done.network, "encode_key", None)
    done.renumber_object(2, 7, 4)
    after = done.result().labels
    np.testing.assert_array_equal(after, np.where(frames_from(4, before) & (before == 2), 7, before))
    assert 7 in done.result().scores.object_ids
    done.undo()
    done.renumber_object(1, 3, 5)
    after = done.result().labels
    swapped = np.array([0, 3, 2, 1], np.uint16)[before]
    np.testing.assert_array_equal(after, np.where(frames_from(5, before), swapped, before))
    with pytest.raises(SessionError, match="Object 9 is not on frame 5"):
        done.renumber_object(9, 1, 5)
    with pytest.raises(SessionError, match="no number"):
        done.renumber_object(1, 0, 5)


def test_a_confirmed_absence_leaves_no_doubt(done):
    """An object that was not found, on a frame that somebody calls right, is in doubt on no later frame."""
    lost = done.results.get(6)
    for t in range(5, 10):  # as if the network had lost object 3
        record = done.results.get(t)
        labels = record.packed.unpack()
        labels[labels == 3] = 0
        column = record.scores.object_ids.index(3)
        area, sure = record.scores.area_px.copy(), record.scores.confidence.copy()
        area[column], sure[column] = 0, 0
        scores = replace(record.scores, area_px=area, confidence=sure)
        done.results.put(t, replace(record, packed=lost.packed.pack(labels), scores=scores))
    doubt = done.review().doubt()
    assert doubt[6] > 0.2
    done.correct({6: done.labels(6)})
    after = done.review()
    column = list(after.scores.object_ids).index(3)
    assert np.isnan(after.scores.confidence[6:, column]).all()
    assert (after.doubt()[6:] < doubt[6:] + 1e-6).all()
    assert not any(o.object_id == 3 for t in range(6, 10) for o in after.worst_objects(t))


def test_looking_at_the_old_result_changes_nothing(done, movie):
    before = done.result().labels
    done.correct({4: movie[1][4]}, agreement=Agreement(frames=0))
    after, facts = done.result().labels, done.snapshot()
    for t in range(10):
        np.testing.assert_array_equal(done.labels_before(t), before[t])
    np.testing.assert_array_equal(done.result().labels, after)
    assert done.snapshot() == facts


def test_a_run_over_earlier_results_can_be_undone(done, movie):
    done.correct({4: clipped(done, 4, 2)}, agreement=Agreement(frames=0))
    corrected, facts = done.result(), done.snapshot()
    done.memory_config = done.memory_config.replace(memory_interval_frames=5)
    again = done.run()
    assert done.snapshot().undo == "propagation"
    done.undo()
    np.testing.assert_array_equal(done.result().labels, corrected.labels)
    np.testing.assert_array_equal(done.result().scores.confidence, corrected.scores.confidence)
    assert done.snapshot().undo == facts.undo
    done.redo()
    np.testing.assert_array_equal(done.result().labels, again.labels)
    done.undo()
    done.undo()
    assert done.snapshot().undo == ""


def test_what_somebody_painted_is_kept_before_it_is_overwritten(make_session, movie):
    """Into a layer that shows an earlier result with strokes that were not used as corrections."""
    layer = np.zeros((10, 64, 64), np.int32)
    layer[:] = 5 * movie[1]
    layer[7, :4, :4] = 9
    shown = layer.copy()

    def write(t, labels):
        layer[t] = labels

    session = make_session(write=write, read=lambda t: layer[t])
    result = session.run()
    np.testing.assert_array_equal(layer, result.labels)
    session.undo()
    np.testing.assert_array_equal(layer, shown)
    session.redo()
    np.testing.assert_array_equal(layer, result.labels)
    layer[8, 20:24, :4] = 9  # a stroke that undo would overwrite
    stroke = layer.copy()
    session.undo()
    np.testing.assert_array_equal(layer, shown)
    session.redo()
    np.testing.assert_array_equal(layer, stroke)


def test_a_stroke_on_a_frame_to_come_is_kept(make_session):
    layer = np.zeros((10, 64, 64), np.int32)

    def write(t, labels):
        layer[t] = labels

    session = make_session(write=write, read=lambda t: layer[t])
    for result in session.frames():
        if result.frame == 2:
            layer[6, :5, :5] = 4
    assert session.snapshot().undo == "propagation"
    session.undo()
    assert (layer[6, :5, :5] == 4).all()
    assert not layer[5].any()


def test_a_stopped_correction_goes_on_where_it_stopped(make_session):
    session = make_session()
    session.run()
    before = session.result().labels
    labels = session.labels(2).astype(np.int32)
    labels[50:58, 50:58] = 7
    session.begin_correction({2: labels}, forward=True, agreement=Agreement(frames=0))
    for result in session.frames():
        if result.frame == 4:
            session.cancel()
    stopped = session.result().labels
    assert 7 in session.unfinished
    assert 7 in session.results.objects(4) and 7 not in session.results.objects(5)
    task = session.begin_unfinished()
    done = [result.frame for result in session.frames()]
    assert done == list(range(5, len(session.results.frames))), "it does not stop early, as it was begun"
    assert "rest of correction of frame 2" in task.title and not session.unfinished
    assert all(7 in session.results.objects(t) for t in done)
    assert np.array_equal(session.result().labels[:5], stopped[:5])
    assert session.annotations.corrected == {2}, "nobody said that frame 4 is right"
    with pytest.raises(SessionError, match="nothing to go on with"):
        session.begin_unfinished()
    session.undo()
    assert np.array_equal(session.result().labels, stopped)
    session.undo()
    assert np.array_equal(session.result().labels, before)
