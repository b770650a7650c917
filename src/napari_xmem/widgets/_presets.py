"""Settings for typical work, by name."""

from __future__ import annotations

from dataclasses import dataclass, field

from napari_xmem.config import MemoryConfig, Scope

__all__ = ["PRESETS", "Preset", "preset_of"]


@dataclass(frozen=True, slots=True)
class Preset:
    """Settings for one kind of work.

    Attributes
    ----------
    key, text, tooltip : str
        Name in scripts, name in the menu, and what it is for.
    memory : MemoryConfig
        The memory manager's settings.
    scope : str
        "auto", "local" or "global".
    """

    key: str
    text: str
    tooltip: str
    memory: MemoryConfig = field(default_factory=MemoryConfig)
    scope: Scope = "auto"


PRESETS = (
    Preset("standard", "Standard", "Good for most movies of cells and nuclei."),
    Preset(
        "long",
        "Long movie",
        "Hundreds of frames or more: remembers more sparsely and keeps a larger long-term memory.",
        MemoryConfig(memory_interval_frames=10, long_term_max_elements=20_000),
    ),
    Preset(
        "small",
        "Little memory",
        "For a small computer or very many objects: remembers fewer frames and details.",
        MemoryConfig(working_min_frames=2, working_max_frames=5, num_prototypes=64, long_term_max_elements=2_000),
    ),
    Preset(
        "paper",
        "As in the XMem paper",
        "The memory of the paper (Cheng & Schwing 2022), matched on whole frames. Slow with many objects.",
        MemoryConfig.paper(),
        "global",
    ),
)


def preset_of(memory: MemoryConfig, scope: str) -> str | None:
    """Return the key of the preset with these settings, None if there is none."""
    return next((p.key for p in PRESETS if p.memory == memory and p.scope == scope), None)
