"""A follower on disk: all memories, and all that is needed to go on exactly where it was.

One zip file holds ``run.json``, one safetensors file per memory bank, and ``state.safetensors`` with sensory memory.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from napari_xmem.engine.scopes.follow import Follower, GlobalFollower, LocalFollower
from napari_xmem.engine.scopes.object_state import TrackedObject
from napari_xmem.errors import MemoryBankError, OutputError
from napari_xmem.files import whole_file
from napari_xmem.memory import MemoryBank

if TYPE_CHECKING:
    import os
    from collections.abc import Collection

    from torch import Tensor

__all__ = ["FORMAT", "StoredMemory", "load_memory", "save_memory"]

#: Name and version of the format.
FORMAT = "napari-xmem run memory 1"
_PLACE = ("centre_px", "extent_px", "area_px", "velocity_px", "lost_frames", "cut", "surprises_px")


@dataclass(frozen=True, slots=True, eq=False)
class StoredMemory:
    """What `load_memory` read.

    Attributes
    ----------
    scope : {"global", "local"}
        Of the run it comes from.
    fingerprint : str
        Of the model whose keys and values these are.
    banks : tuple of MemoryBank
        One for all objects, or one for each.
    facts : dict
        Time, places and shapes.
    tensors : dict
        Sensory memory, the frame before, and whose pixels were whose on it.
    """

    scope: str
    fingerprint: str
    banks: tuple[MemoryBank, ...]
    facts: dict[str, Any]
    tensors: dict[str, Tensor]

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Objects held."""
        return tuple(i for bank in self.banks for i in bank.object_ids)

    def check(self, fingerprint: str, scope: str) -> None:
        """Raise `MemoryBankError` unless it fits a model and a scope."""
        if self.fingerprint != fingerprint:
            raise MemoryBankError(
                f"This memory was made with another model (fingerprint {self.fingerprint!r}, the model chosen has "
                f"{fingerprint!r}). Choose the model it was made with."
            )
        if self.scope != scope:
            raise MemoryBankError(
                f"This memory was made with scope {self.scope!r}, this run has {scope!r}. Choose scope {self.scope!r}."
            )

    def start(self, follower: Follower, object_ids: Collection[int]) -> None:
        """Let a new follower begin another movie with this memory, of the objects that are seeded there."""
        banks = [_copy(bank) for bank in self.banks]
        if isinstance(follower, GlobalFollower):
            follower.scope.bank = banks[0]
            follower.scope.object_ids = banks[0].object_ids
        elif isinstance(follower, LocalFollower):
            for bank in banks:
                for i in set(bank.object_ids) & set(object_ids):
                    follower.scope.objects[i] = TrackedObject(i, bank, (0.0, 0.0), (0.0, 0.0), 0.0)

    def restore(self, follower: Follower) -> None:
        """Let a new follower go on where the stored one was: the same numbers follow."""
        banks = [_copy(bank) for bank in self.banks]
        facts, tensors = self.facts, self.tensors
        hidden = {int(name.removeprefix("hidden.")): t for name, t in tensors.items() if name.startswith("hidden.")}
        if isinstance(follower, GlobalFollower):
            scope = follower.scope
            scope.bank, scope.object_ids = banks[0], tuple(facts["object_ids"])
            for i, state in hidden.items():
                scope.sensory.set([i], state[None].to(scope.network.device))
            padded = facts["padded_shape"]
            scope._padded_shape = None if padded is None else (padded[0], padded[1])
        elif isinstance(follower, LocalFollower):
            device = follower.scope.network.device
            for bank, place in zip(banks, facts["places"], strict=True):
                found = hidden.get(place["object_id"])
                sensory = None if found is None else found.to(device)
                known = {name: _tupled(place[name]) for name in _PLACE if name in place}
                follower.scope.objects[place["object_id"]] = TrackedObject(
                    place["object_id"], bank, **known, hidden=sensory
                )
            follower._before, follower._focus = (
                tensors[name].numpy() if name in tensors else None for name in ("before", "focus")
            )
            follower.scope.ownership._owner = tensors["owner"].to(device) if "owner" in tensors else None
        schedule = follower.scope.schedule  # type: ignore[attr-defined]
        schedule.time, schedule._last_memory, schedule._last_deep = facts["schedule"]


def save_memory(follower: Follower, path: str | os.PathLike[str], *, fingerprint: str) -> None:
    """Write a follower; whole or not at all.

    Parameters
    ----------
    follower : Follower
        Between two frames.
    path : path-like
        File to write; replaced if it exists.
    fingerprint : str
        Of the model.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    facts, tensors = _describe(follower)
    facts |= {"format": FORMAT, "fingerprint": fingerprint, "banks": len(follower.banks)}
    try:
        with (
            # Beside the file: what a process leaves that is killed here goes away with the rest of its work.
            tempfile.TemporaryDirectory(prefix="memory-", dir=Path(path).parent) as folder,
            whole_file(path) as partial,
            zipfile.ZipFile(partial, "w") as archive,
        ):
            archive.writestr("run.json", json.dumps(facts))
            archive.writestr("state.safetensors", save_tensors(tensors))
            for number, bank in enumerate(follower.banks):
                file = Path(folder) / "bank"
                bank.save(file, fingerprint=fingerprint)
                archive.write(file, f"bank-{number}.safetensors")
    except (OSError, SafetensorError) as error:
        raise OutputError(f"Memory cannot be written to {path}: {error}. Choose another place.") from error


def load_memory(path: str | os.PathLike[str], device: torch.device | str = "cpu") -> StoredMemory:
    """Read what `save_memory` wrote.

    Raises
    ------
    MemoryBankError
        If the file is missing, damaged, or no memory of a run.
    """
    try:
        with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path) as archive:
            facts = json.loads(archive.read("run.json"))
            if facts.get("format") != FORMAT:
                raise MemoryBankError(f"{path} holds {facts.get('format')!r}, expected {FORMAT!r}.")
            tensors = load_tensors(archive.read("state.safetensors"))
            banks = []
            for number in range(facts["banks"]):
                file = Path(folder) / f"{number}"
                file.write_bytes(archive.read(f"bank-{number}.safetensors"))
                banks.append(MemoryBank.load(file, device=device))
    except (OSError, zipfile.BadZipFile, SafetensorError) as error:
        raise MemoryBankError(f"{path} cannot be read as memory: {error}. Choose a file saved as memory.") from error
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, MemoryBankError):
            raise
        raise MemoryBankError(f"{path} is damaged or was written by another version: {error!r}.") from error
    return StoredMemory(facts["scope"], facts["fingerprint"], tuple(banks), facts, tensors)


def _describe(follower: Follower) -> tuple[dict[str, Any], dict[str, Tensor]]:
    if not isinstance(follower, (GlobalFollower, LocalFollower)):
        raise TypeError(f"Cannot save a {type(follower).__name__}.")
    scope = follower.scope
    schedule = scope.schedule
    facts: dict[str, Any] = {"schedule": [schedule.time, schedule._last_memory, schedule._last_deep]}
    facts["object_ids"] = list(scope.object_ids)
    if isinstance(follower, GlobalFollower):
        facts |= {"scope": "global", "padded_shape": follower.scope._padded_shape}
        ids = follower.scope.sensory.object_ids
        hidden = {i: follower.scope.sensory.get([i])[0] for i in ids}
    else:
        objects = follower.scope.objects.values()
        facts |= {"scope": "local"}
        facts["places"] = [{"object_id": o.object_id} | {name: getattr(o, name) for name in _PLACE} for o in objects]
        hidden = {o.object_id: o.hidden for o in objects if o.hidden is not None}
    tensors = {f"hidden.{i}": state.detach().cpu().clone().contiguous() for i, state in hidden.items()}
    if isinstance(follower, LocalFollower):
        for name, array in (("before", follower._before), ("focus", follower._focus)):
            if array is not None:
                tensors[name] = torch.from_numpy(np.ascontiguousarray(array))
        if follower.scope.ownership._owner is not None:
            tensors["owner"] = follower.scope.ownership._owner.cpu().contiguous()
    return facts, tensors


def _copy(bank: MemoryBank) -> MemoryBank:
    """Return an independent bank, so that one stored memory can start several runs."""
    return bank.fork()


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
