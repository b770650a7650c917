"""The same individuals in another recording: whose memory fits which label."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from napari_xmem.config import MemoryConfig, PropagationConfig
from napari_xmem.config.arguments import checked_arguments, checked_methods
from napari_xmem.engine.identity.likeness import ALL_TURNS, Likeness
from napari_xmem.engine.identity.portraits import Past, Scene
from napari_xmem.engine.identity.returns import probability
from napari_xmem.engine.prepare import SPARE_IDS, prepare_run
from napari_xmem.engine.scopes.regions import Region
from napari_xmem.engine.scopes.seed_masks import seed_regions
from napari_xmem.engine.state_file import StoredMemory, load_memory
from napari_xmem.errors import InputError, MemoryBankError, SeedError
from napari_xmem.imaging import MAX_ID, label_dtype, object_ids

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_xmem.engine.identity.portraits import Portrait
    from napari_xmem.engine.run import Run
    from napari_xmem.engine.scopes.preprocess import FrameGeometry
    from napari_xmem.model import XMem

__all__ = ["Identification", "identify", "with_known"]

#: Log odds, before anything is seen, that a label is an object of the memory rather than a stranger.
_KNOWN = 1.0
#: From so many labels on it is believed that all of them are brighter or darker than in the memory.
_MANY = 3
#: Log odds of what is ruled out.
_NEVER = -1e6
#: Frames of a run that vote on its labels.
_VOTES = 5


@checked_methods
@dataclass(frozen=True, slots=True)
class Identification:
    """Who the labels of a frame are.

    Attributes
    ----------
    assignment : dict of int to (int or None)
        Label to the id of the memory's object that it is, each at most once; None for a stranger.
    confidence : dict of int to float
        Label to the probability, 0 to 1, that this is right.
    """

    assignment: dict[int, int | None]
    confidence: dict[int, float]

    def renamed(self, labels: NDArray[Any], first_new_id: int) -> NDArray[np.int64]:
        """Return labels under the names of the memory.

        Parameters
        ----------
        labels : ndarray, integer
            Labels; those that were not asked about, and strangers, get new ids in their order.
        first_new_id : int
            First id for them, above all ids of the memory.
        """
        out = np.zeros(labels.shape, np.int64)
        new = first_new_id
        for i in object_ids(np.asarray(labels)):
            name = self.assignment.get(i)
            if name is None:
                name, new = new, new + 1
            out[labels == i] = name
        return out


@checked_arguments
def identify(
    frame: NDArray[Any],
    labels: NDArray[Any],
    memory: StoredMemory | str | Path,
    *,
    model: str | Path | XMem = "bundled",
    device: str = "auto",
) -> Identification:
    """Say who the labels of a frame are, by the looks that a memory holds of its objects.

    Texture (turned by any angle), brightness and area are compared, each weighed by how well it tells the memory's
    objects apart. Place says nothing: it is another recording. All labels are decided together: no two are the same.

    Parameters
    ----------
    frame : ndarray, shape (Y, X), (Y, X, C) or with `labels` of three axes (T, Y, X[, C])
        One frame, or several that vote; up to 3 channels.
    labels : ndarray, shape (Y, X) or (T, Y, X), integer
        The objects, 0 elsewhere; on several frames the same label is the same object.
    memory : StoredMemory, str or path
        A memory saved by a session (``session.memory.save``) in the local scope.
    model : str, path or XMem
        The model that the memory was made with.
    device : str
        Where that is loaded.

    Returns
    -------
    Identification
        Label to id or None, and how sure each is.

    Raises
    ------
    MemoryBankError
        If the memory is missing, damaged, empty, of another model, of the global scope, or of other channels.
    InputError, SeedError, CheckpointError, DeviceError
        If something else given cannot be used.

    Examples
    --------
    >>> import napari_xmem as nx
    >>> from napari_xmem.sample_data import simulated_nuclei
    >>> movie, truth = simulated_nuclei(frames=3, size_px=(64, 64), n_objects=2)
    >>> session = nx.TrackingSession(movie[:2], {0: truth[0] * (truth[0] <= 2)})
    >>> result = session.run()
    >>> session.memory.save("yesterday.memory")
    >>> today = 3 - truth[2] * (truth[2] <= 2)  # other numbers: 1 is called 2, and 2 is called 1
    >>> today[today == 3] = 0
    >>> nx.identify(movie[2], today, "yesterday.memory").assignment
    {1: 2, 2: 1}
    """
    frame, labels = np.asarray(frame), np.asarray(labels)
    if labels.ndim == 2:
        frame, labels = frame[None], labels[None]
    if labels.ndim != 3 or frame.shape[:3] != labels.shape:
        raise SeedError(f"labels have shape {labels.shape} for frames {frame.shape}; expected the same T, Y and X.")
    seeds = {t: image for t, image in enumerate(labels) if image.any()}
    if not seeds:
        raise SeedError("labels are all 0; paint or segment the objects that are to be named.")
    config = PropagationConfig(memory=MemoryConfig(), device=device, scope="local", divisions="keep")
    padded = np.concatenate([frame, frame[-1:]])  # a run has two frames or more
    return _identified(prepare_run(padded, seeds, model, config, announce=False), memory)


def with_known(run: Run, memory: StoredMemory | str | Path) -> tuple[Run, Identification]:
    """Let a run begin with the memory and the names of an earlier one.

    Its painted objects are identified on the first frames that show them; those that the memory knows get its ids and
    memories, the others ids above all that the memory holds.

    Parameters
    ----------
    run : Run
        A prepared run.
    memory : StoredMemory, str or path
        See `identify`.

    Raises
    ------
    MemoryBankError
        As `identify`.
    """
    stored = memory if isinstance(memory, StoredMemory) else load_memory(memory)
    found = _identified(run, stored)
    everyone = {i for image in run.seeds.values() for i in object_ids(image)}
    first_new = max(max(stored.object_ids) + 1, stored.first_new_id or 0)
    strangers = [i for i in sorted(everyone) if found.assignment.get(i) is None]
    names = {i: name for i, name in found.assignment.items() if name is not None}
    names |= {i: first_new + n for n, i in enumerate(strangers)}
    table = np.zeros(max(everyone) + 1, np.int64)
    for i, name in names.items():
        table[i] = name
    seeds = {t: table[image] for t, image in run.seeds.items()}
    known = [name for name in found.assignment.values() if name is not None]
    new = first_new + len(strangers)
    spare = min(SPARE_IDS, MAX_ID - new) if run.config.divisions == "track" else 0
    recipe = run.recipe | {"known": {str(i): name for i, name in names.items()}}
    changed = replace(
        run,
        seeds=seeds,
        first_new_id=new,
        dtype=label_dtype(new + spare),
        recipe=recipe,
        begin=partial(stored.start, object_ids=known),
    )
    return changed, found


def _identified(run: Run, memory: StoredMemory | str | Path) -> Identification:
    stored = memory if isinstance(memory, StoredMemory) else load_memory(memory)
    stored.check(run.network.fingerprint, "local")
    if run.scope != "local":
        raise InputError("Objects are known again in the local scope only; choose scope='local'.")
    pasts = _pasts(stored, run.source.n_channels)
    shown: dict[int, list[Portrait]] = {}
    for t in sorted(run.seeds)[:_VOTES]:
        for i, portrait in _portraits(run, t, run.seeds[t]).items():
            shown.setdefault(i, []).append(portrait)
    return _assigned(shown, pasts)


def _pasts(stored: StoredMemory, n_channels: int) -> dict[int, Past]:
    """Return what a memory holds of its objects' looks."""
    state = stored.state.get("identity")
    if not stored.object_ids or not state or not state["pasts"]:
        raise MemoryBankError("This memory holds no looks of objects: it is empty, or older than names of memories.")
    made_with = int(state.get("channels") or n_channels)
    if made_with != n_channels:
        raise MemoryBankError(
            f"This memory was made of {made_with} channels, these frames have {n_channels}. Choose the same channels."
        )
    try:
        pasts = {int(i): Past.from_state_dict(past) for i, past in state["pasts"]}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MemoryBankError(f"This memory is damaged: {error!r}. Choose another.") from error
    return {i: past for i, past in pasts.items() if len(past)}


def _portraits(run: Run, t: int, labels: NDArray[Any]) -> dict[int, Portrait]:
    geometry: FrameGeometry = run.prepare.geometry
    rows, columns = geometry.scaled_shape
    gray = run.prepare(run.source.read(t), t)[:3].mean(0)[:rows, :columns].numpy()
    whole = Region(0, 0, *geometry.padded_shape)
    masks = seed_regions(labels, geometry, lambda centre, extent: whole)
    shown_px = geometry.detail * run.network.config.nominal_diameter_px
    scene = Scene.of(0, gray, masks, Scene.factor_for(shown_px), (0.0, 0.0))
    taken = ((mask.object_id, scene.portrait_of(mask)) for mask in masks)
    return {i: portrait for i, portrait in taken if portrait is not None}


def _assigned(shown: Mapping[int, Sequence[Portrait]], pasts: Mapping[int, Past]) -> Identification:
    """Give each label one object of the memory or none: the assignment of the highest sum of log odds.

    The confidence of a label's name is the probability of that assignment against the best one without this name.
    """
    labels, ids = sorted(shown), sorted(pasts)
    likeness = Likeness(pasts, 1, ALL_TURNS)
    change = _change(shown, pasts)
    odds = np.zeros((len(labels), len(ids)))
    for row, label in enumerate(labels):
        votes = [[likeness.log_odds(p, i, change=change) for i in ids] for p in shown[label]]
        odds[row] = _KNOWN + np.mean(votes, 0) * len(votes) ** 0.5
    choice = np.concatenate([odds, np.zeros((len(labels), len(labels)))], 1)
    rows, columns = linear_sum_assignment(-choice)
    best = float(choice[rows, columns].sum())
    assignment: dict[int, int | None] = {}
    confidence: dict[int, float] = {}
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        stranger = column >= len(ids)
        assignment[labels[row]] = None if stranger else ids[column]
        otherwise = choice.copy()
        otherwise[row, len(ids) if stranger else column : None if stranger else column + 1] = _NEVER
        second = float(otherwise[linear_sum_assignment(-otherwise)].sum())
        confidence[labels[row]] = probability(best - second)
    return Identification(assignment, confidence)


def _change(shown: Mapping[int, Sequence[Portrait]], pasts: Mapping[int, Past]) -> float:
    """Return by what factor all labels together are brighter than the memory's objects; 1 for few."""
    if min(len(shown), len(pasts)) < _MANY:
        return 1.0
    before = float(np.median([p.last.brightness for p in pasts.values()]))
    now = float(np.median([portraits[0].brightness for portraits in shown.values()]))
    return min(max(now / before, 0.2), 5.0) if before and now / before > 0 else 1.0
