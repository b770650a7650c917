"""Paint a few objects, find the rest of the frame."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.config import MemoryConfig, PropagationConfig, settings_of
from napari_xmem.config.arguments import checked_arguments
from napari_xmem.engine.cost.run_size import RunSize
from napari_xmem.engine.device_resources import to_device
from napari_xmem.engine.discovery.example_sizes import alike_in_size
from napari_xmem.engine.discovery.found_objects import FoundObjects, joined
from napari_xmem.engine.discovery.frame_search import search_frame
from napari_xmem.engine.prepare import prepare_run
from napari_xmem.engine.scopes.aggregation import aggregate_regions
from napari_xmem.engine.scopes.frame_now import FrameNow
from napari_xmem.engine.scopes.local_scope import LocalScope
from napari_xmem.engine.scopes.region_masks import RegionMask, compose_labels
from napari_xmem.engine.scopes.regions import Region
from napari_xmem.engine.scopes.schedule import FramePlan
from napari_xmem.engine.scopes.seed_masks import seed_regions
from napari_xmem.engine.scopes.tiling import encode_regions
from napari_xmem.engine.torch_errors import torch_errors
from napari_xmem.errors import InputError, SeedError
from napari_xmem.imaging import label_dtype, normalise_seeds, object_ids
from napari_xmem.model import inference_settings
from napari_xmem.notices import warn

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_xmem.engine.cost.budget import Budget
    from napari_xmem.engine.discovery.candidate_masks import Candidate
    from napari_xmem.engine.run import Run
    from napari_xmem.model import XMem

__all__ = ["MIN_CONFIDENCE", "find_similar"]

#: What is found with less is left out unless another limit is given.
MIN_CONFIDENCE: float = settings_of(PropagationConfig)["min_confidence"].default

#: Candidates compete for pixels from this confidence on, whatever limit is asked for: a limit only takes away.
_SEARCHED_CONFIDENCE = 0.5

#: What is found is remembered as the painted frame is.
_LEARN = FramePlan(memorise=True, deep_update=True, normal_update=False)
#: What a search holds besides tensors for each pixel of the scaled frame: who owns it, likeness, outlines.
_SEARCH_BYTES_PER_PX = 48
#: What another object takes off one that was found, at most: a share of its area.
_LEFT_SHARE = 0.5


@checked_arguments
def find_similar(
    frame: NDArray[Any],
    labels: NDArray[Any],
    *,
    model: str | Path | XMem = "bundled",
    device: str = "auto",
    min_confidence: float = MIN_CONFIDENCE,
    region: tuple[slice, slice] | None = None,
    diameter_px: float | None = None,
    first_id: int | None = None,
    memory_budget_bytes: int | None = None,
) -> FoundObjects:
    """Find the objects of a frame that look like those painted on it.

    Every painted object is an example: its memory is put where the frame looks like the examples, as if the example
    had moved there, and what the network then sees is kept if it is sure, plausible in size and on pixels that are
    nobody's.

    Parameters
    ----------
    frame : ndarray, shape (Y, X) or (Y, X, C)
        One frame, up to 3 channels.
    labels : ndarray, shape (Y, X), integer
        One or more painted objects, 0 elsewhere; they stay as they are.
    model : str, path or XMem
        "bundled", a weights file, or a loaded network that was trained on regions.
    device : str
        "auto", "cpu", "cuda", "cuda:N" or "mps".
    min_confidence : float
        0 to 1; objects found with less are left out. `FoundObjects.at_least` raises it later without computing again.
    region : tuple of 2 slice, optional
        Rows and columns in which objects may have their centre; None: the whole frame.
    diameter_px : float, optional
        Typical diameter in pixels; None: the examples' median. Examples of very different sizes are looked for one
        after the other, the largest first, each at their own size.
    first_id : int, optional
        Id of the first object found, above those of `labels`: where larger ids are in use on other frames. None: the
        one after the largest of `labels`.
    memory_budget_bytes : int, optional
        What tensors may take at a time, as for `propagate`; None: half of what is free. A warning says so if it cannot
        be kept.

    Returns
    -------
    FoundObjects
        Labels with the examples and what was found, new ids, and how sure each is. The same input gives the same
        output.

    Raises
    ------
    InputError, SeedError, ConfigError, CheckpointError, DeviceError
        If something given cannot be used.
    PropagationError, OutOfMemoryError
        If the network fails.

    Examples
    --------
    >>> import napari_xmem as nx
    >>> from napari_xmem.sample_data import simulated_nuclei
    >>> movie, truth = simulated_nuclei(frames=2, size_px=(96, 96), n_objects=4)
    >>> painted = truth[0] * (truth[0] <= 2)  # two of the five nuclei
    >>> found = nx.find_similar(movie[0], painted)
    >>> found
    FoundObjects(2 found on 96 x 96 px, confidence 0.8... to 0.8...)
    >>> seeds = {0: found.labels}  # for `propagate`
    """
    if not 0 <= min_confidence <= 1:
        raise InputError(f"min_confidence is {min_confidence}, expected 0 to 1.")
    if first_id is not None and first_id <= np.max(labels, initial=0):
        raise InputError(f"first_id is {first_id}, expected more than {np.max(labels)}, the largest id of labels.")
    frame, labels = np.asarray(frame), np.asarray(labels)
    if labels.shape != frame.shape[:2]:
        raise SeedError(
            f"labels have shape {labels.shape}, expected {frame.shape[:2]}, that of the frame: rows and columns."
        )
    config = PropagationConfig(
        memory=MemoryConfig(),
        device=device,
        scope="local",
        diameter_px=diameter_px,
        memory_budget_bytes=memory_budget_bytes,
    )
    _check_contrast(frame)
    labels = normalise_seeds({0: labels}, 1, labels.shape, 0)[0]
    groups = [object_ids(labels)] if diameter_px else alike_in_size(labels)
    first, least = first_id or 1 + int(np.max(labels, initial=0)), min(_SEARCHED_CONFIDENCE, min_confidence)
    parts: list[FoundObjects] = []
    for group in groups:
        examples = np.where(np.isin(labels, group), labels, 0)
        run = prepare_run([frame, frame], {0: examples}, model, config, announce=False, detailed=False)
        model = run.network
        known = parts[-1].labels if parts else labels
        run = replace(run, seeds={0: known.astype(np.int64)})
        with torch_errors(what=""):
            parts.append(_find(run, frame, set(group), least, region, first + sum(len(part) for part in parts)))
    return joined(parts, first).at_least(min_confidence)


def _check_contrast(frame: NDArray[Any]) -> None:
    """Refuse a frame on which nothing can be seen."""
    values = frame[np.isfinite(frame)]
    if not values.size or values.min() == values.max():
        what = f"is {values.flat[0]}" if values.size else "is not a finite number"
        raise InputError(f"Every pixel of the frame {what}: nothing can be seen on it, so nothing can be found.")


@inference_settings()
def _find(
    run: Run,
    frame: NDArray[Any],
    group: set[int],
    least: float,
    region: tuple[slice, slice] | None,
    first_id: int,
) -> FoundObjects:
    """Search a frame for objects like those of a group of the known ones."""
    painted = run.seeds[0]
    geometry, budget = run.prepare.geometry, _budget(run)
    scope = LocalScope(run.network, run.config.memory, run.prepare, None, budget)
    scope.advance(frame, 0, painted)
    shape = geometry.padded_shape
    image = to_device(run.prepare(frame, 0), run.network.device)[None]
    encoded = encode_regions(run.network, image, [Region(0, 0, *shape)], budget.tile, memorise=True)
    host = FrameNow(scope, image, encoded, _LEARN, 0)
    given = seed_regions(painted, geometry, lambda centre, extent: scope.search.region_for(centre, extent, shape))
    owner = np.zeros(shape, np.int32)
    for mask in given:
        owner[mask.region.slices][(mask.probability > 0.5).numpy()] = mask.object_id
    examples, allowed = [o for i, o in scope.objects.items() if i in group], _allowed(region, run)
    found = search_frame(host, examples, given, owner, allowed, geometry.scaled_shape, least)
    return _composed(run, given, found, least, first_id)


def _budget(run: Run) -> Budget:
    """Share out what was asked for less what the search itself holds; a warning says so if that cannot be kept."""
    asked, held = run.config.memory_budget_bytes, _SEARCH_BYTES_PER_PX * math.prod(run.prepare.geometry.padded_shape)
    if asked is None:
        return RunSize.of(run).budget
    rest = replace(run, config=replace(run.config, memory_budget_bytes=max(1_000_000, asked - held)))
    budget = RunSize.of(rest).budget
    if budget.is_short:
        warn(
            f"The memory budget of {asked / 1e6:.0f} MB cannot be kept: finding the rest of this frame needs at least "
            f"{math.ceil((budget.least + held) / 1e6)} MB. It goes on with as little at a time as it can."
        )
    return budget


def _allowed(region: tuple[slice, slice] | None, run: Run) -> NDArray[np.bool_]:
    """Return the pixels of the scaled frame in which centres may lie: none of the padding."""
    geometry = run.prepare.geometry
    allowed = np.zeros(geometry.padded_shape, bool)
    rows, columns = (
        range(side)[span] for side, span in zip(geometry.shape, region or (slice(None), slice(None)), strict=True)
    )
    if not len(rows) or not len(columns):
        raise InputError(f"region {region} holds no pixel of a frame of {geometry.shape[0]} x {geometry.shape[1]} px.")
    (top, bottom), (left, right) = (
        (round(span.start * geometry.scale), min(round(span.stop * geometry.scale), limit))
        for span, limit in zip((rows, columns), geometry.scaled_shape, strict=True)
    )
    allowed[top:bottom, left:right] = True
    return allowed


def _composed(run: Run, given: list[RegionMask], found: list[Candidate], least: float, first: int) -> FoundObjects:
    """Let examples and what was found compete for pixels, and number what is left."""
    painted, geometry = run.seeds[0], run.prepare.geometry
    own = given + [RegionMask(first + n, c.region, c.probability) for n, c in enumerate(found)]
    settled = aggregate_regions(own, {mask.object_id for mask in given}, geometry.padded_shape)
    seen = compose_labels(settled, geometry.shape, geometry.scale)
    taken = painted > 0
    areas = [c.area_px / geometry.scale**2 for c in found]
    rows = range(len(given), len(own))
    sure = seen.confidence.copy()
    sure[len(given) :] *= np.array([c.plausibility for c in found], np.float32)
    kept = [
        (float(sure[row]), own[row].object_id)
        for row, area in zip(rows, areas, strict=True)
        if sure[row] >= least and seen.area_px[row] >= _LEFT_SHARE * area
    ]
    kept.sort(key=lambda item: (-item[0], item[1]))
    numbers = {old: first + n for n, (_, old) in enumerate(kept)}
    out = np.zeros(geometry.shape, label_dtype(max([*object_ids(painted), *numbers.values()])))
    for old, new in numbers.items():
        out[(seen.labels == old) & ~taken] = new
    out[taken] = painted[taken]
    return FoundObjects(out, tuple(numbers.values()), np.array([c for c, _ in kept], np.float32))
