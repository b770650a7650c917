"""When frames enter memory and how sensory memory is refreshed: section 4 of the state machine, by hand."""

from __future__ import annotations

from napari_xmem import MemoryConfig
from napari_xmem.engine.scopes.schedule import MemorySchedule


def run(n_frames: int, seeded: tuple[int, ...] = (0,), last: bool = False, **options: object) -> list[str]:
    schedule = MemorySchedule(MemoryConfig.paper(**options))
    out = []
    for t in range(n_frames):
        plan = schedule.plan(seeded=t in seeded, last=last and t == n_frames - 1)
        flags = zip("MDN", (plan.memorise, plan.deep_update, plan.normal_update), strict=True)
        out.append("".join(letter for letter, on in flags if on))
    return out


def test_deep_with_memory_replaces_normal() -> None:
    assert run(7, memory_interval_frames=3) == ["MD", "N", "N", "MD", "N", "N", "MD"]


def test_deep_by_its_own_clock_comes_with_normal() -> None:
    """Every 5 frames, but only on memory frames (every 3): 0, 6, 12."""
    plans = run(13, memory_interval_frames=3, deep_update_interval_frames=5)
    assert [t for t, p in enumerate(plans) if "M" in p and "D" in p] == [0, 6, 12]
    assert all("N" in p for p in plans)


def test_seeded_frames_enter_memory_and_restart_the_clock() -> None:
    plans = run(9, seeded=(0, 4), memory_interval_frames=3)
    assert [t for t, p in enumerate(plans) if "M" in p] == [0, 3, 4, 7]


def test_last_frame_leaves_no_trace() -> None:
    assert run(4, last=True, memory_interval_frames=3) == ["MD", "N", "N", ""]
    assert run(4, last=True, memory_interval_frames=3, deep_update_interval_frames=1)[-1] == ""


def test_every_frame() -> None:
    assert run(3, memory_interval_frames=1) == ["MD"] * 3
