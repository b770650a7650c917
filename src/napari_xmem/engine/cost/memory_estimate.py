"""How large memory grows during a run, and how long long-term memory may be for it to fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_xmem.config import MemoryConfig, ModelConfig

__all__ = ["bank_row_bytes", "elements_per_object", "fit_long_term", "least_long_term"]

#: float32 columns of a memory element besides key, selection and the augmented key.
_SIDE_COLUMNS = 13


def bank_row_bytes(model: ModelConfig, n_objects: int = 1) -> int:
    """Return the bytes of one memory element of a bank that `n_objects` share."""
    return 4 * (4 * model.key_dim + 1 + _SIDE_COLUMNS) + n_objects * (4 * model.value_dim + 1)


def elements_per_object(
    memory: MemoryConfig, n_frames: int, cells: int, seeded: Sequence[int] = ()
) -> tuple[float, int]:
    """Return the mean and the largest number of memory elements while `n_frames` are done.

    Parameters
    ----------
    memory : MemoryConfig
        Limits and intervals.
    n_frames : int
        Frames of the run.
    cells : int
        Elements that one frame leaves.
    seeded : sequence of int
        Frames (0 to ``n_frames - 1``) that are seeded besides the first. With `permanent_seeds` each of them stays
        permanently; the first is one of the frames that working memory counts.
    """
    frames, long_term, total, most = 0, 0, 0, 0
    for time in range(n_frames):
        if time % memory.memory_interval_frames == 0:
            frames += 1
            most = max(most, frames * cells + long_term)
            if memory.long_term and frames >= memory.working_max_frames:
                made = min(memory.num_prototypes, (frames - memory.working_min_frames) * cells)
                frames = memory.working_min_frames
                long_term = min(long_term + made, memory.long_term_max_elements)
            elif memory.permanent_seeds and not memory.long_term:
                frames = min(frames, memory.working_max_frames)
        total += frames * cells + long_term
    apart = cells * min(memory.distractor_max_frames, n_frames // memory.distractor_interval_frames)
    total, most = total + n_frames * apart, most + apart
    if memory.permanent_seeds:
        total += cells * sum(n_frames - time for time in seeded)
        most += cells * len(seeded)
    return total / max(1, n_frames), most


def least_long_term(memory: MemoryConfig) -> MemoryConfig:
    """Return the settings with long-term memory as short as it can be: room for one consolidation."""
    least = min(memory.num_prototypes, memory.long_term_max_elements)
    return memory.replace(long_term_max_elements=least) if memory.long_term else memory


def fit_long_term(
    memory: MemoryConfig, cells: float, row_bytes: int, bytes_each: float, permanent: float = 0
) -> MemoryConfig:
    """Lower the limit of long-term memory so that one bank takes at most `bytes_each`.

    Working and permanent memory and frames of look-alikes are not touched, and long-term memory keeps room for one
    consolidation.

    Parameters
    ----------
    memory : MemoryConfig
        The settings asked for.
    cells : float
        Elements that one frame leaves.
    row_bytes : int
        Bytes of an element.
    bytes_each : float
        Room for one bank.
    permanent : float
        Elements of permanent memory besides those of the first frame.
    """
    if not memory.long_term:
        return memory
    frames = memory.working_max_frames + memory.distractor_max_frames
    room = int(bytes_each / row_bytes - frames * cells - permanent)
    least = least_long_term(memory).long_term_max_elements
    limit = max(least, min(memory.long_term_max_elements, room))
    return memory if limit == memory.long_term_max_elements else memory.replace(long_term_max_elements=limit)
