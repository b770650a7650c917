"""From a movie, seeds and settings to a run: everything is checked and resolved before the first frame."""

from __future__ import annotations

import copy
import logging
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.engine.cost.network_cost import network_bytes
from napari_xmem.engine.cost.run_size import RunSize
from napari_xmem.engine.device_resources import agree_on_threads
from napari_xmem.engine.frame_order import frame_range, plan_passes
from napari_xmem.engine.given_detections import GivenDetections
from napari_xmem.engine.interruption import make_interruptible
from napari_xmem.engine.recipe import versions
from napari_xmem.engine.run import Run
from napari_xmem.engine.scopes.preprocess import FrameGeometry, NetworkInput
from napari_xmem.engine.scopes.scope_choice import choose_scope
from napari_xmem.errors import ConfigError, DeviceError, is_out_of_memory
from napari_xmem.imaging import (
    MAX_ID,
    FrameSource,
    IntensityNormaliser,
    label_dtype,
    median_diameter_px,
    median_width_px,
    normalise_seeds,
    object_ids,
    scale_factor,
)
from napari_xmem.memory import check_policies
from napari_xmem.memory.few_calls import wants_few_calls
from napari_xmem.model import InferenceXMem, XMem, load_model, optimise, settle_after_fork
from napari_xmem.notices import warn

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_xmem.config import PropagationConfig

__all__ = ["on_working_device", "prepare_run", "short_budget"]

_LOG = logging.getLogger("napari_xmem")
#: Up to this many objects are shrunk only to this multiple of the nominal diameter.
FEW_OBJECTS, FEW_OBJECTS_ZOOM = 4, 2.0
#: Up to so many objects are shown so many times larger than at the nominal diameter: detail that costs as much as
#: that many more of them.
DETAILED_OBJECTS, DETAIL = 50, 4 / 3
#: Objects are scaled by their diameter or so many of their widths, if that is less, and at least by such a share of it.
NARROW_WIDTHS, NARROW_LEAST = 1.5, 0.8
#: So many ids are kept free for daughters.
SPARE_IDS = 16_384
#: A scaled frame never gets larger than this, however small the objects.
LARGEST_SCALED_PX = 64_000_000


def prepare_run(
    frames: Any,
    seeds: Any,
    model: str | Path | XMem,
    config: PropagationConfig,
    *,
    announce: bool = True,
    detections: Any = None,
    detailed: bool = True,
) -> Run:
    """Check a movie, seeds and settings and resolve what is left to choose.

    `announce`: warn if the memory budget cannot be kept, or only with a shorter long-term memory. `detections`: labels
    of another program, see `iter_propagate`. `detailed`: objects that are not many are shown larger.

    Raises
    ------
    InputError, SeedError, ConfigError, CheckpointError, DeviceError
        See `iter_propagate`.
    """
    check_policies(config.memory)
    settle_after_fork()
    source = FrameSource(frames)
    n_frames = len(source)
    single = config.start if config.direction != "backward" or config.start is not None else n_frames - 1
    low, high = frame_range(n_frames, None if config.direction != "forward" else config.start, config.stop)
    if config.direction != "forward" and config.start is not None:
        low, high = _range_around_seed(seeds, config, n_frames)
    given = None if detections is None else GivenDetections(detections, n_frames, source.frame_shape)
    if seeds is None and given is not None:
        seeds = given.first(range(low, high))
    labels = normalise_seeds(seeds, n_frames, source.frame_shape, single)
    passes = plan_passes(labels, low, high, config.direction)
    first_new_id = 1 + max(int(image.max()) for image in labels.values())
    labels = {frame: image for frame, image in labels.items() if low <= frame < high}
    loaded = _loaded(model, config.device)
    ids = {i for image in labels.values() for i in object_ids(image)}
    scope, reason = choose_scope(config.scope, loaded.config, len(ids), source.frame_shape, loaded.device.type)
    if scope != "local" and (config.entries == "find" or given is not None):
        what, without = ("entries='find'", "or entries='ignore'") if given is None else ("detections", "or give none")
        raise ConfigError(
            f"{what}: new cells begin in the local scope only, and this run would have the scope {scope!r} ({reason}). "
            f"Choose scope='local', {without}."
        )
    _LOG.info("scope %s", reason)
    precision = "float32" if (config.precision, scope) == ("auto", "global") else config.precision
    network = optimise(loaded, precision, few_calls=wants_few_calls(loaded.device))
    network = on_working_device(network)
    make_interruptible(network)
    measured = float(np.median([median_diameter_px(image) for image in labels.values()]))
    many_may_come = config.entries == "find" or given is not None
    detail = _detail(network, len(ids)) if detailed and scope == "local" and not many_may_come else 1.0
    diameter = config.diameter_px or _shown_diameter_px(measured, labels.values(), detail)
    geometry = _geometry(network, source.frame_shape, diameter, len(ids), detail)
    normaliser = IntensityNormaliser.fit(source, config.percentiles)
    prepare = NetworkInput(network.config, normaliser, geometry)
    spare = min(SPARE_IDS, MAX_ID - max(ids)) if config.divisions == "track" or config.entries == "find" or given else 0
    dtype = label_dtype(max(ids) + spare)
    recipe = {
        "model": network.config.name,
        "model_fingerprint": network.fingerprint,
        "device": str(network.device),
        "precision": network.precision,
        "threads": agree_on_threads(),
        "scope": scope,
        "direction": config.direction,
        "divisions": config.divisions if scope == "local" else "keep",
        **_entry_settings(config, given, min(labels)),
        "frames": [low, high],
        "seeded_frames": sorted(labels),
        "diameter_px": float(diameter),  # as it was: rounded, a run repeated would scale the frames a little otherwise
        "seed_diameter_px": round(measured, 2),
        "scale": round(geometry.scale, 4),
        "intensity_low": list(normaliser.low),
        "intensity_high": list(normaliser.high),
        "max_displacement_px": config.max_displacement_px,
        "memory": config.memory.to_dict(),
        "memory_device": config.memory_device,
        "percentiles": list(config.percentiles),
        "versions": versions(),
    }
    run = Run(
        source,
        labels,
        network,
        network_bytes(network),
        config,
        passes,
        scope,
        reason,
        prepare,
        dtype,
        recipe,
        first_new_id=first_new_id,
        detections=given,
    )
    return _within_budget(run, announce=announce)


def _entry_settings(config: PropagationConfig, given: GivenDetections | None, frame: int) -> dict[str, Any]:
    """Return what a recipe says about new cells: nothing where they are not looked for."""
    if config.entries != "find" and given is None:
        return {}
    told = {} if given is None else {"detections": given.fingerprint(frame)}
    return told | {name: getattr(config, name) for name in ("entries", "entry_interval_frames", "min_confidence")}


def _loaded(model: str | Path | XMem, device: str) -> XMem:
    """Return the network; one that is loaded already stays where it is, and another device is refused."""
    if not isinstance(model, XMem):
        return load_model(model, device)
    wanted, here = str(device or "auto").lower(), model.device
    if wanted not in ("auto", here.type, str(here)):
        raise DeviceError(
            f"device is {device!r}, but the network that is given was loaded on {here}; load it with "
            f"load_model(..., device={device!r}), or leave device out."
        )
    return model


def on_working_device(network: InferenceXMem) -> InferenceXMem:
    """Return a network that runs: itself, or, where an MPS device lacks what it needs, a copy on the CPU.

    The user is warned then. CUDA devices and CPUs have all that is needed.
    """
    if network.device.type in ("cpu", "cuda"):
        return network
    try:
        network_bytes(network)
    except RuntimeError as error:  # an operation that is missing is a NotImplementedError, which is one of these
        if is_out_of_memory(error):
            raise
        reason = str(error).strip().splitlines()[0]
        warn(
            f"This network does not run on {str(network.device).upper()} here ({reason}); the CPU is used instead.",
            stacklevel=2,
        )
        return copy.deepcopy(network).to("cpu")
    return network


def short_budget(asked: int, least: int) -> str:
    """Say that a memory budget cannot be kept, why, and what could be; both in bytes."""
    return (
        f"the memory budget of {asked / 1e6:.0f} MB cannot be kept: this run needs at least {math.ceil(least / 1e6)} "
        "MB for one frame's features and masks, one object at a time, and working and permanent memory of all objects"
    )


def _within_budget(run: Run, *, announce: bool) -> Run:
    """Lower the limit of long-term memory where all banks together would outgrow the budget, and say what is so."""
    size = RunSize.of(run)
    budget, memory, asked = size.budget, size.memory, run.config.memory_budget_bytes
    if asked is not None:
        run.recipe["memory_budget_bytes"] = asked
    if asked is not None and budget.is_short:
        run.recipe["least_budget_bytes"] = budget.least
        if announce:
            text = short_budget(asked, budget.least)
            warn(f"{text[0].upper()}{text[1:]}. It goes on with as little at a time as it can.", stacklevel=3)
    if memory is run.config.memory:
        return run
    before = run.config.memory.long_term_max_elements
    run.recipe["memory"] = memory.to_dict()
    run.recipe["long_term_limited_from"] = before
    if announce:
        whose = "the memory budget" if asked is not None else "what is free"
        warn(
            f"Long-term memory is limited to {memory.long_term_max_elements} elements instead of {before} "
            f"(long_term_max_elements), so that all memories together stay within {whose}, {budget.total / 1e6:.0f} "
            "MB: labels can differ from those of a run with more memory.",
            stacklevel=3,
        )
    return replace(run, config=replace(run.config, memory=memory))


def _range_around_seed(seeds: Any, config: PropagationConfig, n_frames: int) -> tuple[int, int]:
    """Frame range of a backward or two-way run: a single seed image lies on `start`, which is no lower limit then."""
    ndim = getattr(seeds, "ndim", None)
    if ndim == 2:
        high = config.stop if config.stop is not None else (config.start or 0) + 1
        return frame_range(n_frames, None, n_frames if config.direction == "both" else high)
    return frame_range(n_frames, config.start, config.stop)


def _detail(network: XMem, n_objects: int) -> float:
    """Return how many times the nominal diameter objects are shown at: more where they are not many."""
    has_size, some = network.config.nominal_diameter_px > 0, FEW_OBJECTS < n_objects <= DETAILED_OBJECTS
    return DETAIL if has_size and some else 1.0


def _shown_diameter_px(diameter_px: float, labels: Iterable[NDArray[Any]], detail: float) -> float:
    """Return the diameter by which objects are scaled: less than theirs if they are narrow, which are shown larger.

    What `detail` enlarges already is not enlarged again.
    """
    width_px = float(np.median([median_width_px(image) for image in labels]))
    narrow_px = min(diameter_px, max(NARROW_WIDTHS * width_px, NARROW_LEAST * diameter_px))
    return min(diameter_px, detail * narrow_px)


def _geometry(
    network: XMem, shape: tuple[int, int], diameter_px: float, n_objects: int, detail: float
) -> FrameGeometry:
    """Scale objects to `detail` times the model's nominal diameter; one or few large ones are shrunk less.

    So they keep their limbs.
    """
    nominal = detail * network.config.nominal_diameter_px
    scale = scale_factor(diameter_px, nominal)
    if n_objects <= FEW_OBJECTS and scale < 1:
        scale = min(1.0, FEW_OBJECTS_ZOOM * scale)
    scale = min(scale, max(1.0, (LARGEST_SCALED_PX / (shape[0] * shape[1])) ** 0.5))
    return FrameGeometry.fit(shape, scale, network.config.stride_px, detail=detail)
