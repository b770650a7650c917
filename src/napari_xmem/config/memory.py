"""Settings of the memory manager."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from napari_xmem.config.checks import (
    build,
    check_names,
    check_number,
    check_switch,
    check_text,
    check_whole,
    require,
)

__all__ = ["MemoryConfig"]


@dataclass(frozen=True, slots=True)
class MemoryConfig:
    """What to remember, how to strengthen it, what to forget.

    The defaults suit the bundled model, which follows each object in its own region with a memory of its own
    (docs/memory.md). ``MemoryConfig.paper()`` is the memory of the XMem paper. Symbols of the paper stand in brackets.

    Attributes
    ----------
    memory_interval_frames : int
        A frame enters working memory every this many frames (r); 1 or more.
    deep_update_interval_frames : int or None
        Sensory memory is refreshed from the value encoder every this many frames, 0 or more; None: with every memory
        frame.
    top_k : int or None
        Memory elements that may answer one query, 1 or more; None: all.
    long_term : bool
        Consolidate old working memory into long-term memory. Without it working memory grows without limit
        unless `permanent_seeds` holds, in which case the oldest frames are dropped.
    working_min_frames, working_max_frames : int
        Frames kept after, and frames that trigger, a consolidation (T_min, T_max); 1 or more, and more than that.
    num_prototypes : int
        Prototypes made by one consolidation (P); 1 or more.
    long_term_max_elements : int
        Limit of long-term memory, in elements per memory (LT_max); 1 or more.
    count_long_term_usage : bool
        Count usage of long-term elements (needed for eviction by usage).
    prototype_selection, potentiation, eviction : str
        Registered names of the policies, see `napari_xmem.memory`.
    permanent_seeds : bool
        Seeded and corrected frames go to permanent memory, which no policy removes.
        False: only the first memorised frame is kept for ever (the paper).
    novelty_weight : float
        For ``usage+novelty``, 0 to 1: 0 is usage alone, 1 novelty alone.
    importance_strength, consistency_strength : float
        Strength of importance re-weighting and of temporal consistency in potentiation, 0 or more; 0 switches off
        exactly.
    reading_importance_strength : float
        Strength of importance re-weighting whenever memory is read: elements that took part in confident predictions
        count more; 0 or more, 0 switches off exactly.
    permanent_log_prior : float
        Added to the similarity of permanent elements whenever memory is read: what was painted counts ``exp`` of this
        times as much as what was predicted; 0 or more, 0 switches off exactly.
    half_life_frames : float
        Half-life of an element for eviction by age, and of the running averages of relevance and contribution; more
        than 0.
    mix_usage, mix_age, mix_relevance, mix_contribution : float
        Weights of the criteria in eviction by ``mix``; 0 or more.
    correction_radius_frames : int
        A corrected frame replaces what memory held of the corrected objects this many frames before and after it; 0 or
        more.

    Raises
    ------
    ConfigError
        If a value is of the wrong type or out of its range.

    References
    ----------
    Cheng & Schwing 2022, XMem (arXiv 2207.07115), section 3.3.
    """

    memory_interval_frames: int = 1
    deep_update_interval_frames: int | None = None
    top_k: int | None = 30
    long_term: bool = True
    working_min_frames: int = 3
    working_max_frames: int = 6
    num_prototypes: int = 64
    long_term_max_elements: int = 1024
    count_long_term_usage: bool = True
    prototype_selection: str = "usage"
    potentiation: str = "affinity"
    eviction: str = "coverage"
    permanent_seeds: bool = True
    novelty_weight: float = 0.5
    importance_strength: float = 0.0
    consistency_strength: float = 0.0
    reading_importance_strength: float = 0.0
    permanent_log_prior: float = 1.0
    half_life_frames: float = 100.0
    mix_usage: float = 1.0
    mix_age: float = 0.5
    mix_relevance: float = 1.0
    mix_contribution: float = 1.0
    correction_radius_frames: int = 10

    def __post_init__(self) -> None:
        for name in ("memory_interval_frames", "working_min_frames", "num_prototypes", "long_term_max_elements"):
            check_whole(self, name, 1)
        check_whole(self, "working_max_frames")
        check_whole(self, "correction_radius_frames", 0)
        check_whole(self, "top_k", 1, ", or None for all")
        check_whole(self, "deep_update_interval_frames", 0, ", or None for every memory frame")
        require(
            self.working_max_frames > self.working_min_frames,
            f"working_max_frames is {self.working_max_frames}, expected more than working_min_frames "
            f"({self.working_min_frames}).",
        )
        for name in ("long_term", "count_long_term_usage", "permanent_seeds"):
            check_switch(self, name)
        for name in ("prototype_selection", "potentiation", "eviction"):
            check_text(self, name)
        for name in (
            "importance_strength",
            "consistency_strength",
            "reading_importance_strength",
            "permanent_log_prior",
            "mix_usage",
            "mix_age",
            "mix_relevance",
            "mix_contribution",
        ):
            check_number(self, name)
        check_number(self, "novelty_weight", 0, 1)
        check_number(self, "half_life_frames", above=True)

    @classmethod
    def paper(cls, **changes: Any) -> Self:
        """Return the memory of the XMem paper.

        Parameters
        ----------
        **changes
            Fields with other values.

        Returns
        -------
        MemoryConfig
            Settings of the paper, with the changes.
        """
        values: dict[str, Any] = {
            "memory_interval_frames": 5,
            "deep_update_interval_frames": None,
            "top_k": 30,
            "long_term": True,
            "working_min_frames": 5,
            "working_max_frames": 10,
            "num_prototypes": 128,
            "long_term_max_elements": 10_000,
            "count_long_term_usage": True,
            "prototype_selection": "usage",
            "potentiation": "affinity",
            "eviction": "usage",
            "permanent_seeds": False,
            "permanent_log_prior": 0.0,
        }
        return cls(**{**values, **changes})

    def replace(self, **changes: Any) -> Self:
        """Return a copy with changes.

        Parameters
        ----------
        **changes
            Fields with other values.

        Returns
        -------
        MemoryConfig
            The copy.

        Raises
        ------
        ConfigError
            If a name is unknown (the right ones are listed) or a value is out of its range.
        """
        check_names(type(self), changes)
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON-able values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Build from `to_dict` output; unknown names raise `ConfigError`."""
        return build(cls, values)
