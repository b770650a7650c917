"""``--find-rest``: objects of the seeded frame that look like the painted ones become seeds too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_xmem.cli.options import run_settings
from napari_xmem.cli.terminal.printing import say
from napari_xmem.words import counted

if TYPE_CHECKING:
    import argparse

    import numpy as np
    from numpy.typing import NDArray

    from napari_xmem.imaging import FrameSource

    Seeds = dict[int, NDArray[np.int64]]

__all__ = ["add_find_rest", "with_the_rest"]


def add_find_rest(group: argparse._ArgumentGroup) -> None:
    """Add --find-rest and --detections."""
    group.add_argument(
        "--find-rest",
        action="store_true",
        help="seeds: first find the other objects of the seeded frame that look like those painted on it (see "
        "--min-confidence), and follow them too; of several seeded frames the first, backward the last, is searched",
    )
    group.add_argument(
        "--detections",
        metavar="FILE",
        help="labels of every frame by another program, numbered differently on each: those that belong to no object "
        "are tried as new cells, and followed under one number",
    )
    group.add_argument(
        "--known",
        metavar="FILE",
        help="memory of an earlier recording: objects that it knows get their names back, see docs/identity.md",
    )


def with_the_rest(args: argparse.Namespace, source: FrameSource, seeds: Seeds, frames: range) -> Seeds:
    """Return seeds with what --find-rest finds on one frame of them, and say how much that is.

    Parameters
    ----------
    args : Namespace
        The options; ``args.model`` becomes the network, so that it is loaded once.
    source : FrameSource
        The movie.
    seeds : dict
        Frame to labels.
    frames : range
        Frames of the run.
    """
    if not args.find_rest:
        return seeds
    from napari_xmem.engine.discovery import find_similar
    from napari_xmem.model import load_model

    args.model = load_model(args.model, args.device)
    within = [t for t in seeds if t in frames]
    frame = max(within) if args.direction == "backward" else min(within)
    found = find_similar(
        source.read(frame),
        seeds[frame],
        model=args.model,
        min_confidence=args.min_confidence,
        diameter_px=args.diameter_px,
        memory_budget_bytes=run_settings(args)["memory_budget_bytes"],
        first_id=1 + max(int(labels.max()) for labels in seeds.values()),
    )
    if not args.quiet:
        sure = f", confidence {found.confidence.min():.2f} to {found.confidence.max():.2f}" if len(found) else ""
        what = f"found {counted(len(found), 'more object')}" if len(found) else "found no more objects"
        say(f"{what} on frame {frame}{sure}")
    return {**seeds, frame: found.labels.astype(seeds[frame].dtype)}
