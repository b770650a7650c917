"""Models to choose from, and the one network that is kept between runs."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_xmem.model import XMem

__all__ = ["MODEL_CHOICES", "NetworkCache", "model_problem"]

MODEL_CHOICES = (
    (
        "Cells (bundled)",
        "bundled",
        "A small network trained for cells and nuclei. Ships with the plugin; quick without a GPU.",
    ),
    (
        "XMem (official)",
        "xmem",
        "The network of the XMem paper, trained on video of everyday scenes. 249 MB, downloaded once.",
    ),
)


def model_problem(model: str) -> str | None:
    """Say why a model cannot be loaded, without loading it; None if nothing speaks against it."""
    if model == "xmem":
        return None
    if model in ("bundled", "cells"):
        from importlib import resources

        folder = resources.files("napari_xmem.model") / "weights"
        if folder.is_dir() and any(item.name.endswith(".safetensors") for item in folder.iterdir()):
            return None
        return "This build has no bundled model. Choose the official XMem or a file of weights."
    if not Path(model).expanduser().is_file():
        return f"There is no file {model}. Choose another model."
    return None


class NetworkCache:
    """Keep the network that was used last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._key: tuple[Any, ...] | None = None
        self._network: XMem | None = None

    def get(self, model: str, device: str) -> XMem:
        """Return the network, loaded at the first call; a changed file is loaded again.

        Raises
        ------
        CheckpointError, DeviceError
            If it cannot be loaded.
        """
        from napari_xmem.model import load_model

        path = Path(model).expanduser()
        key = (model, device, path.stat().st_mtime_ns if path.is_file() else None)
        with self._lock:
            if self._network is None or key != self._key:
                self._network = load_model(model, device)
                self._key = key
            return self._network


NETWORKS = NetworkCache()
