"""A result as one file: arrays, and all else as JSON; nothing in it can run code."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.errors import InputError, OutputError
from napari_xmem.files import atomic_write
from napari_xmem.imaging.acquisition import Acquisition
from napari_xmem.tracking import Event, EventKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

__all__ = ["read_result", "write_result"]

_FORMAT = "napari-xmem result 1"
_ARRAYS = ("labels", "frames", "object_ids", "confidence", "area_px")


def write_result(
    path: str | os.PathLike[str],
    arrays: Mapping[str, NDArray[Any]],
    about: Mapping[str, Any],
    events: Iterable[Event],
) -> None:
    """Write labels and scores, what is said about them, and events.

    Raises
    ------
    OutputError
        If the file cannot be written or does not end in .npz.
    """
    file = Path(path)
    if file.suffix.lower() != ".npz":
        raise OutputError(f"{file}: a result is saved as .npz; labels alone are written by LabelWriter.")
    text = json.dumps({"format": _FORMAT, **about, "events": [_plain(event) for event in events]})
    try:
        with atomic_write(file) as part, part.open("wb") as target:
            kept: dict[str, Any] = {name: arrays[name] for name in _ARRAYS}
            np.savez_compressed(target, about=np.array(text), **kept)
    except OSError as error:
        raise OutputError(f"{file} cannot be written: {error.strerror or error}.") from error


def read_result(path: str | os.PathLike[str]) -> tuple[dict[str, NDArray[Any]], dict[str, Any], list[Event]]:
    """Read what `write_result` wrote.

    Raises
    ------
    InputError
        If the file is missing, damaged or something else.
    """
    name = os.fspath(path)
    try:
        os.stat(path)  # raises what is missing
        if not zipfile.is_zipfile(path):
            raise ValueError("it is no .npz file")
        with np.load(path, allow_pickle=False) as archive:
            about = json.loads(str(archive["about"]))
            arrays = {key: archive[key] for key in _ARRAYS}
        scored = (len(arrays["frames"]), len(arrays["object_ids"]))
        fits = arrays["confidence"].shape == arrays["area_px"].shape == scored and arrays["labels"].ndim == 3
        if about["format"] != _FORMAT or not fits or not isinstance(about["recipe"], dict):
            raise ValueError("its parts do not fit")
        about["acquisition"] = Acquisition.from_plain(about.get("acquisition", ()))
        return arrays, about, [_event(event) for event in about["events"]]
    except FileNotFoundError as error:
        raise InputError(f"{name} does not exist.") from error
    except (OSError, KeyError, TypeError, ValueError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{name} is no result that PropagationResult.save wrote ({error}).") from error


def _plain(event: Event) -> dict[str, Any]:
    values = {name: getattr(event, name) for name in Event.__dataclass_fields__}
    return {key: value.value if isinstance(value, EventKind) else value for key, value in values.items()}


def _event(values: Mapping[str, Any]) -> Event:
    made: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    other = None if made["alternative"] is None else EventKind(made["alternative"])
    return Event(**{**made, "kind": EventKind(made["kind"]), "alternative": other})
