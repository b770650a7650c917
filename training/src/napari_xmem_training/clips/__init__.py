"""Training clips: what the network sees when it follows one object, made from stills and simulated movies."""

from __future__ import annotations

from napari_xmem_training.clips.clip import MIXTURES, Clip, ClipConfig, Mixture
from napari_xmem_training.clips.stream import ClipStream

__all__ = ["MIXTURES", "Clip", "ClipConfig", "ClipStream", "Mixture"]
