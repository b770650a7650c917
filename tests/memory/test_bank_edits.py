from __future__ import annotations

import pytest
import torch

from napari_xmem.config import MemoryConfig
from napari_xmem.errors import ConfigError, MemoryBankError
from napari_xmem.memory import MemorySizes, MemoryVote, Store


def frames_of(bank, object_id, store=None):
    table = bank._state.table
    held = table.valid(object_id)
    if store is not None:
        held = held & (table["store"] == int(store))
    return sorted(table["frame"][held].tolist())


@pytest.fixture
def bank(make_bank, add_frame):
    """Frames 0 (permanent), 10, 20, 30 with one element each for objects 1 and 2."""
    bank = make_bank(MemoryConfig(top_k=1))
    for t in (0, 10, 20, 30):
        add_frame(bank, t, [float(t)], {1: [t + 0.1], 2: [t + 0.2]}, permanent=t == 0)
    return bank


def test_forget_an_object(bank):
    bank.edit.forget(1)
    assert bank.object_ids == (2,)
    assert bank.sizes.total == 4
    with pytest.raises(MemoryBankError, match=r"\[1\].*\[2\]"):
        bank.edit.forget(1)


def test_elements_that_hold_nobody_go(bank, add_frame):
    add_frame(bank, 40, [40.0], {2: [40.2]})
    bank.edit.forget(2)
    assert frames_of(bank, 1) == [0, 10, 20, 30]
    assert bank.sizes.total == 4


def test_forget_everything_then_start_again(bank, add_frame, ask):
    bank.edit.forget(1)
    bank.edit.forget(2)
    assert bank.sizes == MemorySizes()
    assert bank.object_ids == ()
    with pytest.raises(MemoryBankError, match="empty"):
        ask(bank, [0.0])
    assert bank.snapshot(30).objects == ()
    add_frame(bank, 50, [1.0], {3: [9.0]})
    assert ask(bank, [0.0]).tolist() == [[9.0]]


def test_forget_frames_of_all_objects(bank):
    bank.edit.forget_frames([10, 20])
    assert frames_of(bank, 1) == frames_of(bank, 2) == [0, 30]
    assert bank.sizes.total == 2


def test_forget_frames_of_one_object(bank, ask):
    bank.edit.forget_frames(10, object_id=2)
    assert frames_of(bank, 1) == [0, 10, 20, 30]
    assert frames_of(bank, 2) == [0, 20, 30]
    assert ask(bank, [11.0]).flatten().tolist() == [pytest.approx(10.1), pytest.approx(20.2)]


def test_forget_frames_takes_permanent_ones_too(bank):
    bank.edit.forget_frames(0)
    assert bank.sizes.permanent == 0


def test_an_object_without_elements_reads_zero(bank, ask):
    bank.edit.forget_frames([0, 10, 20, 30], object_id=1)
    assert bank.object_ids == (1, 2)
    assert ask(bank, [10.0])[:, 0].tolist() == [0.0, pytest.approx(10.2)]
    assert [o.permanent + o.working for o in bank.snapshot(30).objects] == [0, 4]


def test_frames_that_memory_does_not_hold_are_named(bank):
    for change in (bank.edit.forget_frames, bank.edit.protect):
        with pytest.raises(MemoryBankError, match=r"nothing of frame 7; it holds frames 0, 10, 20, 30"):
            change([10, 7])
    assert bank.sizes.total == 4


def test_protected_frames_stay(bank, add_frame):
    bank.edit.protect(20)
    for t in range(31, 80):
        add_frame(bank, t, [float(t)], {1: [1.0], 2: [1.0]})
    assert frames_of(bank, 1, Store.PERMANENT) == [0, 20]


def test_protected_frames_stay_in_paper_mode(make_bank, add_frame):
    bank = make_bank(MemoryConfig.paper(working_min_frames=1, working_max_frames=3, long_term_max_elements=2))
    for t in range(2):
        add_frame(bank, t, [float(t)], {1: [1.0]}, permanent=True)
    assert bank.sizes.permanent == 0
    bank.edit.protect(1)
    for t in range(2, 20):
        add_frame(bank, t, [float(t)], {1: [1.0]})
    assert frames_of(bank, 1, Store.PERMANENT) == [1]
    assert frames_of(bank, 1, Store.WORKING)[0] == 0


def test_prototypes_can_be_protected(make_bank, add_frame):
    config = MemoryConfig(working_min_frames=1, working_max_frames=3, num_prototypes=1, long_term_max_elements=1)
    bank = make_bank(config)
    for t in range(6):
        add_frame(bank, t, [float(t)], {1: [1.0]}, permanent=t == 0)
    (kept,) = frames_of(bank, 1, Store.LONG_TERM)
    bank.edit.protect(kept)
    for t in range(6, 20):
        add_frame(bank, t, [float(t)], {1: [1.0]})
    assert frames_of(bank, 1, Store.PERMANENT) == [0, kept]


def test_correction_forgets_the_neighbourhood_of_these_objects_only(make_bank, add_frame):
    bank = make_bank(MemoryConfig(correction_radius_frames=10, working_max_frames=50))
    for t in (0, 5, 20, 30, 35, 41):
        add_frame(bank, t, [float(t)], {1: [1.0], 2: [1.0]}, permanent=t in (0, 35))
    bank.edit.correct(30, [1, 99])
    assert frames_of(bank, 1) == [0, 5, 35, 41]
    assert frames_of(bank, 2) == [0, 5, 20, 30, 35, 41]
    bank.edit.correct(35, [1])
    assert frames_of(bank, 1) == [0, 5]


def test_correction_in_paper_mode_keeps_the_first_frame(make_bank, add_frame):
    bank = make_bank(MemoryConfig.paper())
    for t in (0, 3, 6):
        add_frame(bank, t, [float(t)], {1: [1.0]})
    bank.edit.correct(6, [1])
    assert frames_of(bank, 1) == [0]


def test_correction_of_an_empty_memory_is_nothing(make_bank):
    make_bank().edit.correct(3, [1])


def test_radius_must_not_be_negative():
    with pytest.raises(ConfigError, match="correction_radius_frames"):
        MemoryConfig(correction_radius_frames=-1)


CHANGES = {
    "forget": lambda bank: bank.edit.forget(1),
    "forget_frames": lambda bank: bank.edit.forget_frames([0, 10]),
    "one object": lambda bank: bank.edit.forget_frames([0, 10], 1),
    "protect": lambda bank: bank.edit.protect([10]),
    "correct": lambda bank: bank.edit.correct(10, [1, 2]),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_every_change_can_be_undone(bank, ask, change):
    queries = [0.0, 10.4, 29.0]
    ask(bank, queries)
    before, sizes, use = ask(bank, queries), bank.sizes, bank._state.table["use"].clone()
    held = {i: frames_of(bank, i) for i in bank.object_ids}
    change(bank)
    bank.edit.undo()
    assert bank.sizes == sizes
    assert {i: frames_of(bank, i) for i in bank.object_ids} == held
    assert torch.equal(bank._state.table["use"], use)
    assert torch.equal(ask(bank, queries), before)


def test_undo_takes_later_frames_along_and_goes_back_step_by_step(bank, add_frame, ask):
    bank.edit.forget_frames(10)
    add_frame(bank, 40, [40.0], {1: [4.0], 2: [4.0]})
    bank.edit.protect(40)
    for t in (41, 42, 43):
        add_frame(bank, t, [float(t)], {1: [-1.0], 2: [-1.0]})
    ask(bank, [10.0])
    bank.edit.undo()
    assert frames_of(bank, 1) == [0, 20, 30, 40]
    assert bank.sizes.permanent == 1
    bank.edit.undo()
    assert frames_of(bank, 1) == [0, 10, 20, 30]
    add_frame(bank, 50, [50.0], {1: [5.5], 2: [5.5]})
    assert ask(bank, [10.0, 50.0])[0].tolist() == [pytest.approx(10.1), 5.5]
    with pytest.raises(MemoryBankError, match="undo"):
        bank.edit.undo()


def test_a_refused_change_leaves_nothing_to_undo(bank):
    with pytest.raises(MemoryBankError):
        bank.edit.protect(7)
    with pytest.raises(MemoryBankError, match="undo"):
        bank.edit.undo()


def test_changes_show_in_the_snapshot(bank):
    bank.snapshot(30)
    bank.edit.forget_frames(10)
    bank.edit.protect(20)
    bank.edit.correct(30, [1, 2])
    bank.edit.undo()
    events = bank.snapshot(30).events
    assert [(e.kind, e.removed) for e in events] == [("forgotten", 1), ("protected", 1), ("undone", 0)]
    assert all(e.frame == 30 for e in events)
    assert "10" in events[0].reason
    assert bank.snapshot(31).events == ()


def test_undo_reports_no_event_again(make_bank, add_frame):
    bank = make_bank(MemoryConfig(working_min_frames=1, working_max_frames=3, num_prototypes=2))
    reported = []

    def report(frame):
        found = [event.kind for event in bank.snapshot(frame).events]
        reported.extend(found)
        return found

    for t in range(4):
        add_frame(bank, t, [float(t)], {1: [1.0]}, permanent=t == 0)
    bank.edit.protect(3)
    assert report(3) == ["consolidated", "protected"]
    bank.edit.undo()
    assert report(3) == ["undone"]
    bank.edit.protect(3)
    bank.edit.protect(0)
    add_frame(bank, 4, [4.0], {1: [1.0]})
    assert report(4)[:2] == ["protected", "protected"]
    bank.edit.undo()
    bank.edit.undo()
    assert report(4) == ["undone"]  # the first was undone before anyone was told of it
    assert report(4) == []
    assert reported.count("consolidated") >= bank.snapshot(4).totals.consolidations == 1


def test_explain_lists_who_voted(make_bank, add_frame):
    bank = make_bank(MemoryConfig(top_k=2))
    add_frame(bank, 0, [0.0], {1: [1.0]}, permanent=True, positions=torch.tensor([[4.0, 8.0]]))
    add_frame(bank, 5, [1.0, 9.0], {1: [1.0, 1.0]}, positions=torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    use = bank._state.table["use"].clone()
    votes = bank.explain(torch.tensor([[0.9]]), torch.ones(1, 1), 1)
    weight = 1 / (1 + torch.tensor(-0.8).exp().item())
    assert votes == [
        MemoryVote(5, 1.0, 2.0, "working", pytest.approx(weight)),
        MemoryVote(0, 4.0, 8.0, "permanent", pytest.approx(1 - weight)),
    ]
    assert torch.equal(bank._state.table["use"], use)
    assert len(bank.explain(torch.tensor([[0.9]]), torch.ones(1, 1), 1, top=1)) == 1
    with pytest.raises(MemoryBankError, match="one query"):
        bank.explain(torch.zeros(1, 2), None, 1)


def test_explain_asks_only_elements_that_hold_the_object(bank):
    bank.edit.forget_frames(10, object_id=2)
    one, two = (bank.explain(torch.tensor([[10.0]]), torch.ones(1, 1), i)[0] for i in (1, 2))
    assert (one.frame, one.store) == (10, "working")
    assert two.frame in (0, 20)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"key": torch.zeros(2, 2)}, "key"),
        ({"shrinkage": torch.ones(3)}, "shrinkage"),
        ({"selection": torch.ones(1, 3)}, "selection"),
        ({"values": torch.zeros(2, 1, 2)}, "values"),
        ({"object_ids": [1, 1], "values": torch.zeros(2, 1, 2)}, "different"),
        ({"object_ids": [], "values": torch.zeros(0, 1, 2)}, "at least one"),
        ({"positions": torch.zeros(2, 3)}, "positions"),
        ({"selection": None}, "every frame"),
    ],
)
def test_frames_that_do_not_fit_are_refused(bank, change, word):
    frame = {
        "key": torch.zeros(1, 2),
        "shrinkage": torch.ones(2),
        "selection": torch.ones(1, 2),
        "values": torch.zeros(1, 1, 2),
        "object_ids": [1],
    }
    with pytest.raises(MemoryBankError, match=word):
        bank.add(5, **{**frame, **change})
    assert bank.sizes.total == 4


def test_unknown_objects_are_named(bank, ask):
    with pytest.raises(MemoryBankError, match=r"\[8\].*\[1, 2\]"):
        ask(bank, [0.0], object_ids=[1, 8])


def test_wrong_confidence_is_refused(bank, ask):
    ask(bank, [0.0])
    with pytest.raises(MemoryBankError, match="confidence"):
        bank.feedback(torch.ones(2))
