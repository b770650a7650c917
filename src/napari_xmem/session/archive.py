"""A session in one file: labels, scores, annotations, settings and memory, to be gone on with another day.

A zip file: ``session.json`` with settings and facts, one npz file per frame with a result (``results/``) and per
annotated frame (``annotations/``, ``seeds/``), and memory as `napari_xmem.engine.state_file` writes it
(``memory.xmem``, ``start.xmem``). Nothing in it is code; arrays are read without pickle and of the movie's size only.
"""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
import zipfile
import zlib
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.config import MemoryConfig, PropagationConfig
from napari_xmem.config.settings import build
from napari_xmem.engine import FrameResult, prepare_run
from napari_xmem.engine.run_passes import open_scope
from napari_xmem.engine.state_file import load_memory, save_memory, save_stored
from napari_xmem.errors import ConfigError, OutputError, SessionError
from napari_xmem.files import atomic_write
from napari_xmem.imaging.acquisition import Finding
from napari_xmem.memory import MemorySnapshot
from napari_xmem.session.annotations import Annotations
from napari_xmem.session.packed_labels import PackedLabels
from napari_xmem.session.results import FrameRecord
from napari_xmem.tracking import Event, EventKind

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from napari_xmem.imaging import FrameSource
    from napari_xmem.model import XMem
    from napari_xmem.session.context import SessionContext

__all__ = ["FORMAT", "SessionArchive", "write_session"]

#: Name and version of the format.
FORMAT = "napari-xmem session 1"
#: What a member of the file may take beyond a label image, in bytes.
_MARGIN_BYTES = 4_000_000
#: Of a frame's result, what is kept as arrays or by itself.
_NOT_PLAIN = {"frame", "labels", "memory", "object_ids", "area_px", "confidence"}


def write_session(context: SessionContext, path: str | os.PathLike[str]) -> None:
    """Write a session; whole or not at all. Call it with the turn held.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    said, run = context.annotations, context.run
    facts = {
        "format": FORMAT,
        "movie": describe_movie(context.source),
        "movie_path": context.movie_path,
        "model": str(context.model) if isinstance(context.model, (str, Path)) else None,
        "fingerprint": None if run is None else run.network.fingerprint,
        "config": _plain(context.config),
        "run_config": None if run is None else _plain(run.config),
        "detail": None if run is None else run.prepare.geometry.detail,
        "memory_config": context.memory_config.to_dict(),
        "corrected": sorted(said.corrected),
        "locked": sorted(said.locked),
        "forgotten": sorted(said.forgotten),
        "absent": {str(i): spans for i, spans in said.absent.items()},
        "mothers": {str(i): mother for i, mother in said.mothers.items()},
        "removed": sorted(said.removed),
        "settled": sorted([t, kind, list(objects)] for t, kind, objects in said.settled),
        "largest_id": context.largest_id,
    }
    seeds = {} if run is None else {t: PackedLabels.pack(image) for t, image in run.seeds.items()}
    try:
        with atomic_write(path) as partial, zipfile.ZipFile(partial, "w") as file:
            file.writestr("session.json", json.dumps(facts, indent=1), zipfile.ZIP_DEFLATED)
            for frame in context.results.frames:
                record = context.results.get(frame)
                if record is not None:
                    file.writestr(f"results/{frame:06d}.npz", _pack_record(record))
            for folder, images in (("annotations", said.labels), ("seeds", seeds)):
                for frame, packed in images.items():
                    file.writestr(f"{folder}/{frame:06d}.npz", _npz(labels=packed.unpack()))
            if context.follower is not None and run is not None:
                scope, fingerprint = context.follower, run.network.fingerprint
                _add(file, "memory.xmem", lambda to: save_memory(scope, to, fingerprint=fingerprint))
            if context.start_memory is not None:
                stored = context.start_memory
                _add(file, "start.xmem", lambda to: save_stored(stored, to))
    except OSError as error:
        raise OutputError(f"The session cannot be written to {path}: {error}. Choose another place.") from error


def describe_movie(source: FrameSource) -> dict[str, Any]:
    """Return what tells a movie from another: size, type, and a checksum of three frames."""
    digest = hashlib.sha256()
    for t in sorted({0, len(source) // 2, len(source) - 1}):
        digest.update(np.ascontiguousarray(source.read(t)).tobytes())
    return {
        "shape": [len(source), *source.frame_shape, source.n_channels],
        "dtype": str(source.dtype),
        "sha256": digest.hexdigest(),
    }


class SessionArchive:
    """A session's file, opened and checked.

    Parameters
    ----------
    path : path-like
        Written by `write_session`.

    Raises
    ------
    SessionError
        If it is missing, damaged, or something else.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = path
        self.facts: dict[str, Any] = self._reading(self._read_facts)
        self.config: PropagationConfig = self._reading(lambda: _config(self.facts["config"]))
        self.movie_path: str | None = self.facts.get("movie_path")
        self.model: str | None = self.facts.get("model")

    def movie_and_model(self, movie: Any, model: str | Path | XMem | None) -> tuple[Any, str | Path | XMem]:
        """Return what is to be opened: what was given, else what the file names.

        Raises
        ------
        SessionError
            If neither says it.
        """
        movie = self.movie_path if movie is None else movie
        model = self.model if model is None else model
        if movie is None:
            raise SessionError(f"{self.path} does not say where its movie is; give it: frames=.")
        if model is None:
            raise SessionError(f"{self.path} was saved with a network that has no name; give it: model=.")
        return movie, model

    def fill(self, context: SessionContext) -> None:
        """Put everything into a new session's context.

        Raises
        ------
        SessionError
            If the movie is another one, or the file is damaged.
        CheckpointError, DeviceError, MemoryBankError
            If the model cannot be loaded, or memory does not fit it.
        """
        if describe_movie(context.source) != self.facts["movie"]:
            raise SessionError(
                f"{self.path} belongs to another movie: that one is of {_size(self.facts['movie'])}, this one of "
                f"{_size(describe_movie(context.source))}, or its pixels differ. Open it with its own movie."
            )
        self._reading(lambda: self._fill(context))

    def _read_facts(self) -> dict[str, Any]:
        with zipfile.ZipFile(self.path) as file:
            facts = json.loads(file.read("session.json"))
        if not isinstance(facts, dict) or facts.get("format") != FORMAT:
            raise SessionError(f"{self.path} is no session of this version; expected {FORMAT!r}.")
        return facts

    def _fill(self, context: SessionContext) -> None:
        facts, shape = self.facts, context.source.frame_shape
        n_frames, memory = len(context.source), MemoryConfig.from_dict(facts["memory_config"])
        with zipfile.ZipFile(self.path) as file, tempfile.TemporaryDirectory() as folder:

            def images(name: str) -> dict[int, Mapping[str, NDArray[Any]]]:
                found: dict[int, Mapping[str, NDArray[Any]]] = {}
                for member in file.namelist():
                    if member.startswith(f"{name}/"):
                        frame = int(Path(member).stem)
                        if not 0 <= frame < n_frames:
                            raise ValueError(f"frame {frame} of {n_frames}")
                        found[frame] = _arrays(file, member, shape)
                return found

            painted = {t: PackedLabels.pack(arrays["labels"]) for t, arrays in images("annotations").items()}
            seeds = {t: arrays["labels"].astype(np.int64) for t, arrays in images("seeds").items()}
            records = {t: _unpack_record(t, arrays) for t, arrays in images("results").items()}
            if facts["run_config"] is not None:
                config = _config(facts["run_config"])
                detailed = (facts.get("detail") or 1.0) > 1.0  # older sessions do not say it, and had none
                context.run = prepare_run(
                    context.source, seeds, context.model, config, announce=False, detailed=detailed
                )
                if context.run.network.fingerprint != facts["fingerprint"]:
                    raise SessionError(
                        f"{self.path} was saved with another model (fingerprint {facts['fingerprint']!r}, this one has "
                        f"{context.run.network.fingerprint!r}). Open it with that model: model=."
                    )
                if "start.xmem" in file.namelist():
                    context.start_memory = load_memory(file.extract("start.xmem", folder))
                if "memory.xmem" in file.namelist():
                    stored = load_memory(file.extract("memory.xmem", folder))
                    stored.check(context.run.network.fingerprint, context.run.scope)
                    context.follower = open_scope(replace(context.run, begin=None))
                    stored.restore(context.follower)
        absent = {int(i): tuple((int(a), int(b)) for a, b in spans) for i, spans in facts["absent"].items()}
        mothers = {int(i): int(mother) for i, mother in facts.get("mothers", {}).items()}
        corrected, locked, forgotten = (
            frozenset(int(t) for t in facts[name]) for name in ("corrected", "locked", "forgotten")
        )
        removed = frozenset(int(i) for i in facts.get("removed", ()))
        settled = frozenset(
            (int(t), str(kind), tuple(int(i) for i in objects)) for t, kind, objects in facts.get("settled", ())
        )
        context.memory_config = memory
        context.annotate(Annotations(painted, corrected, locked, forgotten, absent, mothers, removed, settled))
        context.results.reserve_ids(int(facts.get("largest_id", 0)))
        for frame, record in records.items():
            context.results.put(frame, record)

    def _reading(self, read: Callable[[], Any]) -> Any:
        """Turn what goes wrong with a damaged file into one sentence."""
        try:
            return read()
        except OSError as error:
            raise SessionError(f"{self.path} cannot be read: {error}. Choose a file that a session wrote.") from error
        except (zipfile.BadZipFile, zlib.error, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            if isinstance(error, ConfigError):
                raise
            raise SessionError(
                f"{self.path} is damaged, or no session of this version ({type(error).__name__}: {error})."
            ) from error
        except (RuntimeError, NotImplementedError, RecursionError, EOFError, zipfile.LargeZipFile) as error:
            raise SessionError(f"{self.path} is damaged ({error}).") from error


def _plain(config: PropagationConfig) -> dict[str, Any]:
    return asdict(config)


def _config(values: Mapping[str, Any]) -> PropagationConfig:
    plain = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    return build(PropagationConfig, {**plain, "memory": MemoryConfig.from_dict(values["memory"])})


def _size(movie: Mapping[str, Any]) -> str:
    return " x ".join(map(str, movie["shape"])) + f" ({movie['dtype']})"


def _npz(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _arrays(file: zipfile.ZipFile, member: str, shape: tuple[int, int]) -> dict[str, NDArray[Any]]:
    """Read the arrays of a frame, none larger than the movie's frames allow."""
    limit = 4 * shape[0] * shape[1] + _MARGIN_BYTES
    if file.getinfo(member).file_size > limit:
        raise ValueError(f"{member} is larger than a frame")
    with zipfile.ZipFile(io.BytesIO(file.read(member))) as inner:
        if any(item.file_size > limit for item in inner.infolist()):
            raise ValueError(f"{member} is larger than a frame")
        with np.load(io.BytesIO(file.read(member)), allow_pickle=False) as held:
            arrays = {name: held[name] for name in held.files}
    labels = arrays["labels"]
    if labels.shape != shape or labels.dtype.kind not in "ui":
        raise ValueError(f"{member} holds labels {labels.shape} of {labels.dtype}")
    return arrays


def _pack_record(record: FrameRecord) -> bytes:
    scores = record.scores
    plain = {f.name: getattr(scores, f.name) for f in fields(scores) if f.name not in _NOT_PLAIN}
    memory = None if scores.memory is None else scores.memory.to_dict()
    return _npz(
        labels=record.packed.unpack(),
        object_ids=np.array(scores.object_ids, np.int64),
        area_px=scores.area_px,
        confidence=scores.confidence,
        more=np.array(json.dumps({"plain": plain, "memory": memory}, default=asdict)),
    )


def _unpack_record(frame: int, arrays: Mapping[str, NDArray[Any]]) -> FrameRecord:
    more = json.loads(str(arrays["more"]))
    ids = tuple(int(i) for i in arrays["object_ids"])
    sizes = {len(ids), *arrays["area_px"].shape, *arrays["confidence"].shape}
    if len(sizes) != 1:
        raise ValueError(f"scores of frame {frame} do not fit each other")
    memory = None if more["memory"] is None else MemorySnapshot.from_dict(more["memory"])
    known = {f.name for f in fields(FrameResult)}
    plain = {name: _happenings(name, value) for name, value in more["plain"].items() if name in known}
    area, confidence = arrays["area_px"].astype(np.int64), arrays["confidence"].astype(np.float32)
    return FrameRecord.of(FrameResult(frame, arrays["labels"], ids, area, confidence, memory=memory, **plain))


def _happenings(name: str, value: Any) -> Any:
    """Return births, ends and events of a frame as they were, and other values as they are."""
    if name == "findings":
        return tuple(Finding.from_plain(one) for one in value)
    if name == "events":
        return tuple(
            Event(**{**event, "kind": EventKind(event["kind"]), "objects": tuple(event["objects"])}) for event in value
        )
    return tuple(tuple(item) for item in value) if isinstance(value, list) else value


def _add(file: zipfile.ZipFile, name: str, write: Callable[[Path], None]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / name
        write(target)
        file.write(target, name)
