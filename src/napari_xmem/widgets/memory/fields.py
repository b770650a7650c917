"""What every field of `MemoryConfig` is called, does and trades, for people who do not know the paper."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from napari_xmem.config import MemoryConfig

__all__ = ["FIELDS", "GROUPS", "MemoryField", "memory_fields", "policy_choices"]

WHEN, MUCH, WHAT, WEIGHTS = "What enters memory", "How much is kept", "What is kept and forgotten", "Weights"
GROUPS = (WHEN, MUCH, WHAT, WEIGHTS)


@dataclass(frozen=True, slots=True)
class MemoryField:
    """One setting.

    Attributes
    ----------
    name : str
        Field of `MemoryConfig`.
    label : str
        Short name in the form.
    group : str
        One of `GROUPS`.
    does : str
        What it does, in a sentence.
    trade : str
        What becomes better and worse with a larger value (or when it is on).
    symbol : str
        In the XMem paper, if it is there.
    low, high, step : float
        Range offered; `high` also bounds what can be typed.
    none : str
        Word for None; empty if None is not allowed.
    unit : str
        Shown after the number.
    policy : str
        Registry the choices come from: selection, potentiation or eviction.
    """

    name: str
    label: str
    group: str
    does: str
    trade: str
    symbol: str = ""
    low: float = 0
    high: float = 1_000_000
    step: float = 1
    none: str = ""
    unit: str = ""
    policy: str = ""

    @property
    def tooltip(self) -> str:
        """Everything about it, for the mouse."""
        paper = f"\nIn the XMem paper: {self.symbol}." if self.symbol else ""
        return f"{self.does}\n{self.trade}{paper}\nIn scripts: {self.name}"


FIELDS = (
    MemoryField(
        "memory_interval_frames", "Remember every", WHEN, "A frame enters working memory every this many frames.",
        "Smaller: follows quick changes better, needs more memory and time. Larger: quicker, less memory.",
        "r", 1, 10_000, unit="frames",
    ),
    MemoryField(
        "deep_update_interval_frames", "Refresh senses every", WHEN,
        "How often the short-term (sensory) memory is refreshed from a full look at the masks.",
        "Smaller: follows position and outline more closely, a little slower.", "deep update", -1, 10_000,
        none="with memory", unit="frames",
    ),
    MemoryField(
        "top_k", "Elements per answer", WHEN, "How many memory elements may answer for one place of a frame.",
        "Smaller: sharper and quicker, more sensitive to single wrong elements. Larger: smoother, slower.",
        "k of top-k", 0, 100_000, none="all",
    ),
    MemoryField(
        "permanent_seeds", "Painted frames stay", WHEN, "Painted and corrected frames stay in memory for ever.",
        "On: objects are recognised after a long absence. Off: only the first frame stays, as in the paper.",
    ),
    MemoryField(
        "correction_radius_frames", "Correction replaces", WHEN,
        "A corrected frame replaces what memory held of its objects this many frames before and after.",
        "Larger: errors are forgotten more thoroughly, and so is what was right near them.",
        "", 0, 100_000, unit="frames",
    ),
    MemoryField(
        "long_term", "Long-term memory", MUCH, "Condense old working memory into prototypes instead of keeping all.",
        "On: bounded memory, needed for long movies. Off: exact but memory grows with the movie.", "LT",
    ),
    MemoryField(
        "working_min_frames", "Working, at least", MUCH, "Frames that stay in working memory after it was condensed.",
        "Larger: more of the recent past in full detail, more memory.", "T_min", 1, 10_000, unit="frames",
    ),
    MemoryField(
        "working_max_frames", "Working, at most", MUCH, "Working memory is condensed when it holds this many frames.",
        "Larger: condensed less often, more memory.", "T_max", 2, 10_000, unit="frames",
    ),
    MemoryField(
        "num_prototypes", "Prototypes", MUCH, "Prototypes made each time working memory is condensed.",
        "Larger: keeps more detail of the past, fills long-term memory sooner.", "P", 1, 100_000, 16,
    ),
    MemoryField(
        "long_term_max_elements", "Long-term, at most", MUCH, "Elements that long-term memory may hold, per memory.",
        "Larger: remembers longer, needs more memory and time. Beyond it the least useful are forgotten.",
        "LT_max", 1, 10_000_000, 500,
    ),
    MemoryField(
        "prototype_selection", "Keep", WHAT, "Which elements of working memory become prototypes.",
        "Usage keeps what was asked for most, novelty what is not yet covered.", "section 3.3", policy="selection",
    ),
    MemoryField(
        "novelty_weight", "Novelty", WHAT, "For usage+novelty: the share of novelty.",
        "0: usage alone; 1: novelty alone (keeps rare views, also of look-alikes).", "", 0, 1, 0.05,
    ),
    MemoryField(
        "potentiation", "Strengthen", WHAT, "How the value of a prototype is made from the elements around it.",
        "Affinity averages similar elements; others also weigh what proved right or stayed consistent.",
        "section 3.3", policy="potentiation",
    ),
    MemoryField(
        "importance_strength", "Importance", WHAT, "How much elements that supported sure predictions gain weight.",
        "0 switches it off exactly. Larger: trusts what worked, adapts less to what is new.", "", 0, 100, 0.1,
    ),
    MemoryField(
        "consistency_strength", "Consistency", WHAT,
        "How much elements that disagree with what their place became later lose weight.",
        "0 switches it off exactly. Larger: errors fade quicker, quick changes too.", "", 0, 100, 0.1,
    ),
    MemoryField(
        "reading_importance_strength", "Trust in reading", WHAT,
        "How much elements that supported sure predictions count more each time memory is read.",
        "0 switches it off exactly. Larger: trusts what worked, adapts less to what is new.", "", 0, 100, 0.1,
    ),
    MemoryField(
        "permanent_log_prior", "Trust in seeds", WHAT,
        "How much what you painted counts more than what was predicted, each time memory is read (a logarithm).",
        "0 switches it off exactly. Larger: outlines stay true to the seeds, changes are followed less.",
        "", 0, 10, 0.5,
    ),
    MemoryField(
        "eviction", "Forget by", WHAT, "Which elements go when long-term memory is full.",
        "Usage forgets what is asked for least; age what is old; a mix weighs all.", "least frequently used",
        policy="eviction",
    ),
    MemoryField(
        "count_long_term_usage", "Count usage", WHAT, "Count how often long-term elements are asked for.",
        "Needed to forget by usage; off saves a little time.",
    ),
    MemoryField(
        "half_life_frames", "Half-life", WEIGHTS, "Frames after which age, relevance and contribution count half.",
        "Smaller: the present counts more. Larger: the distant past counts too.", "", 0.1, 1_000_000, 10, unit="frames",
    ),
    MemoryField(
        "mix_usage", "Usage", WEIGHTS, "Weight of usage when forgetting by mix.",
        "Larger: what is asked for stays.", "", 0, 1000, 0.1,
    ),
    MemoryField(
        "mix_age", "Age", WEIGHTS, "Weight of age when forgetting by mix.",
        "Larger: the old goes sooner.", "", 0, 1000, 0.1,
    ),
    MemoryField(
        "mix_relevance", "Relevance", WEIGHTS, "Weight of recent use when forgetting by mix.",
        "Larger: what the present scene needs stays.", "", 0, 1000, 0.1,
    ),
    MemoryField(
        "mix_contribution", "Contribution", WEIGHTS, "Weight of having supported sure predictions.",
        "Larger: what proved right stays.", "", 0, 1000, 0.1,
    ),
)  # fmt: skip


def memory_fields() -> tuple[MemoryField, ...]:
    """Return all settings; one that nobody described yet is shown under its own name."""
    known = {field.name for field in FIELDS}
    rest = [field.name for field in fields(MemoryConfig) if field.name not in known]
    return (
        *FIELDS,
        *(MemoryField(name, name.replace("_", " "), WEIGHTS, f"{name}.", "See the manual.") for name in rest),
    )


def policy_choices(registry: str) -> tuple[tuple[str, Any, str], ...]:
    """Return text, name and tooltip of every policy of a registry: selection, potentiation or eviction."""
    from napari_xmem.memory import EVICTIONS, POTENTIATIONS, SELECTIONS

    found: Any = {"selection": SELECTIONS, "potentiation": POTENTIATIONS, "eviction": EVICTIONS}[registry]
    policies = {name: found.build(MemoryConfig(**{found.field: name})) for name in found.names}
    return tuple((name, name, (policy.__doc__ or name).strip().splitlines()[0]) for name, policy in policies.items())
