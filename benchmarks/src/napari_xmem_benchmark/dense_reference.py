"""The same network in its plain dense formulation: what the engine is measured against, and must be equal to.

Written from the formulas: similarity ``S[m, q] = -s_m / sqrt(C) sum_c e[c, q] (k[c, m] - k[c, q])^2`` expanded into its
three terms, a softmax over the 30 largest of each column spread into a dense matrix, a dense product with the values,
image features repeated for every object before the fusion, and the masks of all others summed object by object.

References
----------
Cheng & Schwing 2022, XMem (arXiv 2207.07115), sections 3.2 and 3.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_xmem.model import soft_aggregate
from napari_xmem.model.blocks import FeatureFusion

if TYPE_CHECKING:
    from napari_xmem.model import XMem
    from napari_xmem.model.factored_fusion import FactoredFusion

__all__ = ["DenseReference", "dense_affinity"]


def dense_affinity(
    memory_key: Tensor, shrinkage: Tensor, query_key: Tensor, selection: Tensor, top_k: int = 30
) -> Tensor:
    """Return the affinity ``(M, Q)`` of keys ``(C, M)`` and ``(C, Q)``, shrinkage ``(M,)``, selection ``(C, Q)``."""
    squared = memory_key.square().T @ selection
    mixed = 2 * (memory_key.T @ (query_key * selection))
    query = (selection * query_key.square()).sum(0, keepdim=True)
    similarity = (-squared + mixed - query) * shrinkage[:, None] / memory_key.shape[0] ** 0.5
    best, index = torch.topk(similarity, min(top_k, len(similarity)), dim=0)
    weight = torch.exp(best - best.amax(0, keepdim=True))
    return torch.zeros_like(similarity).scatter_(0, index, weight / weight.sum(0, keepdim=True))


class DenseReference:
    """XMem's frame step over whole frames, without any of the engine's savings.

    Parameters
    ----------
    network : XMem
        In eval mode.
    objects : int
        Number of objects.
    """

    def __init__(self, network: XMem, objects: int) -> None:
        config = network.config
        self.network, self.objects = network, objects
        self.keys = torch.empty(config.key_dim, 0, device=network.device)
        self.shrinkage = torch.empty(0, device=network.device)
        self.values = torch.empty(objects, config.value_dim, 0, device=network.device)
        self.hidden: Tensor | None = None

    def remember(self, key: Tensor, shrinkage: Tensor, values: Tensor) -> None:
        """Append elements: key ``(C, n)``, shrinkage ``(n,)``, values ``(N, V, n)``."""
        self.keys = torch.cat([self.keys, key], 1)
        self.shrinkage = torch.cat([self.shrinkage, shrinkage])
        self.values = torch.cat([self.values, values], 2)

    @torch.inference_mode()
    def step(self, image: Tensor, *, memorise: bool = False) -> Tensor:
        """Return probabilities ``(1 + N, H, W)`` for an image ``(C, H, W)``, sides multiples of the key stride."""
        network, image = self.network, image[None]
        features = network.encode_key(image)
        key, selection = features.key[0].flatten(1), features.selection[0].flatten(1)
        affinity = dense_affinity(self.keys, self.shrinkage, key, selection)
        readout = (self.values.flatten(0, 1) @ affinity).view(self.objects, -1, *features.key.shape[-2:])
        if self.hidden is None:
            grid = features.key.shape[-2:]
            self.hidden = torch.zeros(self.objects, network.config.hidden_dim, *grid, device=network.device)
        logits, hidden = self._decode(features.feat_s16, features.feat_s8, features.feat_s4, readout)
        probability = soft_aggregate(logits.sigmoid())
        if memorise:
            value, self.hidden = self._encode_value(image, features.feat_s16, probability[1:])
            self.remember(key, features.shrinkage.flatten(), value.flatten(2))
        else:
            self.hidden = hidden
        return probability

    def _decode(self, f16: Tensor, f8: Tensor, f4: Tensor, readout: Tensor) -> tuple[Tensor, Tensor]:
        decoder, n = self.network.decoder, self.objects
        g16 = _fuse(decoder.fuser, f16.expand(n, -1, -1, -1), torch.cat([readout, self._sensory], 1))
        g8 = decoder.up_16_8(g16, decoder.up_16_8.skip_conv(f8))
        g4 = decoder.up_8_4(g8, decoder.up_8_4.skip_conv(f4))
        logits = decoder.pred(F.relu(g4))
        if decoder.hidden_update is None:
            raise ValueError("The dense reference needs a network with sensory memory.")
        hidden = decoder.hidden_update(g16, g8, g4, logits, self._sensory)
        scale = decoder.output_scale
        return F.interpolate(logits, scale_factor=scale, mode="bilinear", align_corners=False)[:, 0], hidden

    def _encode_value(self, image: Tensor, f16: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        encoder, n = self.network.value_encoder, self.objects
        others = torch.stack(
            [sum((masks[j] for j in range(n) if j != i), torch.zeros_like(masks[0])) for i in range(n)]
        )
        stacked = torch.cat([image.expand(n, -1, -1, -1), masks[:, None], others[:, None]], 1)
        g = encoder.bn1(encoder.conv1(stacked))
        if encoder.pool:
            g = F.max_pool2d(g, 3, stride=2, padding=1)
        g = encoder.layer3(encoder.layer2(encoder.layer1(F.relu(g))))
        value = _fuse(encoder.fuser, f16.expand(n, -1, -1, -1), g)
        if encoder.hidden_reinforce is None:
            raise ValueError("The dense reference needs a network with sensory memory.")
        return value, encoder.hidden_reinforce(value, self._sensory)

    @property
    def _sensory(self) -> Tensor:
        if self.hidden is None:
            raise ValueError("No frame was done yet.")
        return self.hidden


def _fuse(fuser: FeatureFusion | FactoredFusion, x: Tensor, g: Tensor) -> Tensor:
    """Fusion as the paper draws it: both convolutions over the concatenated features of every object."""
    if not isinstance(fuser, FeatureFusion):
        raise ValueError("The dense reference needs a network with whole convolutions.")
    g = fuser.block1(torch.cat([x, g], 1))
    fused: Tensor = fuser.block2(g + fuser.attention(g))
    return fused
