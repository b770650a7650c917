"""Which image files of a folder are one series, from their names: order, several series, missing numbers."""

from __future__ import annotations

import fnmatch
import itertools
import re
from collections import Counter
from typing import TYPE_CHECKING

from napari_xmem.errors import InputError
from napari_xmem.notices import warn

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["choose_series", "frame_numbers", "natural_order", "warn_of_gaps"]

#: A number; a minus belongs to it where no letter or digit stands before (h_-2, but not 2020-01).
_NUMBER = re.compile(r"((?<![^\W_])-?\d+|\d+)")
#: What stands before a number that counts something else than time.
_OTHER = re.compile(
    r"(?:^|[^a-z])(?:c|ch|chan|channel|w|wave|wavelength|z|slice|plane|s|pos|position|p|xy|f|field|site|roi|well|view)"
    r"[ _=-]*$"
)
_SHOWN = 6


def natural_order(name: str) -> list[tuple[int, int, str]]:
    """Return a key that sorts numbers in names by value, also those below zero."""
    return [(0, int(p), "") if _NUMBER.fullmatch(p) else (1, 0, p.lower()) for p in _NUMBER.split(name) if p]


def choose_series(files: Sequence[Path], pattern: str = "") -> list[Path]:
    """Return files in natural order, checked to be one series.

    Parameters
    ----------
    files : sequence of Path
        Images of one folder.
    pattern : str
        With ``*``, chooses some of them; ``*`` first stands for a number, then for any text.

    Raises
    ------
    InputError
        If the names show several series (channels, masks); the message says how to choose one.
    """
    if pattern:
        numbers = re.compile(r"-?\d+".join(re.escape(part) for part in pattern.split("*")))
        chosen = [f for f in files if numbers.fullmatch(f.name)]
        files = chosen or [f for f in files if fnmatch.fnmatch(f.name, pattern)]
    found = _series(files)
    if len(found) > 1:
        names = sorted(found, key=natural_order)
        shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
        folder = files[0].parent
        raise InputError(
            f"{folder} holds {len(files)} images of {len(names)} series ({shown}); choose one, for example "
            f"'{folder / names[0]}'."
        )
    return sorted(files, key=lambda f: natural_order(f.name))


def frame_numbers(files: Sequence[Path]) -> tuple[int, ...] | None:
    """Return the number in each name that counts frames, where there is one such number and no two are equal."""
    rows = [[int(p) for p in _NUMBER.findall(f.name)] for f in files]
    if not rows or len({len(row) for row in rows}) != 1:
        return None
    varying = [column for column in zip(*rows, strict=True) if len(set(column)) > 1]
    if len(rows) == 1:
        varying = [(rows[0][-1],)] if rows[0] else []
    return tuple(varying[0]) if len(varying) == 1 and len(set(varying[0])) == len(rows) else None


def warn_of_gaps(files: Sequence[Path]) -> None:
    """Warn where numbers of frames are missing: time would jump there."""
    numbers = frame_numbers(files)
    if numbers is None or len(numbers) < 3:
        return
    steps = [after - before for before, after in itertools.pairwise(numbers)]
    usual, count = Counter(steps).most_common(1)[0]
    if usual <= 0 or count * 2 <= len(steps):
        return
    pairs = itertools.pairwise(numbers)
    missing = [n for before, after in pairs for n in range(before, after, usual)[1 : _SHOWN + 2]]
    if missing:
        shown = ", ".join(str(n) for n in missing[:_SHOWN]) + (" and more" if len(missing) > _SHOWN else "")
        warn(f"{files[0].parent} lacks the images with number {shown}: time jumps there.", stacklevel=2)


def _series(files: Sequence[Path]) -> dict[str, list[Path]]:
    """Sort files into series: pattern with ``*`` for the number that counts frames, to files."""
    skeletons: dict[str, list[Path]] = {}
    for file in files:
        skeletons.setdefault(_NUMBER.sub("*", file.name), []).append(file)
    if max((len(group) for group in skeletons.values()), default=0) < 2:
        return {"*": list(files)}  # names without a common form: in the order of their letters
    found: dict[str, list[Path]] = {}
    for group in skeletons.values():
        parts = [_NUMBER.split(f.name) for f in group]
        varying = [k for k in range(1, len(parts[0]), 2) if len({p[k] for p in parts}) > 1]
        other = [k for k in varying if _OTHER.search("".join(parts[0][:k]).lower())]
        if len(other) == len(varying):
            other = other[:-1]
        for file, part in zip(group, parts, strict=True):
            kept = [text if k % 2 == 0 or k not in varying or k in other else "*" for k, text in enumerate(part)]
            found.setdefault("".join(kept), []).append(file)
    return found
