"""Options for seeds that are not what they seem, and what is said about them before a run."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from napari_xmem.errors import SeedError
from napari_xmem.notices import warn

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["add_seed_forms", "chosen_seeds"]


def add_seed_forms(group: argparse._ArgumentGroup) -> None:
    """Add --seeds-axes, --use-frames, --split-parts and --fill-outlines."""
    group.add_argument("--seeds-axes", metavar="AXES", help="order of the seeds' axes: TYX for frames 0, 1, ...")
    group.add_argument(
        "--use-frames",
        type=_frames,
        metavar="N,N",
        help="of seeds on many frames use these only, such as 0,5; 'all' if every frame is labelled and is to stay so",
    )
    group.add_argument(
        "--split-parts", action="store_true", help="seeds: number separate parts of an object as objects of their own"
    )
    group.add_argument("--fill-outlines", action="store_true", help="seeds: fill what outlines enclose")


def chosen_seeds(
    args: argparse.Namespace, seeds: dict[int, NDArray[np.int64]], n_frames: int
) -> dict[int, NDArray[np.int64]]:
    """Return the seeds as the options say, and warn of what is odd about the first frame of them.

    Raises
    ------
    SeedError
        If every frame is labelled, or none is left.
    """
    from napari_xmem.imaging import fill_outlines, seed_notes, split_parts

    wanted = args.use_frames
    if wanted is None and len(seeds) == n_frames and n_frames > 2:
        raise SeedError(
            f"the seeds are on all {n_frames} frames, so that nothing is left to propagate: the result would be the "
            "seeds. Use one frame with --use-frames 0; if the numbers of one cell differ between frames, as those of a "
            f"segmentation do, link them with --use-frames 0 --detections {args.seeds}; or keep all with "
            "--use-frames all."
        )
    if wanted not in (None, "all"):
        missing = [t for t in wanted if t not in seeds]
        if missing:
            raise SeedError(f"--use-frames {missing[0]}: there are no seeds; they are on {sorted(seeds)[:20]}.")
        seeds = {t: seeds[t] for t in sorted(wanted)}
    for frame, labels in seeds.items():
        labels = fill_outlines(labels) if args.fill_outlines else labels
        seeds[frame] = split_parts(labels) if args.split_parts else labels
    first = min(seeds)
    for note in seed_notes(seeds[first]):
        warn(f"frame {first}: {note}", stacklevel=2)
    if args.split_parts and len(seeds) > 1:
        warn(
            "--split-parts numbers the parts of each frame from 1: equal numbers on several frames need not be one "
            "object.",
            stacklevel=2,
        )
    return seeds


def _frames(text: str) -> list[int] | str:
    """Read "0,5" as [0, 5] and "all" as itself, for argparse."""
    if text == "all":
        return text
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of frames such as 0,5, nor 'all'") from error
