"""Whole runs against probabilities recorded from the official code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from golden_weights import golden_network, load_recipe
from napari_xmem import MemoryConfig
from napari_xmem.engine.propagator import Propagator

if TYPE_CHECKING:
    from pathlib import Path


def memory_config(options: dict[str, object]) -> MemoryConfig:
    """Translate the goldens' option names; -1 means: with every memory frame."""
    deep = options["deep_update_every"]
    return MemoryConfig.paper(
        memory_interval_frames=options["mem_every"],
        deep_update_interval_frames=None if deep == -1 else deep,
        top_k=options["top_k"],
        long_term=options["enable_long_term"],
        count_long_term_usage=options["enable_long_term_count_usage"],
        working_max_frames=options.get("max_mid_term_frames", 10),
        working_min_frames=options.get("min_mid_term_frames", 5),
        num_prototypes=options.get("num_prototypes", 128),
        long_term_max_elements=options.get("max_long_term_elements", 10_000),
    )


@pytest.mark.parametrize("name", ["basic", "basic_bn", "odd_size", "long_term"])
def test_run_matches_official(shared_dir: Path, name: str) -> None:
    golden = np.load(shared_dir / "goldens" / f"{name}.npz")
    meta = json.loads(str(golden["meta"]))
    recipe = load_recipe(shared_dir)
    inputs = "basic" if name == "basic_bn" else name
    stored = np.load(shared_dir / "goldens" / f"inputs_{inputs}.npz")
    video, labels = stored["video"], stored["labels"]
    network = golden_network(shared_dir, meta["weight_seed"], meta["random_bn"], meta["weights_sha256"])
    propagator = Propagator(network, memory_config(meta["config"]), scope="global")
    prompts = {int(frame): prompt for frame, prompt in meta["prompts"].items()}
    n_frames = len(golden["label"])
    for t in range(n_frames):
        masks, ids = None, None
        if t in prompts:
            ids = prompts[t]["valid_labels"] or prompts[t]["all_labels"]
            masks = torch.from_numpy(np.stack([labels[t] == i for i in ids]).astype(np.float32))
        last = bool(meta.get("end_on_last")) and t == n_frames - 1
        prob = propagator.step(torch.from_numpy(recipe.normalise(video[t])), masks, ids, last=last)
        expected = golden["prob_lattice"][t]
        there = ~np.isnan(expected[:, 0, 0])
        difference = np.abs(prob[:, ::4, ::4].numpy() - expected[there])
        assert difference.mean() <= 2e-5, f"frame {t}"
        assert difference.max() <= 5e-3, f"frame {t}"
        assert (prob.argmax(0).numpy() != golden["label"][t]).mean() <= 0.002, f"frame {t}"
        sizes = propagator.memory_sizes
        assert (sizes["working"], sizes["long_term"]) == (golden["work_size"][t], golden["long_size"][t]), f"frame {t}"
