"""The XMem network: tensors in, tensors out. It knows no memory, no files but its weights, and no viewer.

Reading order: `xmem` (the whole), `key_encoder`, `value_encoder`, `decoder`, `sensory_update`, `blocks`.
"""

from __future__ import annotations

from napari_xmem.model.aggregate import soft_aggregate
from napari_xmem.model.checkpoint import infer_config, load_model, save_model
from napari_xmem.model.device import resolve_device
from napari_xmem.model.features import DecoderContext, ImageFeatures, ValueContext
from napari_xmem.model.inference import InferenceXMem, optimise
from napari_xmem.model.receptive_field import can_tile, receptive_halo_px
from napari_xmem.model.state_head import STATES
from napari_xmem.model.torch_settings import inference_settings, settle_after_fork
from napari_xmem.model.xmem import XMem

__all__ = [
    "STATES",
    "DecoderContext",
    "ImageFeatures",
    "InferenceXMem",
    "ValueContext",
    "XMem",
    "can_tile",
    "infer_config",
    "inference_settings",
    "load_model",
    "optimise",
    "receptive_halo_px",
    "resolve_device",
    "save_model",
    "settle_after_fork",
    "soft_aggregate",
]
