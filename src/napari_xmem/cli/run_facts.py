"""What a run can say about itself in numbers: for ``--json`` and for the reports of batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import napari_xmem
from napari_xmem.cli.terminal.json_file import write_json
from napari_xmem.cli.terminal.process_memory import peak_device_memory_bytes, peak_memory_bytes

if TYPE_CHECKING:
    import argparse

    from napari_xmem.engine import FrameResult

__all__ = ["RunTally", "run_facts", "tell"]


class RunTally:
    """Counts objects, divisions and confidence while results come, frame by frame or plane by plane.

    Attributes
    ----------
    objects : set of int
        Objects that were found on some frame.
    """

    def __init__(self) -> None:
        self.objects: set[int] = set()
        self._confidence, self._n_found = 0.0, 0
        self._divided: dict[int, dict[int, set[int]]] = {}

    def add(self, result: FrameResult, plane: int = 0) -> None:
        """Take in a result."""
        for object_id, area, confidence in zip(result.object_ids, result.area_px, result.confidence, strict=True):
            if area:
                self.objects.add(object_id)
                self._confidence += float(confidence)
                self._n_found += 1
        for _, mother in result.births:
            if mother is not None:
                self._divided.setdefault(mother, {}).setdefault(plane, set()).add(result.frame)

    @property
    def n_divisions(self) -> int:
        """Divisions; one that several planes show is one."""
        return sum(max(map(len, planes.values())) for planes in self._divided.values())

    @property
    def mean_confidence(self) -> float | None:
        """Mean over objects and frames, where the object was found."""
        return round(self._confidence / self._n_found, 4) if self._n_found else None


def run_facts(tally: RunTally, seconds: float, model: str, fingerprint: str) -> dict[str, Any]:
    """Return what all runs say about themselves.

    Parameters
    ----------
    tally : RunTally
        What was counted.
    seconds : float
        How long it took.
    model, fingerprint : str
        Name of the network, and what its weights are known by.
    """
    return {
        "n_objects": len(tally.objects),
        "n_divisions": tally.n_divisions,
        "mean_confidence": tally.mean_confidence,
        "seconds": round(seconds, 3),
        "peak_memory_bytes": peak_memory_bytes(),
        "peak_device_memory_bytes": peak_device_memory_bytes(),
        "version": napari_xmem.__version__,
        "model": model,
        "weights": fingerprint,
    }


def tell(args: argparse.Namespace, facts: dict[str, Any]) -> None:
    """Write the record of a run that belongs to a batch, and hand it to whoever began the run.

    Parameters
    ----------
    args : Namespace
        ``record``, a file or None, and ``told``, a list that gets the facts, where there are such.
    facts : dict
        What was done, see ``--json``.
    """
    write_json(getattr(args, "record", None), facts)
    told = getattr(args, "told", None)
    if told is not None:
        told.append(facts)
