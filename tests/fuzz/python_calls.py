"""Calls of the public functions with values that nobody means: each is answered by a result or an `XMemError`.

Every argument of every public function gets every value of `HOSTILE`, the others what works. By hand, as many as you
like: ``cd tests && python -m fuzz.python_calls [--every 1] [--seed 0] [WORDS ...]``.
"""

from __future__ import annotations

import contextlib
import datetime
import decimal
import inspect
import io
import re
import signal
import sys
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

import napari_xmem as nx
from engine.simple_movies import disc_movie, tiny_network
from fuzz.by_hand import do_by_hand
from napari_xmem.errors import XMemError
from napari_xmem.memory import EVICTIONS, MemoryBank
from napari_xmem.model import save_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Call", "calls", "make_scene", "outcome"]

#: Values that nobody means, by what they stand for.
HOSTILE: dict[str, Any] = {
    "None": None,
    "True": True,
    "-1": -1,
    "2.5": 2.5,
    "10**30": 10**30,
    "nan": float("nan"),
    "inf": float("inf"),
    "1j": 1j,
    "decimal": decimal.Decimal("1.5"),
    "''": "",
    "word": "nothing-of-the-kind",
    "nul": "a\0b",
    "bytes": b"movie.tif",
    "[]": [],
    "{}": {},
    "()": (),
    "{'a': 1}": {"a": 1},
    "{0: None}": {0: None},
    "[None]": [None],
    "['a']": ["a"],
    "nested": [[[[]]]],
    "ragged": [[1, 2], [3]],
    "set": {1, 2},
    "range": range(3),
    "slice": slice(None),
    "object": object(),
    "type": int,
    "lambda": lambda: None,
    "module": np,
    "date": datetime.date(2026, 1, 1),
    "path": Path("nothing.tif"),
    "folder": Path("/"),
    "scalar array": np.array(3),
    "empty array": np.zeros((0, 0)),
    "line": np.arange(5),
    "plane": np.ones((4, 4), np.uint8),
    "stack": np.zeros((4, 48, 64), np.uint16),
    "nan stack": np.full((4, 48, 64), np.nan),
    "five axes": np.zeros((2, 2, 2, 2, 2)),
    "complex array": np.ones((4, 48, 64), complex),
    "text array": np.array([["a"]]),
    "object array": np.array([[None]]),
    "tensor": torch.ones(3),
    "layer": SimpleNamespace(data=np.ones((4, 48, 64)), scale=(1, 1, 1)),
}
_LONGEST_S = 20


@dataclass(frozen=True, slots=True)
class Call:
    """One call.

    Attributes
    ----------
    name : str
        Function, argument and value, as they are named on the command line.
    run : callable
        Makes it.
    """

    name: str
    run: Callable[[], Any]


def make_scene(folder: Path) -> dict[str, tuple[Callable[..., Any], dict[str, Any]]]:
    """Return the functions to call, each with arguments that work; what they write goes into a folder."""
    frames, labels = disc_movie(n_objects=2, n_frames=4, shape=(48, 64))
    network = tiny_network()
    weights = folder / "tiny.safetensors"
    save_model(network, weights)
    seeds = {0: labels[0]}
    np.save(folder / "movie.npy", frames)
    np.save(folder / "labels.npy", labels)
    run = {"frames": frames, "seeds": seeds, "model": network}
    volumes = {"frames": np.stack([frames, frames], 1), "seeds": {0: np.stack([labels[0]] * 2)}, "model": network}
    result = nx.propagate(**run)
    result.save(folder / "result.npz")
    kept = folder / "result.npz"
    nx.write_tracks(folder / "tracks.csv", result)
    session = nx.TrackingSession(frames, seeds, model=network)
    session.run()
    session.save(folder / "saved.xmem")
    saved = folder / "saved.xmem"
    lineage = result.lineage

    def fresh() -> nx.TrackingSession:
        return nx.TrackingSession.load(saved, frames, model=network)

    def method(name: str) -> Callable[..., Any]:
        def call(**arguments: Any) -> Any:
            return getattr(fresh(), name)(**arguments)

        call.__signature__ = _without_self(getattr(nx.TrackingSession, name))  # type: ignore[attr-defined]
        return call

    def written(path: Any, shape: Any, dtype: Any = np.uint16, **more: Any) -> None:
        with nx.LabelWriter(path, shape, dtype, **more):
            raise _Enough

    written.__signature__ = inspect.signature(nx.LabelWriter)  # type: ignore[attr-defined]

    def write(t: Any, labels: Any, z: Any = None) -> None:
        with nx.LabelWriter(folder / "written.npy", (4, 48, 64), overwrite=True) as writer:
            writer.write(t, labels, z)
            raise _Enough

    def step(**arguments: Any) -> Any:
        return nx.Propagator(network).step(**arguments)

    step.__signature__ = _without_self(nx.Propagator.step)  # type: ignore[attr-defined]

    def listed(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(**arguments: Any) -> Any:
            return list(function(**arguments))

        call.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
        return call

    identity = {"frame": frames[0], "labels": labels[0], "memory": saved, "model": network}
    return {
        "propagate": (nx.propagate, run),
        "iter_propagate": (listed(nx.iter_propagate), run),
        "forecast": (nx.forecast, run),
        "propagate_volumes": (nx.propagate_volumes, volumes),
        "iter_volumes": (listed(nx.iter_volumes), volumes),
        "find_similar": (nx.find_similar, {"frame": frames[0], "labels": labels[0], "model": network}),
        "identify": (nx.identify, identity),
        "load_model": (nx.load_model, {"model": weights}),
        "MemoryConfig": (nx.MemoryConfig, {}),
        "MemoryConfig.paper": (nx.MemoryConfig.paper, {"top_k": 5}),
        "MemoryConfig.from_dict": (nx.MemoryConfig.from_dict, {"values": {}}),
        "PropagationConfig": (nx.PropagationConfig, {}),
        "ModelConfig": (nx.ModelConfig, {}),
        "settings_of_recipe": (nx.settings_of_recipe, {"recipe": result.recipe}),
        "evaluate": (nx.evaluate, {"pred": result.labels, "truth": labels}),
        "measure": (nx.measure, {"frames": frames, "labels": result}),
        "open_movie": (nx.open_movie, {"path": folder / "movie.npy"}),
        "open_labels": (nx.open_labels, {"path": folder / "labels.npy"}),
        "read_tracks": (nx.read_tracks, {"path": folder / "tracks.csv"}),
        "write_tracks": (
            nx.write_tracks, {"path": folder / "again.csv", "result": result, "overwrite": True},
        ),
        "LabelWriter": (written, {"path": folder / "labels.tif", "shape": (4, 48, 64), "overwrite": True}),
        "LabelWriter.write": (write, {"t": 0, "labels": labels[0]}),
        "result.frame": (result.frame, {"frame": 1}),
        "result.explain": (result.explain, {"frame": 1, "y": 24, "x": 17}),
        "result.save": (result.save, {"path": folder / "again.npz"}),
        "PropagationResult.load": (nx.PropagationResult.load, {"path": kept}),
        "Lineage.from_labels": (nx.Lineage.from_labels, {"labels": labels}),
        "lineage.descendants": (lineage.descendants, {"object_id": 1}),
        "TrackingSession": (nx.TrackingSession, run),
        "TrackingSession.of_labels": (
            nx.TrackingSession.of_labels,
            {"frames": frames, "labels": labels, "model": network},
        ),
        "TrackingSession.of_result": (
            nx.TrackingSession.of_result,
            {"frames": frames, "result": result, "model": network},
        ),
        "TrackingSession.load": (nx.TrackingSession.load, {"path": saved, "frames": frames, "model": network}),
        "session.save": (session.save, {"path": folder / "again.xmem"}),
        "session.labels": (session.labels, {"frame": 1}),
        "session.correct": (method("correct"), {"corrections": {2: labels[2]}}),
        "session.divide": (method("divide"), {"mother": 1, "frame": 2, "daughters": (2,)}),
        "session.end_object": (method("end_object"), {"object_id": 1, "from_frame": 2}),
        "session.join": (method("join"), {"a": 1, "b": 2}),
        "session.link": (method("link"), {"daughter": 1, "mother": 2}),
        "session.unlink": (method("unlink"), {"daughter": 1}),
        "session.remove": (method("remove"), {"cell": 1}),
        "session.renumber_object": (method("renumber_object"), {"object_id": 1, "new_id": 7, "from_frame": 2}),
        "session.swap": (method("swap"), {"a": 1, "b": 2, "from_frame": 2}),
        "session.lock": (method("lock"), {"frames": [1]}),
        "session.new_ids": (method("new_ids"), {"count": 1}),
        "session.explain": (session.explain, {"frame": 1, "y": 24, "x": 17}),
        "session.wait": (session.wait, {"timeout_s": 0.0}),
        "found.at_least": (_found(labels).at_least, {"min_confidence": 0.5}),
        "found.without": (_found(labels).without, {"object_ids": [1]}),
        "Propagator": (nx.Propagator, {"network": network}),
        "Propagator.step": (
            step,
            {"image": torch.zeros(4, 48, 64), "masks": torch.zeros(1, 48, 64), "object_ids": [1]},
        ),
        "EVICTIONS.register": (_registering, {"name": "own", "build": lambda config: EVICTIONS.build(config)}),
        "MemoryBank.load": (MemoryBank.load, {"path": saved}),
    }  # fmt: skip


class _Enough(Exception):
    """Ends a writer without a file."""


def _found(labels: np.ndarray) -> nx.FoundObjects:
    return nx.FoundObjects(labels[0], (1, 2), np.array([0.9, 0.4], np.float32))


def _registering(name: Any, build: Any) -> None:
    known = dict(EVICTIONS._builders)
    try:
        EVICTIONS.register(name, build)
    finally:
        EVICTIONS._builders.clear()
        EVICTIONS._builders.update(known)


def _without_self(function: Callable[..., Any]) -> inspect.Signature:
    signature = inspect.signature(function)
    return signature.replace(parameters=[p for n, p in signature.parameters.items() if n != "self"])


def calls(folder: Path) -> Iterator[Call]:
    """Return every call there is."""
    for name, (function, works) in make_scene(folder).items():
        try:
            known = list(inspect.signature(function).parameters.values())
        except (TypeError, ValueError):
            known = []
        named = [p.name for p in known if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)]
        for argument in dict.fromkeys([*works, *named]):
            for said, value in HOSTILE.items():
                arguments = {**works, argument: value}
                yield Call(f"{name}({argument}={said})", lambda f=function, a=arguments: f(**a))  # type: ignore[misc]


def outcome(call: Call) -> str:
    """Make a call and return "result", "refused" or what went wrong."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            with _hurry(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                call.run()
        except _Enough:
            return "result"
        except XMemError as error:
            return _clear(str(error))
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            return f"{type(error).__name__}: {str(error)[:150]} ({Path(last.filename).name}:{last.lineno})"
    return "result"


#: Words of Python's own errors, which say nothing to who reads them.
_RAW = re.compile(r"has no attribute|not subscriptable|not iterable|positional argument|unsupported operand|NoneType'")


def _clear(message: str) -> str:
    if not message.strip():
        return "an empty message"
    if _RAW.search(message):
        return f"Python's own words: {message[:200]}"
    if len(message) > 900:
        return f"{len(message)} characters: {message[:200]}"
    return "refused"


@contextlib.contextmanager
def _hurry() -> Iterator[None]:
    def late(*_: object) -> None:
        raise TimeoutError(f"not done after {_LONGEST_S} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(_LONGEST_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def main() -> int:
    """Print what went wrong; 1 if anything did."""
    cases = lambda folder: ((call.name, call) for call in calls(folder))  # noqa: E731
    return do_by_hand("python -m fuzz.python_calls", __doc__, cases, outcome, ("result", "refused"))


if __name__ == "__main__":
    sys.exit(main())
