"""Settings of a run."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal, Self

from napari_xmem.config.memory import MemoryConfig
from napari_xmem.config.settings import Option, check_names, check_settings, described, require, setting

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypedDict, Unpack

__all__ = ["Direction", "Divisions", "Entries", "MemoryDevice", "Precision", "PropagationConfig", "Scope"]

Scope = Literal["auto", "local", "global"]
Direction = Literal["forward", "backward", "both"]
Divisions = Literal["track", "keep"]
Entries = Literal["ignore", "find"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]
MemoryDevice = Literal["auto", "device", "host"]

FRAMES, SEARCH, COMPUTING = "Frames", "Search", "Computing"


if TYPE_CHECKING:

    class PropagationChanges(TypedDict, total=False):
        """Fields of `PropagationConfig`, for type checkers: a test compares them."""

        memory: MemoryConfig
        scope: Scope
        direction: Direction
        divisions: Divisions
        entries: Entries
        entry_interval_frames: int
        min_confidence: float
        start: int | None
        stop: int | None
        device: str
        diameter_px: float | None
        max_displacement_px: float | None
        memory_budget_bytes: int | None
        precision: Precision
        memory_device: MemoryDevice
        percentiles: tuple[float, float]


@described
@dataclass(frozen=True, slots=True)
class PropagationConfig:
    """One run: which frames, in which direction, how objects are followed.

    `memory` holds the memory manager's settings; `percentiles` are the intensity percentiles of the movie that become 0
    and 1.

    Raises
    ------
    ConfigError
        If a value is of the wrong type or out of its range.
    """

    memory: MemoryConfig = field(default_factory=MemoryConfig)
    scope: Scope = setting(
        "auto",
        label="Search",
        help="Where each object is searched on the next frame.",
        group=SEARCH,
        options=(
            Option("auto", "Automatic", "Chosen by the model, the number of objects and the size of the frames."),
            Option(
                "local",
                "Around each object",
                "Each object is searched where it can have moved, with a memory of its own. Best for look-alike cells.",
            ),
            Option(
                "global",
                "Whole frame",
                "Every object is searched everywhere, as in the XMem paper. Slow with many objects.",
            ),
        ),
    )
    direction: Direction = setting(
        "forward",
        label="Direction",
        help="Time direction from the painted frames.",
        group=FRAMES,
        options=(
            Option("forward", "Forward in time  →", "From the first painted frame to the end."),
            Option("backward", "←  Backward in time", "From the last painted frame to the beginning."),
            Option("both", "←  Both ways  →", "From the painted frames to both ends of the movie."),
        ),
    )
    divisions: Divisions = setting(
        "track",
        label="Divisions",
        help="What becomes of a cell that divides.",
        effect="Tracked in the local scope; results then come up to 4 frames after the frame that is worked on.",
        group=FRAMES,
        options=(
            Option("track", "Daughters get ids", "The mother ends; two daughters with ids of their own begin."),
            Option("keep", "Keep the mother's id", "Both daughters go on under the mother's id."),
        ),
    )
    entries: Entries = setting(
        "ignore",
        label="New cells",
        help="Whether cells that nobody painted are looked for.",
        effect="Found in the local scope, forward in time; results then come up to 4 frames after the frame that is "
        "worked on.",
        group=FRAMES,
        options=(
            Option("ignore", "Follow painted cells only", "What was not painted is background."),
            Option(
                "find",
                "Look for new cells",
                "Cells that look like the painted ones and belong to nobody get ids, on the first frame as later.",
            ),
        ),
    )
    entry_interval_frames: int = setting(
        3,
        label="Look every",
        help="New cells are looked for every this many frames.",
        effect="Smaller: a new cell is found earlier. Larger: quicker.",
        group=FRAMES,
        unit="frames",
        low=1,
        offered=10_000,
    )
    min_confidence: float = setting(
        0.75,
        label="Least confidence",
        help="Objects that were found rather than painted are left out if they are less sure than this.",
        effect="Larger: fewer are found, and more of them are right.",
        group=FRAMES,
        low=0,
        high=1,
        step=0.05,
    )
    start: int | None = setting(
        None,
        label="First frame",
        help="First frame to label, counted from 0.",
        effect="None: the first painted frame, or 0 backward.",
        group=FRAMES,
        none_means="",
    )
    stop: int | None = setting(
        None,
        label="End",
        help="Frame to stop before, counted from 0.",
        effect="None: the end of the movie.",
        group=FRAMES,
        none_means="",
    )
    device: str = setting(
        "auto",
        label="Device",
        help="What computes: auto, cpu, cuda, cuda:N or mps.",
        group=COMPUTING,
        kind=object,
        options=(
            Option("auto", "Automatic", "The fastest there is."),
            Option("cpu", "CPU", "Slower than a GPU, works everywhere."),
        ),
    )
    diameter_px: float | None = setting(
        None,
        label="Diameter",
        help="Typical diameter of the objects, in pixels of the movie.",
        effect="Automatic: the median of the seeds, less where they are narrow. Smaller: more detail, slower.",
        group=SEARCH,
        unit="px",
        low=0,
        above=True,
        offered=100_000,
        none="automatic",
        none_means="to choose",
    )
    max_displacement_px: float | None = setting(
        None,
        label="Largest step",
        help="How far an object may move from one frame to the next, in pixels of the movie.",
        effect="Automatic: from the diameter. Larger: finds objects that jump, slower, more look-alikes in reach.",
        group=SEARCH,
        unit="px",
        low=0,
        above=True,
        offered=100_000,
        none="automatic",
        none_means="to choose",
    )
    memory_budget_bytes: int | None = setting(
        None,
        label="Max. memory",
        help="Memory that tensors may take at a time.",
        effect="Automatic: a share of what the device has free.",
        group=COMPUTING,
        kind=float,  # 4e9 will do
        unit="GB",
        scale=1e9,
        low=1_000_000,  # less is a mistake, of the unit for instance
        offered=1e15,
        none="automatic",
        none_means="to choose",
        hint="nx.forecast(...).least_budget_bytes says what a run needs.",
    )
    precision: Precision = setting(
        "auto",
        label="Precision",
        help="Type in which convolutions compute.",
        effect="Similarity, aggregation and sensory memory are always float32.",
        group=COMPUTING,
        options=(
            Option("auto", "Automatic", "bfloat16 in the local scope where the device has units for it, else float32."),
            Option("float32", "float32", "Single precision."),
            Option("bfloat16", "bfloat16", "Half the memory, quick on newer devices."),
            Option("float16", "float16", "Half the memory, quick on GPUs."),
        ),
    )
    memory_device: MemoryDevice = setting(
        "auto",
        label="Memory on",
        help="Where memory banks are kept and read.",
        group=COMPUTING,
        options=(
            Option("auto", "Automatic", "On the device where they fit."),
            Option("device", "The device", "On the device that computes."),
            Option("host", "Main memory", "In the memory of the host: more room, slower with a GPU."),
        ),
    )
    percentiles: tuple[float, float] = (0.5, 99.8)

    def __post_init__(self) -> None:
        require(
            isinstance(self.memory, MemoryConfig),
            f"memory is a {type(self.memory).__name__}, expected MemoryConfig, for example MemoryConfig(top_k=20).",
        )
        check_settings(self)
        if self.memory_budget_bytes is not None:
            object.__setattr__(self, "memory_budget_bytes", int(self.memory_budget_bytes))
        try:
            low, high = (float(percentile) for percentile in self.percentiles)
        except (TypeError, ValueError):
            low = high = -1.0
        require(0 <= low < high <= 100, f"percentiles are {self.percentiles}, expected 0 <= low < high <= 100.")

    @classmethod
    def among(cls, arguments: Mapping[str, Any]) -> Self:
        """Return the settings that stand among the arguments of a function, as ``locals()`` gives them.

        Parameters
        ----------
        arguments : mapping
            Name to value; what is no setting is left alone, and so is None for `memory`.

        Raises
        ------
        ConfigError
            If a value is out of its range.
        """
        known = {field.name for field in fields(cls)}
        given = {name: value for name, value in arguments.items() if name in known}
        if given.get("memory") is None:
            given.pop("memory", None)
        return cls(**given)

    def replace(self, **changes: Unpack[PropagationChanges]) -> Self:
        """Return a copy with changes.

        Raises
        ------
        ConfigError
            If a name is unknown (the right ones are listed) or a value is out of its range.
        """
        check_names(type(self), changes)
        return replace(self, **changes)
