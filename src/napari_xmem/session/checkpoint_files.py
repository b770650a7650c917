"""The files of a checkpoint: frames, what was found for later passes, and what says which run they belong to."""

from __future__ import annotations

import hashlib
import json
import math
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from napari_xmem.engine.backward_finds import LateObjects
from napari_xmem.engine.division import pack_happenings, unpack_happenings
from napari_xmem.engine.results import FrameResult
from napari_xmem.errors import OutputError, SessionError, XMemError
from napari_xmem.files import check_archive, parse_json
from napari_xmem.imaging import MAX_ID

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_xmem.engine import Run

__all__ = ["held_beside", "read_frame", "read_held", "reading_files", "run_identity", "using_files", "write_frame"]

_FORMAT = "napari-xmem unfinished run 1"
#: What lists of objects and the headers of an npz file take at most.
_SLACK_BYTES = 100_000_000


def write_frame(file: BinaryIO, result: FrameResult) -> None:
    """Write a finished frame as npz; memory snapshots are left out."""
    np.savez_compressed(
        file,
        labels=result.labels,
        object_ids=np.array(result.object_ids, np.int64),
        area_px=result.area_px,
        confidence=result.confidence,
        seeded=result.seeded,
        happened=np.array(json.dumps(pack_happenings(result))),
    )


def read_frame(path: Path, frame: int, shape: tuple[int, int]) -> FrameResult:
    """Read what `write_frame` wrote; ValueError if it is no frame of that shape."""
    check_archive(path, 16 * math.prod(shape) + _SLACK_BYTES)
    with np.load(path, allow_pickle=False) as held:
        ids = tuple(int(i) for i in held["object_ids"])
        labels, area, confidence = held["labels"], held["area_px"], held["confidence"]
        same = area.shape == confidence.shape == (len(ids),)
        if labels.shape != shape or labels.dtype.kind not in "ui" or not same:
            raise ValueError(f"{path.name} holds no labels of {shape} pixels")
        if area.dtype.kind not in "ui" or confidence.dtype.kind != "f":
            raise ValueError(f"{path.name} holds scores that are no numbers")
        result = FrameResult(frame, labels, ids, area, confidence, bool(held["seeded"]))
        return replace(result, **unpack_happenings(parse_json(str(held["happened"]))))


def held_beside(memory: Path) -> Path:
    """Return the file of what was found on frames of later passes."""
    return memory.with_name(memory.name.replace("memory-", "held-")).with_suffix(".npz")


def read_held(path: Path, run: Run) -> LateObjects:
    """Read what was found on frames of later passes; ValueError if it does not fit the movie."""
    pixels_per_frame, n_frames = math.prod(run.source.frame_shape), len(run.source)
    check_archive(path, 16 * pixels_per_frame * n_frames + _SLACK_BYTES)
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in ("frames", "object_ids", "sizes", "confidence", "pixels", "happened")}
    n = len(arrays["frames"])
    for name, most in (("frames", n_frames), ("object_ids", MAX_ID + 1), ("sizes", pixels_per_frame + 1)):
        values = arrays[name]
        if values.shape != (n,) or values.dtype.kind != "i" or (n and not (0 <= values.min() and values.max() < most)):
            raise ValueError(f"{path.name} holds {name} that do not fit the movie")
    pixels = arrays["pixels"]
    if pixels.dtype.kind != "i" or pixels.shape != (arrays["sizes"].sum(),) or arrays["confidence"].shape != (n,):
        raise ValueError(f"{path.name} holds lists of different lengths")
    if pixels.size and not (0 <= pixels.min() and pixels.max() < pixels_per_frame):
        raise ValueError(f"{path.name} holds pixels outside the frame")
    return LateObjects.from_arrays(arrays)


def run_identity(run: Run) -> dict[str, Any]:
    """Return what must be equal for a run to be the same run.

    Where it is computed is no part of it: what was begun on one device goes on on another.
    """
    recipe = {**run.recipe, "precision": run.config.precision}
    for name in ("device", "threads", "memory_budget_bytes", "least_budget_bytes"):  # they change rounding only
        recipe.pop(name, None)
    for name in ("versions", "seed_diameter_px", "percentiles"):  # said elsewhere, or no setting
        recipe.pop(name, None)
    memory = recipe.pop("memory")
    limited_from = recipe.pop("long_term_limited_from", memory["long_term_max_elements"])
    memory = {**memory, "long_term_max_elements": limited_from}
    seeds = hashlib.sha256()
    for frame in sorted(run.seeds):
        seeds.update(str(frame).encode() + np.ascontiguousarray(run.seeds[frame]).tobytes())
    movie = [len(run.source), *run.source.frame_shape, run.source.n_channels, str(run.source.dtype)]
    facts = {"format": _FORMAT, "movie": movie, "seeds": seeds.hexdigest()[:16], **recipe, **memory}
    identity: dict[str, Any] = json.loads(json.dumps(facts))
    return identity


@contextmanager
def reading_files(folder: Path) -> Iterator[None]:
    """Turn whatever damaged files make of readers into our own errors."""
    with using_files(folder):
        try:
            yield
        except (XMemError, OSError):
            raise
        except MemoryError as error:
            raise ValueError("it claims to hold more than there is room for") from error
        except Exception as error:  # zipfile, zlib, numpy and json have many
            raise ValueError(f"{type(error).__name__}: {error}") from error


@contextmanager
def using_files(folder: Path) -> Iterator[None]:
    """Turn what goes wrong with files into our own errors."""
    try:
        yield
    except (SessionError, OutputError):
        raise
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be used: {error.strerror or error}. Make room or choose another place for the output; "
            "what was kept there stays."
        ) from error
    except (ValueError, KeyError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, XMemError):
            raise
        raise SessionError(
            f"{folder} is damaged or was written by another version ({error}). "
            "Start afresh (--overwrite without --resume)."
        ) from error
