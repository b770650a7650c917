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
    Preset("standard", "Nuclei (standard)", "Nuclei and cells that keep their looks from one frame to the next."),
    Preset(
        "phase",
        "Phase contrast",
        "Cells that spread and round up: more of the latest frames is kept in full detail. A little slower.",
        MemoryConfig(working_min_frames=5, working_max_frames=10),  # +0.01 to +0.02 Jaccard on two phase movies
    ),
    Preset(
        "long",
        "Long movie",
        "Hundreds of frames or more: remembers every third frame and reaches four times as far back.",
        MemoryConfig(memory_interval_frames=3, long_term_max_elements=4096),
    ),
    Preset(
        "small",
        "Little memory",
        "For a small computer or very many objects: remembers fewer frames in less detail.",
        MemoryConfig(
            memory_interval_frames=2,
            working_min_frames=1,
            working_max_frames=3,
            num_prototypes=32,
            long_term_max_elements=256,
        ),
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
