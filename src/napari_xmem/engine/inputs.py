"""What a script passes as a movie and as seeds: arrays, files, or what was opened from files."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from napari_xmem.errors import ConfigError, InputError
from napari_xmem.imaging import AxisPlan, FrameSource, known_shape, seed_notes
from napari_xmem.imaging.blank import is_blank
from napari_xmem.notices import warn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_xmem.engine.run import Run

__all__ = [
    "Progress",
    "mention_oddities",
    "odd_diameter",
    "open_movie_input",
    "open_seeds",
    "open_volumes",
    "progress_calls",
]

#: Called with frames done and frames in all.
Progress: TypeAlias = Callable[[int, int], None]
#: A diameter that differs from the seeds' by more than this factor is probably meant in another unit.
_ODD_DIAMETER = 4.0
#: Objects move little from one frame to another that is so near.
_NEAR_FRAMES = 3


def _is_path(value: Any) -> bool:
    return isinstance(value, (str, os.PathLike))


def open_movie_input(frames: Any, axes: str | None = None, channels: Sequence[int] | None = None) -> FrameSource:
    """Return a movie that is read frame by frame.

    Parameters
    ----------
    frames : array_like, Movie or path
        As for `napari_xmem.propagate`.
    axes : str, optional
        Order of the axes, such as "TCYX", where neither file nor shape say it.
    channels : sequence of int, optional
        Channels to use.

    Raises
    ------
    InputError
        If it cannot be used.
    """
    if _is_path(frames):
        from napari_xmem.io import open_movie

        return FrameSource(open_movie(frames, axes).data, channels=channels)
    if axes is None or isinstance(frames, FrameSource):
        return FrameSource(frames, channels=channels)
    frames = getattr(frames, "data", frames) if hasattr(frames, "path") else frames
    if not hasattr(frames, "shape"):
        raise InputError(f"axes {axes!r} are given for a {type(frames).__name__}; expected an array.")
    return FrameSource(_Ordered(frames, AxisPlan.from_axes(known_shape(frames), axes)), channels=channels)


class _Ordered:
    """An array with other axes, seen as (T, Y, X[, C])."""

    def __init__(self, array: Any, plan: AxisPlan) -> None:
        self._array, self._plan = array, plan
        self.shape, self.dtype = plan.canonical_shape, array.dtype

    def __getitem__(self, index: Any) -> Any:
        t, *rest = index if isinstance(index, tuple) else (index,)
        return self._plan.order_frame(np.asarray(self._array[self._plan.index(t)]))[tuple(rest)]


def open_volumes(frames: Any) -> Any:
    """Return a movie of volumes (T, Z, Y, X) as an array; a path is opened."""
    if _is_path(frames):
        from napari_xmem.io import open_movie

        frames = open_movie(frames, volumes=True)
    return frames.data if hasattr(frames, "path") and hasattr(frames, "axes") else frames


def open_seeds(seeds: Any, *, volumes: bool = False) -> Any:
    """Return seeds with files opened: a path, or paths in a mapping {frame: labels}."""
    if not _is_path(seeds) and not (isinstance(seeds, Mapping) and any(map(_is_path, seeds.values()))):
        return seeds
    from napari_xmem.io import open_labels

    if _is_path(seeds):
        opened = open_labels(seeds, volumes=volumes)
        return opened.data if volumes else opened
    return {t: open_labels(labels, volumes=volumes).data if _is_path(labels) else labels for t, labels in seeds.items()}


def progress_calls(progress: Progress | bool | None, unit: str = "frame") -> Progress | None:
    """Return what is called after each frame: `progress` itself, or a bar on stderr for True.

    Raises
    ------
    ConfigError
        If it cannot be called with two numbers.
    """
    if progress is None or progress is False:
        return None
    if progress is True:
        return _bar(unit)
    try:
        inspect.signature(progress).bind(1, 2)
    except ValueError:
        return progress  # a builtin without a signature
    except TypeError as error:
        raise ConfigError(
            f"progress is a {type(progress).__name__} that cannot be called with two numbers; expected True (a bar) or "
            "a function of frames done and frames in all."
        ) from error
    return progress


def _bar(unit: str) -> Progress:
    from tqdm.auto import tqdm

    bar: Any = None

    def show(done: int, total: int) -> None:
        nonlocal bar
        bar = tqdm(total=total, unit=unit) if bar is None else bar
        bar.update(done - bar.n)
        if done >= total:
            bar.close()

    return show


def mention_oddities(run: Run) -> None:
    """Warn of what is allowed but rarely meant, as the command line and the viewer say it in their own words."""
    for text in _oddities(run):
        warn(text, stacklevel=3)


def odd_diameter(run: Run, called: str) -> str:
    """Say that the diameter that was asked for, which is `called` so, is far from the seeds'; empty if it is not."""
    measured, asked = run.recipe["seed_diameter_px"], run.config.diameter_px
    if asked is None or 1 / _ODD_DIAMETER <= asked / measured <= _ODD_DIAMETER:
        return ""
    return f"{called} {asked:g}, but the seeds' median is {measured:.1f} px; it is used as given."


def _oddities(run: Run) -> Iterator[str]:
    first, config = min(run.seeds), run.config
    if is_blank(run.source.read(first)):
        yield (
            f"Frame {first}, which is labelled, holds one value everywhere, so that there is nothing to follow. Is it "
            "the right movie, and the right channel (channels=[...])?"
        )
    for note in seed_notes(run.seeds[first]):
        text = note.replace("--fill-outlines fills", "napari_xmem.imaging.fill_outlines(labels) fills")
        yield f"Seeds of frame {first}: " + text.replace(
            "--split-parts numbers", "napari_xmem.imaging.split_parts(labels) numbers"
        )
    yield from _unlike_numbers(run.seeds)
    if diameter := odd_diameter(run, "diameter_px is"):
        yield diameter
    if run.n_results == 1 and len(run.source) > 1 and config.start is None and config.stop is None:
        other = "backward" if config.direction == "forward" else "forward"
        yield (
            f"direction={config.direction!r} from seeds on frame {first} labels that frame only; did you mean "
            f"direction={other!r} or 'both'?"
        )
    if len(run.source) > 2 and len(run.seeds) == len(run.source):
        yield (
            f"All {len(run.seeds)} frames are labelled, so that the result is the seeds as they are. To follow the "
            f"objects "
            "of one frame pass that frame only, such as {0: labels[0]}."
        )


def _unlike_numbers(seeds: Mapping[int, NDArray[np.int64]]) -> Iterator[str]:
    """Say where the numbers of two seeded frames next to each other contradict their places."""
    frames = sorted(seeds)
    for one, other in pairwise(frames):
        if other - one > _NEAR_FRAMES:
            continue
        ids = np.unique(seeds[other])[1:]
        before = {int(i): int(np.bincount(seeds[one][seeds[other] == i]).argmax()) for i in ids}
        swapped = {i: b for i, b in before.items() if b not in (0, i) and i in before.values()}
        if len(swapped) >= 2 and 2 * len(swapped) >= len(ids):
            i, b = next(iter(swapped.items()))
            yield (
                f"Object {i} of frame {other} lies where object {b} lay on frame {one}, and so with {len(swapped)} of "
                f"{len(ids)} objects: numbers must mean the same object on all frames. Pass one of the frames only."
            )
            return
