"""Settings of a network."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from napari_xmem.config.settings import build, check_settings, described, require, setting

__all__ = ["ModelConfig"]

BlockKind = Literal["bottleneck", "basic"]
Normalisation = Literal["batch", "group"]
Intensity = Literal["imagenet", "percentile"]
_YOUNGER = {"factored": 0, "factored_key": 0, "narrow_skips": False, "state_dim": 0}


@described
@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Shape of a network of the XMem family.

    The defaults are the official network of Cheng & Schwing (ECCV 2022, arXiv 2207.07115).
    """

    name: str = setting("xmem", help="What the model is called in menus and model cards.")
    image_channels: int = setting(3, help="Channels of the image the network sees.", low=1, high=64)
    key_block: BlockKind = setting(
        "bottleneck", help="Residual block of the key encoder. A bottleneck of width p puts out 4 p channels."
    )
    value_block: BlockKind = setting("basic", help="Residual block of the value encoder.")
    stem_width: int = setting(64, help="Channels after the first convolution of both encoders.", low=1, high=4096)
    stem_pool: bool = setting(
        True, help="Max-pool after the stem. With it the features have strides 4 / 8 / 16, without it 2 / 4 / 8."
    )
    key_widths: tuple[int, int, int] = setting(
        (64, 128, 256), help="Width p of the three stages of the key encoder.", low=1, high=8192
    )
    key_depths: tuple[int, int, int] = setting(
        (3, 4, 6), help="Blocks of the three stages of the key encoder.", low=1, high=128
    )
    value_widths: tuple[int, int, int] = setting(
        (64, 128, 256), help="Width p of the three stages of the value encoder.", low=1, high=8192
    )
    value_depths: tuple[int, int, int] = setting(
        (2, 2, 2), help="Blocks of the three stages of the value encoder.", low=1, high=128
    )
    normalisation: Normalisation = setting("batch", help="Normalisation inside the encoders.")
    key_dim: int = setting(64, help="Channels of a key.", symbol="C^k", low=1, high=8192)
    value_dim: int = setting(512, help="Channels of a value.", symbol="C^v", low=1, high=8192)
    hidden_dim: int = setting(64, help="Channels of sensory memory; 0: there is none.", symbol="C^h", low=0, high=8192)
    decoder_widths: tuple[int, int] = setting(
        (256, 256), help="Channels after the two upsampling blocks of the decoder.", low=1, high=8192
    )
    intensity: Intensity = setting(
        "imagenet", help="How images are normalised before the network sees them (`napari_xmem.imaging`)."
    )
    contrast_px: int = setting(
        0,
        help="Width of the local contrast normalisation put beside the image as one more channel; 0: none.",
        unit="px", low=0, high=4096,
    )  # fmt: skip
    locality_px: float = setting(
        0.0,
        help="Reach of the prior on distance between a memory element and a query, both relative to the object, in "
        "pixels of the scaled frame (local scope); 0: none.",
        unit="px", low=0, high=1e6,
    )  # fmt: skip
    nominal_diameter_px: float = setting(
        0.0,
        help="Object diameter at which the network works best, in pixels of the scaled frame; 0 if it has none.",
        unit="px", low=0, high=1e6,
    )  # fmt: skip
    factored: int = setting(
        0,
        help="3x3 convolutions of the fusion blocks and of sensory memory become this many kernels per input channel "
        "and a 1x1 convolution (Chollet 2017, arXiv 1610.02357); 0: whole ones.",
        low=0, high=9,
    )  # fmt: skip
    factored_key: int = setting(
        0, help="The same for the basic blocks of the key encoder's second and third stage.", low=0, high=9
    )
    narrow_skips: bool = setting(
        False,
        help="Skip connections of the decoder are 1x1 convolutions, and features lose their channels before they are "
        "upsampled, not after.",
    )
    state_dim: int = setting(
        0,
        help="Hidden channels of the head that judges the state of an object (`napari_xmem.model.STATES`); 0: none.",
        low=0, high=8192,
    )  # fmt: skip

    def __post_init__(self) -> None:
        check_settings(self)
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
        """Return the fields as plain JSON-able values.

        Fields younger than the first models are left out where they have their default, so that the fingerprints of
        those models stay what they were.
        """
        plain = asdict(self)
        return {name: value for name, value in plain.items() if name not in _YOUNGER or value != _YOUNGER[name]}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Build from `to_dict` output; unknown names raise `ConfigError`."""
        return build(cls, values)
