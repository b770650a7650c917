"""The whole bank against the goldens of the official code, and against plain loops written from the paper."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from napari_xmem.config import MemoryConfig
from napari_xmem.memory import MemoryBank, Store


def rows_of(bank: MemoryBank, store: Store) -> torch.Tensor:
    return bank._state.rows_in(store)


def test_memory_goldens(shared_dir):
    files = sorted((shared_dir / "goldens").glob("memory_ops*.npz"))
    assert files
    for file in files:
        replay(np.load(file))


def replay(golden):
    meta = json.loads(golden["meta"].item())
    given = meta["config"]
    config = MemoryConfig.paper(
        top_k=given["top_k"],
        long_term=given["enable_long_term"],
        count_long_term_usage=given["enable_long_term_count_usage"],
        working_max_frames=given["max_mid_term_frames"],
        working_min_frames=given["min_mid_term_frames"],
        num_prototypes=given["num_prototypes"],
        long_term_max_elements=given["max_long_term_elements"],
    )
    flat = {
        name: torch.tensor(golden[name]).flatten(-2) for name in ("key", "shrinkage", "selection", "value", "readout")
    }
    bank = MemoryBank(config, key_dim=flat["key"].shape[1], value_dim=flat["value"].shape[2])
    known = 0
    for t in range(len(flat["key"])):
        n = int(golden["nobj"][t])
        if t > 0:
            answer = bank.read(flat["key"][t], flat["selection"][t])
            np.testing.assert_allclose(answer, flat["readout"][t, : answer.shape[0]], atol=1e-4)
        if t % meta["memory_every"] == 0 or n > known:
            values = flat["value"][t, :n]
            bank.add(t, flat["key"][t], flat["shrinkage"][t], flat["selection"][t], values, range(1, n + 1))
            known = n
        assert (bank.sizes.working, bank.sizes.long_term) == (golden["work"][t], golden["long"][t]), t
    check_final(bank, golden)


def check_final(bank, golden):
    table = bank._state.table
    working, long_term = rows_of(bank, Store.WORKING), rows_of(bank, Store.LONG_TERM)
    found = {
        "final_work_use": table["use"][working],
        "final_work_life": table["life"][working],
        "final_work_key": table["key"][working].T,
        "final_long_key": table["key"][long_term].T,
        "final_long_shrinkage": table["shrinkage"][long_term],
        "final_long_use": table["use"][long_term],
        "final_long_life": table["life"][long_term],
    }
    for name, tensor in found.items():
        if name in golden.files:
            np.testing.assert_allclose(tensor, golden[name], atol=1e-4, err_msg=name)
    if "final_long_value0" in golden.files:
        count = golden["final_long_value0"].shape[0]
        values = torch.stack([table.values(i)[long_term].T for i in bank.object_ids[:count]])
        np.testing.assert_allclose(values, golden["final_long_value0"], atol=1e-4)


class Loops:
    """XMem's memory as a list of elements; late objects and ties done right. Nothing shared with the package."""

    def __init__(self, top_k, t_min, t_max, prototypes, lt_max):
        self.top_k, self.t_min, self.t_max, self.prototypes, self.lt_max = top_k, t_min, t_max, prototypes, lt_max
        self.frames, self.long = [], []

    def elements(self):
        return self.long + [element for frame in self.frames for element in frame]

    @staticmethod
    def score(element, key, selection):
        return -element["s"] * np.sum(selection * (element["k"] - key) ** 2) / np.sqrt(len(key))

    @staticmethod
    def softmax(scores):
        weight = np.exp(np.asarray(scores) - np.max(scores))
        return weight / weight.sum()

    def read(self, keys, selections, object_ids):
        out = {i: [] for i in object_ids}
        for key, selection in zip(keys.T, selections.T, strict=True):
            for place, i in enumerate(object_ids):
                held = [e for e in self.elements() if i in e["v"]]
                best = sorted(held, key=lambda e: -self.score(e, key, selection))[: self.top_k]
                weight = self.softmax([self.score(e, key, selection) for e in best])
                out[i].append(sum(w * e["v"][i] for w, e in zip(weight, best, strict=True)))
                if place == 0:
                    for w, e in zip(weight, best, strict=True):
                        e["use"] += w
        for e in self.elements():
            e["life"] += 1
        return np.stack([np.stack(out[i], axis=1) for i in object_ids])

    def add(self, keys, shrinkage, selections, values):
        """Values are {id: (V, n)}."""
        self.frames.append(
            [
                {"k": keys[:, j], "s": shrinkage[j], "e": selections[:, j], "use": 0.0, "life": 1e-7,
                 "v": {i: v[:, j] for i, v in values.items()}}
                for j in range(keys.shape[1])
            ]
        )  # fmt: skip
        if len(self.frames) >= self.t_max:
            self.long.sort(key=lambda e: -e["use"] / e["life"])  # order in long memory has no meaning
            del self.long[max(0, self.lt_max - self.prototypes) :]
            stop = len(self.frames) - (self.t_min - 1)
            candidates = [e for frame in self.frames[1:stop] for e in frame]
            self.consolidate(candidates)
            self.frames = [self.frames[0], *self.frames[stop:]]

    def consolidate(self, candidates):
        for chosen in sorted(candidates, key=lambda e: -e["use"] / e["life"])[: self.prototypes]:
            scores = np.array([self.score(e, chosen["k"], chosen["e"]) for e in candidates])
            values = {}
            for i in chosen["v"]:
                holds = [j for j, e in enumerate(candidates) if i in e["v"]]
                weight = self.softmax(scores[holds])
                values[i] = sum(w * candidates[j]["v"][i] for w, j in zip(weight, holds, strict=True))
            shrinkage = np.dot(self.softmax(scores), [e["s"] for e in candidates])
            self.long.append({"k": chosen["k"], "s": shrinkage, "use": 0.0, "life": 1e-7, "v": values})


@pytest.mark.parametrize(
    ("seed", "t_min", "t_max", "prototypes", "lt_max", "top_k"),
    [(0, 2, 4, 5, 12, 4), (1, 1, 3, 4, 12, 4), (2, 2, 3, 6, 12, 30), (3, 3, 5, 3, 7, 2), (4, 1, 2, 6, 6, 3)],
)
def test_late_objects_with_full_long_term_memory(seed, t_min, t_max, prototypes, lt_max, top_k):
    rng = np.random.default_rng(seed)
    plain = Loops(top_k, t_min, t_max, prototypes, lt_max)
    config = MemoryConfig.paper(
        top_k=top_k,
        working_min_frames=t_min,
        working_max_frames=t_max,
        num_prototypes=prototypes,
        long_term_max_elements=lt_max,
    )
    bank = MemoryBank(config, key_dim=3, value_dim=2)
    appears = {7: 0, 40: 0, 300: 5, 2**31 - 1: 11}
    for t in range(24):
        key, shrinkage, selection = rng.normal(size=(3, 6)) * 2, 1 + rng.random(6), rng.random((3, 6))
        ids = [i for i, first in appears.items() if first < t]
        if ids:
            answer = bank.read(torch.tensor(key), torch.tensor(selection))
            assert bank.object_ids == tuple(ids)
            np.testing.assert_allclose(answer.numpy(), plain.read(key, selection, ids), atol=1e-4)
        ids = [i for i, first in appears.items() if first <= t]
        values = {i: rng.normal(size=(2, 6)) for i in ids}
        plain.add(key, shrinkage, selection, values)
        stacked = torch.tensor(np.stack(list(values.values()))).float()
        bank.add(t, torch.tensor(key), torch.tensor(shrinkage), torch.tensor(selection), stacked, ids)
        assert bank.sizes.working == 6 * len(plain.frames)
        assert bank.sizes.long_term == len(plain.long)
        assert bank.sizes.permanent == 0
