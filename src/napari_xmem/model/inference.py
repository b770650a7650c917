"""The network as it runs: normalisation folded into convolutions, channels last, mixed precision where it pays."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from napari_xmem.errors import ConfigError
from napari_xmem.model.blocks import FeatureFusion, FusionContext
from napari_xmem.model.factored import FactoredConv2d
from napari_xmem.model.features import DecoderContext, ImageFeatures, ValueContext
from napari_xmem.model.xmem import XMem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_xmem.config import Precision

__all__ = ["PRECISIONS", "InferenceXMem", "choose_precision", "fold_norms", "optimise"]

PRECISIONS: Mapping[str, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


class InferenceXMem(XMem):
    """An `XMem` for inference only: the same function, faster.

    Keys, shrinkage and selection are computed and returned in float32 whatever the precision, so that similarities
    keep theirs; logits and sensory memory are float32 as always.

    Parameters
    ----------
    network : XMem
        In eval mode; its weights are shared where they can be, and never changed.
    dtype : torch.dtype
        Type in which convolutions compute.
    few_calls : bool
        Compute factored convolutions as the whole ones they stand for, see `optimise`.
    """

    def __init__(self, network: XMem, dtype: torch.dtype = torch.float32, *, few_calls: bool = False) -> None:
        nn.Module.__init__(self)
        self.config = network.config
        self.dtype = dtype
        self._source_fingerprint = network.fingerprint
        shared = {id(t): t for t in (*network.parameters(), *network.buffers())}
        for name in ("key_encoder", "value_encoder", "key_proj", "decoder"):
            part = split_fusions(fold_norms(copy.deepcopy(getattr(network, name), dict(shared))))
            part = merge_factors(part) if few_calls else part
            setattr(self, name, _compute_in(part, torch.float32 if name == "key_proj" else dtype))
        self.requires_grad_(False)
        self.train(mode=False)

    @property
    def precision(self) -> str:
        """Name of the type in which convolutions compute."""
        return str(self.dtype).removeprefix("torch.")

    @property
    def fingerprint(self) -> str:
        """Hash of settings and weights of the network this one was made from."""
        return self._source_fingerprint

    def encode_key(self, image: Tensor) -> ImageFeatures:
        """See `XMem.encode_key`."""
        with self._mixed(image):
            feat_s16, feat_s8, feat_s4 = self.key_encoder(_channels_last(image))
        key, shrinkage, selection = self.key_proj(feat_s16.float())
        return ImageFeatures(key, shrinkage, selection, feat_s16, feat_s8, feat_s4)

    def decoder_context(self, features: ImageFeatures) -> DecoderContext:
        """See `XMem.decoder_context`."""
        with self._mixed(features.key):
            return super().decoder_context(features)

    def value_context(self, features: ImageFeatures) -> ValueContext:
        """See `XMem.value_context`."""
        with self._mixed(features.key):
            return super().value_context(features)

    def encode_value(
        self, image: Tensor, masks: Tensor, others: Tensor, context: ValueContext, hidden: Tensor | None, *, deep: bool
    ) -> tuple[Tensor, Tensor | None]:
        """See `XMem.encode_value`; values are float32."""
        with self._mixed(image):
            value, hidden = super().encode_value(_channels_last(image), masks, others, context, hidden, deep=deep)
        return value.float(), hidden

    def decode(
        self, context: DecoderContext, readout: Tensor, hidden: Tensor | None, *, update_hidden: bool
    ) -> tuple[Tensor, Tensor | None]:
        """See `XMem.decode`."""
        with self._mixed(readout):
            return super().decode(context, readout.to(self.dtype), hidden, update_hidden=update_hidden)

    def judge(
        self, context: DecoderContext, readout: Tensor, hidden: Tensor | None, *, update_hidden: bool
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """See `XMem.judge`."""
        with self._mixed(readout):
            return super().judge(context, readout.to(self.dtype), hidden, update_hidden=update_hidden)

    def _mixed(self, like: Tensor) -> torch.autocast:
        return torch.autocast(like.device.type, self.dtype, enabled=self.dtype != torch.float32)


def optimise(network: XMem, precision: Precision = "auto", *, few_calls: bool = False) -> InferenceXMem:
    """Return a network that computes the same faster.

    Parameters
    ----------
    network : XMem
        In eval mode.
    precision : {"auto", "float32", "bfloat16", "float16"}
        Type in which convolutions compute; see `choose_precision` for "auto".
    few_calls : bool
        Compute each factored convolution as the whole one it stands for: one call for four, and more arithmetic, which
        an accelerator has to spare.

    Raises
    ------
    ConfigError
        If the precision is unknown.
    """
    if isinstance(network, InferenceXMem):
        return network
    return InferenceXMem(network, choose_precision(network.device, precision), few_calls=few_calls)


def choose_precision(device: torch.device, precision: Precision = "auto") -> torch.dtype:
    """Turn a precision's name into a type.

    "auto" is bfloat16 on CUDA devices and CPUs that have instructions for it (CPUs: AMX or AVX-512 BF16); else float32.
    """
    if precision in PRECISIONS:
        return PRECISIONS[precision]
    if precision != "auto":
        raise ConfigError(f"precision is {precision!r}, expected 'auto' or one of {', '.join(PRECISIONS)}.")
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device)[0] >= 8 else torch.float32
    if device.type == "cpu" and _cpu_computes_bfloat16():
        return torch.bfloat16
    return torch.float32


def _cpu_computes_bfloat16() -> bool:
    """Return True if the CPU multiplies matrices in bfloat16 (AMX or AVX-512 BF16).

    Asked of the hardware, not timed: the same machine must give the same labels whatever else it is doing.
    """
    asked = (getattr(torch.cpu, name, None) for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"))
    return bool(torch.backends.mkldnn.is_available()) and any(ask() for ask in asked if ask is not None)


def fold_norms(module: nn.Module) -> nn.Module:
    """Fold every batch normalisation into the convolution before it, in place; equal up to rounding.

    Finds them by XMem's names: ``conv<n>`` with ``bn<n>`` in one module, and the pair in ``downsample``.
    """
    for part in list(module.modules()):
        for name, norm in list(part.named_children()):
            if not isinstance(norm, nn.BatchNorm2d):
                continue
            conv_name = "0" if name == "1" else name.replace("bn", "conv")
            conv = getattr(part, conv_name)
            if isinstance(conv, FactoredConv2d):
                conv.mix = fuse_conv_bn_eval(conv.mix, norm)
            else:
                setattr(part, conv_name, fuse_conv_bn_eval(conv, norm))
            setattr(part, name, nn.Identity())
    return module


class SplitFusion(nn.Module):
    """`FeatureFusion` with the two halves of its first convolutions as convolutions of their own.

    Parameters
    ----------
    fuser : FeatureFusion
        The original.
    """

    def __init__(self, fuser: FeatureFusion) -> None:
        super().__init__()
        conv1, shortcut = fuser.first_convs()
        split = fuser.image_channels
        self.image_conv, self.object_conv = _split(conv1, split)
        self.image_shortcut, self.object_shortcut = _split(shortcut, split)
        self.conv2, self.attention, self.block2 = fuser.block1.conv2, fuser.attention, fuser.block2

    def image_half(self, x: Tensor) -> FusionContext:
        """See `FeatureFusion.image_half`."""
        return FusionContext(self.image_conv(nn.functional.relu(x)), self.image_shortcut(x))

    def forward(self, g: Tensor, image: FusionContext) -> Tensor:
        """See `FeatureFusion.forward`."""
        inner = self.object_conv(nn.functional.relu(g)).add_(image.conv).relu_()
        g = self.conv2(inner).add_(self.object_shortcut(g)).add_(image.shortcut)
        fused: Tensor = self.block2(self.attention(g).add_(g))
        return fused


def split_fusions(module: nn.Module) -> nn.Module:
    """Split the fusion blocks in a module, in place."""
    for part in list(module.modules()):
        for name, child in list(part.named_children()):
            if isinstance(child, FeatureFusion):
                setattr(part, name, SplitFusion(child))
    return module


def merge_factors(module: nn.Module) -> nn.Module:
    """Replace the factored convolutions in a module by whole ones, in place; equal up to rounding."""
    for part in list(module.modules()):
        for name, child in list(part.named_children()):
            if isinstance(child, FactoredConv2d):
                setattr(part, name, child.whole())
    return module


def _split(conv: nn.Conv2d, channels: int) -> tuple[nn.Conv2d, nn.Conv2d]:
    """Split a 3x3 convolution after some input channels; the first part keeps the bias."""
    parts = []
    for weight, bias in ((conv.weight[:, :channels], conv.bias), (conv.weight[:, channels:], None)):
        with torch.device("meta"):
            part = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1, bias=bias is not None)
        part.weight, part.bias = nn.Parameter(weight.detach(), requires_grad=False), bias
        parts.append(part)
    return parts[0], parts[1]


def _compute_in(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Give convolutions and linear layers weights of a type, convolutions channels last, as new tensors if they differ.

    Mixed precision would cast those of linear layers on every call.
    """
    for part in module.modules():
        if isinstance(part, nn.Linear):
            part.weight = nn.Parameter(part.weight.detach().to(dtype), requires_grad=False)
        if isinstance(part, nn.Conv2d):
            weight = part.weight.detach().to(dtype).contiguous(memory_format=torch.channels_last)
            part.weight = nn.Parameter(weight, requires_grad=False)
        if isinstance(part, (nn.Conv2d, nn.Linear)):
            if part.bias is not None:
                part.bias = nn.Parameter(part.bias.detach().to(dtype), requires_grad=False)
    return module


def _channels_last(image: Tensor) -> Tensor:
    return image.contiguous(memory_format=torch.channels_last)
