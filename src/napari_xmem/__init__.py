"""Propagate labels through time with XMem (Cheng & Schwing, ECCV 2022, arXiv 2207.07115).

The public names below load their part of the package when they are first used, so that ``import napari_xmem`` is quick
and imports neither torch nor napari nor Qt.
"""

from __future__ import annotations

from importlib import import_module as _import_module
from typing import TYPE_CHECKING, Any

from napari_xmem import errors
from napari_xmem.errors import XMemError

if TYPE_CHECKING:
    from napari_xmem.config import MemoryConfig, ModelConfig, PropagationConfig
    from napari_xmem.engine import (
        FrameResult,
        PropagationResult,
        Propagator,
        forecast,
        iter_propagate,
        iter_volumes,
        propagate,
        propagate_volumes,
        settings_of_recipe,
    )
    from napari_xmem.engine.discovery import FoundObjects, find_similar
    from napari_xmem.engine.identity.identify_across_movies import Identification, identify
    from napari_xmem.io import LabelWriter, open_labels, open_movie, read_tracks, write_tracks
    from napari_xmem.model import load_model
    from napari_xmem.session import TrackingSession
    from napari_xmem.tracking import Lineage, evaluate, measure

    __version__: str

__all__ = [
    "FoundObjects",
    "FrameResult",
    "Identification",
    "LabelWriter",
    "Lineage",
    "MemoryConfig",
    "ModelConfig",
    "PropagationConfig",
    "PropagationResult",
    "Propagator",
    "TrackingSession",
    "XMemError",
    "__version__",
    "errors",
    "evaluate",
    "find_similar",
    "forecast",
    "identify",
    "iter_propagate",
    "iter_volumes",
    "load_model",
    "measure",
    "open_labels",
    "open_movie",
    "propagate",
    "propagate_volumes",
    "read_tracks",
    "settings_of_recipe",
    "write_tracks",
]

_ROOM_OF = {
    "MemoryConfig": "napari_xmem.config",
    "ModelConfig": "napari_xmem.config",
    "PropagationConfig": "napari_xmem.config",
    "FoundObjects": "napari_xmem.engine.discovery",
    "FrameResult": "napari_xmem.engine",
    "PropagationResult": "napari_xmem.engine",
    "Propagator": "napari_xmem.engine",
    "Identification": "napari_xmem.engine.identity.identify_across_movies",
    "identify": "napari_xmem.engine.identity.identify_across_movies",
    "find_similar": "napari_xmem.engine.discovery",
    "forecast": "napari_xmem.engine",
    "iter_propagate": "napari_xmem.engine",
    "iter_volumes": "napari_xmem.engine",
    "settings_of_recipe": "napari_xmem.engine",
    "propagate": "napari_xmem.engine",
    "propagate_volumes": "napari_xmem.engine",
    "load_model": "napari_xmem.model",
    "TrackingSession": "napari_xmem.session",
    "LabelWriter": "napari_xmem.io",
    "open_labels": "napari_xmem.io",
    "open_movie": "napari_xmem.io",
    "read_tracks": "napari_xmem.io",
    "write_tracks": "napari_xmem.io",
    "Lineage": "napari_xmem.tracking",
    "evaluate": "napari_xmem.tracking",
    "measure": "napari_xmem.tracking",
}


if not TYPE_CHECKING:  # type checkers would take every name

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            globals()[name] = version = _installed_version()
            return version
        room = _ROOM_OF.get(name)
        if room is None:
            from napari_xmem.config.settings import did_you_mean

            raise AttributeError(f"module 'napari_xmem' has no attribute {name!r}{did_you_mean(name, __all__)}")
        value = getattr(_import_module(room), name)
        globals()[name] = value
        return value


def _installed_version() -> str:
    from importlib import metadata  # half of the time that importing this package would take

    try:
        return metadata.version("napari-xmem")
    except metadata.PackageNotFoundError:  # pragma: no cover - a source tree on PYTHONPATH
        return "0.0.0"


def __dir__() -> list[str]:
    return sorted(__all__)
