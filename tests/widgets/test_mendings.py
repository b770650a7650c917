"""Objects in parts are questions, every question has its answers, and an answer is remembered."""

from __future__ import annotations

import numpy as np
import pytest

from napari_xmem.session import EventToCheck, QuestionKind, TrackingSession
from napari_xmem.widgets.review.mending_row import MENDING_KEYS
from napari_xmem.widgets.review.mendings import MendingKind, mendings


def labels_in_parts():
    """Return labels (T, Y, X): 1 is in two parts from frame 3 on, and 2 on frame 2 only."""
    labels = np.zeros((7, 40, 60), np.uint16)
    for t in range(7):
        labels[t, 10:18, 10:18], labels[t, 25:33, 10:22] = 1, 2
        if t >= 3:
            labels[t, 10:17, 26:33] = 1
    labels[2, 25:33, 15:17] = 0
    return labels


@pytest.fixture
def session():
    movie = (labels_in_parts() > 0).astype(np.uint16) * 900 + 100
    return TrackingSession.of_labels(movie, labels_in_parts())


def test_parts_are_asked_about_once_where_they_begin(session, tmp_path):
    parts = [event for event in session.review().queue if event.kind is QuestionKind.PARTS]
    assert [(event.frame, event.objects) for event in parts] == [(3, (1,))], "a slip of one frame is no question"
    kinds = [mending.kind for mending in mendings(parts[0], session.lineage)]
    assert kinds == [MendingKind.SPLIT, MendingKind.DIVIDE, MendingKind.RIGHT]
    session.settle(parts[0])
    assert parts[0].key not in {event.key for event in session.review().queue}
    session.save(tmp_path / "s.xmem-session")
    movie = (labels_in_parts() > 0).astype(np.uint16) * 900 + 100
    opened = TrackingSession.load(tmp_path / "s.xmem-session", movie)
    assert opened.annotations.settled == {parts[0].key}
    session.undo()
    assert parts[0].key in {event.key for event in session.review().queue}


def test_every_kind_has_an_answer_and_can_be_right(session):
    for kind in QuestionKind:
        for objects in ((), (1,), (1, 2)):
            found = mendings(EventToCheck(kind, 3, objects, 0.5, ""), {1, 2})
            assert found[-1].kind is MendingKind.RIGHT
            assert all(mending.frame == 3 and mending.text for mending in found)
    gone = mendings(EventToCheck(QuestionKind.SWAP, 3, (1, 9), 0.5, ""), {1, 2})
    assert [mending.kind for mending in gone] == [MendingKind.RIGHT], "cells that are gone cannot be mended"


@pytest.mark.gui
def test_one_key_mends_what_is_asked(viewer, tiny_model):
    """Labels from a file: a question, its answers on buttons, one key for one of them, and undo."""
    movie = (labels_in_parts() > 0).astype(np.uint16) * 900 + 100
    viewer.add_image(movie, name="movie")
    layer = viewer.add_labels(labels_in_parts(), name="from a file")
    _, review = viewer.window.add_plugin_dock_widget("napari-xmem", "Review and correct")
    review.actions.model = tiny_model
    review.result = layer
    review.adopt(wait=True)
    row = review.form.mending
    assert not row.isVisibleTo(review.form)

    def go_to_parts():
        for _ in range(9):
            review.next_frame()
            if "parts" in review.form.frame_text.text():
                return
        raise AssertionError("no question about parts")

    go_to_parts()
    assert viewer.dims.current_step[0] == 3
    first, _, right = (row.buttons[key] for key in MENDING_KEYS)
    assert first.text().startswith("Split 1") and first.text().endswith("Y") and "Shift+Y" in first.toolTip()
    row.press(MENDING_KEYS[0])
    review.wait()
    session = review.subject.session
    now = session.labels(3)
    assert (now[10:18, 10:18] == 1).all() and set(np.unique(now[10:17, 26:33])) == {3}
    assert not row.isVisibleTo(review.form), "answered: nothing is offered any more"
    review.undo(wait=True)
    assert (session.labels(3)[10:17, 26:33] == 1).all()
    go_to_parts()
    assert right.isVisibleTo(review.form)
    row.press(MENDING_KEYS[2])
    assert not row.isVisibleTo(review.form) and session.annotations.settled
