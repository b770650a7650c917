"""Settings of a network."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from napari_xmem.config.checks import build, require

__all__ = ["ModelConfig"]

BlockKind = Literal["bottleneck", "basic"]
Normalisation = Literal["batch", "group"]
Intensity = Literal["imagenet", "percentile"]


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
        require(
            self.key_block in ("bottleneck", "basic"),
            f"key_block is {self.key_block!r}, expected 'bottleneck' or 'basic'.",
        )
        require(
            self.value_block in ("bottleneck", "basic"),
            f"value_block is {self.value_block!r}, expected 'bottleneck' or 'basic'.",
        )
        require(
            self.normalisation in ("batch", "group"),
            f"normalisation is {self.normalisation!r}, expected 'batch' or 'group'.",
        )
        require(
            self.intensity in ("imagenet", "percentile"),
            f"intensity is {self.intensity!r}, expected 'imagenet' or 'percentile'.",
        )
        for name in ("image_channels", "stem_width", "key_dim", "value_dim"):
            require(getattr(self, name) >= 1, f"{name} is {getattr(self, name)}, expected at least 1.")
        require(self.hidden_dim >= 0, f"hidden_dim is {self.hidden_dim}, expected 0 (no sensory memory) or more.")
        require(
            self.value_dim != self.key_channels[2] + self.value_channels,
            f"value_dim is {self.value_dim}, the coarse channels of both encoders together; choose another.",
        )
        expected = 3 + (self.contrast_px > 0)
        require(
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
        return build(cls, values)
