"""Frames that tell look-alikes apart are kept, whatever comes after them, and no more of them than asked for."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch

from memory.test_bank_limits import frames_in
from napari_xmem.config import MemoryConfig
from napari_xmem.memory import MemoryBank, MemorySizes
from napari_xmem.memory.distractors import Contest, DistractorAdmission
from napari_xmem.memory.few_calls import as_on_accelerator
from napari_xmem.memory.store import PackedKeys, Store
from napari_xmem.memory.together import snapshot_together
from napari_xmem.memory.writing import add_together, settle

CONFIG = MemoryConfig(distractor_max_frames=2, distractor_interval_frames=3, num_prototypes=2, long_term_max_elements=5)


def won(share, distance=1.0, confidence=0.9, area_share=1.0):
    return Contest(share, distance, confidence, area_share)


@pytest.mark.parametrize(
    ("contest", "worth"),
    [
        (won(0.4), 0.2),  # 0.4 / (1 + 1)
        (won(0.4, distance=0.0), 0.4),
        (won(0.4, distance=3.0), 0.1),
        (won(0.05), 0.025),
        (won(0.049), 0.0),  # nobody was there
        (won(0.4, confidence=0.79), 0.0),  # nobody has clearly won
        (won(0.4, area_share=0.79), 0.0),
        (won(0.4, area_share=1.26), 0.0),
        (won(float("nan")), 0.0),
    ],
)
def test_worth_on_paper(contest, worth):
    assert DistractorAdmission().worth(contest) == pytest.approx(worth)


def fill(bank, contests, frames=range(30)):
    for t in frames:
        key = torch.tensor([[float(t), 100.0 + t]])
        seen = [contests[t]] if t in contests else []
        bank.add(t, key, torch.ones(2), torch.ones(1, 2), key[None], [1], permanent=t == 0, contests=seen)


def test_who_tells_most_stays_whatever_comes_later(make_bank):
    """Frame 8 is too close to 6, 12 tells least and goes when 20 comes, 25 tells too little; the seed takes no part."""
    bank = make_bank(CONFIG)
    contests = {0: won(0.9), 6: won(0.5), 8: won(0.9), 12: won(0.2), 20: won(0.3), 25: won(0.25)}
    fill(bank, contests, range(13))
    assert frames_in(bank, Store.DISTRACTOR) == [6, 12]
    fill(bank, contests, range(13, 30))
    assert frames_in(bank, Store.DISTRACTOR) == [6, 20]
    assert frames_in(bank, Store.PERMANENT) == [0]
    assert bank.sizes == MemorySizes(working=bank.sizes.working, long_term=5, permanent=2, distractor=4)
    assert frames_in(bank, Store.WORKING) == sorted(set(frames_in(bank, Store.WORKING)) - {6, 12, 20})
    assert bank.read(torch.tensor([[6.0]])).item() == pytest.approx(6.0, abs=0.5)
    events = [event for event in bank.snapshot(29).events if event.kind in ("kept", "released")]
    assert [event.kind for event in events] == ["kept", "kept", "kept", "released"]
    bank.reconfigure(CONFIG.replace(distractor_max_frames=0))
    fill(bank, {}, [30])
    assert bank.sizes.distractor == 0


def test_without_the_store_contests_change_nothing(make_bank):
    banks = [make_bank(CONFIG.replace(distractor_max_frames=0)) for _ in range(2)]
    for bank, contests in zip(banks, ({6: won(0.5)}, {}), strict=True):
        fill(bank, contests)
    query = torch.linspace(0, 130, 40)[None]
    assert torch.equal(banks[0].read(query), banks[1].read(query))
    assert banks[0].snapshot(29) == banks[1].snapshot(29)


def test_they_are_forgotten_protected_undone_and_saved_like_others(make_bank, tmp_path):
    bank = make_bank(CONFIG)
    fill(bank, {6: won(0.5), 12: won(0.4)})
    bank.edit.forget_frames(6)
    assert frames_in(bank, Store.DISTRACTOR) == [12]
    assert [block for block, _, _ in bank._state.resolved] == [12]
    bank.edit.undo()
    bank.edit.protect(12)
    assert frames_in(bank, Store.PERMANENT) == [0, 12]
    assert frames_in(bank, Store.DISTRACTOR) == [6]
    bank.edit.undo()
    bank.save(tmp_path / "bank")
    again, fork = MemoryBank.load(tmp_path / "bank"), bank.fork()
    for one in (bank, again, fork):
        fill(one, {34: won(0.45)}, range(30, 40))
        assert frames_in(one, Store.DISTRACTOR) == [6, 34]
    assert [(row.frame, row.elements) for row in again.rows() if row.store == "distractor"] == [(6, 2), (34, 2)]
    assert bank.take_out([6], "it was somebody else") == 2
    assert bank.sizes.distractor == 2
    bank.edit.correct(36, [1])
    assert bank.sizes.distractor == 0
    state = again.state_dict()
    with pytest.raises(ValueError, match="look-alikes"):
        MemoryBank.from_state_dict(state | {"resolved": [(3, 4, -1.0)]}, torch.device("cpu"))


@pytest.mark.parametrize("as_on", [nullcontext, as_on_accelerator])
@pytest.mark.parametrize("eviction", ["coverage", "usage"])
def test_many_memories_at_once_keep_what_each_keeps_by_itself(as_on, eviction):
    config = CONFIG.replace(eviction=eviction)
    alone, together = ([MemoryBank(config, key_dim=2, value_dim=1) for _ in range(3)] for _ in range(2))
    generator = torch.Generator().manual_seed(0)
    for t in range(30):
        keys, values = torch.randn(3, 2, 4, generator=generator), torch.randn(3, 1, 4, generator=generator)
        packed = PackedKeys.of(keys, torch.ones(3, 4), torch.ones(3, 2, 4), None)
        contests = {i: won(float(torch.rand(1, generator=generator))) for i in (1, 3) if (t + i) % 4 == 0}
        painted = [t == 0] * 3
        for row, bank in enumerate(alone):
            seen = [contests[row + 1]] if row + 1 in contests else []
            bank.add_packed(t, packed[row], values[row : row + 1], [row + 1], permanent=t == 0, contests=seen)
        with as_on():
            list(add_together(together, t, packed, values, [1, 2, 3], painted, contests=contests))
            settle(together)
    for one, other in zip(alone, together, strict=True):
        assert one.rows() == other.rows()
        assert one._state.resolved == other._state.resolved
        query = torch.randn(2, 9, generator=generator)
        torch.testing.assert_close(one.read(query), other.read(query))
    assert [bank.sizes.distractor for bank in together] == [8, 0, 8]
    assert snapshot_together(together, 29).sizes.distractor == 16
