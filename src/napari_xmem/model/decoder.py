"""The decoder: from what memory answered to a mask."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_xmem.model.blocks import FeatureFusion, UpsampleBlock
from napari_xmem.model.features import DecoderContext
from napari_xmem.model.sensory_update import DecoderHiddenUpdate

if TYPE_CHECKING:
    from napari_xmem.config import ModelConfig

__all__ = ["Decoder"]


class Decoder(nn.Module):
    """Readout and sensory memory, fused with image features and upsampled to logits."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        fine, middle, coarse = config.key_channels
        wide, narrow = config.decoder_widths
        self.output_scale = config.strides[0]
        self.fuser = FeatureFusion(coarse, config.value_dim + config.hidden_dim, config.value_dim)
        self.hidden_update: DecoderHiddenUpdate | None = None
        if config.hidden_dim:
            widths = (config.value_dim, wide, narrow)
            self.hidden_update = DecoderHiddenUpdate(widths, wide, config.hidden_dim)
        self.up_16_8 = UpsampleBlock(middle, config.value_dim, wide)
        self.up_8_4 = UpsampleBlock(fine, wide, narrow)
        self.pred = nn.Conv2d(narrow, 1, 3, padding=1)

    def context(self, feat_s16: Tensor, feat_s8: Tensor, feat_s4: Tensor) -> DecoderContext:
        """Return what all objects of an image share, from the key encoder's features."""
        return DecoderContext(
            self.fuser.image_half(feat_s16), self.up_16_8.skip_conv(feat_s8), self.up_8_4.skip_conv(feat_s4)
        )

    def forward(
        self, context: DecoderContext, readout: Tensor, hidden: Tensor | None, *, update_hidden: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Decode ``N`` objects.

        Parameters
        ----------
        context : DecoderContext
            From `context`, for the whole image or for each object's region.
        readout : Tensor
            ``(N, Cv, h, w)`` from memory.
        hidden : Tensor or None
            Sensory memory ``(N, Ch, h, w)``.
        update_hidden : bool
            Update sensory memory from the decoder's features.

        Returns
        -------
        logits : Tensor
            ``(N, H, W)`` float32, before the sigmoid.
        hidden : Tensor or None
            New sensory memory, or the given one where `update_hidden` is False.
        """
        if hidden is not None:
            readout = torch.cat([readout, hidden.to(readout.dtype)], 1)
        g16 = self.fuser(readout, context.fusion)
        g8 = self.up_16_8(g16, context.skip_s8)
        g4 = self.up_8_4(g8, context.skip_s4)
        logits_s4 = self.pred(F.relu(g4)).float()
        if update_hidden and self.hidden_update is not None and hidden is not None:
            hidden = self.hidden_update(g16, g8, g4, logits_s4, hidden)
        logits = F.interpolate(logits_s4, scale_factor=self.output_scale, mode="bilinear", align_corners=False)
        return logits[:, 0], hidden
