"""The value encoder: what to remember of each object on a memory frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_xmem.model.blocks import FeatureFusion, make_norm, make_stage, relu_of_own
from napari_xmem.model.factored_fusion import FactoredFusion, make_fusion
from napari_xmem.model.features import ValueContext
from napari_xmem.model.sensory_update import HiddenReinforce

if TYPE_CHECKING:
    from napari_xmem.config import ModelConfig

__all__ = ["ValueEncoder"]


class ValueEncoder(nn.Module):
    """A small ResNet over image, mask and other objects' masks, fused with the image's key features."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        norm, kind = config.normalisation, config.value_block
        factor = 4 if kind == "bottleneck" else 1
        widths, depths = config.value_widths, config.value_depths
        self.pool = config.stem_pool
        self.conv1 = nn.Conv2d(config.image_channels + 2, config.stem_width, 7, stride=2, padding=3, bias=False)
        self.bn1 = make_norm(config.stem_width, norm)
        self.layer1 = make_stage(kind, config.stem_width, widths[0], depths[0], 1, norm)
        self.layer2 = make_stage(kind, widths[0] * factor, widths[1], depths[1], 2, norm)
        self.layer3 = make_stage(kind, widths[1] * factor, widths[2], depths[2], 2, norm)
        self.fuser: FeatureFusion | FactoredFusion = make_fusion(
            config.key_channels[2], config.value_channels, config.value_dim, config.factored
        )
        self.hidden_reinforce: HiddenReinforce | None = None
        if config.hidden_dim:
            self.hidden_reinforce = HiddenReinforce(config.value_dim, config.hidden_dim, config.factored)

    def context(self, feat_s16: Tensor) -> ValueContext:
        """Return what all objects of an image share, from its coarse features ``(B, C, h, w)``."""
        return ValueContext(self.fuser.image_half(feat_s16))

    def forward(
        self, image: Tensor, masks: Tensor, others: Tensor, context: ValueContext, hidden: Tensor | None, *, deep: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Encode ``N`` objects.

        Parameters
        ----------
        image : Tensor
            ``(1 or N, image_channels, H, W)``.
        masks, others : Tensor
            ``(N, H, W)``, 0 to 1: the object's mask and the sum of all other objects' masks.
        context : ValueContext
            From `context`.
        hidden : Tensor or None
            Sensory memory ``(N, Ch, h, w)``.
        deep : bool
            Refresh sensory memory from the value.

        Returns
        -------
        value : Tensor
            ``(N, Cv, h, w)``.
        hidden : Tensor or None
            New sensory memory, or the given one where `deep` is False.
        """
        count = masks.shape[0]
        stacked = torch.cat([image.expand(count, -1, -1, -1), masks[:, None], others[:, None]], 1)
        g = self.bn1(self.conv1(stacked))
        if self.pool:
            g = F.max_pool2d(g, 3, stride=2, padding=1)
        g = self.layer3(self.layer2(self.layer1(relu_of_own(g))))
        value: Tensor = self.fuser(g, context.fusion)
        if deep and self.hidden_reinforce is not None and hidden is not None:
            hidden = self.hidden_reinforce(value, hidden)
        return value, hidden
