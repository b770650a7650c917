from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file

from napari_xmem.config import MemoryConfig
from napari_xmem.errors import MemoryBankError, OutputError
from napari_xmem.memory import MemoryBank, SensoryMemory, merge_snapshots
from napari_xmem.memory.snapshot import USAGE_EDGES

CONFIG = MemoryConfig(
    working_min_frames=2, working_max_frames=4, num_prototypes=3, long_term_max_elements=7, top_k=4,
    prototype_selection="usage+novelty", potentiation="importance+consistency", eviction="mix",
    importance_strength=0.5, consistency_strength=0.5,
)  # fmt: skip


def advance(bank, frames):
    """Run on random frames that depend on the frame number only; returns the answers."""
    answers = []
    for t in frames:
        generator = torch.Generator().manual_seed(t)
        key, selection = torch.randn(5, 6, generator=generator), torch.rand(5, 6, generator=generator)
        if bank.sizes.total:
            answers.append(bank.read(key, selection, frame=t))
            bank.feedback(torch.rand(6, generator=generator))
        ids = [3, 9] if t > 4 else [3]
        values = torch.randn(len(ids), 2, 6, generator=generator)
        shrinkage = 1 + torch.rand(6, generator=generator)
        positions = torch.rand(6, 2, generator=generator)
        bank.add(t, key, shrinkage, selection, values, ids, permanent=t == 0, positions=positions)
    return answers


@pytest.mark.parametrize(("stop", "eviction"), [(1, "mix"), (3, "mix"), (11, "mix"), (20, "mix"), (11, "coverage")])
def test_a_stopped_run_goes_on_exactly(tmp_path, stop, eviction):
    whole = MemoryBank(CONFIG.replace(eviction=eviction), key_dim=5, value_dim=2)
    advance(whole, range(stop))
    whole.save(tmp_path / "bank.safetensors", fingerprint="abc")
    loaded = MemoryBank.load(tmp_path / "bank.safetensors", fingerprint="abc")
    assert (loaded.config, loaded.sizes, loaded.object_ids) == (whole.config, whole.sizes, whole.object_ids)
    for one, other in zip(advance(whole, range(stop, 40)), advance(loaded, range(stop, 40)), strict=True):
        assert torch.equal(one, other)
    assert loaded.snapshot(39) == whole.snapshot(39)
    key = torch.zeros(5, 1)
    assert loaded.explain(key, torch.ones(5, 1), 3) == whole.explain(key, torch.ones(5, 1), 3)


def test_half_precision_values_stay_half(tmp_path):
    bank = MemoryBank(CONFIG, key_dim=1, value_dim=1)
    bank.add(0, torch.zeros(1, 2), torch.ones(2), None, torch.ones(1, 1, 2).half(), [4])
    bank.save(tmp_path / "bank")
    loaded = MemoryBank.load(tmp_path / "bank")
    assert loaded.read(torch.zeros(1, 1)).dtype == torch.float16


def test_an_empty_bank_can_be_saved(tmp_path):
    MemoryBank(CONFIG, key_dim=5, value_dim=2).save(tmp_path / "bank")
    loaded = MemoryBank.load(tmp_path / "bank")
    assert loaded.sizes.total == 0
    advance(loaded, range(3))


def test_saving_replaces_a_file_and_leaves_no_other(tmp_path):
    bank = MemoryBank(CONFIG, key_dim=5, value_dim=2)
    for stop in (1, 2):
        advance(bank, [stop])
        bank.save(tmp_path / "bank")
    assert [path.name for path in tmp_path.iterdir()] == ["bank"]
    assert MemoryBank.load(tmp_path / "bank").sizes.total == 12


def test_another_model_is_refused(tmp_path):
    bank = MemoryBank(CONFIG, key_dim=5, value_dim=2)
    advance(bank, range(2))
    bank.save(tmp_path / "bank", fingerprint="abc")
    with pytest.raises(MemoryBankError, match=r"another model.*abc.*xyz"):
        MemoryBank.load(tmp_path / "bank", fingerprint="xyz")
    assert MemoryBank.load(tmp_path / "bank").sizes == bank.sizes


@pytest.mark.parametrize("content", [b"", b"not a bank at all", b"\x10\x00\x00\x00\x00\x00\x00\x00garbage"])
def test_files_that_are_no_memory_are_refused(tmp_path, content):
    path = tmp_path / "bank"
    path.write_bytes(content)
    with pytest.raises(MemoryBankError, match="bank"):
        MemoryBank.load(path)


def test_missing_truncated_and_foreign_files_are_refused(tmp_path):
    with pytest.raises(MemoryBankError, match="nowhere"):
        MemoryBank.load(tmp_path / "nowhere")
    save_file({"weight": torch.zeros(3)}, tmp_path / "weights")
    with pytest.raises(MemoryBankError, match="no memory"):
        MemoryBank.load(tmp_path / "weights")
    bank = MemoryBank(CONFIG, key_dim=5, value_dim=2)
    advance(bank, range(3))
    bank.save(tmp_path / "bank")
    content = (tmp_path / "bank").read_bytes()
    (tmp_path / "cut").write_bytes(content[: len(content) // 2])
    with pytest.raises(MemoryBankError, match="cut"):
        MemoryBank.load(tmp_path / "cut")
    save_file({"x": torch.zeros(1)}, tmp_path / "hollow", metadata={"format": "napari-xmem memory 2", "state": "{}"})
    with pytest.raises(MemoryBankError, match="damaged"):
        MemoryBank.load(tmp_path / "hollow")


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file"):
        MemoryBank(CONFIG, key_dim=1, value_dim=1).save(tmp_path / "file" / "bank")


def test_snapshot_counts(make_bank, add_frame, ask):
    bank = make_bank(MemoryConfig(top_k=1))
    assert bank.snapshot(0).sizes.total == 0
    add_frame(bank, 0, [0.0, 9.0], {1: [0.0, 0.0]}, permanent=True)
    add_frame(bank, 1, [0.5, 99.0, 200.0], {1: [0.0] * 3, 2: [0.0] * 3})
    ask(bank, [0.0, 0.0, 9.0, 9.0])
    snapshot = bank.snapshot(1)
    assert [(s.name, s.elements) for s in snapshot.stores] == [("working", 3), ("long_term", 0), ("permanent", 2)]
    assert [(o.object_id, o.working, o.permanent) for o in snapshot.objects] == [(1, 3, 2), (2, 3, 0)]
    # usage 2, 2, 0, 0, 0 for the first object; elements are all held by it
    assert dict(zip(USAGE_EDGES, snapshot.usage_counts, strict=True)) == {
        **dict.fromkeys(USAGE_EDGES, 0),
        0.0: 3,
        1.0: 2,
    }
    # 3 keys of one channel (key, selection, augmented 3), shrinkage, 6 counters, 2 positions: floats; 2 int64; 1 byte
    per_element = 4 * (1 + 1 + 3 + 1 + 6 + 2) + 16 + 1
    assert snapshot.n_bytes == 5 * (per_element + 2 * 5)
    assert bank.n_bytes >= snapshot.n_bytes
    with pytest.raises(AttributeError):
        snapshot.frame = 3
    assert snapshot.to_dict()["totals"] == {"consolidations": 0, "evicted": 0, "forgotten": 0}


def test_snapshots_of_several_banks_add_up():
    banks = [MemoryBank(CONFIG, key_dim=5, value_dim=2) for _ in range(2)]
    advance(banks[0], range(12))
    advance(banks[1], range(3))
    parts = [bank.snapshot(12) for bank in banks]
    merged = merge_snapshots(parts)
    assert merged.sizes.total == sum(part.sizes.total for part in parts)
    assert merged.n_bytes == sum(part.n_bytes for part in parts)
    assert len(merged.objects) == 3
    assert merged.totals.consolidations == parts[0].totals.consolidations
    assert sum(merged.usage_counts) == merged.sizes.total
    with pytest.raises(ValueError, match="at least one"):
        merge_snapshots([])


def test_merged_events_say_whose_memory_it_was():
    config = CONFIG.replace(permanent_seeds=True)
    banks = [MemoryBank(config, key_dim=5, value_dim=2) for _ in range(3)]
    for object_id, bank in zip((7, 4, 9), banks, strict=True):
        for t in range(4 if object_id != 4 else 2):  # the second has too few frames to consolidate
            key = torch.randn(5, object_id)
            bank.add(t, key, torch.ones(object_id), torch.ones(5, object_id), torch.randn(1, 2, object_id), [object_id])
    parts = [bank.snapshot(3) for bank in banks]
    (event,) = merge_snapshots(parts).events
    own = [part.events[0] for part in parts if part.events]
    assert event.kind == "consolidated" and event.object_ids == (7, 9) and event.frame == 3
    assert event.removed == sum(e.removed for e in own) and event.added == sum(e.added for e in own) == 6
    assert merge_snapshots([merge_snapshots(parts)]).events == (event,)


def test_events_of_older_files_name_no_objects(tmp_path):
    bank = MemoryBank(CONFIG, key_dim=5, value_dim=2)
    advance(bank, range(11))
    bank.save(tmp_path / "bank")
    from safetensors import safe_open
    from safetensors.torch import load_file

    with safe_open(str(tmp_path / "bank"), framework="pt") as file:
        metadata = file.metadata()
    header = json.loads(metadata["state"])
    assert header["events"]
    for event in header["events"]:
        del event["object_ids"]
    save_file(load_file(tmp_path / "bank"), tmp_path / "old", metadata={**metadata, "state": json.dumps(header)})
    old, new = (MemoryBank.load(tmp_path / name).snapshot(10) for name in ("old", "bank"))
    assert old == new == bank.snapshot(10) and {e.object_ids for e in old.events} == {()}


class TestSensory:
    def test_states_by_object(self):
        sensory = SensoryMemory(2)
        sensory.set([7, 2**31 - 1], torch.stack([torch.ones(2, 3, 4), 2 * torch.ones(2, 3, 4)]))
        got = sensory.get([2**31 - 1, 5, 7])
        assert got.shape == (3, 2, 3, 4)
        assert got[:, 0, 0, 0].tolist() == [2.0, 0.0, 1.0]
        assert sensory.n_bytes == 2 * 2 * 3 * 4 * 4
        sensory.forget(7)
        sensory.forget([7])
        assert sensory.object_ids == (2**31 - 1,)

    def test_new_objects_start_at_zero(self):
        sensory = SensoryMemory(2)
        assert not sensory.get([1], (3, 3)).any()
        assert sensory.get([], (3, 3)).shape == (0, 2, 3, 3)
        with pytest.raises(MemoryBankError, match="shape"):
            sensory.get([1])

    def test_a_state_of_another_size_is_stale(self):
        sensory = SensoryMemory(1)
        sensory.set([1], torch.ones(1, 1, 2, 2))
        assert not sensory.get([1], (3, 3)).any()

    def test_wrong_shapes_are_refused(self):
        with pytest.raises(MemoryBankError, match="expected"):
            SensoryMemory(1).set([1, 2], torch.ones(1, 1, 2, 2))
