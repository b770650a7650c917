"""Settings of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from napari_xmem.config.checks import check_number, check_whole, require
from napari_xmem.config.memory import MemoryConfig

__all__ = ["Direction", "MemoryDevice", "Precision", "PropagationConfig", "Scope"]

Scope = Literal["auto", "local", "global"]
Direction = Literal["forward", "backward", "both"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]
MemoryDevice = Literal["auto", "device", "host"]
#: A memory budget below this is a mistake, of the unit for instance.
LEAST_BUDGET_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class PropagationConfig:
    """One run: which frames, in which direction, how objects are followed.

    Attributes
    ----------
    memory : MemoryConfig
        The memory manager's settings.
    scope : {"auto", "local", "global"}
        Whole-frame matching (the paper), a region per object, or chosen by objects and frame size.
    direction : {"forward", "backward", "both"}
        Time direction from the seeds.
    start, stop : int or None
        Frame range, ``stop`` exclusive; None: first seeded frame (or 0 for backward) / end of the movie.
    device : str
        "auto", "cpu", "cuda", "cuda:N" or "mps".
    diameter_px : float or None
        Typical object diameter in pixels of the movie; None: the median seed's.
    max_displacement_px : float or None
        How far an object may move between frames, in pixels of the movie; None: chosen from the diameter.
    memory_budget_bytes : int or None
        Memory that tensors may take at a time, at least 1 MB; None: a share of what the device has free.
    precision : str
        Type in which convolutions compute: "float32", "bfloat16", "float16", or "auto": bfloat16 for the local scope
        where the device is faster in it, else float32. Similarity, aggregation and sensory memory are always float32.
    memory_device : {"auto", "device", "host"}
        Where memory banks are kept and read: on the device, in the host's memory, or on the device where they fit.
    percentiles : tuple of 2 float
        Intensity percentiles of the movie that become 0 and 1.

    Raises
    ------
    ConfigError
        If a value is of the wrong type or out of its range.
    """

    memory: MemoryConfig = field(default_factory=MemoryConfig)
    scope: Scope = "auto"
    direction: Direction = "forward"
    start: int | None = None
    stop: int | None = None
    device: str = "auto"
    diameter_px: float | None = None
    max_displacement_px: float | None = None
    memory_budget_bytes: int | None = None
    precision: Precision = "auto"
    memory_device: MemoryDevice = "auto"
    percentiles: tuple[float, float] = (0.5, 99.8)

    def __post_init__(self) -> None:
        require(
            isinstance(self.memory, MemoryConfig),
            f"memory is a {type(self.memory).__name__}, expected MemoryConfig, for example MemoryConfig(top_k=20).",
        )
        require(
            self.scope in ("auto", "local", "global"), f"scope is {self.scope!r}, expected 'auto', 'local' or 'global'."
        )
        require(
            self.direction in ("forward", "backward", "both"),
            f"direction is {self.direction!r}, expected 'forward', 'backward' or 'both'.",
        )
        require(
            self.precision in get_args(Precision),
            f"precision is {self.precision!r}, expected one of {', '.join(get_args(Precision))}.",
        )
        require(
            self.memory_device in get_args(MemoryDevice),
            f"memory_device is {self.memory_device!r}, expected 'auto', 'device' or 'host'.",
        )
        for name in ("start", "stop"):
            check_whole(self, name, none=", or None")
        for name in ("diameter_px", "max_displacement_px", "memory_budget_bytes"):
            check_number(self, name, above=True, none=", or None to choose")
        require(
            self.memory_budget_bytes is None or self.memory_budget_bytes >= LEAST_BUDGET_BYTES,
            f"memory_budget_bytes is {self.memory_budget_bytes}, expected at least {LEAST_BUDGET_BYTES} (1 MB), or "
            "None to choose; nx.forecast(...).least_budget_bytes says what a run needs.",
        )
        self._check_percentiles()

    def _check_percentiles(self) -> None:
        try:
            low, high = (float(percentile) for percentile in self.percentiles)
        except (TypeError, ValueError):
            low = high = -1.0
        require(0 <= low < high <= 100, f"percentiles are {self.percentiles}, expected 0 <= low < high <= 100.")
