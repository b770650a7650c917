"""Who is whose daughter, from any file that says it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_xmem.errors import InputError

__all__ = ["read_lineage"]


def read_lineage(path: str) -> dict[int, int]:
    """Read daughter to mother ids: from tracks, an npz with array 'lineage', rows of child and parent, or L B E P.

    Raises
    ------
    InputError
        If the file cannot be read as one of these forms.
    """
    file = Path(path)
    if file.is_dir() or _is_tracks(file):
        from napari_xmem.io import read_tracks

        return dict(read_tracks(file).lineage.parents)
    try:
        if file.suffix.lower() == ".npz":
            with np.load(file, allow_pickle=False) as archive:
                rows = np.asarray(archive["lineage"]).reshape(-1, 3)[:, :2]
        else:
            lines = [line.replace(",", " ").split() for line in file.read_text().splitlines()]
            numbers = [[int(word) for word in words] for words in lines if words and words[0].lstrip("-").isdigit()]
            rows = np.array([[n[0], n[3]] if len(n) == 4 else n[:2] for n in numbers]).reshape(-1, 2)
    except (OSError, KeyError, ValueError, IndexError) as error:
        raise InputError(
            f"{file} cannot be read as a lineage ({error}); expected rows of child and parent, or L B E P."
        ) from error
    return {int(child): int(parent) for child, parent in rows if parent > 0}


def _is_tracks(file: Path) -> bool:
    """Return True for a table of tracks, which has a column of frames, unlike rows of child and parent."""
    if file.suffix.lower() != ".csv" or not file.is_file():
        return False
    with file.open(encoding="utf-8", errors="replace") as text:
        return "frame" in text.readline().lower()
