"""The real, tracked time-lapses kept for development checks; no model is trained on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_xmem.errors import InputError
from napari_xmem_training.suite.movie import SuiteMovie

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["development"]


def development(kind: str, number: int, folder: Path, file: str, part: slice = slice(None)) -> SuiteMovie:
    """Read a tracked movie.

    Parameters
    ----------
    kind : str
        Kind of the suite.
    number : int
        Which movie of the kind.
    folder : Path
        Holds the file.
    file : str
        Name of an .npz with frames, labels, track_ids, reliable, ok and lineage.
    part : slice
        Frames that are used; objects of the first of them are followed.

    Raises
    ------
    InputError
        The file cannot be read.
    """
    path = folder / file
    try:
        with np.load(path, allow_pickle=False) as archive:
            frames, labels = archive["frames"][part], archive["labels"][part].astype(np.uint16)
            ids, reliable, ok = archive["track_ids"], archive["reliable"], archive["ok"][:, part]
            lineage = archive["lineage"].reshape(-1, 3)
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a tracked movie ({error}).") from error
    here = {int(i) for i in np.unique(labels[0])}
    parents = {int(child): int(parent) for child, parent, _ in lineage if int(child) not in here}
    # A mother that is there beside her daughter buds: she keeps her own label, and so does the bud.
    parents = {child: parent for child, parent in parents.items() if not (labels[-1] == parent).any()}
    table = np.arange(max(int(labels.max()), int(ids.max(initial=0))) + 1, dtype=np.uint16)
    untrusted: dict[int, set[int]] = {}
    for i in table.tolist():
        root = i
        while root in parents:
            root = parents[root]
        table[i] = root
    for row, i in enumerate(ids.tolist()):
        for t in np.flatnonzero(~ok[row]).tolist():
            if (labels[t] == i).any() or int(table[i]) == i:
                untrusted.setdefault(t, set()).add(int(table[i]))
    truth = table[labels]
    first = set(np.unique(truth[0]).tolist()) - {0}
    scored = tuple(int(i) for i in ids[reliable] if int(i) in first)
    kept = {t: frozenset(found) for t, found in untrusted.items()}
    return SuiteMovie(kind, f"{kind}-{number}", frames, truth, scored, kept)
