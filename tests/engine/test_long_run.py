"""A run of 2,000 frames: memory stays within its limits and says what happened to it."""

from __future__ import annotations

import pytest

from engine.simple_movies import disc_movie, tiny_network
from napari_xmem import MemoryConfig
from napari_xmem.engine import iter_propagate

N_FRAMES = 2000


@pytest.mark.slow
def test_memory_of_a_long_run_is_bounded_and_told() -> None:
    memory = MemoryConfig(
        memory_interval_frames=2,
        working_min_frames=2,
        working_max_frames=4,
        num_prototypes=5,
        long_term_max_elements=30,
        prototype_selection="usage+novelty",
        potentiation="importance+consistency",
        importance_strength=0.5,
        consistency_strength=0.5,
        eviction="mix",
        reading_importance_strength=0.5,
    )
    frames, labels = disc_movie(2, 8, (32, 32), diameter=12)
    movie = frames[[t % 8 for t in range(N_FRAMES)]]
    per_frame = (32 // 8) ** 2
    consolidated = evicted = 0
    n_bytes = []
    for result in iter_propagate(
        movie, labels[0], model=tiny_network(), memory=memory, scope="global", device="cpu", diameter_px=16
    ):
        snapshot = result.memory
        assert snapshot is not None
        assert snapshot.frame == result.frame
        assert snapshot.sizes.permanent == per_frame
        assert snapshot.sizes.working <= 3 * per_frame
        assert snapshot.sizes.long_term <= 30
        n_bytes.append(sum(store.n_bytes for store in snapshot.stores))
        for event in snapshot.events:
            assert event.frame == result.frame
            assert event.reason
            consolidated += event.kind == "consolidated"
            evicted += event.removed if event.kind == "evicted" else 0
    assert len(n_bytes) == N_FRAMES
    assert max(n_bytes[N_FRAMES // 2 :]) == max(n_bytes[: N_FRAMES // 2])
    assert snapshot.totals.consolidations == consolidated > 300
    assert snapshot.totals.evicted == evicted > 1000
