"""Results wait until divisions on their frames are decided, and are mended where one was."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from napari_xmem.engine.division.policies import EARLY_LOOKS
from napari_xmem.engine.division.trial import Decision
from napari_xmem.engine.results import FrameResult
from napari_xmem.engine.scopes.region_masks import compose_labels
from napari_xmem.imaging.acquisition import Finding
from napari_xmem.tracking import Event, EventKind
from napari_xmem.words import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_xmem.engine.scopes.region_masks import RegionMask

__all__ = ["DelayedResults", "pack_happenings", "unpack_happenings"]


class Happening(Protocol):
    """Something else that was decided late."""

    def written_into(self, result: FrameResult, scale: float) -> FrameResult:
        """Return a result as it is with it."""


class DelayedResults:
    """Finished frames in order, of which the last may still change."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[FrameResult, bool]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def frames(self) -> tuple[int, ...]:
        """Frames that wait, in the order they were done."""
        return tuple(result.frame for result, _ in self._waiting)

    @property
    def n_reported(self) -> int:
        """How many of them will be yielded."""
        return sum(reported for _, reported in self._waiting)

    @property
    def last_unpainted(self) -> int | None:
        """The last frame that waits; None if there is none, or somebody has painted on it."""
        return self._waiting[-1][0].frame if self._waiting and not self._waiting[-1][0].seeded else None

    def put(self, result: FrameResult, *, reported: bool = True) -> None:
        """Take in a frame; `reported`: it will be yielded."""
        self._waiting.append((result, reported))

    def apply(self, decision: Decision | Happening, scale: float) -> None:
        """Write a division, or what else happened, into the frames since it happened.

        Births belong to the daughters' first frame. If that is not to be yielded again, as where a pass goes back from
        a frame that the pass before has yielded, the frame next to it tells.

        Parameters
        ----------
        decision : Decision or Happening
            The division, or whatever writes itself.
        scale : float
            Pixels of the scaled frame per pixel of the movie.
        """
        if not isinstance(decision, Decision):
            done = [(decision.written_into(result, scale), reported) for result, reported in self._waiting]
            self._waiting = deque(done)
            return
        trial = decision.trial
        born = tuple((i, trial.mother) for i in trial.daughters if i != trial.mother)
        ended = () if trial.buds else ((trial.mother, "divided" if len(born) > 1 else "continued"),)
        told = next((r.frame for r, reported in self._waiting if reported and r.frame == trial.born), trial.frame)
        for position, (result, reported) in enumerate(self._waiting):
            masks = trial.masks.get(result.frame)
            gone = trial.standing
            if masks is not None and set(gone) <= set(result.object_ids):
                result = _replaced(result, gone, masks, scale)
            if result.frame == told:
                result = replace(
                    result,
                    births=(*(birth for birth in result.births if birth[0] not in dict(born)), *born),
                    ends=(*result.ends, *ended),
                    events=(*result.events, _event(decision)),
                )
            self._waiting[position] = (result, reported)

    def release(self, pending: int) -> list[tuple[FrameResult, bool]]:
        """Return all but the last `pending` frames, which change no more, and whether to yield them."""
        return [self._waiting.popleft() for _ in range(len(self._waiting) - pending)]

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs: plain values and tensors."""
        return {"results": [_packed(result) | {"reported": reported} for result, reported in self._waiting]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken; states of memory are not kept."""
        self._waiting = deque((_unpacked(result), bool(result["reported"])) for result in state["results"])


def _event(decision: Decision) -> Event:
    trial = decision.trial
    objects = (trial.mother, *(i for i in trial.daughters if i != trial.mother))
    detail = "painted" if trial.painted or trial.kept or not trial.looks else ""
    if not detail and len(trial.looks) < EARLY_LOOKS:
        detail = f"seen on {counted(len(trial.looks), 'frame')} only, where the movie ends"
    return Event(EventKind.DIVISION, trial.born, objects, decision.odds, detail=detail, decided=decision.frame)


def _replaced(result: FrameResult, gone: Sequence[int], masks: Sequence[RegionMask], scale: float) -> FrameResult:
    """Let objects stand in the place of those that are gone; other objects keep their pixels."""
    shape = (result.labels.shape[0], result.labels.shape[1])
    found = compose_labels(masks, shape, scale)
    free = (result.labels == 0) | np.isin(result.labels, gone)
    labels = np.where(free, found.labels.astype(result.labels.dtype), result.labels)
    others = [row for row, i in enumerate(result.object_ids) if i not in gone]
    new = tuple(mask.object_id for mask in masks)
    area = np.array([np.count_nonzero(labels == i) for i in new], np.int64)
    return replace(
        result,
        labels=labels,
        object_ids=(*(result.object_ids[row] for row in others), *new),
        area_px=np.concatenate([result.area_px[others], area]),
        confidence=np.concatenate([result.confidence[others], found.confidence * (area > 0)]),
    )


def pack_happenings(result: FrameResult) -> dict[str, Any]:
    """Return births, ends and events of a frame as plain values that JSON can hold."""
    return {
        "births": [[i, mother] for i, mother in result.births],
        "ends": [[i, why] for i, why in result.ends],
        "events": [_plain(event) for event in result.events],
        "findings": [list(one) for one in result.findings],
    }


def unpack_happenings(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of `FrameResult` that `pack_happenings` described."""
    return {
        "births": tuple((int(i), None if mother is None else int(mother)) for i, mother in state["births"]),
        "ends": tuple((int(i), str(why)) for i, why in state["ends"]),
        "events": tuple(_event_from(event) for event in state["events"]),
        "findings": tuple(Finding.from_plain(one) for one in state.get("findings", ())),
    }


def _packed(result: FrameResult) -> dict[str, Any]:
    return {
        "frame": result.frame,
        "labels": torch.from_numpy(result.labels.astype(np.int64)),
        "dtype": result.labels.dtype.str,
        "object_ids": list(result.object_ids),
        "area_px": torch.from_numpy(result.area_px),
        "confidence": torch.from_numpy(result.confidence),
        "seeded": result.seeded,
        "seconds": result.seconds,
    } | pack_happenings(result)


def _unpacked(state: Mapping[str, Any]) -> FrameResult:
    return FrameResult(
        int(state["frame"]),
        state["labels"].numpy().astype(np.dtype(state["dtype"])),
        tuple(int(i) for i in state["object_ids"]),
        state["area_px"].numpy(),
        state["confidence"].numpy(),
        bool(state["seeded"]),
        None,
        float(state["seconds"]),
        **unpack_happenings(state),
    )


def _plain(event: Event) -> dict[str, Any]:
    alternative = None if event.alternative is None else str(event.alternative)
    return asdict(event) | {"kind": str(event.kind), "objects": list(event.objects), "alternative": alternative}


def _event_from(state: Mapping[str, Any]) -> Event:
    alternative = None if state["alternative"] is None else EventKind(state["alternative"])
    known = {"kind": EventKind(state["kind"]), "objects": tuple(state["objects"]), "alternative": alternative}
    return Event(**{**state, **known})
