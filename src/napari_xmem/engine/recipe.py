"""What a recipe says of a run beyond its settings, and the settings out of a recipe."""

from __future__ import annotations

from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING, Any

from napari_xmem.config import MemoryConfig, PropagationConfig, settings_of
from napari_xmem.config.arguments import checked_arguments
from napari_xmem.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["settings_of_recipe", "versions"]

#: Settings of a run that a recipe tells in another way, or leaves to be chosen.
_TOLD_OTHERWISE = {"start", "stop", "device"}


@checked_arguments
def settings_of_recipe(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of `propagate` that repeat the run of a recipe with the same movie and seeds.

    Parameters
    ----------
    recipe : mapping
        `PropagationResult.recipe`, also after a round through JSON.

    Returns
    -------
    dict
        Names and values of arguments: model, memory, start, stop, and so on. The device is left to be chosen.

    Raises
    ------
    ConfigError
        If it is no recipe.
    """
    try:
        start, stop = recipe["frames"]
        same = settings_of(PropagationConfig).keys() - _TOLD_OTHERWISE
        settings = {name: value for name, value in recipe.items() if name in same}
        memory = dict(recipe["memory"])
        if "long_term_limited_from" in recipe:
            memory["long_term_max_elements"] = recipe["long_term_limited_from"]
        if recipe["direction"] == "forward":
            settings["start"] = start
        settings |= {"model": recipe["model"], "stop": stop, "percentiles": tuple(recipe["percentiles"])}
        return settings | {"memory": MemoryConfig.from_dict(memory)}
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"This is no recipe of a result: {error!r} is missing or wrong.") from error


@cache
def versions() -> dict[str, str]:
    """Return the versions of what computes, by name."""
    found = {}
    for name in ("napari-xmem", "torch", "numpy"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # a source tree
            found[name] = "unknown"
    return found
