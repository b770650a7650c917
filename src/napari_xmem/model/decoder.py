"""The decoder: from what memory answered to a mask."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_xmem.model.blocks import FeatureFusion, NarrowUpsampleBlock, UpsampleBlock
from napari_xmem.model.factored_fusion import FactoredFusion, make_fusion
from napari_xmem.model.features import DecoderContext
from napari_xmem.model.sensory_update import DecoderHiddenUpdate
from napari_xmem.model.state_head import StateHead

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
        self.fuser: FeatureFusion | FactoredFusion = make_fusion(
            coarse, config.value_dim + config.hidden_dim, config.value_dim, config.factored
        )
        self.hidden_update: DecoderHiddenUpdate | None = None
        if config.hidden_dim:
            widths = (config.value_dim, wide, narrow)
            self.hidden_update = DecoderHiddenUpdate(widths, wide, config.hidden_dim, config.factored)
        upsample: type[UpsampleBlock | NarrowUpsampleBlock]
        upsample = NarrowUpsampleBlock if config.narrow_skips else UpsampleBlock
        self.up_16_8 = upsample(middle, config.value_dim, wide)
        self.up_8_4 = upsample(fine, wide, narrow)
        self.pred = nn.Conv2d(narrow, 1, 3, padding=1)
        self.state_head: StateHead | None = None
        if config.state_dim:
            self.state_head = StateHead(config.value_dim, config.state_dim)

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
        decoded = self.judge(context, readout, hidden, update_hidden=update_hidden, with_state=False)
        return decoded[0], decoded[1]

    def judge(
        self,
        context: DecoderContext,
        readout: Tensor,
        hidden: Tensor | None,
        *,
        update_hidden: bool,
        with_state: bool = True,
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """As `forward`, and judge the state of every object.

        Returns
        -------
        logits, hidden : Tensor, Tensor or None
            As of `forward`.
        state : Tensor or None
            ``(N, 5)`` float32 logits in the order of `STATES`; None for a network without the head.
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
        state = None
        if with_state and self.state_head is not None:
            state = self.state_head(g16, logits_s4)
        return logits[:, 0], hidden, state
