"""Settings of the memory manager."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from napari_xmem.config.policies import (
    BUILT_IN,
    EvictionName,
    EvictionPolicy,
    PolicyName,
    PotentiationName,
    PotentiationPolicy,
    SelectionName,
    SelectionPolicy,
    policy_name,
)
from napari_xmem.config.settings import build, check_names, check_settings, described, require, setting

if TYPE_CHECKING:
    from typing import TypedDict, Unpack

    class MemoryChanges(TypedDict, total=False):
        """Fields of `MemoryConfig`, for type checkers: a test compares them."""

        memory_interval_frames: int
        deep_update_interval_frames: int | None
        top_k: int | None
        permanent_seeds: bool
        correction_radius_frames: int
        long_term: bool
        working_min_frames: int
        working_max_frames: int
        num_prototypes: int
        long_term_max_elements: int
        distractor_max_frames: int
        distractor_interval_frames: int
        distractor_min_share: float
        prototype_selection: SelectionName | PolicyName | SelectionPolicy
        novelty_weight: float
        potentiation: PotentiationName | PolicyName | PotentiationPolicy
        importance_strength: float
        consistency_strength: float
        reading_importance_strength: float
        permanent_log_prior: float
        eviction: EvictionName | PolicyName | EvictionPolicy
        count_long_term_usage: bool
        half_life_frames: float
        mix_usage: float
        mix_age: float
        mix_relevance: float
        mix_contribution: float


__all__ = ["MemoryConfig"]

ENTERS, KEPT, FORGOTTEN, WEIGHTS = (
    "What enters memory", "How much is kept", "What is kept and forgotten", "Weights"
)  # fmt: skip
TRUSTS_WHAT_WORKED = "0 switches it off exactly. Larger: trusts what worked, adapts less to what is new."


@described
@dataclass(frozen=True, slots=True)
class MemoryConfig:
    """What to remember, how to strengthen it, what to forget.

    The defaults suit the bundled model, which follows each object in its own region with a memory of its own
    (docs/memory.md). ``MemoryConfig.paper()`` is the memory of the XMem paper.

    Raises
    ------
    ConfigError
        If a value is of the wrong type or out of its range.

    References
    ----------
    Cheng & Schwing 2022, XMem (arXiv 2207.07115), section 3.3.

    Examples
    --------
    >>> import napari_xmem as nx
    >>> nx.MemoryConfig(top_k=20).replace(eviction="usage").eviction
    'usage'
    >>> nx.MemoryConfig(top_k=0)
    Traceback (most recent call last):
    napari_xmem.errors.ConfigError: top_k is 0, expected ...
    """

    memory_interval_frames: int = setting(
        1,
        label="Remember every",
        help="A frame enters working memory every this many frames. With 1 and few small objects on a large field, "
        "an object that hardly moves enters every fifth.",
        effect="Smaller: follows quick changes better, needs more memory and time. Larger: quicker, less memory.",
        symbol="r", group=ENTERS, unit="frames", low=1, offered=10_000,
    )  # fmt: skip
    deep_update_interval_frames: int | None = setting(
        None,
        label="Refresh senses every",
        help="How often the short-term (sensory) memory is refreshed from a full look at the masks.",
        effect="Smaller: follows position and outline more closely, a little slower.",
        symbol="deep update", group=ENTERS, unit="frames", low=0, offered=10_000,
        none="with memory", none_means="for every memory frame",
    )  # fmt: skip
    top_k: int | None = setting(
        30,
        label="Elements per answer",
        help="How many memory elements may answer for one place of a frame.",
        effect="Smaller: sharper and quicker, more sensitive to single wrong elements. Larger: smoother, slower.",
        symbol="k of top-k", group=ENTERS, low=1, offered=100_000, none="all", none_means="for all",
    )  # fmt: skip
    permanent_seeds: bool = setting(
        True,
        label="Painted frames stay",
        help="Painted and corrected frames stay in memory permanently.",
        effect="On: objects are recognised after a long absence. Off: only the first frame stays, as in the paper.",
        group=ENTERS,
    )
    correction_radius_frames: int = setting(
        10,
        label="Correction replaces",
        help="A corrected frame replaces what memory held of its objects this many frames before and after.",
        effect="Larger: errors are forgotten more thoroughly, and so is what was right near them.",
        group=ENTERS, unit="frames", low=0, offered=100_000,
    )  # fmt: skip
    long_term: bool = setting(
        True,
        label="Long-term memory",
        help="Consolidate old working memory into prototypes instead of keeping all.",
        effect="On: bounded memory, needed for long movies. Off: exact but memory grows with the movie, unless painted "
        "frames stay: then the oldest frames are dropped.",
        symbol="LT", group=KEPT,
    )  # fmt: skip
    working_min_frames: int = setting(
        3,
        label="Working, at least",
        help="Frames that stay in working memory after it was consolidated.",
        effect="Larger: more of the recent past in full detail, more memory.",
        symbol="T_min", group=KEPT, unit="frames", low=1, offered=10_000,
    )  # fmt: skip
    working_max_frames: int = setting(
        6,
        label="Working, at most",
        help="Working memory is consolidated when it holds this many frames.",
        effect="Larger: consolidated less often, more memory.",
        symbol="T_max", group=KEPT, unit="frames", low=2, offered=10_000,
    )  # fmt: skip
    num_prototypes: int = setting(
        64,
        label="Prototypes",
        help="Prototypes made each time working memory is consolidated.",
        effect="Larger: keeps more detail of the past, fills long-term memory sooner.",
        symbol="P", group=KEPT, low=1, offered=100_000, step=16,
    )  # fmt: skip
    long_term_max_elements: int = setting(
        1024,
        label="Long-term, at most",
        help="Elements that long-term memory may hold, per memory.",
        effect="Larger: remembers longer, needs more memory and time. Beyond it the least useful are forgotten.",
        symbol="LT_max", group=KEPT, low=1, offered=10_000_000, step=500,
    )  # fmt: skip
    distractor_max_frames: int = setting(
        0,
        label="Frames of look-alikes",
        help="So many frames on which something alike was near, and the object was told from it, are kept apart.",
        effect="0 switches it off exactly. Larger: what tells look-alikes apart stays longer, more memory and time.",
        symbol="DRM", group=KEPT, unit="frames", low=0, offered=1000,
    )  # fmt: skip
    distractor_interval_frames: int = setting(
        5,
        label="Look-alikes apart by",
        help="Frames of look-alikes are at least so many frames from each other.",
        effect="Smaller: many frames of one meeting. Larger: few frames each of more meetings.",
        symbol="DRM interval", group=KEPT, unit="frames", low=1, offered=10_000,
    )  # fmt: skip
    distractor_min_share: float = setting(
        0.05,
        label="Look-alike, at least",
        help="Something alike is near if it claims this share of what the object claims, in areas of the object.",
        effect="Smaller: faint look-alikes count too. Larger: only those that were nearly mistaken for it.",
        group=KEPT, low=0, offered=1, step=0.01,
    )  # fmt: skip
    prototype_selection: SelectionName | PolicyName | SelectionPolicy = setting(
        "usage",
        kind=str,
        label="Keep",
        help="Which elements of working memory become prototypes.",
        effect="Usage keeps what was asked for most, novelty what is not yet covered.",
        symbol="section 3.3", group=FORGOTTEN, registry="selection",
    )  # fmt: skip
    novelty_weight: float = setting(
        0.5,
        label="Novelty",
        help="For usage+novelty: the share of novelty.",
        effect="0: usage alone; 1: novelty alone (keeps rare views, also of look-alikes).",
        group=FORGOTTEN, low=0, high=1, step=0.05,
    )  # fmt: skip
    potentiation: PotentiationName | PolicyName | PotentiationPolicy = setting(
        "affinity",
        kind=str,
        label="Strengthen",
        help="How the value of a prototype is made from the elements around it.",
        effect="Affinity averages similar elements; others also weigh what proved right or stayed consistent.",
        symbol="section 3.3", group=FORGOTTEN, registry="potentiation",
    )  # fmt: skip
    importance_strength: float = setting(
        0.0,
        label="Importance",
        help="How much elements that supported sure predictions gain weight.",
        effect=TRUSTS_WHAT_WORKED,
        group=FORGOTTEN, low=0, offered=100, step=0.1,
    )  # fmt: skip
    consistency_strength: float = setting(
        0.0,
        label="Consistency",
        help="How much elements that disagree with what their place became later lose weight.",
        effect="0 switches it off exactly. Larger: errors fade quicker, quick changes too.",
        group=FORGOTTEN, low=0, offered=100, step=0.1,
    )  # fmt: skip
    reading_importance_strength: float = setting(
        0.0,
        label="Trust in reading",
        help="How much elements that supported sure predictions count more each time memory is read.",
        effect=TRUSTS_WHAT_WORKED,
        group=FORGOTTEN, low=0, offered=100, step=0.1,
    )  # fmt: skip
    permanent_log_prior: float = setting(
        1.0,
        label="Trust in seeds",
        help="How much what you painted counts more than what was predicted, each time memory is read (a logarithm).",
        effect="0 switches it off exactly. Larger: outlines stay true to the seeds, changes are followed less.",
        group=FORGOTTEN, low=0, offered=10, step=0.5,
    )  # fmt: skip
    eviction: EvictionName | PolicyName | EvictionPolicy = setting(
        "coverage",
        kind=str,
        label="Forget by",
        help="Which elements go when long-term memory is full.",
        effect="Usage forgets what is asked for least; age what is old; a mix weighs all.",
        symbol="least frequently used", group=FORGOTTEN, registry="eviction",
    )  # fmt: skip
    count_long_term_usage: bool = setting(
        True,
        label="Count usage",
        help="Count how often long-term elements are asked for.",
        effect="Needed to forget by usage; off saves a little time.",
        group=FORGOTTEN,
    )
    half_life_frames: float = setting(
        100.0,
        label="Half-life",
        help="Frames after which age, relevance and contribution count half.",
        effect="Smaller: the present counts more. Larger: the distant past counts too.",
        group=WEIGHTS, unit="frames", low=0, above=True, step=10,
    )  # fmt: skip
    mix_usage: float = setting(
        1.0, label="Usage", help="Weight of usage when forgetting by mix.", effect="Larger: what is asked for stays.",
        group=WEIGHTS, low=0, offered=1000, step=0.1,
    )  # fmt: skip
    mix_age: float = setting(
        0.5, label="Age", help="Weight of age when forgetting by mix.", effect="Larger: the old goes sooner.",
        group=WEIGHTS, low=0, offered=1000, step=0.1,
    )  # fmt: skip
    mix_relevance: float = setting(
        1.0, label="Relevance", help="Weight of recent use when forgetting by mix.",
        effect="Larger: what the present scene needs stays.", group=WEIGHTS, low=0, offered=1000, step=0.1,
    )  # fmt: skip
    mix_contribution: float = setting(
        1.0, label="Contribution", help="Weight of having supported sure predictions.",
        effect="Larger: what proved right stays.", group=WEIGHTS, low=0, offered=1000, step=0.1,
    )  # fmt: skip

    def __post_init__(self) -> None:
        for field in BUILT_IN:
            object.__setattr__(self, field, policy_name(field, getattr(self, field)))
        check_settings(self)
        require(
            self.working_max_frames > self.working_min_frames,
            f"working_max_frames is {self.working_max_frames}, expected more than working_min_frames "
            f"({self.working_min_frames}).",
        )

    @classmethod
    def paper(cls, **changes: Unpack[MemoryChanges]) -> Self:
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

    def replace(self, **changes: Unpack[MemoryChanges]) -> Self:
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
