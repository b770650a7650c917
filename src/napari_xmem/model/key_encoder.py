"""The key encoder: one pass per image, independent of the objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional as F

from napari_xmem.model.blocks import make_norm, make_stage

if TYPE_CHECKING:
    from napari_xmem.config import ModelConfig

__all__ = ["KeyEncoder", "KeyProjection"]


class KeyEncoder(nn.Module):
    """A ResNet cut after its third stage (official: ResNet-50)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        norm, kind = config.normalisation, config.key_block
        fine, middle, _ = config.key_channels
        widths, depths = config.key_widths, config.key_depths
        self.pool = config.stem_pool
        self.conv1 = nn.Conv2d(config.image_channels, config.stem_width, 7, stride=2, padding=3, bias=False)
        self.bn1 = make_norm(config.stem_width, norm)
        self.res2 = make_stage(kind, config.stem_width, widths[0], depths[0], 1, norm)
        self.layer2 = make_stage(kind, fine, widths[1], depths[1], 2, norm, config.factored_key)
        self.layer3 = make_stage(kind, middle, widths[2], depths[2], 2, norm, config.factored_key)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map ``(B, image_channels, H, W)`` to features at strides 16, 8 and 4 (all after their ReLU)."""
        x = F.relu(self.bn1(self.conv1(image)))
        if self.pool:
            x = F.max_pool2d(x, 3, stride=2, padding=1)
        feat_s4 = self.res2(x)
        feat_s8 = self.layer2(feat_s4)
        return self.layer3(feat_s8), feat_s8, feat_s4


class KeyProjection(nn.Module):
    """Key, shrinkage and selection from the coarse features (XMem, section 3.2)."""

    def __init__(self, in_channels: int, key_dim: int) -> None:
        super().__init__()
        self.key_proj = nn.Conv2d(in_channels, key_dim, 3, padding=1)
        self.d_proj = nn.Conv2d(in_channels, 1, 3, padding=1)
        self.e_proj = nn.Conv2d(in_channels, key_dim, 3, padding=1)

    def forward(self, feat_s16: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return key ``(B, Ck, h, w)``, shrinkage ``(B, 1, h, w)`` >= 1 and selection ``(B, Ck, h, w)`` in 0..1."""
        shrinkage = self.d_proj(feat_s16).float() ** 2 + 1
        return self.key_proj(feat_s16), shrinkage, self.e_proj(feat_s16).sigmoid()
