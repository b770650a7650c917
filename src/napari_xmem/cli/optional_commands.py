"""Commands that live in distributions of their own, imported where they are installed."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from napari_xmem.errors import InputError

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["import_extra"]

# Top-level package -> (distribution, its folder in the repository).
_DISTRIBUTIONS = {
    "napari_xmem_training": ("napari-xmem-training", "training"),
    "napari_xmem_benchmark": ("napari-xmem-benchmark", "benchmarks"),
}


def import_extra(module: str) -> ModuleType:
    """Import a module of a distribution that is installed separately.

    Raises
    ------
    InputError
        The distribution is not installed; the message says how to install it.
    """
    package = module.split(".", maxsplit=1)[0]
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        name, folder = _DISTRIBUTIONS[package]
        raise InputError(
            f"this command needs {name}, which is not installed; in a clone of the repository: pip install ./{folder}"
        ) from error
