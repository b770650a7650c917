"""Settings as frozen, validated dataclasses: one per part of the program."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, Self, TypeVar, get_args

from napari_xmem.errors import ConfigError

__all__ = [
    "Direction",
    "MemoryConfig",
    "MemoryDevice",
    "ModelConfig",
    "Precision",
    "PropagationConfig",
    "Scope",
    "TrainingConfig",
]

C = TypeVar("C")

Scope = Literal["auto", "local", "global"]
Direction = Literal["forward", "backward", "both"]
BlockKind = Literal["bottleneck", "basic"]
Normalisation = Literal["batch", "group"]
Intensity = Literal["imagenet", "percentile"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]
MemoryDevice = Literal["auto", "device", "host"]


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Shape of a network of the XMem family.

    The defaults are the official network of Cheng & Schwing (ECCV 2022, arXiv 2207.07115).

    Attributes
    ----------
    name : str
        What the model is called in menus and model cards.
    image_channels : int
        Channels of the image the network sees (3 for the official one).
    key_block, value_block : {"bottleneck", "basic"}
        Residual block of the key and of the value encoder. A bottleneck of width ``p`` puts out ``4 p`` channels.
    stem_width : int
        Channels after the first convolution of both encoders.
    stem_pool : bool
        Max-pool after the stem. With it the features have strides 4 / 8 / 16, without it 2 / 4 / 8.
    key_widths, value_widths : tuple of 3 int
        Width ``p`` of the three stages.
    key_depths, value_depths : tuple of 3 int
        Number of blocks of the three stages.
    normalisation : {"batch", "group"}
        Normalisation inside the encoders.
    key_dim, value_dim, hidden_dim : int
        Channels of key ``C^k``, value ``C^v`` and sensory memory ``C^h``. ``hidden_dim`` 0: no sensory memory.
    decoder_widths : tuple of 2 int
        Channels after the two upsampling blocks of the decoder.
    intensity : {"imagenet", "percentile"}
        How images are normalised before the network sees them (`napari_xmem.imaging`).
    contrast_px : int
        Width in pixels of the local contrast normalisation put beside the image as one more channel; 0 for none.
    locality_px : float
        Reach of the prior on distance between a memory element and a query, both relative to the object, in pixels of
        the scaled frame (local scope); 0 for none. See `napari_xmem.memory.with_place`.
    nominal_diameter_px : float
        Object diameter at which the network works best, in pixels of the scaled frame; 0 if it has none.
    """

    name: str = "xmem"
    image_channels: int = 3
    key_block: BlockKind = "bottleneck"
    value_block: BlockKind = "basic"
    stem_width: int = 64
    stem_pool: bool = True
    key_widths: tuple[int, int, int] = (64, 128, 256)
    key_depths: tuple[int, int, int] = (3, 4, 6)
    value_widths: tuple[int, int, int] = (64, 128, 256)
    value_depths: tuple[int, int, int] = (2, 2, 2)
    normalisation: Normalisation = "batch"
    key_dim: int = 64
    value_dim: int = 512
    hidden_dim: int = 64
    decoder_widths: tuple[int, int] = (256, 256)
    intensity: Intensity = "imagenet"
    contrast_px: int = 0
    locality_px: float = 0.0
    nominal_diameter_px: float = 0.0

    def __post_init__(self) -> None:
        for name in ("key_widths", "key_depths", "value_widths", "value_depths", "decoder_widths"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        _require(
            self.key_block in ("bottleneck", "basic"),
            f"key_block is {self.key_block!r}, expected 'bottleneck' or 'basic'.",
        )
        _require(
            self.value_block in ("bottleneck", "basic"),
            f"value_block is {self.value_block!r}, expected 'bottleneck' or 'basic'.",
        )
        _require(
            self.normalisation in ("batch", "group"),
            f"normalisation is {self.normalisation!r}, expected 'batch' or 'group'.",
        )
        _require(
            self.intensity in ("imagenet", "percentile"),
            f"intensity is {self.intensity!r}, expected 'imagenet' or 'percentile'.",
        )
        for name in ("image_channels", "stem_width", "key_dim", "value_dim"):
            _require(getattr(self, name) >= 1, f"{name} is {getattr(self, name)}, expected at least 1.")
        _require(self.hidden_dim >= 0, f"hidden_dim is {self.hidden_dim}, expected 0 (no sensory memory) or more.")
        _require(
            self.value_dim != self.key_channels[2] + self.value_channels,
            f"value_dim is {self.value_dim}, the coarse channels of both encoders together; choose another.",
        )
        expected = 3 + (self.contrast_px > 0)
        _require(
            self.intensity == "imagenet" or self.image_channels == expected,
            f"image_channels is {self.image_channels}, expected {expected} (three colours"
            f"{' and local contrast' if self.contrast_px else ''}).",
        )

    @property
    def key_channels(self) -> tuple[int, int, int]:
        """Channels of the fine, middle and coarse features of the key encoder."""
        factor = 4 if self.key_block == "bottleneck" else 1
        a, b, c = self.key_widths
        return (a * factor, b * factor, c * factor)

    @property
    def value_channels(self) -> int:
        """Channels of the coarse features of the value encoder, before fusion."""
        return self.value_widths[2] * (4 if self.value_block == "bottleneck" else 1)

    @property
    def strides(self) -> tuple[int, int, int]:
        """Strides in pixels of the fine, middle and coarse features."""
        first = 4 if self.stem_pool else 2
        return (first, first * 2, first * 4)

    @property
    def stride_px(self) -> int:
        """Stride in pixels of keys and values."""
        return self.strides[2]

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON-able values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Build from `to_dict` output; unknown names raise `ConfigError`."""
        return _from_dict(cls, values)


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
        If a value is out of its range.

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
        def at_least(name: str, low: float) -> None:
            value = getattr(self, name)
            _require(value >= low, f"{name} is {value}, expected at least {low}.")

        for name in ("memory_interval_frames", "working_min_frames", "num_prototypes", "long_term_max_elements"):
            at_least(name, 1)
        for name in (
            "correction_radius_frames",
            "importance_strength",
            "consistency_strength",
            "reading_importance_strength",
            "permanent_log_prior",
            "mix_usage",
            "mix_age",
            "mix_relevance",
            "mix_contribution",
        ):
            at_least(name, 0)
        _require(
            self.working_max_frames > self.working_min_frames,
            f"working_max_frames is {self.working_max_frames}, expected more than working_min_frames "
            f"({self.working_min_frames}).",
        )
        _require(self.top_k is None or self.top_k >= 1, f"top_k is {self.top_k}, expected at least 1, or None for all.")
        _require(
            self.deep_update_interval_frames is None or self.deep_update_interval_frames >= 0,
            f"deep_update_interval_frames is {self.deep_update_interval_frames}, expected 0 or more, or None.",
        )
        _require(0 <= self.novelty_weight <= 1, f"novelty_weight is {self.novelty_weight}, expected 0 to 1.")
        _require(self.half_life_frames > 0, f"half_life_frames is {self.half_life_frames}, expected more than 0.")

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
        _check_names(type(self), changes)
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON-able values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Build from `to_dict` output; unknown names raise `ConfigError`."""
        return _from_dict(cls, values)


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
        Memory that tensors may take at a time; None: a share of what the device has free.
    precision : str
        Type in which convolutions compute: "float32", "bfloat16", "float16", or "auto": bfloat16 for the local scope
        where the device is faster in it, else float32. Similarity, aggregation and sensory memory are always float32.
    memory_device : {"auto", "device", "host"}
        Where memory banks are kept and read: on the device, in the host's memory, or on the device where they fit.
    percentiles : tuple of 2 float
        Intensity percentiles of the movie that become 0 and 1.
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
        _require(
            isinstance(self.memory, MemoryConfig),
            f"memory is a {type(self.memory).__name__}, expected MemoryConfig, for example MemoryConfig(top_k=20).",
        )
        _require(
            self.scope in ("auto", "local", "global"), f"scope is {self.scope!r}, expected 'auto', 'local' or 'global'."
        )
        _require(
            self.direction in ("forward", "backward", "both"),
            f"direction is {self.direction!r}, expected 'forward', 'backward' or 'both'.",
        )
        _require(
            self.precision in get_args(Precision),
            f"precision is {self.precision!r}, expected one of {', '.join(get_args(Precision))}.",
        )
        _require(
            self.memory_device in get_args(MemoryDevice),
            f"memory_device is {self.memory_device!r}, expected 'auto', 'device' or 'host'.",
        )
        for name in ("diameter_px", "max_displacement_px", "memory_budget_bytes"):
            value = getattr(self, name)
            _require(value is None or value > 0, f"{name} is {value}, expected more than 0, or None to choose.")
        low, high = self.percentiles
        _require(0 <= low < high <= 100, f"percentiles are {self.percentiles}, expected 0 <= low < high <= 100.")


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """One stage of a training recipe: same recipe, seed and data give the same model.

    Attributes
    ----------
    steps : int
        Optimiser steps of this stage.
    batch : int
        Clips per step.
    clip_frames : int
        Frames per clip.
    region_px : int
        Side of the region an object is followed in; a multiple of the key stride.
    margin_px : int
        Image context around the region that only the key encoder sees.
    learning_rate, learning_rate_end : float
        AdamW's rate at the start and the end of the stage, linear in between.
    weight_decay, gradient_clip : float
        AdamW's weight decay, limit of the gradient's norm.
    warmup_steps : int
        Linear warm-up at the start of the stage.
    ema : float
        Decay of the weight average that is shipped.
    freeze_norm : bool
        Use the running statistics of batch normalisation instead of the batch's.
    diameter_px : float
        Usual diameter of the targets.
    diameter_spread : float
        Spread of target diameters around the usual one (standard deviation of the logarithm).
    places : bool
        Use the model's prior on places (`ModelConfig.locality_px`).
    others_compete : bool
        Let the true masks of known neighbours compete with the prediction. False: neighbours are only told to the value
        encoder, and the object has to be told from them by itself.
    seed_noise : float
        Share of seeds that are grown or shrunk by a pixel while the target stays: hands are not exact.
    annotator_bias : float
        Share of clips in which seed and targets alike are grown or shrunk by the same one to three pixels: where the
        annotator draws a border is for the seed to say.
    mixture : str
        Which clips are drawn how often: a name in `napari_xmem.training.clips.MIXTURES`.
    """

    steps: int = 10_000
    batch: int = 8
    clip_frames: int = 5
    region_px: int = 128
    margin_px: int = 16
    learning_rate: float = 1e-3
    learning_rate_end: float = 1e-3
    weight_decay: float = 0.02
    gradient_clip: float = 1.0
    warmup_steps: int = 0
    ema: float = 0.998
    freeze_norm: bool = False
    diameter_px: float = 42.0
    diameter_spread: float = 0.22
    places: bool = True
    others_compete: bool = False
    seed_noise: float = 0.34
    annotator_bias: float = 0.0
    mixture: str = "broad"

    def __post_init__(self) -> None:
        for name in ("seed_noise", "annotator_bias"):
            _require(0 <= getattr(self, name) <= 1, f"{name} is {getattr(self, name)}, expected 0 to 1.")
        for name in ("steps", "batch", "region_px", "learning_rate"):
            _require(getattr(self, name) > 0, f"{name} is {getattr(self, name)}, expected more than 0.")
        _require(self.clip_frames >= 2, f"clip_frames is {self.clip_frames}, expected at least 2.")
        _require(0 <= self.ema < 1, f"ema is {self.ema}, expected 0 to less than 1.")

    @property
    def window_px(self) -> int:
        """Side of the image window: the region and the context on both sides."""
        return self.region_px + 2 * self.margin_px

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON-able values."""
        return asdict(self)


def _check_names(cls: type, values: dict[str, Any]) -> None:
    known = [f.name for f in fields(cls)]
    unknown = sorted(set(values) - set(known))
    _require(not unknown, f"{cls.__name__} has no field {', '.join(unknown)}; fields are {', '.join(known)}.")


def _from_dict(cls: type[C], values: dict[str, Any]) -> C:
    _check_names(cls, values)
    return cls(**values)
