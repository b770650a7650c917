"""Compressed labels, history, agreement and merging, on images that can be checked by eye."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_xmem.engine import FrameResult
from napari_xmem.errors import ConfigError, SessionError
from napari_xmem.session import Agreement
from napari_xmem.session.annotations import Annotations
from napari_xmem.session.corrections.affected_objects import AffectedObjects, changed_objects, neighbours
from napari_xmem.session.corrections.compare import overlap_of_objects
from napari_xmem.session.packed_labels import PackedLabels
from napari_xmem.session.results import Change, FrameChange, FrameRecord, History, ResultsStore

images = arrays(np.int32, (5, 7), elements=st.one_of(st.integers(0, 4), st.integers(0, 2**31 - 1)))


@settings(max_examples=30, deadline=None)
@given(images)
def test_packing_is_exact(image):
    packed = PackedLabels.pack(image)
    np.testing.assert_array_equal(packed.unpack(), image)
    assert packed.unpack().dtype == (np.uint16 if image.max() < 65_536 else np.int32)


def test_packed_labels_are_small_and_can_be_written():
    labels = np.kron(np.random.default_rng(0).integers(0, 500, (64, 64)), np.ones((16, 16), int))
    packed = PackedLabels.pack(labels)
    assert packed.n_bytes < labels.size // 20
    packed.unpack()[:] = 1
    np.testing.assert_array_equal(packed.unpack(), labels)


def test_undo_and_redo_swap_records():
    results, history = ResultsStore(), History()
    old, new = FrameRecord.of_labels(3, np.array([[1, 0]])), FrameRecord.of_labels(3, np.array([[0, 2]]))
    first = FrameRecord.of_labels(4, np.array([[5, 5]]))
    results.put(3, new)
    results.put(4, first)
    history.add(Change("both", {3: FrameChange(old, new), 4: FrameChange(None, first)}, Annotations(), Annotations()))
    history.undo(results)
    np.testing.assert_array_equal(results.labels(3), [[1, 0]])
    assert 4 not in results
    history.redo(results)
    np.testing.assert_array_equal(results.labels(3), [[0, 2]])
    np.testing.assert_array_equal(results.labels(4), [[5, 5]])


def test_history_forgets_the_oldest_steps():
    history = History(max_steps=2)
    for title in ("a", "b", "c"):
        history.add(Change(title, {}, Annotations(), Annotations()))
    results = ResultsStore()
    assert [history.undo(results).title, history.undo(results).title] == ["c", "b"]
    with pytest.raises(SessionError):
        history.undo(results)
    history.redo(results)
    history.add(Change("d", {}, Annotations(), Annotations()))
    assert (history.undo_title, history.redo_title) == ("d", "")


def test_overlap():
    old, new = np.array([[1, 1, 2, 0]]), np.array([[1, 2, 2, 3]])
    assert overlap_of_objects(old, new) == {1: (1, 2), 2: (1, 2), 3: (0, 1)}


def disc(radius, grow=0):
    y, x = np.mgrid[-60:60, -60:60]
    labels = (y**2 + x**2 <= radius**2).astype(int)
    spots = np.argwhere(labels)[:grow]
    labels[tuple(spots.T)] = 0
    return labels


def test_agreement_of_large_and_small_objects():
    agreement = Agreement()
    assert agreement.holds(disc(50), disc(50, grow=30))  # 30 of 7854 pixels: IoU 0.996
    assert agreement.holds(disc(50), disc(50.4)), "a tremor of the outline"
    assert not agreement.holds(disc(50), disc(51))
    assert agreement.holds(disc(8), disc(8, grow=3))  # 3 pixels of 201, of an outline of 50
    assert not agreement.holds(disc(8), disc(9))
    assert not agreement.holds(disc(8), 2 * disc(8))
    assert not agreement.holds(np.zeros((2, 2), int), np.zeros((2, 3), int))


def test_a_patch_is_no_tremor_of_the_outline():
    """As many pixels all around the outline agree, in one place they do not."""
    whole, spots, patch = disc(20), disc(20), disc(20)
    outline = np.argwhere((whole == 1) & (disc(19) == 0))[::4]
    spots[tuple(outline.T)] = 0
    side = int(len(outline) ** 0.5)
    patch[60 : 60 + side, 60 : 60 + side] = 0
    assert Agreement(iou=1).holds(whole, spots)
    assert not Agreement(iou=1).holds(whole, patch)


@pytest.mark.parametrize("wrong", [{"iou": 0}, {"iou": 1.5}, {"frames": -1}, {"outline_px": -0.1}, {"patch_share": -1}])
def test_agreement_is_checked(wrong):
    with pytest.raises(ConfigError):
        Agreement(**wrong)


def test_changed_objects_are_those_with_other_pixels():
    old, new = np.array([[1, 1, 2, 3, 0]]), np.array([[1, 1, 0, 3, 4]])
    assert changed_objects(old, new) == {2, 4}


def test_neighbours_come_within_two_diameters():
    labels = np.zeros((20, 100), int)
    for i, x in enumerate((5, 20, 60), start=1):
        labels[5:15, x : x + 10] = i
    assert neighbours([labels], {1}) == {1, 2}
    assert neighbours([labels, np.roll(labels, 30, 1) * (labels == 0)], {9}) == {9}


def result(labels, **sure):
    labels = np.array(labels, np.uint16)
    ids = [int(i) for i in np.unique(labels) if i]
    confidence = np.array([sure.get(f"c{i}", 0.5) for i in ids], np.float32)
    return FrameResult(0, labels, tuple(ids), np.array([(labels == i).sum() for i in ids]), confidence)


def test_merge_takes_new_masks_of_changed_objects_only():
    affected = AffectedObjects({1})
    old = result([[1, 1, 0, 0, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]], c1=0.1, c2=0.9)
    new = result([[0, 1, 1, 1, 0, 0, 2, 2, 2, 2, 2, 2, 2, 2]], c1=0.8, c2=0.2)
    merged = affected.merge(old, new)
    np.testing.assert_array_equal(merged.labels, [[0, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]])
    assert dict(zip(merged.object_ids, merged.confidence.round(2).tolist(), strict=True)) == pytest.approx(
        {2: 0.9, 1: 0.8}
    )
    assert dict(zip(merged.object_ids, merged.area_px.tolist(), strict=True)) == {1: 3, 2: 10}
    assert affected.objects == {1}


def test_merge_draws_in_who_loses_much():
    affected = AffectedObjects({1})
    old = result([[1, 1, 2, 2, 2, 0, 3]])
    new = result([[0, 1, 1, 1, 2, 2, 0]])
    merged = affected.merge(old, new)
    np.testing.assert_array_equal(merged.labels, [[0, 1, 1, 1, 2, 2, 3]])
    assert affected.objects == {1, 2}


def test_objects_that_are_not_followed_are_never_given_up():
    affected = AffectedObjects({1}, frozenset({1, 2}))
    merged = affected.merge(result([[1, 3, 3, 0]]), result([[1, 1, 1, 1]]))
    np.testing.assert_array_equal(merged.labels, [[1, 3, 3, 1]])
    assert affected.objects == {1}


def test_all_are_involved_where_there_was_no_result():
    new = result([[1, 2]])
    assert AffectedObjects().merge(result([[2, 2]]), new) is new
    assert AffectedObjects({1}).merge(None, new) is new
