"""The whole network: three entry points, called by the engine."""

from __future__ import annotations

import hashlib
import json

import torch
from torch import Tensor, nn

from napari_xmem.config import ModelConfig
from napari_xmem.model.decoder import Decoder
from napari_xmem.model.features import DecoderContext, ImageFeatures, ValueContext
from napari_xmem.model.key_encoder import KeyEncoder, KeyProjection
from napari_xmem.model.value_encoder import ValueEncoder

__all__ = ["XMem"]


class XMem(nn.Module):
    """A network of the XMem family; with the default `ModelConfig` the official one, name for name.

    Parameters
    ----------
    config : ModelConfig
        Shape of the network.

    References
    ----------
    Cheng & Schwing 2022, XMem (arXiv 2207.07115), section 3 and figure 2.
    """

    def __init__(self, config: ModelConfig | None = None) -> None:
        super().__init__()
        self.config = config or ModelConfig()
        self.key_encoder = KeyEncoder(self.config)
        self.value_encoder = ValueEncoder(self.config)
        self.key_proj = KeyProjection(self.config.key_channels[2], self.config.key_dim)
        self.decoder = Decoder(self.config)

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return next(self.parameters()).device

    @property
    def fingerprint(self) -> str:
        """Hash of settings and weights, 16 hexadecimal digits: equal for equal models, matches memory to models."""
        digest = hashlib.sha256(json.dumps(self.config.to_dict(), sort_keys=True).encode())
        for name, tensor in sorted(self.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    def encode_key(self, image: Tensor) -> ImageFeatures:
        """Encode what places of an image look like.

        Parameters
        ----------
        image : Tensor
            ``(B, image_channels, H, W)`` float, normalised as `ModelConfig.intensity` says; H and W multiples of
            `ModelConfig.stride_px`.

        Returns
        -------
        ImageFeatures
            Key, shrinkage and selection at stride `ModelConfig.stride_px`, and features at the three strides.
        """
        feat_s16, feat_s8, feat_s4 = self.key_encoder(image)
        key, shrinkage, selection = self.key_proj(feat_s16)
        return ImageFeatures(key, shrinkage, selection, feat_s16, feat_s8, feat_s4)

    def decoder_context(self, features: ImageFeatures) -> DecoderContext:
        """Return the image's share of `decode`, once per frame."""
        return self.decoder.context(features.feat_s16, features.feat_s8, features.feat_s4)

    def value_context(self, features: ImageFeatures) -> ValueContext:
        """Return the image's share of `encode_value`, once per memory frame."""
        return self.value_encoder.context(features.feat_s16)

    def encode_value(
        self, image: Tensor, masks: Tensor, others: Tensor, context: ValueContext, hidden: Tensor | None, *, deep: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Encode what to remember of ``N`` objects.

        Parameters
        ----------
        image : Tensor
            ``(1 or N, image_channels, H, W)``, as for `encode_key`.
        masks, others : Tensor
            ``(N, H, W)``, 0 to 1: each object's mask, and the sum of all other objects' masks.
        context : ValueContext
            From `value_context`.
        hidden : Tensor or None
            Sensory memory ``(N, Ch, h, w)``.
        deep : bool
            Refresh sensory memory from the value (the paper's deep update).

        Returns
        -------
        value : Tensor
            ``(N, Cv, h, w)``.
        hidden : Tensor or None
            New sensory memory, or the given one where `deep` is False.
        """
        value: tuple[Tensor, Tensor | None] = self.value_encoder(image, masks, others, context, hidden, deep=deep)
        return value

    def decode(
        self, context: DecoderContext, readout: Tensor, hidden: Tensor | None, *, update_hidden: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Decode the masks of ``N`` objects.

        Parameters
        ----------
        context : DecoderContext
            From `decoder_context`, for the whole image or for each object's region.
        readout : Tensor
            ``(N, Cv, h, w)``, what memory answered.
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
        decoded: tuple[Tensor, Tensor | None] = self.decoder(context, readout, hidden, update_hidden=update_hidden)
        return decoded

    def judge(
        self, context: DecoderContext, readout: Tensor, hidden: Tensor | None, *, update_hidden: bool
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Decode as `decode`, and judge the state of every object.

        Returns
        -------
        logits, hidden : Tensor, Tensor or None
            As of `decode`.
        state : Tensor or None
            ``(N, 5)`` float32 logits in the order of `napari_xmem.model.STATES`; None where ``config.state_dim`` is 0.
        """
        judged: tuple[Tensor, Tensor | None, Tensor | None]
        judged = self.decoder.judge(context, readout, hidden, update_hidden=update_hidden)
        return judged
