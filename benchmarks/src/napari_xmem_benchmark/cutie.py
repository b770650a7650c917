"""Cutie from PyPI (``rf-cutie``) with random weights, for timing only."""

from __future__ import annotations

from importlib import import_module, resources
from typing import Any

from napari_xmem.errors import ConfigError

__all__ = ["available", "new_core"]


def available() -> bool:
    """Return True if the extra "benchmark" is installed."""
    try:
        import_module("cutie.inference.inference_core")
        import_module("omegaconf")
    except ImportError:
        return False
    return True


def new_core(device: str, size: str = "small") -> Any:
    """Return an inference core of Cutie with long-term memory and its own default settings.

    Parameters
    ----------
    device : str
        Where.
    size : {"small", "base"}
        Which of its two models.

    Raises
    ------
    ConfigError
        If the package is not installed.
    """
    try:
        core = import_module("cutie.inference.inference_core")
        network = import_module("cutie.model.cutie")
        resnet: Any = import_module("cutie.model.utils.resnet")
        omegaconf = import_module("omegaconf").OmegaConf
    except ImportError as error:
        raise ConfigError(f"Cutie is not here ({error}). Install it with: pip install './benchmarks[cutie]'") from error
    folder = resources.files("cutie") / "config"
    config = omegaconf.load(str(folder / "eval_config.yaml"))
    model = omegaconf.load(str(folder / "model" / "base.yaml"))
    if size == "small":
        model = omegaconf.merge(model, {"pixel_encoder": {"type": "resnet18", "ms_dims": [256, 128, 64]}})
    config = omegaconf.merge(config, {"model": model, "use_long_term": True, "mem_every": 5})
    # Its constructor downloads ImageNet weights; random ones take as long.
    resnet.model_zoo.load_url = lambda *args, **kwargs: {}
    resnet.load_weights_add_extra_dim = lambda *args, **kwargs: None
    return core.InferenceCore(network.CUTIE(config).eval().to(device), cfg=config)
